"""Any chat file that a person has: whose it is, and the chats in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lunalux_core.chatlogs import foreign_chats
from lunalux_core.chatlogs.chatlog import (
    ChatLog,
    is_header,
    is_list_of_lines,
    is_message,
    json_or_none,
    read_jsonl,
    read_lines,
    read_native,
    unknown_chat,
)
from lunalux_core.chatlogs.markdown_chat import most_messages, read_markdown
from lunalux_core.chatlogs.spoken import objects
from lunalux_core.documents.json_text import decode_text
from lunalux_core.errors import InvalidInput, LimitExceeded

MAX_LINES = 100_000
"""Lines of the longest chat file in which a line is a message; years of talk are a tenth of it."""


def read_chat(data: bytes, filename: str = "") -> ChatLog:
    """The first chat of a file; `read_chats` reads them all, and says what is raised."""
    return read_chats(data, filename)[0]


def read_chats(data: bytes, filename: str = "") -> tuple[ChatLog, ...]:
    """Read a chat file of any known tool, recognised by its content; some tools put several chats into one.

    An empty chat beside others is left out and told. One alone is kept and told, if it is SillyTavern's or
    our own. What `decode_text` had to mend is told too.

    Raises:
        InvalidInput: CHAT_UNKNOWN_FORMAT, CHAT_EMPTY, CHAT_DAMAGED.
        LimitExceeded: CHAT_TOO_LONG over 100,000 messages in lines, or in Markdown.
    """
    # Messages bound a chat, not bytes: pictures within it may make it large.
    text, mended = decode_text(data, len(data))
    first, *others = _chats(text, filename)
    return (replace(first, notes=(*mended, *first.notes)), *others)


def _check_length(messages: int) -> None:
    """Refuse a chat that is too long, before it is read."""
    if messages > MAX_LINES:
        raise LimitExceeded(
            "CHAT_TOO_LONG",
            f"The chat file has more than {MAX_LINES} lines.",
            "Split it, and import the parts.",
            limit=MAX_LINES,
        )


def _chats(text: str, filename: str) -> list[ChatLog]:
    if text.lstrip()[:1] in ("#", "*"):
        _check_length(most_messages(text))
        if (log := read_markdown(text)) is not None:
            return _with_messages([log], may_be_empty=True)
    whole = json_or_none(text)
    if isinstance(whole, dict) and (log := read_native(whole)) is not None:
        return _with_messages([log], may_be_empty=True)
    if isinstance(whole, list) and is_list_of_lines(whole):
        return _with_messages(read_lines(enumerate(whole, 1), filename), may_be_empty=True)
    # A SillyTavern file of a single line is one JSON document, too.
    if isinstance(whole, list) or (isinstance(whole, dict) and not is_message(whole)):
        logs = foreign_chats.read(whole)
        if logs is not None:
            return _with_messages(logs)
        if isinstance(whole, list) or not is_header(whole):
            raise unknown_chat(filename)
    if isinstance(whole, dict):
        # A list of objects within it may be messages in words that nobody here knows.
        is_begun = not any(any(objects(value)) for value in whole.values())
        return _with_messages(read_lines([(1, whole)], filename), may_be_empty=is_begun)
    _check_length(text.count("\n"))
    return _with_messages(read_jsonl(text, filename), may_be_empty=True)


def _with_messages(logs: Sequence[ChatLog], *, may_be_empty: bool = False) -> list[ChatLog]:
    """The chats that have messages; those that have none are told.

    Args:
        may_be_empty: whether a file without any message is a chat that was only begun.
    """
    filled = [log for log in logs if log.nodes]
    if not filled and may_be_empty:
        return [replace(logs[0], notes=(*logs[0].notes, "The chat has no messages yet."))]
    if not filled:
        raise InvalidInput(
            "CHAT_EMPTY", "This chat file has no messages.", "Export it again where it came from."
        )
    if missing := len(logs) - len(filled):
        note = f"{missing} of the chats in this file {'has' if missing == 1 else 'have'} no messages."
        filled[0] = replace(filled[0], notes=(note, *filled[0].notes))
    return filled
