"""Search in stored messages.

Three characters and more go through the trigram index; shorter words (most Chinese words have two
characters) are looked for by a plain scan, newest first, which ends at the limit.
"""

from __future__ import annotations

from lunalux_core.database import Connection
from lunalux_core.library.cells import moment_in, plain_text
from lunalux_core.library.conversations import Hit

_AROUND = 60


def search_messages(
    connection: Connection,
    text: str,
    character_id: str | None,
    conversation_id: str | None,
    limit: int,
    group_id: str | None = None,
) -> list[Hit]:
    """Messages that contain every word of `text`, any case."""
    words = text.split()
    if not words:
        return []
    where, values = [], []
    for word in words:
        if len(word) >= 3:
            where.append("m.number IN (SELECT rowid FROM message_search WHERE message_search MATCH ?)")
            values.append('"' + word.replace('"', '""') + '"')
        else:
            where.append("m.content LIKE ? ESCAPE '\\'")
            # Percent signs and underscores that were typed are letters here, not wildcards.
            values.append("%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%")
    if character_id is not None:
        where.append("c.character_id = ?")
        values.append(character_id)
    if group_id is not None:
        where.append("c.group_id = ?")
        values.append(group_id)
    if conversation_id is not None:
        where.append("m.conversation_id = ?")
        values.append(conversation_id)
    rows = connection.execute(
        "SELECT m.id, m.conversation_id, coalesce(c.character_id, '') AS character_id, "
        "coalesce(ch.name, g.name) AS character_name, c.title, m.content, "
        "m.created_at FROM messages m JOIN conversations c ON c.id = m.conversation_id "
        "LEFT JOIN characters ch ON ch.id = c.character_id LEFT JOIN character_groups g ON g.id = c.group_id "
        f"WHERE {' AND '.join(where)} "
        "ORDER BY m.number DESC LIMIT ?",
        [*values, limit],
    )
    return [
        Hit(
            row["id"],
            row["conversation_id"],
            row["character_id"],
            row["character_name"],
            plain_text(row["title"]),
            excerpt(plain_text(row["content"]), words[0]),
            moment_in(row["created_at"]),
        )
        for row in rows
    ]


def excerpt(content: str, word: str) -> str:
    """One line of at most 120 characters around the first place `word` stands in."""
    at = max(content.lower().find(word.lower()), 0)
    start = max(at - _AROUND // 2, 0)
    piece = " ".join(content[start : start + 2 * _AROUND].split())
    return ("…" if start else "") + piece + ("…" if start + 2 * _AROUND < len(content) else "")
