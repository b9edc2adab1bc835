"""The list of characters, narrowed and ordered; of ten thousand only the rows that are shown are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from lunalux_core.database import Connection, Row
from lunalux_core.library.cells import texts_in
from lunalux_core.library.character_words import WordIndex, tag_key
from lunalux_core.library.parts import in_parts

Order = Literal["recent", "name", "added", "creator", "size"]
ORDERS: tuple[Order, ...] = get_args(Order)

_ORDER: dict[Order, str] = {
    "recent": "c.used_at DESC, c.created_at DESC, c.name_key",
    "name": "c.name_key, c.created_at",
    "added": "c.created_at DESC, c.name_key",
    "creator": "w.creator_key = '', w.creator_key, c.name_key, c.created_at",
    "size": "w.size DESC, c.name_key, c.created_at",
}
_COLUMNS = (
    "id, name, language, spec, creator, intro, tags, picture, favourite, binding_active, market_id, "
    "created_at, used_at"
)

_WITH_TAG = (
    "SELECT character_id FROM character_tags JOIN tags ON id = tag_id WHERE name_key = ? "
    "UNION ALL SELECT character_id FROM card_tags WHERE name_key = ?"
)
_TAGGED_LIKE = "SELECT character_id FROM character_tags JOIN tags ON id = tag_id WHERE instr(name_key, ?) > 0"


@dataclass(frozen=True, slots=True)
class CharacterSummary:
    """A character as lists show it. Times are milliseconds since 1970; `picture` is a file name or ""."""

    id: str
    name: str
    language: str
    spec: str
    creator: str
    intro: str
    tags: tuple[str, ...]
    picture: str
    favourite: bool
    binding_active: bool
    market_id: str | None
    created_at: int
    used_at: int


@dataclass(frozen=True, slots=True)
class CharacterQuery:
    """Which characters a list is to show, and in what order; favourites come first in any.

    Args:
        words: each of them, any case, in the name, intro, creator, tags of the card or the person's own.
        tags: names of tags, the card's or the person's own; a character has all of them.
        without: names of tags of which it has none.
        folder: id of the tag whose folder is open, "" for none.
        outside: leave out what lies in closed folders, unless one is open.
    """

    words: str = ""
    favourites: bool = False
    tags: Sequence[str] = ()
    without: Sequence[str] = ()
    folder: str = ""
    outside: bool = False
    order: Order = "recent"


def wanted_ids(connection: Connection, wanted: CharacterQuery, index: WordIndex) -> list[str]:
    """Ids of the characters that fit, in order."""
    where, values = ["1"], []
    if wanted.favourites:
        where.append("c.favourite = 1")
    for names, join in ((wanted.tags, "IN"), (wanted.without, "NOT IN")):
        for name in names:
            where.append(f"c.id {join} ({_WITH_TAG})")
            values += [tag_key(name)] * 2
    if wanted.folder:
        where.append("c.id IN (SELECT character_id FROM character_tags WHERE tag_id = ?)")
        values.append(wanted.folder)
    elif wanted.outside:
        where.append(
            "c.id NOT IN (SELECT character_id FROM character_tags JOIN tags ON id = tag_id "
            "WHERE folder = 'closed')"
        )
    with_size = wanted.order in ("creator", "size")
    # Without the join, the usual order is that of the index
    # `characters_listed`, and nothing has to be sorted.
    beside = "JOIN character_words w ON w.character_id = c.id" if with_size else ""
    rows = connection.execute(
        f"SELECT c.id FROM characters c {beside} WHERE {' AND '.join(where)} "
        f"ORDER BY c.favourite DESC, {_ORDER[wanted.order]}",
        values,
    )
    # Words are looked for in memory, as SQLite folds the case of A to Z only, and then narrow the order.
    ids = [row[0] for row in rows]
    for word in wanted.words.casefold().split():
        having = index.having(connection, word)
        having.update(row[0] for row in connection.execute(_TAGGED_LIKE, (word,)))
        ids = [identity for identity in ids if identity in having]
    return ids


def first_ids(connection: Connection, limit: int) -> list[str]:
    """Ids of the first characters outside of closed folders, as the list begins; no others are looked at."""
    rows = connection.execute(
        "SELECT c.id FROM characters c WHERE NOT EXISTS (SELECT 1 FROM character_tags t "
        "JOIN tags ON tags.id = t.tag_id WHERE t.character_id = c.id AND folder = 'closed') "
        f"ORDER BY c.favourite DESC, {_ORDER['recent']} LIMIT ?",
        (limit,),
    )
    return [row[0] for row in rows]


def summaries_of(connection: Connection, ids: Sequence[str]) -> list[CharacterSummary]:
    """The characters of these ids, in their order; those that are gone are left out."""
    summaries: dict[str, CharacterSummary] = {}
    # The order is that of `ids`: a statement gives rows in any order.
    for marks, some in in_parts(ids):
        rows = connection.execute(f"SELECT {_COLUMNS} FROM characters WHERE id IN ({marks})", some)
        summaries |= {row["id"]: summary_of(row) for row in rows}
    return [summaries[identity] for identity in ids if identity in summaries]


def summary_of(row: Row) -> CharacterSummary:
    """The summary in a row that has its columns."""
    return CharacterSummary(
        id=row["id"],
        name=row["name"],
        language=row["language"],
        spec=row["spec"],
        creator=row["creator"],
        intro=row["intro"],
        tags=texts_in(row["tags"]),
        picture=row["picture"],
        favourite=bool(row["favourite"]),
        binding_active=bool(row["binding_active"]),
        market_id=row["market_id"],
        created_at=row["created_at"],
        used_at=row["used_at"],
    )
