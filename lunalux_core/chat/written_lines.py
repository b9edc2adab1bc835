"""A line that a person writes: their own, a narrator's, or that of somebody in the story.

All of it runs within one transaction of the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.dialogue.turn import TurnOptions
from lunalux_core.errors import InvalidInput
from lunalux_core.library.characters import load_character
from lunalux_core.library.conversations import (
    BY_SOMEBODY,
    PICTURES,
    Conversation,
    Message,
    append_message,
    new_message,
    set_conversation,
)
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.dialogue.turn_input import TurnReader
    from lunalux_core.documents.picture_refs import Attachment

LONGEST_NAME = 200


def store_line(
    connection: Connection,
    reader: TurnReader,
    conversation: Conversation,
    parent: Message | None,
    text: str,
    options: TurnOptions,
) -> Message:
    """Store a line under `parent` as `options.voice` speaks it, and empty the draft that it was.

    Raises:
        InvalidInput: LINE_EMPTY, LINE_UNNAMED.
    """
    line = _new_line(connection, reader, conversation, parent, text, options)
    if options.pictures:
        line = _with_pictures(connection, line, options.pictures)
    append_message(connection, line)
    # Only the draft that was sent is done with: what was typed since then stays.
    if conversation.draft.strip() == text:
        set_conversation(connection, conversation.id, draft="")
    return line


def _new_line(
    connection: Connection,
    reader: TurnReader,
    conversation: Conversation,
    parent: Message | None,
    text: str,
    options: TurnOptions,
) -> Message:
    """The message of a line, not stored yet."""
    if not text.strip() and not options.pictures:
        raise InvalidInput("LINE_EMPTY", "There are no words to store.", "Write something first.")
    voice = options.voice
    if voice.kind == "narrator":
        name = clean_line(voice.name, LONGEST_NAME) or reader.narrator(connection, conversation)
        return new_message(conversation.id, parent, "system", name, text)
    person = reader.user_name(connection, conversation, options)
    if voice.kind == "person":
        return new_message(conversation.id, parent, "user", person, text)
    name = clean_line(voice.name, LONGEST_NAME)
    if not name:
        raise InvalidInput("LINE_UNNAMED", "A line of somebody needs their name.", "Name who says it.")
    # Whoever speaks in the person's own name is the person.
    if name.casefold() == person.casefold():
        return new_message(conversation.id, parent, "user", person, text)
    return _said_by(connection, conversation, parent, name, text)


def _said_by(
    connection: Connection, conversation: Conversation, parent: Message | None, name: str, text: str
) -> Message:
    """A line of the character, of a member, or of somebody who has no card."""
    if conversation.group_id:
        from lunalux_core.library.groups import load_group

        for member in load_group(connection, conversation.group_id).members:
            if member.name.casefold() == name.casefold():
                speaker = member.character_id
                return new_message(conversation.id, parent, "assistant", member.name, text, speaker=speaker)
    else:
        own = load_character(connection, conversation.character_id).name
        if own.casefold() == name.casefold():
            return new_message(conversation.id, parent, "assistant", own, text)
    return new_message(conversation.id, parent, "assistant", name, text, extra={BY_SOMEBODY: True})


def _with_pictures(connection: Connection, line: Message, pictures: Sequence[Attachment]) -> Message:
    """A line with its pictures, which are kept, and wait beside the draft no more."""
    from lunalux_core.documents.picture_refs import MOST_EACH
    from lunalux_core.library.message_pictures import remove_drafted, store_picture, too_many

    by_hash = {attached.ref.hash: attached for attached in pictures}
    if len(by_hash) > MOST_EACH:
        raise too_many()
    for attached in by_hash.values():
        store_picture(connection, attached)
    remove_drafted(connection, line.conversation_id, by_hash)
    refs = [attached.ref.as_json() for attached in by_hash.values()]
    return replace(line, extra={**line.extra, PICTURES: refs})
