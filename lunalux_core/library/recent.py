"""What a person goes on with: the conversations used last, with their last line and whether it was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lunalux_core.database import Connection, Database
from lunalux_core.ids import now_ms
from lunalux_core.library.cells import moment_in, plain_text


@dataclass(frozen=True, slots=True)
class RecentChat:
    """A conversation as the start page shows it.

    `who` is the character or the group; `last` the beginning of its last message and `by` whose that is.
    `unread`: an answer came that this program has not shown, from the command line or another program.
    """

    id: str
    who: str
    title: str
    by: str
    last: str
    updated_at: int
    pinned: bool
    unread: bool


async def recent_chats(database: Database, limit: int) -> Sequence[RecentChat]:
    """Pinned ones first, then unread ones, then by their last use."""

    def query(connection: Connection) -> list[RecentChat]:
        # Only the beginning of the last message is read: the start page shows one line of it.
        rows = connection.execute(
            "SELECT c.id, coalesce(h.name, g.name, '') AS who, c.title, coalesce(m.name, '') AS by, "
            "coalesce(substr(m.content, 1, 200), '') AS last, c.updated_at, c.pinned, "
            "coalesce(m.role = 'assistant' AND m.created_at > c.seen_at, 0) AS unread "
            "FROM conversations c LEFT JOIN characters h ON h.id = c.character_id "
            "LEFT JOIN character_groups g ON g.id = c.group_id LEFT JOIN messages m ON m.id = c.head_id "
            "ORDER BY c.pinned DESC, unread DESC, c.updated_at DESC LIMIT ?",
            (limit,),
        )
        return [
            RecentChat(
                row["id"],
                plain_text(row["who"]),
                plain_text(row["title"]),
                plain_text(row["by"]),
                " ".join(plain_text(row["last"]).split()),
                moment_in(row["updated_at"]),
                bool(row["pinned"]),
                bool(row["unread"]),
            )
            for row in rows
        ]

    return await database.read(query)


async def mark_seen(database: Database, conversation_id: str) -> None:
    """Remember that all of a conversation has been shown."""
    await database.write(
        lambda c: c.execute("UPDATE conversations SET seen_at = ? WHERE id = ?", (now_ms(), conversation_id))
    )
