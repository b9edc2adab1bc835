"""Characters as documents with files, `characters/NAME/card.json`, and their pictures beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from lunalux_core.cards.card import Card
from lunalux_core.database import Connection
from lunalux_core.documents.json_text import canonical_json, dump_json
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.ids import short_id
from lunalux_core.importing.card_import import new_character
from lunalux_core.library.characters import (
    Character,
    ask_about_scripts,
    card_versions,
    insert_character,
    load_character,
    replace_character,
)
from lunalux_core.mirror.document_mirror import Item
from lunalux_core.mirror.file_text import text_of
from lunalux_core.mirror.folder import ChangedMeanwhile, free_name, name_key
from lunalux_core.mirror.work import Work

if TYPE_CHECKING:
    from lunalux_core.cards.card_reader import LoadedCard
    from lunalux_core.mirror.sync_base import MirrorKind, Record


class CardFiles:
    """`Documents` of the characters."""

    kind: MirrorKind = "card"

    def __init__(self, work: Work) -> None:
        self._database = work.library.database
        self._work = work
        self._taken: set[str] | None = None

    async def items(self) -> Sequence[Item]:
        return [Item(*row) for row in await self._database.read(card_versions)]

    async def text(self, item: Item) -> bytes:
        return (dump_json(await self._document(item), indent=4) + "\n").encode()

    async def is_same(self, item: Item, parsed: LoadedCard) -> bool:
        return canonical_json(await self._document(item)) == canonical_json(parsed.card.export("v3"))

    def parse(self, path: str, data: bytes) -> LoadedCard:
        from lunalux_core.cards.card_reader import read_card

        # For its error alone: `read_card` would also take pictures and archives.
        text_of(path, data)
        loaded = read_card(data, f"{PurePosixPath(path).parent.name}.json")
        if loaded.source_format != "json":
            raise InvalidInput(
                "MIRROR_NOT_A_CARD", f"{path} is no card in JSON.", "Save the card as JSON.", path=path
            )
        return loaded

    async def change(self, item: Item, parsed: LoadedCard) -> str:
        def work(connection: Connection) -> str:
            character = _current(connection, item)
            replace_character(connection, item.id, _new(item.id, parsed, character.summary.language))
            # A file may come from anybody, by a git pull for one: its scripts wait for a word.
            if parsed.card.regex_scripts != Card.parse(character.document).regex_scripts:
                ask_about_scripts(connection, item.id)
            return version_of(connection, item.id)

        return await self._database.write(work)

    async def add(self, path: str, parsed: LoadedCard) -> Item:
        new = _new(short_id(), parsed)

        def work(connection: Connection) -> Item:
            insert_character(connection, new)
            return Item(new.id, new.name, version_of(connection, new.id))

        return await self._database.write(work)

    def paths(self) -> Sequence[str]:
        return [path for path in self._work.folder.files if path.endswith("/card.json")]

    def is_moved(self, record: Record, path: str) -> bool:
        """By the picture and the stories of the character, which lie in the folder of the card."""
        before, now = (str(PurePosixPath(card).parent) for card in (record.path, path))
        beside = [other for other in self._work.base if other.path.startswith(f"{before}/")]
        return any(
            self._work.has_bytes_of(other, f"{now}{other.path.removeprefix(before)}") for other in beside
        )

    def new_path(self, item: Item) -> str:
        if self._taken is None:
            records = (PurePosixPath(record.path).parent.name for record in self._work.base.of("card"))
            self._taken = {*self._work.folder.names_in("characters"), *map(name_key, records)}
        return f"characters/{free_name(item.name, self._taken)}/card.json"

    async def _document(self, item: Item) -> Mapping[str, Any]:
        character = await self._database.read(lambda c: _current(c, item))
        return Card.parse(character.document).export("v3")


def version_of(connection: Connection, character_id: str) -> str:
    ((_, _, version),) = card_versions(connection, character_id)
    return version


def _current(connection: Connection, item: Item) -> Character:
    """The character as it is now. Raises ChangedMeanwhile where that is not what it was."""
    try:
        character = load_character(connection, item.id)
    except NotFound:
        raise ChangedMeanwhile(item.name) from None
    if version_of(connection, item.id) != item.version:
        raise ChangedMeanwhile(item.name)
    return character


def _new(identity: str, parsed: LoadedCard, language: str = "") -> Any:
    # Without a picture: that has a file of its own, and a row keeps the one it has.
    return replace(new_character(identity, parsed, language), picture="")
