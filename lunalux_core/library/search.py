"""Search in stored messages.

Words of three characters and more are found by the trigram index. Shorter ones (most Chinese words have two
characters) are found by a scan of the texts, newest first, which ends at the limit.
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
    """The newest messages that contain every word of `text`, in any case.

    Args:
        character_id, conversation_id, group_id: search only there; None: everywhere.
    """
    words = text.split()
    if not words:
        return []
    conditions = [_contains(word) for word in words]
    wanted = {
        "c.character_id = ?": character_id,
        "c.group_id = ?": group_id,
        "m.conversation_id = ?": conversation_id,
    }
    conditions += [(condition, value) for condition, value in wanted.items() if value is not None]
    rows = connection.execute(
        "SELECT m.id, m.conversation_id, coalesce(c.character_id, '') AS character_id, "
        "coalesce(ch.name, g.name) AS character_name, c.title, m.content, "
        "m.created_at FROM messages m JOIN conversations c ON c.id = m.conversation_id "
        "LEFT JOIN characters ch ON ch.id = c.character_id LEFT JOIN character_groups g ON g.id = c.group_id "
        f"WHERE {' AND '.join(condition for condition, _ in conditions)} "
        "ORDER BY m.number DESC LIMIT ?",
        [*(value for _, value in conditions), limit],
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


def _contains(word: str) -> tuple[str, str]:
    """The SQL condition that a message contains a word, and its value."""
    if len(word) >= 3:
        # In quotes the word is one phrase; without them FTS5 would read words such as OR as operators.
        return (
            "m.number IN (SELECT rowid FROM message_search WHERE message_search MATCH ?)",
            '"' + word.replace('"', '""') + '"',
        )
    # Percent signs and underscores in the word are not wildcards.
    pattern = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return "m.content LIKE ? ESCAPE '\\'", f"%{pattern}%"


def excerpt(content: str, word: str) -> str:
    """One line of at most 120 characters around the first `word`, plus … where text is left out."""
    at = max(content.lower().find(word.lower()), 0)
    start = max(at - _AROUND // 2, 0)
    piece = " ".join(content[start : start + 2 * _AROUND].split())
    return ("…" if start else "") + piece + ("…" if start + 2 * _AROUND < len(content) else "")
