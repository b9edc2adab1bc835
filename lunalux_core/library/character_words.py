"""The search words of characters and the tags of their cards, case-folded and stored beside the cards.

Lists are filtered at every key. The cards themselves are large, and SQLite folds the case of A to Z only.
"""

from __future__ import annotations

from collections.abc import Iterable

from lunalux_core.database import Connection
from lunalux_core.library.cells import plain_text, texts_in, whole_number


def store_words(
    connection: Connection,
    character_id: str,
    *,
    name: str,
    intro: str,
    creator: str,
    tags: Iterable[str],
    size: int,
) -> None:
    """Keep what a character is found by. `size` is the length of its card's text."""
    tags = [tag for tag in tags if tag.strip()]
    words = "\n".join((name, intro, creator, *tags)).casefold()
    # A row is replaced and not changed: its new number tells every `WordIndex` that it is another one.
    connection.execute("DELETE FROM character_words WHERE character_id = ?", (character_id,))
    connection.execute(
        "INSERT INTO character_words (character_id, words, creator_key, size) VALUES (?,?,?,?)",
        (character_id, words, creator.casefold(), size),
    )
    connection.execute("DELETE FROM card_tags WHERE character_id = ?", (character_id,))
    connection.executemany(
        "INSERT OR IGNORE INTO card_tags (character_id, name_key, name) VALUES (?,?,?)",
        [(character_id, tag_key(tag), tag.strip()) for tag in tags],
    )


def store_all_words(connection: Connection) -> None:
    """`store_words` for every character of a library that has none of it yet."""
    rows = connection.execute(
        "SELECT id, name, intro, creator, tags, length(document) AS size FROM characters"
    ).fetchall()
    for row in rows:
        store_words(
            connection,
            row["id"],
            name=plain_text(row["name"]),
            intro=plain_text(row["intro"]),
            creator=plain_text(row["creator"]),
            tags=texts_in(row["tags"]),
            size=whole_number(row["size"]),
        )


def tag_key(name: str) -> str:
    """The form in which two tags are compared: their words without case, however they are spaced."""
    return " ".join(name.split()).casefold()


class WordIndex:
    """The words of all characters in memory, read again when they are not those of the library any more."""

    def __init__(self) -> None:
        self._state: tuple[int, int] | None = None
        self._words: list[tuple[str, str]] = []

    def having(self, connection: Connection, word: str) -> set[str]:
        """Ids of the characters that have `word`, which is folded."""
        # Numbers are never used twice and a deletion lowers the count, so any change shows in one of the two.
        state = connection.execute(
            "SELECT coalesce(max(number), 0), count(*) FROM character_words"
        ).fetchone()
        if self._state != tuple(state):
            rows = connection.execute("SELECT character_id, words FROM character_words")
            self._words = [(row[0], plain_text(row[1])) for row in rows]
            self._state = (state[0], state[1])
        return {identity for identity, words in self._words if word in words}
