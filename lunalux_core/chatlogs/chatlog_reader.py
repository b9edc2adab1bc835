"""Any chat file that a person has: whose it is, and the chats in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lunalux_core.chatlogs import foreign_chats
from lunalux_core.chatlogs.chatlog import (
    ChatLog,
    is_header,
    is_list_of_lines,
    json_or_none,
    read_jsonl,
    read_lines,
    read_native,
    unknown_chat,
)
from lunalux_core.errors import InvalidInput, LimitExceeded

MAX_LINES = 100_000
"""Lines of the longest chat file; a line is a message, and years of talk are a tenth of it."""


def read_chat(data: bytes, filename: str = "") -> ChatLog:
    """The first chat of a file; `read_chats` reads them all, and says what is raised."""
    return read_chats(data, filename)[0]


def read_chats(data: bytes, filename: str = "") -> tuple[ChatLog, ...]:
    """Read a chat file of any known tool, recognised by its content; some tools put several chats into one.

    An empty chat beside others is left out and told.

    Raises:
        InvalidInput: CHAT_UNKNOWN_FORMAT, CHAT_EMPTY, CHAT_DAMAGED.
        LimitExceeded: CHAT_TOO_LONG over 100,000 lines.
    """
    if data.count(b"\n") > MAX_LINES:
        raise LimitExceeded(
            "CHAT_TOO_LONG",
            f"The chat file has more than {MAX_LINES} lines.",
            "Split it, and import the parts.",
            limit=MAX_LINES,
        )
    text = data.decode("utf-8-sig", "replace")
    whole = json_or_none(text)
    if isinstance(whole, dict) and (log := read_native(whole)) is not None:
        return (log,)
    if isinstance(whole, list) and is_list_of_lines(whole):
        return (read_lines(enumerate(whole, 1), filename),)
    # A SillyTavern file of a single line is one JSON document, too.
    if isinstance(whole, list) or (isinstance(whole, dict) and not is_header(whole) and "mes" not in whole):
        logs = foreign_chats.read(whole)
        if logs is None:
            raise unknown_chat(filename)
        return _without_empty(logs)
    return (read_jsonl(text, filename),)


def _without_empty(logs: Sequence[ChatLog]) -> tuple[ChatLog, ...]:
    filled = [log for log in logs if log.nodes]
    if not filled:
        raise InvalidInput(
            "CHAT_EMPTY", "This chat file has no messages.", "Export it again where it came from."
        )
    if missing := len(logs) - len(filled):
        note = f"{missing} of the chats in this file {'has' if missing == 1 else 'have'} no messages."
        filled[0] = replace(filled[0], notes=(note, *filled[0].notes))
    return tuple(filled)
