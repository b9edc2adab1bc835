"""Which conversations came of chat files, so that no chat is imported twice. All within a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from lunalux_core.database import Connection
from lunalux_core.library.conversations import load_path
from lunalux_core.library.program_state import put_state

_STAMP = "imported_chat:"
"""Start of the keys under which the library's state has the conversations, by the stamp of their content."""


def remember_import(connection: Connection, stamp: str, conversation_id: str) -> None:
    """Remember what became of the chat whose content has this stamp (a hash)."""
    put_state(connection, _STAMP + stamp, conversation_id)


def imported_before(connection: Connection, stamp: str) -> str:
    """Id of the conversation that came of this content, "" if there is none or it was deleted."""
    row = connection.execute(
        "SELECT c.id FROM state s JOIN conversations c ON c.id = json_extract(s.value, '$') WHERE s.key = ?",
        (_STAMP + stamp,),
    ).fetchone()
    return row[0] if row else ""


def conversation_that_shows(
    connection: Connection, said: Sequence[tuple[str, str]], character_id: str, group_id: str
) -> str:
    """Id of the conversation of a character, or of a group, that shows just these words; "" if there is none.

    Args:
        said: role and words of each message, oldest first; nothing is shown nowhere.
        group_id: the group's; "" for a conversation with the character alone.
    """
    if not said:
        return ""
    rows = connection.execute(
        "SELECT c.id, c.head_id FROM conversations c JOIN messages m ON m.id = c.head_id "
        "WHERE c.character_id IS ? AND c.group_id IS ? AND m.content = ?",
        # The last message is compared in the database, so that only few paths are read at all.
        (None if group_id else character_id, group_id or None, said[-1][1]),
    ).fetchall()
    for identity, head in rows:
        # One more than was said: a longer chat with the same end is another one.
        path = load_path(connection, head, len(said) + 1)
        if [(message.role, message.content) for message in path] == list(said):
            return str(identity)
    return ""
