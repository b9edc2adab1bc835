"""The standing out-of-character note of a chat: what the person asks of the writer, in every prompt to come.

It is one of the texts that stand in the chat's prompts (`dialogue.chat_texts`), in brackets after the newest
message, so it comes in and goes out with chat files, and the inspector shows it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lunalux_core.dialogue.chat_texts import ChatInjection, injections_in, with_injection
from lunalux_core.library.conversations import load_conversation, set_conversation
from lunalux_core.text import clean

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.library import Library

NOTE_ID = "ooc"
_WRITTEN = re.compile(r"\[OOC: (.*)\]", re.DOTALL)


def note_in(header: Mapping[str, Any]) -> str:
    """The note in a chat's header as the person wrote it, "" where there is none."""
    for injection in injections_in(header):
        if injection.id == NOTE_ID:
            # A chat file from elsewhere may have the note without our brackets.
            written = _WRITTEN.fullmatch(injection.content)
            return written[1] if written else injection.content
    return ""


async def keep_note(library: Library, conversation_id: str, text: str) -> None:
    """Give a chat this note in the place of an earlier one; an empty one takes it away.

    Raises:
        NotFound: CONVERSATION_NOT_FOUND. InvalidInput: INJECTION_TOO_LONG, TOO_MANY_INJECTIONS.
    """
    words = clean(text).strip()
    written = f"[OOC: {words}]" if words else ""
    note = ChatInjection(NOTE_ID, written, position="chat", depth=0, role="system")

    def work(connection: Connection) -> None:
        place = load_conversation(connection, conversation_id)
        set_conversation(connection, conversation_id, metadata=with_injection(place.metadata, note))

    await library.database.write(work)
