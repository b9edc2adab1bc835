"""The market as this device knows it: lists by place, language and sort order, and their search index.

A place is one backend. A language's cards never show under the other. Search runs on the cards of one
list, in the order of that list: first the top is looked through (common words end there), then the
indexes answer: trigrams for words of three characters and more, pairs of characters for shorter Chinese,
Japanese and Korean ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lunalux_core.database import Connection, Database, Row
from lunalux_core.ids import now_ms
from lunalux_core.text import clean, clean_line

Lang = Literal["en", "zh"]
Sort = Literal["hot", "new"]
Nsfw = Literal["exclude", "include", "only"]

NSFW_TAGS = frozenset({"nsfw", "r18", "r-18", "18+", "adult", "成人", "限制级"})
ORIGINAL_TAGS = frozenset({"original", "oc", "original character", "原创"})
TOP = 600
NAME_LIMIT, INTRO_LIMIT = 120, 2000

_CJK_RUN = re.compile(r"[぀-ヿ㐀-鿿豈-﫿가-힯]+")


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
        return now < self.expires_at


@dataclass(frozen=True, slots=True)
class Filters:
    """What to leave out. `tags` must all be there, compared without case."""

    nsfw: Nsfw = "exclude"
    original: bool = False
    tags: tuple[str, ...] = ()


class MarketShelf:
    """The cached lists of one place.

    Args:
        place: which backend; lists of different backends never mix.
    """

    def __init__(self, database: Database, place: str) -> None:
        self._database = database
        self._place = place

    async def listing(
        self, lang: Lang, sort: Sort, filters: Filters = Filters(), *, limit: int = 100, offset: int = 0
    ) -> Listing:
        """The list from disk, in the server's order; never the network."""
        return await self._database.read(
            lambda c: load_listing(c, self._place, lang, sort, filters, limit, offset)
        )

    async def search(
        self, text: str, lang: Lang, sort: Sort, filters: Filters = Filters(), *, limit: int = 100
    ) -> Sequence[MarketCard]:
        """Cards whose name, intro, tags or creator contain every word of `text`, any case."""
        return await self._database.read(
            lambda c: search_cards(c, self._place, text, lang, sort, filters, limit)
        )

    async def card(self, card_id: str) -> MarketCard | None:
        """A card of any list by its id."""

        def query(connection: Connection) -> MarketCard | None:
            row = connection.execute(
                "SELECT * FROM market_cards WHERE place = ? AND id = ? LIMIT 1", (self._place, card_id)
            ).fetchone()
            return _card(row) if row else None

        return await self._database.read(query)

    async def replace(
        self, lang: Lang, sort: Sort, items: Iterable[Mapping[str, Any]], ttl_ms: int, next_key: str | None
    ) -> None:
        """Store the first page of a list; what was known of the list before is forgotten."""
        rows = list(items)
        await self._database.write(
            lambda c: _store(c, self._place, lang, sort, rows, ttl_ms, next_key, first=True)
        )

    async def append(
        self, lang: Lang, sort: Sort, items: Iterable[Mapping[str, Any]], ttl_ms: int, next_key: str | None
    ) -> None:
        """Store a further page behind what is known of the list."""
        rows = list(items)
        await self._database.write(
            lambda c: _store(c, self._place, lang, sort, rows, ttl_ms, next_key, first=False)
        )

    async def bump(self, card_id: str, *, likes: int = 0, downloads: int = 0) -> None:
        """Count what this device did at once; the next fetch brings the server's numbers."""
        await self._database.write(
            lambda c: c.execute(
                "UPDATE market_cards SET likes = likes + ?, downloads = downloads + ? "
                "WHERE place = ? AND id = ?",
                (likes, downloads, self._place, card_id),
            )
        )

    async def remove(self, card_id: str) -> None:
        """Forget a card that is gone from the community."""

        def change(connection: Connection) -> None:
            where = "place = ? AND id = ?"
            values = (self._place, card_id)
            connection.execute(
                f"DELETE FROM market_ranks WHERE card IN (SELECT number FROM market_cards WHERE {where})",
                values,
            )
            connection.execute(f"DELETE FROM market_cards WHERE {where}", values)

        await self._database.write(change)


def load_listing(
    connection: Connection, place: str, lang: str, sort: str, filters: Filters, limit: int, offset: int
) -> Listing:
    head = connection.execute(
        "SELECT * FROM market_lists WHERE place = ? AND lang = ? AND sort = ?", (place, lang, sort)
    ).fetchone()
    if head is None:
        return Listing((), 0, 0, None)
    where, values = _where(filters)
    rows = connection.execute(
        f"SELECT c.* FROM market_ranks r JOIN market_cards c ON c.number = r.card "
        f"WHERE r.place = ? AND r.lang = ? AND r.sort = ?{where} ORDER BY r.position LIMIT ? OFFSET ?",
        [place, lang, sort, *values, limit, offset],
    )
    return Listing(tuple(_card(row) for row in rows), head["stored_at"], head["expires_at"], head["next_key"])


def search_cards(
    connection: Connection, place: str, text: str, lang: str, sort: str, filters: Filters, limit: int
) -> list[MarketCard]:
    words = text.casefold().split()
    where, values = _where(filters)
    contains = "".join(" AND instr(c.words, ?) > 0" for _ in words)
    base = (
        "SELECT c.* FROM market_ranks r JOIN market_cards c ON c.number = r.card "
        f"WHERE r.place = ? AND r.lang = ? AND r.sort = ?{where}{contains}"
    )
    known = [place, lang, sort, *values, *words]
    top = connection.execute(
        f"{base} AND r.position < {TOP} ORDER BY r.position LIMIT ?", [*known, limit]
    ).fetchall()
    found = [_card(row) for row in top]
    if len(found) >= limit or not words:
        return found
    narrowed, terms = _indexed(words)
    rest = connection.execute(
        f"{base} AND r.position >= {TOP}{narrowed} ORDER BY r.position LIMIT ?",
        [*known, *terms, limit - len(found)],
    )
    return found + [_card(row) for row in rest]


def _indexed(words: Sequence[str]) -> tuple[str, list[str]]:
    """Conditions that let an index narrow the search, for the words it can serve."""
    sql, terms = "", []
    for word in words:
        if len(word) >= 3:
            sql += " AND c.number IN (SELECT rowid FROM market_words WHERE market_words MATCH ?)"
            terms.append('"' + word.replace('"', '""') + '"')
        elif _CJK_RUN.fullmatch(word):
            sql += " AND c.number IN (SELECT rowid FROM market_grams WHERE market_grams MATCH ?)"
            terms.append(f'"{word}"')
    return sql, terms


def grams(text: str) -> str:
    """Single characters and pairs of every Chinese, Japanese or Korean run, for the index of short words."""
    found = set()
    for run in _CJK_RUN.findall(text):
        found.update(run)
        found.update(run[i : i + 2] for i in range(len(run) - 1))
    return " ".join(sorted(found))


def _where(filters: Filters) -> tuple[str, list[Any]]:
    sql = ""
    values: list[Any] = []
    if filters.nsfw != "include":
        sql += " AND c.nsfw = ?"
        values.append(int(filters.nsfw == "only"))
    if filters.original:
        sql += " AND c.original = 1"
    for tag in filters.tags:
        sql += " AND instr(lower(c.tags), ?) > 0"
        values.append(json.dumps(tag.lower(), ensure_ascii=False))
    return sql, values


def _store(
    connection: Connection,
    place: str,
    lang: str,
    sort: str,
    items: Sequence[Mapping[str, Any]],
    ttl_ms: int,
    next_key: str | None,
    *,
    first: bool,
) -> None:
    key = (place, lang, sort)
    now = now_ms()
    if first:
        connection.execute("DELETE FROM market_ranks WHERE place = ? AND lang = ? AND sort = ?", key)
        connection.execute(
            "INSERT OR REPLACE INTO market_lists VALUES (?,?,?,?,?,?)", (*key, now, now + ttl_ms, next_key)
        )
        start = 0
    else:
        connection.execute(
            "UPDATE market_lists SET next_key = ? WHERE place = ? AND lang = ? AND sort = ?", (next_key, *key)
        )
        start = connection.execute(
            "SELECT coalesce(max(position), -1) + 1 FROM market_ranks "
            "WHERE place = ? AND lang = ? AND sort = ?",
            key,
        ).fetchone()[0]
    numbers = dict.fromkeys(_put(connection, place, lang, item) for item in items)
    if not first:
        for row in connection.execute(
            "SELECT card FROM market_ranks WHERE place = ? AND lang = ? AND sort = ?", key
        ).fetchall():
            numbers.pop(row[0], None)
    connection.executemany(
        "INSERT INTO market_ranks VALUES (?,?,?,?,?)",
        [(*key, start + place_, number) for place_, number in enumerate(numbers)],
    )
    if first:
        connection.execute(
            "DELETE FROM market_cards WHERE place = ? AND lang = ? AND number NOT IN "
            "(SELECT card FROM market_ranks WHERE place = ? AND lang = ?)",
            (place, lang, place, lang),
        )


def _put(connection: Connection, place: str, lang: str, item: Mapping[str, Any]) -> int:
    """Store one wire item, cleaned and cut to what a card can show; returns its number."""
    name = clean_line(str(item.get("name") or ""), NAME_LIMIT)
    intro = clean(str(item.get("intro") or "")[:INTRO_LIMIT])
    tags = [clean_line(str(tag), 60) for tag in item.get("tags") or ()]
    creator = clean_line(str(item.get("creator") or ""), NAME_LIMIT)
    lowered = {tag.casefold() for tag in tags}
    words = "\n".join((name, intro, " ".join(tags), creator)).casefold()
    row = connection.execute(
        "INSERT INTO market_cards (place, lang, id, name, intro, tags, creator, thumbnail, likes, downloads, "
        "coins, nsfw, original, words, grams) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
        "ON CONFLICT (place, lang, id) DO UPDATE SET name = excluded.name, intro = excluded.intro, "
        "tags = excluded.tags, creator = excluded.creator, thumbnail = excluded.thumbnail, "
        "likes = excluded.likes, downloads = excluded.downloads, coins = excluded.coins, "
        "nsfw = excluded.nsfw, original = excluded.original, words = excluded.words, grams = excluded.grams "
        "RETURNING number",
        (
            place,
            lang,
            str(item["id"]),
            name,
            intro,
            json.dumps(tags, ensure_ascii=False),
            creator,
            str(item.get("thumbnailUrl") or ""),
            int(item.get("likedCount") or 0),
            int(item.get("downloadCount") or 0),
            int(item.get("totalCoinUsed") or 0),
            int(bool(lowered & NSFW_TAGS)),
            int(bool(lowered & ORIGINAL_TAGS)),
            words,
            grams(words),
        ),
    )
    return int(row.fetchone()[0])


def _card(row: Row) -> MarketCard:
    return MarketCard(
        id=row["id"],
        name=row["name"],
        intro=row["intro"],
        tags=tuple(json.loads(row["tags"])),
        creator=row["creator"],
        language=row["lang"],
        thumbnail=row["thumbnail"],
        likes=row["likes"],
        downloads=row["downloads"],
        coins=row["coins"],
        nsfw=bool(row["nsfw"]),
        original=bool(row["original"]),
    )
