"""Characters: cards that live in the library.

The card's own JSON text is kept verbatim in `document`; the columns beside it are a reading of it for
lists and search. The picture (for PNG cards: the whole original file) is a file in `pictures/`.

See docs/spec/design.md: Local first.
See docs/spec/formats.md: Regex script files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunalux_core.database import Connection, Database
from lunalux_core.errors import InvalidInput, Names, NotFound
from lunalux_core.ids import now_ms
from lunalux_core.library.cells import texts_in
from lunalux_core.library.character_list import (
    CharacterQuery,
    CharacterSummary,
    Order,
    first_ids,
    summaries_of,
    summary_of,
    wanted_ids,
)
from lunalux_core.library.character_words import WordIndex, store_words
from lunalux_core.library.name_lookup import NamedReference, find_named, missing

if TYPE_CHECKING:
    from lunalux_core.library.tags import Tag


@dataclass(frozen=True, slots=True)
class Character:
    """A whole character: its summary, the card's JSON text, and the rest of the local record.

    `scripts_allowed` is None until the person was asked whether the card's regex scripts may run.
    """

    summary: CharacterSummary
    document: str
    content_hash: str
    scripts_allowed: bool | None
    updated_at: int

    @property
    def id(self) -> str:
        return self.summary.id

    @property
    def name(self) -> str:
        return self.summary.name

    @property
    def binding(self) -> dict[str, object]:
        """`marketBinding` of the local record."""
        binding: dict[str, object] = {"active": self.summary.binding_active}
        if self.summary.market_id:
            binding["characterId"] = self.summary.market_id
        return binding


@dataclass(frozen=True, slots=True)
class NewCharacter:
    """What an import stores. `picture` is the name of a file that already lies in `pictures/`."""

    id: str
    name: str
    document: str
    content_hash: str
    spec: str = "v2"
    language: str = ""
    creator: str = ""
    intro: str = ""
    tags: tuple[str, ...] = ()
    picture: str = ""
    market_id: str | None = None
    binding_active: bool = False


class Characters:
    """The shelf of characters."""

    def __init__(self, database: Database, pictures: Path) -> None:
        self._database = database
        self.pictures = pictures
        self._index = WordIndex()  # of the database's thread

    async def list(
        self, search: str = "", *, favourites: bool = False, order: Order = "recent", limit: int = -1
    ) -> Sequence[CharacterSummary]:
        """Characters whose name, intro, creator or tags contain each word of `search`, any case."""
        wanted = CharacterQuery(search, favourites, order=order)
        return (await self.page(wanted, limit))[0]

    async def page(self, wanted: CharacterQuery, limit: int = -1) -> tuple[Sequence[CharacterSummary], int]:
        """The first `limit` characters that are wanted (all with -1), and how many there are in all."""

        def query(connection: Connection) -> tuple[list[CharacterSummary], int]:
            ids = wanted_ids(connection, wanted, self._index)
            return summaries_of(connection, ids if limit < 0 else ids[:limit]), len(ids)

        return await self._database.read(query)

    async def first(self, limit: int) -> tuple[Sequence[CharacterSummary], Sequence[Tag]]:
        """The first characters of the list that stand outside of closed folders, and the folders."""
        from lunalux_core.library.tags import load_tags

        def query(connection: Connection) -> tuple[list[CharacterSummary], list[Tag]]:
            ids = first_ids(connection, limit)
            folders = [tag for tag in load_tags(connection) if tag.folder != "none"]
            return summaries_of(connection, ids), folders

        return await self._database.read(query)

    async def count(self) -> int:
        return await self._database.read(
            lambda c: int(c.execute("SELECT count(*) FROM characters").fetchone()[0])
        )

    async def get(self, character_id: str) -> Character:
        """Raises NotFound (CHARACTER_NOT_FOUND)."""
        return await self._database.read(lambda c: load_character(c, character_id))

    async def find(self, name_or_id: str, *, whole: bool = False) -> Character:
        """By id, unique start of an id (four digits or more), or name (any case), else, unless the `whole` is
        asked for, by a unique beginning or word of a name.

        Raises:
            NotFound: CHARACTER_NOT_FOUND, with the nearest names.
            InvalidInput: CHARACTER_AMBIGUOUS, when several match; the hint lists their ids.
        """

        def query(connection: Connection) -> Character:
            key = name_or_id.strip()
            ids = [
                row[0]
                # By id or by name: each half has an index of its own.
                for row in connection.execute(
                    "SELECT id FROM characters WHERE id = ?1 UNION "
                    "SELECT id FROM characters WHERE name_key = ?2 LIMIT 20",
                    (key, key.casefold()),
                )
            ]
            # Shorter beginnings fit too many ids to mean one of them.
            if not ids and len(key) >= 4:
                ids = [
                    row[0]
                    for row in connection.execute(
                        "SELECT id FROM characters WHERE substr(id, 1, ?) = ? LIMIT 20", (len(key), key)
                    )
                ]
            if not ids:
                return load_character(connection, _by_part(connection, name_or_id, whole))
            if len(ids) > 1:
                raise InvalidInput(
                    "CHARACTER_AMBIGUOUS",
                    f"{len(ids)} characters are called {name_or_id!r}.",
                    f"Use one of their ids: {', '.join(ids)}.",
                    name=name_or_id,
                    ids=Names(ids),
                )
            return load_character(connection, ids[0])

        return await self._database.read(query)

    async def by_hash(self, content_hash: str) -> str | None:
        """Id of a character with this content, if there is one."""
        return await self._database.read(lambda c: id_by_hash(c, content_hash))

    async def by_market_id(self, market_id: str) -> str | None:
        """Id of the character bound to this community entry, if there is one."""

        def query(connection: Connection) -> str | None:
            # One that was unbound still remembers its entry, so those that are bound come first.
            row = connection.execute(
                "SELECT id FROM characters WHERE market_id = ? ORDER BY binding_active DESC LIMIT 1",
                (market_id,),
            ).fetchone()
            return row[0] if row else None

        return await self._database.read(query)

    async def add(self, new: NewCharacter) -> str:
        await self._database.write(lambda c: insert_character(c, new))
        return new.id

    async def replace(self, character_id: str, new: NewCharacter) -> None:
        """Give an existing character new content; its conversations, binding and favourite mark stay."""
        await self._database.write(lambda c: replace_character(c, character_id, new))

    async def delete(self, character_id: str) -> None:
        """Remove a character with its conversations and its picture. Raises NotFound."""

        def change(connection: Connection) -> None:
            load_character(connection, character_id)
            connection.execute("DELETE FROM characters WHERE id = ?", (character_id,))

        # The row first: where the database refuses, the pictures are still there.
        await self._database.write(change)
        for file in self.pictures.glob(f"{character_id}.*"):  # the picture, and the archive it came from
            file.unlink(missing_ok=True)

    async def set_favourite(self, character_id: str, favourite: bool) -> None:
        await self._set(character_id, favourite=int(favourite))

    async def touch(self, character_id: str) -> None:
        """Mark as used now, for the recent order."""
        await self._set(character_id, used_at=now_ms())

    async def set_binding(self, character_id: str, *, active: bool, market_id: str | None = None) -> None:
        """Bind to a community entry, or unbind (the id is remembered unless a new one is given)."""
        values: dict[str, Any] = {"binding_active": int(active)}
        if market_id is not None:
            values["market_id"] = market_id
        await self._set(character_id, **values)

    async def worldbooks(self, character_id: str) -> tuple[str, ...]:
        """Names of the library's worldbooks that are tied to a character, besides the one of its card."""
        return await self._database.read(lambda c: load_worldbooks(c, character_id))

    async def tie(self, character_id: str, worldbook: str, tied: bool = True) -> None:
        """Tie a worldbook of the library to a character, or untie it. Raises NotFound."""

        def change(connection: Connection) -> None:
            load_character(connection, character_id)
            tie_worldbooks(connection, character_id, [worldbook], tied)

        await self._database.write(change)

    async def allow_scripts(self, character_id: str, allowed: bool | None) -> None:
        """Remember the person's answer for the card's own regex scripts."""
        await self._set(character_id, scripts_allowed=None if allowed is None else int(allowed))

    async def _set(self, character_id: str, **values: Any) -> None:
        def change(connection: Connection) -> None:
            assignments = ", ".join(f"{column} = ?" for column in values)
            cursor = connection.execute(
                f"UPDATE characters SET {assignments} WHERE id = ?", [*values.values(), character_id]
            )
            if not cursor.rowcount:
                raise _missing(character_id)

        await self._database.write(change)

    def picture_path(self, summary: CharacterSummary) -> Path | None:
        """The picture's file, or None where the character has none."""
        return self.pictures / summary.picture if summary.picture else None


def insert_character(connection: Connection, new: NewCharacter) -> None:
    now = now_ms()
    connection.execute(
        "INSERT INTO characters (id, name, name_key, language, spec, creator, intro, tags, document, "
        "content_hash, picture, binding_active, market_id, created_at, updated_at) "
        "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            new.id,
            new.name,
            new.name.casefold(),
            new.language,
            new.spec,
            new.creator,
            new.intro,
            json.dumps(new.tags, ensure_ascii=False),
            new.document,
            new.content_hash,
            new.picture,
            int(new.binding_active),
            new.market_id,
            now,
            now,
        ),
    )
    _store_words(connection, new.id, new)


def replace_character(connection: Connection, character_id: str, new: NewCharacter) -> None:
    """Give a character another card; without a picture of its own it keeps the one there is.

    Raises:
        NotFound: CHARACTER_NOT_FOUND.
    """
    cursor = connection.execute(
        "UPDATE characters SET name=?, name_key=?, language=?, spec=?, creator=?, intro=?, tags=?, "
        "document=?, content_hash=?, picture=coalesce(nullif(?, ''), picture), updated_at=? WHERE id=?",
        (
            new.name,
            new.name.casefold(),
            new.language,
            new.spec,
            new.creator,
            new.intro,
            json.dumps(new.tags, ensure_ascii=False),
            new.document,
            new.content_hash,
            new.picture,
            now_ms(),
            character_id,
        ),
    )
    if not cursor.rowcount:
        raise _missing(character_id)
    _store_words(connection, character_id, new)


def _store_words(connection: Connection, character_id: str, new: NewCharacter) -> None:
    store_words(
        connection,
        character_id,
        name=new.name,
        intro=new.intro,
        creator=new.creator,
        tags=new.tags,
        size=len(new.document),
    )


def id_by_hash(connection: Connection, content_hash: str) -> str | None:
    row = connection.execute(
        "SELECT id FROM characters WHERE content_hash = ? LIMIT 1", (content_hash,)
    ).fetchone()
    return row[0] if row else None


def character_ids(connection: Connection) -> set[str]:
    """The ids of all characters."""
    return {row[0] for row in connection.execute("SELECT id FROM characters")}


def content_hashes(connection: Connection) -> dict[str, str]:
    """Ids of all characters by the hash of their card."""
    return {row[0]: row[1] for row in connection.execute("SELECT content_hash, id FROM characters")}


def card_versions(connection: Connection, character_id: str | None = None) -> list[tuple[str, str, str]]:
    """Id, name and version of the cards as they came, or of one; each change makes another version."""
    rows = connection.execute(
        "SELECT id, name, content_hash, updated_at FROM characters WHERE ?1 IS NULL OR id = ?1 "
        "ORDER BY created_at, id",
        (character_id,),
    )
    return [(row[0], row[1], f"{row[2]}:{row[3]}") for row in rows]


def load_pictures(connection: Connection) -> dict[str, tuple[str, str]]:
    """Name and file of the picture ("" for none) of all characters, by their ids."""
    return {
        row[0]: (row[1], row[2]) for row in connection.execute("SELECT id, name, picture FROM characters")
    }


def id_by_name(connection: Connection, name: str, order: Order = "recent") -> str:
    """Id of the character of that name (any case), the first in `order` of several; "" if there is none."""
    row = connection.execute(
        "SELECT id FROM characters WHERE name_key = ? ORDER BY iif(?, created_at, used_at) DESC, "
        "created_at DESC LIMIT 1",
        (name.casefold(), order == "added"),
    ).fetchone()
    return row[0] if row else ""


def has_character(connection: Connection, character_id: str) -> bool:
    """Whether a character is in the library."""
    row = connection.execute("SELECT 1 FROM characters WHERE id = ?", (character_id,)).fetchone()
    return row is not None


def touch_character(connection: Connection, character_id: str, at: int) -> None:
    """Mark a character as used at a moment (milliseconds since 1970), for the recent order."""
    connection.execute("UPDATE characters SET used_at = ? WHERE id = ?", (at, character_id))


def allow_own_scripts(
    connection: Connection, character_ids: Sequence[str], *, only_unanswered: bool = False
) -> None:
    """Let the cards' own regex scripts run; `only_unanswered` keeps an answer that the person gave before."""
    connection.executemany(
        "UPDATE characters SET scripts_allowed = 1 WHERE id = ? AND (scripts_allowed IS NULL OR NOT ?)",
        [(identity, only_unanswered) for identity in character_ids],
    )


def ask_about_scripts(connection: Connection, character_id: str) -> None:
    """Forget the person's answer for the card's own regex scripts, which are others now."""
    connection.execute("UPDATE characters SET scripts_allowed = NULL WHERE id = ?", (character_id,))


def load_worldbooks(connection: Connection, character_id: str) -> tuple[str, ...]:
    row = connection.execute("SELECT worldbooks FROM characters WHERE id = ?", (character_id,)).fetchone()
    return texts_in(row[0]) if row else ()


def tie_worldbooks(
    connection: Connection, character_id: str, names: Sequence[str], tied: bool = True
) -> None:
    """`Characters.tie` for several books, within a transaction."""
    before = load_worldbooks(connection, character_id)
    keys = {name.casefold() for name in names}
    # Books are found by name in any case, so two spellings would tie the same one twice.
    there = {name.casefold() for name in before}
    after = [name for name in before if tied or name.casefold() not in keys]
    after += [name for name in names if tied and name.casefold() not in there]
    if after != list(before):
        connection.execute(
            "UPDATE characters SET worldbooks = ? WHERE id = ?",
            (json.dumps(after, ensure_ascii=False), character_id),
        )


def load_character(connection: Connection, character_id: str) -> Character:
    """One character within a transaction. Raises NotFound (CHARACTER_NOT_FOUND)."""
    row = connection.execute("SELECT * FROM characters WHERE id = ?", (character_id,)).fetchone()
    if row is None:
        raise _missing(character_id)
    allowed = row["scripts_allowed"]
    return Character(
        summary=summary_of(row),
        document=row["document"],
        content_hash=row["content_hash"],
        scripts_allowed=None if allowed is None else bool(allowed),
        updated_at=row["updated_at"],
    )


def _by_part(connection: Connection, name: str, whole: bool) -> str:
    """Id of the only character with this beginning or word in its name. Raises NotFound."""
    called = [NamedReference(row[0], row[1]) for row in connection.execute("SELECT id, name FROM characters")]
    if not whole and (summary := find_named(called, name)) is not None:
        return summary.id
    raise _missing(name, [summary.name for summary in called])


def _missing(name: str, names: Sequence[str] = ()) -> NotFound:
    return missing(
        "CHARACTER_NOT_FOUND",
        f"There is no character {name!r} in the library.",
        "`lunalux character list` shows them all.",
        name,
        names,
    )
