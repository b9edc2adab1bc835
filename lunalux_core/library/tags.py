"""Tags of the person's own, beside those that cards bring; a tag can be a folder of the list.

A tag of a card stays with the card; the person's tags are theirs, follow a rename everywhere and survive a
card that is replaced. Both are found by their words without case.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from lunalux_core.database import Connection, Database, Row
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.ids import now_ms, short_id
from lunalux_core.library.cells import object_in, plain_text, whole_number
from lunalux_core.library.character_words import tag_key
from lunalux_core.library.name_lookup import NamedReference, find_named, missing
from lunalux_core.text import clean_line

Folder = Literal["none", "open", "closed"]
FOLDERS: tuple[Folder, ...] = get_args(Folder)
_COUNTS = (
    "(SELECT count(*) FROM character_tags c WHERE c.tag_id = t.id) AS characters, "
    "(SELECT count(*) FROM group_tags g WHERE g.tag_id = t.id) AS groups"
)
LENGTH = 60
"""Characters of a tag, as of those that cards bring."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of the person's own.

    `folder` says how the list shows it: `none` not at all, `open` as a folder whose characters also stand
    outside, `closed` as one that hides them. `hidden`: not shown on a character, only filtered by. `extra`
    is what SillyTavern keeps beside that (colours, dates). `characters` and `groups` count who has it.
    """

    id: str
    name: str
    folder: Folder = "none"
    hidden: bool = False
    position: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)
    characters: int = 0
    groups: int = 0


@dataclass(frozen=True, slots=True)
class CardTag:
    """A tag that cards bring, as its first card writes it, and how many characters have it."""

    name: str
    characters: int


@dataclass(frozen=True, slots=True)
class Tagging:
    """What a change of tags did, for its undo: pairs of character and tag, added or removed."""

    tag: Tag
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class Tags:
    """The person's tags."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> Sequence[Tag]:
        """In the person's order, then by name."""
        return await self._database.read(load_tags)

    async def of_cards(self) -> Sequence[CardTag]:
        """The tags of all cards, the one that most have first."""

        def query(connection: Connection) -> list[CardTag]:
            rows = connection.execute(
                "SELECT min(name), count(*) FROM card_tags GROUP BY name_key ORDER BY count(*) DESC, name_key"
            )
            return [CardTag(plain_text(row[0]), row[1]) for row in rows]

        return await self._database.read(query)

    async def find(self, name: str) -> Tag:
        """By id or name, else by a unique beginning or word of a name, any case.

        Raises:
            NotFound: TAG_NOT_FOUND, with the nearest names.
        """
        return pick(await self.list(), name)

    async def of(self, character_ids: Collection[str] | None = None) -> Mapping[str, Sequence[Tag]]:
        """The tags of each of these characters, or of all; one that has none is left out."""
        return await self._database.read(lambda c: tags_of(c, character_ids))

    async def of_groups(self) -> Mapping[str, Sequence[Tag]]:
        """The tags of every group that has some, by the group's id, in the person's order."""

        def query(connection: Connection) -> dict[str, list[Tag]]:
            groups_by_tag: dict[str, list[str]] = {}
            for group_id, tag_id in connection.execute("SELECT group_id, tag_id FROM group_tags"):
                groups_by_tag.setdefault(tag_id, []).append(group_id)
            tags_of_groups: dict[str, list[Tag]] = {}
            for tag in load_tags(connection) if groups_by_tag else ():
                for group_id in groups_by_tag.get(tag.id, ()):
                    tags_of_groups.setdefault(group_id, []).append(tag)
            return tags_of_groups

        return await self._database.read(query)

    async def add(self, name: str, character_ids: Iterable[str] = ()) -> Tagging:
        """Tag characters; a tag of that name is made where there is none.

        Raises:
            InvalidInput: TAG_EMPTY. NotFound: CHARACTER_NOT_FOUND, and nothing is tagged.
        """
        ids = tuple(dict.fromkeys(character_ids))
        return await self._database.write(lambda c: tag_characters(c, put_tag(c, name), ids))

    async def remove(self, tag_id: str, character_ids: Iterable[str]) -> Tagging:
        """Take a tag away from characters. Raises NotFound (TAG_NOT_FOUND)."""
        ids = tuple(dict.fromkeys(character_ids))
        return await self._database.write(lambda c: untag_characters(c, load_tag(c, tag_id), ids))

    async def undo(self, change: Tagging) -> None:
        """Take a change back; a tag or character that is gone meanwhile stays gone."""

        def back(connection: Connection) -> None:
            if not connection.execute("SELECT 1 FROM tags WHERE id = ?", (change.tag.id,)).fetchone():
                return
            _untag(connection, change.tag.id, change.added)
            connection.executemany(
                "INSERT OR IGNORE INTO character_tags (character_id, tag_id) "
                "SELECT id, ?2 FROM characters WHERE id = ?1",
                [(identity, change.tag.id) for identity in change.removed],
            )

        await self._database.write(back)

    async def rename(self, tag_id: str, name: str) -> Tag:
        """Give a tag another name, on every character that has it.

        Raises:
            InvalidInput: TAG_EMPTY; TAG_EXISTS, another tag is called so. NotFound: TAG_NOT_FOUND.
        """

        def change(connection: Connection) -> Tag:
            load_tag(connection, tag_id)
            called = _checked(name)
            there = _by_key(connection, tag_key(called))
            if there is not None and there.id != tag_id:
                raise InvalidInput(
                    "TAG_EXISTS",
                    f"There is a tag {there.name!r} already.",
                    "Choose another name, or move its characters and delete it.",
                    name=there.name,
                )
            connection.execute(
                "UPDATE tags SET name = ?, name_key = ? WHERE id = ?", (called, tag_key(called), tag_id)
            )
            return load_tag(connection, tag_id)

        return await self._database.write(change)

    async def fold(self, tag_id: str, folder: Folder) -> Tag:
        """Make a folder of a tag, or an ordinary tag again. Raises NotFound (TAG_NOT_FOUND)."""

        def change(connection: Connection) -> Tag:
            connection.execute("UPDATE tags SET folder = ? WHERE id = ?", (folder, tag_id))
            return load_tag(connection, tag_id)

        return await self._database.write(change)

    async def delete(self, tag_id: str) -> Tagging:
        """Remove a tag from the library; `restore` brings it back. Raises NotFound (TAG_NOT_FOUND)."""

        def change(connection: Connection) -> Tagging:
            tag = load_tag(connection, tag_id)
            rows = connection.execute("SELECT character_id FROM character_tags WHERE tag_id = ?", (tag_id,))
            characters = tuple(row[0] for row in rows)
            rows = connection.execute("SELECT group_id FROM group_tags WHERE tag_id = ?", (tag_id,))
            groups = tuple(row[0] for row in rows)
            connection.execute("DELETE FROM tags WHERE id = ?", (tag_id,))
            return Tagging(tag, removed=characters, groups=groups)

        return await self._database.write(change)

    async def restore(self, deleted: Tagging) -> Tag:
        """Bring back what `delete` took, on the characters and groups that are still there."""

        def change(connection: Connection) -> Tag:
            old = deleted.tag
            tag = put_tag(connection, old.name, folder=old.folder, hidden=old.hidden, extra=old.extra)
            for identity in deleted.groups:
                _tag_group(connection, tag.id, identity)
            # `tag_characters` refuses one that is gone, and then none would get the tag back.
            there = connection.execute("SELECT id FROM characters")
            kept = {row[0] for row in there}.intersection(deleted.removed)
            return tag_characters(connection, tag, sorted(kept)).tag

        return await self._database.write(change)


class GroupTags:
    """The person's tags on groups: given and taken like those of characters (`Tags`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, group_ids: Collection[str] | None = None) -> Mapping[str, Sequence[Tag]]:
        """The tags of each of these groups, or of all; one that has none is left out."""
        tags_of_all = await Tags(self._database).of_groups()
        return {
            group_id: tags
            for group_id, tags in tags_of_all.items()
            if group_ids is None or group_id in group_ids
        }

    async def add(self, name: str, group_ids: Iterable[str] = ()) -> Tagging:
        """Tag groups; a tag of that name is made where there is none. Raises InvalidInput (TAG_EMPTY)."""

        def change(connection: Connection) -> Tagging:
            tag = put_tag(connection, name)
            added = [
                identity for identity in dict.fromkeys(group_ids) if _tag_group(connection, tag.id, identity)
            ]
            return Tagging(load_tag(connection, tag.id), added=tuple(added))

        return await self._database.write(change)

    async def remove(self, tag_id: str, group_ids: Iterable[str]) -> Tagging:
        """Take a tag away from groups. Raises NotFound (TAG_NOT_FOUND)."""

        def change(connection: Connection) -> Tagging:
            load_tag(connection, tag_id)
            removed = _untag_groups(connection, tag_id, group_ids)
            return Tagging(load_tag(connection, tag_id), removed=removed)

        return await self._database.write(change)

    async def undo(self, change: Tagging) -> None:
        """Take a change back; a tag or group that is gone meanwhile stays gone."""

        def back(connection: Connection) -> None:
            _untag_groups(connection, change.tag.id, change.added)
            for identity in change.removed:
                _tag_group(connection, change.tag.id, identity)

        await self._database.write(back)


def _tag_group(connection: Connection, tag_id: str, group_id: str) -> bool:
    """Whether a group has a tag now that it did not have; both must be there."""
    cursor = connection.execute(
        "INSERT OR IGNORE INTO group_tags (group_id, tag_id) "
        "SELECT g.id, t.id FROM character_groups g, tags t WHERE g.id = ? AND t.id = ?",
        (group_id, tag_id),
    )
    return cursor.rowcount > 0


def _untag_groups(connection: Connection, tag_id: str, group_ids: Iterable[str]) -> tuple[str, ...]:
    removed = []
    for identity in group_ids:
        cursor = connection.execute(
            "DELETE FROM group_tags WHERE group_id = ? AND tag_id = ?", (identity, tag_id)
        )
        if cursor.rowcount > 0:
            removed.append(identity)
    return tuple(removed)


def load_tags(connection: Connection) -> list[Tag]:
    rows = connection.execute(f"SELECT t.*, {_COUNTS} FROM tags t ORDER BY t.position, t.name_key")
    return [_tag(row) for row in rows]


def load_tag(connection: Connection, tag_id: str) -> Tag:
    """One tag within a transaction. Raises NotFound (TAG_NOT_FOUND)."""
    row = connection.execute(
        f"SELECT t.*, {_COUNTS} FROM tags t WHERE t.id = ?",
        (tag_id,),
    ).fetchone()
    if row is None:
        raise _missing(tag_id)
    return _tag(row)


def _by_key(connection: Connection, key: str) -> Tag | None:
    row = connection.execute("SELECT id FROM tags WHERE name_key = ?", (key,)).fetchone()
    return load_tag(connection, row[0]) if row else None


def put_tag(
    connection: Connection,
    name: str,
    *,
    folder: Folder = "none",
    hidden: bool = False,
    position: int = 0,
    extra: Mapping[str, Any] | None = None,
) -> Tag:
    """The tag of that name, made with these marks where there is none. Raises InvalidInput (TAG_EMPTY)."""
    called = _checked(name)
    there = _by_key(connection, tag_key(called))
    if there is not None:
        return there
    identity = short_id()
    written = json.dumps(dict(extra or {}), ensure_ascii=False)
    connection.execute(
        "INSERT INTO tags (id, name, name_key, folder, hidden, position, extra, created_at) "
        "VALUES (?,?,?,?,?,?,?,?)",
        (identity, called, tag_key(called), folder, int(hidden), position, written, now_ms()),
    )
    return load_tag(connection, identity)


def tag_characters(connection: Connection, tag: Tag, character_ids: Sequence[str]) -> Tagging:
    """Tag characters within a transaction. Raises NotFound (CHARACTER_NOT_FOUND)."""
    from lunalux_core.library.characters import has_character, load_character

    added = []
    for identity in character_ids:
        if not has_character(connection, identity):
            load_character(connection, identity)  # raises; of those that are here no card is read
        cursor = connection.execute(
            "INSERT OR IGNORE INTO character_tags (character_id, tag_id) VALUES (?,?)", (identity, tag.id)
        )
        if cursor.rowcount > 0:
            added.append(identity)
    return Tagging(load_tag(connection, tag.id), added=tuple(added))


def untag_characters(connection: Connection, tag: Tag, character_ids: Sequence[str]) -> Tagging:
    """Take a tag away within a transaction."""
    removed = _untag(connection, tag.id, character_ids)
    return Tagging(load_tag(connection, tag.id), removed=removed)


def _untag(connection: Connection, tag_id: str, character_ids: Sequence[str]) -> tuple[str, ...]:
    removed = []
    for identity in character_ids:
        cursor = connection.execute(
            "DELETE FROM character_tags WHERE character_id = ? AND tag_id = ?", (identity, tag_id)
        )
        if cursor.rowcount > 0:
            removed.append(identity)
    return tuple(removed)


def tag_group(connection: Connection, tag: Tag, group_id: str) -> None:
    """Tag a group within a transaction."""
    connection.execute("INSERT OR IGNORE INTO group_tags (group_id, tag_id) VALUES (?,?)", (group_id, tag.id))


def tags_of(connection: Connection, character_ids: Collection[str] | None) -> dict[str, list[Tag]]:
    """See `Tags.of`."""
    tags = {tag.id: (place, tag) for place, tag in enumerate(load_tags(connection))}
    tagged: dict[str, list[tuple[int, Tag]]] = {}
    rows: Iterable[Row] = connection.execute("SELECT character_id, tag_id FROM character_tags")
    # The tags of one character are looked up; those of many are cheaper to read all at once.
    if character_ids is not None and len(character_ids) == 1:
        rows = connection.execute(
            "SELECT character_id, tag_id FROM character_tags WHERE character_id = ?", tuple(character_ids)
        )
    ids = None if character_ids is None else set(character_ids)
    for character_id, tag_id in rows:
        if (ids is None or character_id in ids) and tag_id in tags:
            tagged.setdefault(character_id, []).append(tags[tag_id])
    return {
        identity: [tag for _, tag in sorted(those, key=lambda pair: pair[0])]
        for identity, those in tagged.items()
    }


def pick(tags: Sequence[Tag], name: str) -> Tag:
    """See `Tags.find`."""
    by_id = {tag.id: tag for tag in tags}
    # Spaces do not tell tags apart, so names are compared in the form in which they are unique.
    called = find_named([NamedReference(tag.id, tag_key(tag.name)) for tag in tags], tag_key(name) or name)
    if called is None:
        raise _missing(name, [tag.name for tag in tags])
    return by_id[called.id]


def _checked(name: str) -> str:
    called = clean_line(" ".join(name.split()), LENGTH)
    if not called:
        raise InvalidInput("TAG_EMPTY", "A tag needs a name.", "Type one.")
    return called


def _missing(name: str, names: Sequence[str] = ()) -> NotFound:
    return missing(
        "TAG_NOT_FOUND",
        f"You have no tag {name!r}.",
        "`lunalux tag list` shows them all.",
        name,
        names,
    )


def _tag(row: Row) -> Tag:
    return Tag(
        id=row["id"],
        name=plain_text(row["name"]),
        folder=next((folder for folder in FOLDERS if folder == row["folder"]), "none"),
        hidden=bool(row["hidden"]),
        position=whole_number(row["position"]),
        extra=object_in(row["extra"]),
        characters=row["characters"],
        groups=row["groups"],
    )
