"""The market as this device knows it: one list for each backend, language and sort order.

A list is a pair of tables of its own, the cards by position and an index of the character groups in their
texts by the same position. So an answer comes out of the index in the list's order and ends at its limit,
one language's cards never show under the other, and a fresh list replaces the old one at the cost of a
DROP. All of it is a cache in a file of its own: no backup carries it, and a file of another layout is
thrown away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lunalux_core.database import Connection, Database, Row
from lunalux_core.ids import now_ms
from lunalux_core.language import Language
from lunalux_core.library.grams import CLEAN, EXPLICIT, ORIGINAL, query_of, tag_gram, text_grams
from lunalux_core.text import clean, clean_line

Sort = Literal["hot", "new"]
Nsfw = Literal["exclude", "include", "only"]

NSFW_TAGS = frozenset({"nsfw", "r18", "r-18", "18+", "adult", "成人", "限制级"})
ORIGINAL_TAGS = frozenset({"original", "oc", "original character", "原创"})
NAME_LIMIT, INTRO_LIMIT, TAGS_LIMIT = 120, 2000, 50

_VERSION = 2
_LISTS = """
CREATE TABLE lists (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  place TEXT NOT NULL, lang TEXT NOT NULL, sort TEXT NOT NULL,
  stored_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, next_key TEXT,
  UNIQUE (place, lang, sort)
)"""
_CARDS = """
CREATE TABLE cards_{n} (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  words TEXT NOT NULL, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
  intro TEXT NOT NULL, tags TEXT NOT NULL, creator TEXT NOT NULL, thumbnail TEXT NOT NULL,
  likes INTEGER NOT NULL, downloads INTEGER NOT NULL, coins INTEGER NOT NULL,
  nsfw INTEGER NOT NULL, original INTEGER NOT NULL
)"""
# The index keeps only which rows hold a group: texts stand in the cards, and the order is that of rowids.
_GRAMS = """
CREATE VIRTUAL TABLE grams_{n} USING fts5 (
  grams, content = '', detail = none, columnsize = 0, tokenize = 'ascii'
)"""


@dataclass(frozen=True, slots=True)
class MarketCard:
    """One community character as lists show it; texts are clean. `thumbnail` is a URL that expires."""

    id: str
    name: str
    intro: str
    tags: tuple[str, ...]
    creator: str
    language: str
    thumbnail: str
    likes: int
    downloads: int
    coins: int
    nsfw: bool
    original: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """What is known of one list. Times in milliseconds since 1970, 0 when it was never fetched."""

    cards: tuple[MarketCard, ...]
    stored_at: int
    expires_at: int
    next_key: str | None

    def fresh(self, now: int) -> bool:
        """Whether the list still stands; a clock that was set back makes it stale."""
        return self.stored_at <= now < self.expires_at


@dataclass(frozen=True, slots=True)
class Filters:
    """What to leave out. `tags` must all be there, compared without case."""

    nsfw: Nsfw = "exclude"
    original: bool = False
    tags: tuple[str, ...] = ()


class MarketCache:
    """The cached lists of one place.

    Args:
        path: the cache file.
        place: which backend; lists of different backends never mix.
        clock: milliseconds since 1970.
    """

    def __init__(self, path: Path, place: str, clock: Callable[[], int] = now_ms) -> None:
        self._database = Database(path, _prepare)
        self._place = place
        self._clock = clock

    async def listing(
        self, lang: Language, sort: Sort, filters: Filters = Filters(), *, limit: int = 100, offset: int = 0
    ) -> Listing:
        """The list from disk, in the server's order; never the network."""

        def query(connection: Connection) -> Listing:
            head = _head(connection, self._place, lang, sort)
            if head is None:
                return Listing((), 0, 0, None)
            cards = _select(connection, head["number"], lang, (), filters, limit, offset)
            return Listing(tuple(cards), head["stored_at"], head["expires_at"], head["next_key"])

        return await self._database.read(query)

    async def search(
        self, text: str, lang: Language, sort: Sort, filters: Filters = Filters(), *, limit: int = 100
    ) -> Sequence[MarketCard]:
        """Cards whose name, intro, tags or creator contain every word of `text`, any case, in list order."""
        words = text.casefold().split()

        def query(connection: Connection) -> list[MarketCard]:
            head = _head(connection, self._place, lang, sort)
            return [] if head is None else _select(connection, head["number"], lang, words, filters, limit)

        return await self._database.read(query)

    async def count(self, lang: Language, sort: Sort) -> int:
        """How many cards of a list are on disk."""

        def query(connection: Connection) -> int:
            head = _head(connection, self._place, lang, sort)
            if head is None:
                return 0
            return int(connection.execute(f"SELECT count(*) FROM cards_{head['number']}").fetchone()[0])

        return await self._database.read(query)

    async def card(self, card_id: str) -> MarketCard | None:
        """A card of any list by its id."""

        def query(connection: Connection) -> MarketCard | None:
            for head in _heads(connection, self._place):
                row = _row_by_id(connection, head["number"], card_id)
                if row is not None:
                    return _card(row, head["lang"])
            return None

        return await self._database.read(query)

    async def replace(
        self,
        lang: Language,
        sort: Sort,
        items: Iterable[Mapping[str, Any]],
        ttl_ms: int,
        next_key: str | None,
    ) -> None:
        """Store the first page of a list; what was known of the list before is forgotten."""
        rows = _rows(items)
        now = self._clock()

        def change(connection: Connection) -> None:
            old = _head(connection, self._place, lang, sort)
            if old is not None:
                connection.execute("DELETE FROM lists WHERE number = ?", (old["number"],))
                connection.execute(f"DROP TABLE cards_{old['number']}")
                connection.execute(f"DROP TABLE grams_{old['number']}")
            number = connection.execute(
                "INSERT INTO lists (place, lang, sort, stored_at, expires_at, next_key) VALUES (?,?,?,?,?,?)",
                (self._place, lang, sort, now, now + ttl_ms, next_key),
            ).lastrowid
            assert number is not None
            connection.execute(_CARDS.format(n=number))
            connection.execute(_GRAMS.format(n=number))
            _insert(connection, number, rows)

        await self._database.write(change)

    async def append(
        self, lang: Language, sort: Sort, items: Iterable[Mapping[str, Any]], after: str, next_key: str | None
    ) -> bool:
        """Store the page that was fetched with the key `after`; False when the list has moved on since."""
        rows = _rows(items)

        def change(connection: Connection) -> bool:
            head = _head(connection, self._place, lang, sort)
            # Another program fetched this page, or the whole list, meanwhile: the rows would stand twice or
            # in the wrong place.
            if head is None or head["next_key"] != after:
                return False
            connection.execute("UPDATE lists SET next_key = ? WHERE number = ?", (next_key, head["number"]))
            _insert(connection, head["number"], rows)
            return True

        return await self._database.write(change)

    async def bump(self, card_id: str, *, likes: int = 0, downloads: int = 0) -> None:
        """Count what this device did at once; the next fetch brings the server's numbers."""
        await self._everywhere(
            "UPDATE cards_{n} SET likes = likes + ?, downloads = downloads + ? WHERE id = ?",
            (likes, downloads, card_id),
        )

    async def remove(self, card_id: str) -> None:
        """Forget a card that is gone from the community. Its position is never given to another card."""

        def change(connection: Connection) -> None:
            for head in _heads(connection, self._place):
                row = _row_by_id(connection, head["number"], card_id)
                if row is not None:
                    _unmark(connection, head["number"], row)
                    connection.execute(f"DELETE FROM cards_{head['number']} WHERE id = ?", (card_id,))

        await self._database.write(change)

    async def reword(self, card_id: str, intro: str | None, tags: Sequence[str] | None) -> None:
        """Take over what this device changed of a card, until the next fetch brings the server's words."""

        def change(connection: Connection) -> None:
            for head in _heads(connection, self._place):
                row = _row_by_id(connection, head["number"], card_id)
                if row is not None:
                    _reword(connection, head["number"], row, intro, tags)

        await self._database.write(change)

    def close(self) -> None:
        self._database.close()

    async def _everywhere(self, statement: str, values: Sequence[Any]) -> None:
        def change(connection: Connection) -> None:
            for head in _heads(connection, self._place):
                connection.execute(statement.format(n=head["number"]), values)

        await self._database.write(change)


def _prepare(connection: Connection) -> None:
    """Make the file ready; one of another layout is emptied, since all of it can be fetched again."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    # Asked again under the lock: another program may have made it while this one waited.
    if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB ?"
        # The tables behind an index (`grams_1_data` …) go with it.
        for pattern in ("grams_*[0-9]", "cards_*", "lists", "market_*"):
            for (name,) in connection.execute(tables, (pattern,)).fetchall():
                connection.execute(f'DROP TABLE IF EXISTS "{name}"')
        connection.execute(_LISTS)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")


def _head(connection: Connection, place: str, lang: str, sort: str) -> Row | None:
    row: Row | None = connection.execute(
        "SELECT * FROM lists WHERE place = ? AND lang = ? AND sort = ?", (place, lang, sort)
    ).fetchone()
    return row


def _heads(connection: Connection, place: str) -> list[Row]:
    return connection.execute("SELECT * FROM lists WHERE place = ?", (place,)).fetchall()


def _select(
    connection: Connection,
    number: int,
    lang: str,
    words: Sequence[str],
    filters: Filters,
    limit: int,
    offset: int = 0,
) -> list[MarketCard]:
    """The cards that match, in the list's order.

    The index streams positions that have all the groups asked for; whether a word stands there in one
    piece is then looked up in the card's text.
    """
    grams = [gram for word in words for gram in query_of(word)]
    grams += [tag_gram(tag.casefold()) for tag in filters.tags]
    if filters.nsfw != "include":
        grams.append(EXPLICIT if filters.nsfw == "only" else CLEAN)
    if filters.original:
        grams.append(ORIGINAL)
    source, values = f"cards_{number} c", []
    if grams:
        # CROSS JOIN keeps SQLite from turning the join round: the index must lead, in the list's order.
        source = f"grams_{number} g CROSS JOIN cards_{number} c ON c.position = g.rowid"
        values.append(" AND ".join(f'"{gram}"' for gram in dict.fromkeys(grams)))
    where = [f"grams_{number} MATCH ?"] if grams else []
    # The index knows groups of three characters, not where they stand: a long word is checked in the text.
    where += ["instr(c.words, ?) > 0"] * len(words)
    condition = f"WHERE {' AND '.join(where)} " if where else ""
    rows = connection.execute(
        f"SELECT c.* FROM {source} {condition}ORDER BY {'g.rowid' if grams else 'c.position'} "
        "LIMIT ? OFFSET ?",
        [*values, *words, limit, offset],
    )
    return [_card(row, lang) for row in rows]


def _insert(connection: Connection, number: int, rows: Sequence[dict[str, Any]]) -> None:
    """Put rows at the end of the list; an id that is in it keeps its place."""
    for row in rows:
        cursor = connection.execute(
            f"INSERT OR IGNORE INTO cards_{number} VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,?)",
            tuple(row[name] for name in _COLUMNS),
        )
        # Nothing inserted: the id stands in the list already, and so do its marks.
        if cursor.rowcount and cursor.lastrowid is not None:
            _mark(connection, number, cursor.lastrowid, row)


_COLUMNS = (
    "words",
    "id",
    "name",
    "intro",
    "tags",
    "creator",
    "thumbnail",
    "likes",
    "downloads",
    "coins",
    "nsfw",
    "original",
)


def _rows(items: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The wire items that can be shown; one that has no id, or one for nobody, is left out."""
    return [_row(item) for item in items if isinstance(item, Mapping) and _text(item.get("id"))]


def _row(item: Mapping[str, Any]) -> dict[str, Any]:
    """One wire item, cleaned and cut to what a card can show."""
    name = clean_line(_text(item.get("name")), NAME_LIMIT)
    intro = clean(_text(item.get("intro"))[:INTRO_LIMIT])
    tags = _tags(item.get("tags"))
    creator = clean_line(_text(item.get("creator")), NAME_LIMIT)
    return {
        **_written(name, intro, tags, creator),
        "id": _text(item["id"]),
        "thumbnail": _text(item.get("thumbnailUrl")),
        "likes": _count(item.get("likedCount")),
        "downloads": _count(item.get("downloadCount")),
        "coins": _count(item.get("totalCoinUsed")),
    }


def _text(value: Any) -> str:
    """A text as the file can hold it: half a character, which JSON can say, is none."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _count(value: Any) -> int:
    # Not isinstance, as True is an int; and small enough that counting further stays within 64 bits.
    return value if type(value) is int and abs(value) < 2**62 else 0


def _tags(value: Any) -> list[str]:
    tags = list(value)[:TAGS_LIMIT] if isinstance(value, (list, tuple)) else []
    return [clean_line(_text(tag), 60) for tag in tags]


def _written(name: str, intro: str, tags: Sequence[str], creator: str) -> dict[str, Any]:
    """The columns that follow from a card's words."""
    lowered = {tag.casefold() for tag in tags}
    return {
        "words": "\n".join((name, intro, "\n".join(tags), creator)).casefold(),
        "name": name,
        "intro": intro,
        "tags": json.dumps(tags, ensure_ascii=False),
        "creator": creator,
        "nsfw": int(bool(lowered & NSFW_TAGS)),
        "original": int(bool(lowered & ORIGINAL_TAGS)),
    }


def _reword(
    connection: Connection, number: int, row: Row, intro: str | None, tags: Sequence[str] | None
) -> None:
    """Give a card other words, and its place in the list the marks of those."""
    intro = row["intro"] if intro is None else clean(_text(intro)[:INTRO_LIMIT])
    card_tags = json.loads(row["tags"]) if tags is None else _tags(list(tags))
    words = _written(row["name"], intro, card_tags, row["creator"])
    _unmark(connection, number, row)
    assignments = ", ".join(f"{column} = ?" for column in words)
    connection.execute(
        f"UPDATE cards_{number} SET {assignments} WHERE position = ?", [*words.values(), row["position"]]
    )
    _mark(connection, number, row["position"], words)


def _row_by_id(connection: Connection, number: int, card_id: str) -> Row | None:
    row: Row | None = connection.execute(f"SELECT * FROM cards_{number} WHERE id = ?", (card_id,)).fetchone()
    return row


def _mark(connection: Connection, number: int, position: int, row: Mapping[str, Any]) -> None:
    connection.execute(f"INSERT INTO grams_{number} (rowid, grams) VALUES (?,?)", (position, _grams(row)))


def _unmark(connection: Connection, number: int, row: Row) -> None:
    """Take a card's marks out of the index, which keeps no texts and has to be told what they were."""
    connection.execute(
        f"INSERT INTO grams_{number} (grams_{number}, rowid, grams) VALUES ('delete', ?, ?)",
        (row["position"], _grams(dict(row))),
    )


def _grams(row: Mapping[str, Any]) -> str:
    marks = [EXPLICIT if row["nsfw"] else CLEAN, *([ORIGINAL] if row["original"] else [])]
    tags = [tag_gram(tag.casefold()) for tag in json.loads(row["tags"])]
    return " ".join((*marks, *tags, *text_grams(row["words"])))


def _card(row: Row, lang: str) -> MarketCard:
    return MarketCard(
        id=row["id"],
        name=row["name"],
        intro=row["intro"],
        tags=tuple(json.loads(row["tags"])),
        creator=row["creator"],
        language=lang,
        thumbnail=row["thumbnail"],
        likes=row["likes"],
        downloads=row["downloads"],
        coins=row["coins"],
        nsfw=bool(row["nsfw"]),
        original=bool(row["original"]),
    )
