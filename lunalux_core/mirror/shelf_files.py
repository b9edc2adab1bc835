"""Worldbooks and presets of the library as documents with files."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, Literal

from lunalux_core.database import Connection
from lunalux_core.documents.json_text import canonical_json, dump_json
from lunalux_core.importing.shelf_documents import ShelfDocument, shelf_documents
from lunalux_core.library.shelf import (
    ShelfItem,
    ShelfKind,
    insert_item,
    load_item,
    load_shelf_texts,
    save_item,
)
from lunalux_core.mirror.document_mirror import Item
from lunalux_core.mirror.file_text import json_of
from lunalux_core.mirror.folder import ChangedMeanwhile, free_name, name_key
from lunalux_core.mirror.sync_base import MirrorKind, Record
from lunalux_core.mirror.work import Work

_FOLDERS: dict[str, str] = {"worldbook": "worldbooks", "preset": "presets"}


class ShelfFiles:
    """`Documents` of one shelf, in one folder."""

    def __init__(self, work: Work, kind: Literal["worldbook", "preset"]) -> None:
        self.kind: MirrorKind = kind
        self._shelf: ShelfKind = kind
        self._database = work.library.database
        self._work = work
        self._folder = _FOLDERS[kind]
        self._taken: set[str] | None = None

    async def items(self) -> Sequence[Item]:
        texts = await self._database.read(lambda c: load_shelf_texts(c, self._shelf))
        return [Item(identity, name, _version(name, text)) for identity, name, text in texts]

    async def text(self, item: Item) -> bytes:
        stored = await self._stored(item)
        return (dump_json(self._shown(stored.name, stored.document), indent=4) + "\n").encode()

    async def is_same(self, item: Item, parsed: ShelfDocument) -> bool:
        stored = await self._stored(item)
        return canonical_json(self._shown(stored.name, stored.document)) == canonical_json(
            self._shown(self._name(parsed, stored.name), parsed.document)
        )

    def parse(self, path: str, data: bytes) -> ShelfDocument:
        return shelf_documents(self._shelf, json_of(path, data), PurePosixPath(path).stem)[0]

    async def change(self, item: Item, parsed: ShelfDocument) -> str:
        def work(connection: Connection) -> str:
            stored = self._current(connection, item)
            name = self._name(parsed, stored.name)
            save_item(connection, item.id, name, parsed.document)
            return self._version_of(connection, item.id)

        return await self._database.write(work)

    async def add(self, path: str, parsed: ShelfDocument) -> Item:
        name = self._name(parsed, PurePosixPath(path).stem)

        def work(connection: Connection) -> Item:
            # Nothing that comes from a file is switched on by itself.
            added = insert_item(connection, self._shelf, name, parsed.document, enabled=False)
            return Item(added.id, added.name, self._version_of(connection, added.id))

        return await self._database.write(work)

    def paths(self) -> Sequence[str]:
        return [path for path in self._work.folder.files if path.startswith(f"{self._folder}/")]

    def is_moved(self, record: Record, path: str) -> bool:
        return False

    def new_path(self, item: Item) -> str:
        if self._taken is None:
            records = (PurePosixPath(record.path).name for record in self._work.base.of(self.kind))
            self._taken = {*self._work.folder.names_in(self._folder), *map(name_key, records)}
        return f"{self._folder}/{free_name(item.name, self._taken, '.json')}"

    def _name(self, parsed: ShelfDocument, otherwise: str) -> str:
        """The name in a worldbook's file; a preset has none."""
        named = isinstance(parsed.document, dict) and self.kind == "worldbook" and parsed.document.get("name")
        return parsed.name if named else otherwise

    def _shown(self, name: str, document: Any) -> Any:
        # A worldbook is known by its name, which not every document of one has.
        if self.kind == "worldbook" and isinstance(document, dict) and document.get("name") != name:
            return {**document, "name": name}
        return document

    async def _stored(self, item: Item) -> ShelfItem:
        return await self._database.read(lambda c: self._current(c, item))

    def _current(self, connection: Connection, item: Item) -> ShelfItem:
        """The item as it is now. Raises ChangedMeanwhile where that is not what it was."""
        stored = load_item(connection, item.id)
        if stored is None or self._version_of(connection, item.id) != item.version:
            raise ChangedMeanwhile(item.name)
        return stored

    def _version_of(self, connection: Connection, identity: str) -> str:
        ((_, name, text),) = load_shelf_texts(connection, self._shelf, identity)
        return _version(name, text)


def _version(name: str, text: str) -> str:
    return sha256(f"{name}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
