"""Cards, worldbooks and presets against their files: one document of the library, one file."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from lunalux_core.errors import InvalidInput
from lunalux_core.mirror.folder import ChangedMeanwhile, data_hash
from lunalux_core.mirror.sync_base import MirrorKind, Record
from lunalux_core.mirror.work import MirrorEvent, Work, follow

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Item:
    """A document of the library. `version` is another one after each change."""

    id: str
    name: str
    version: str


class Documents(Protocol[P]):
    """The documents of one kind. `P` is what is read from a file."""

    kind: MirrorKind

    async def items(self) -> Sequence[Item]: ...

    async def text(self, item: Item) -> bytes:
        """The file of a document."""
        ...

    async def is_same(self, item: Item, parsed: P) -> bool:
        """Whether a file says what the library has, however it is laid out."""
        ...

    def parse(self, path: str, data: bytes) -> P:
        """Raises InvalidInput."""
        ...

    async def change(self, item: Item, parsed: P) -> str:
        """Give a document the content of a file; its new version. Raises ChangedMeanwhile."""
        ...

    async def add(self, path: str, parsed: P) -> Item:
        """Make a document of a file."""
        ...

    def paths(self) -> Sequence[str]:
        """The files of this kind that are in the folder."""
        ...

    def is_moved(self, record: Record, path: str) -> bool:
        """Whether a file is that of a record whose file is missing, though it was changed, too."""
        ...

    def new_path(self, item: Item) -> str:
        """Where a document without a file gets one."""
        ...


class DocumentMirror(Generic[P]):
    """One pass over the documents of one kind."""

    def __init__(self, work: Work, documents: Documents[P]) -> None:
        self._work = work
        self._documents = documents
        self._kind = documents.kind

    async def run(self) -> None:
        items = {item.id: item for item in await self._documents.items()}
        await self._follow()
        for record in self._work.base.of(self._kind):
            await self._attempt(record.path, self._follow_record(record, items.get(record.id)))
        recorded = {record.id for record in self._work.base.of(self._kind)}
        await self._loose([item for item in items.values() if item.id not in recorded])
        recorded = {record.id for record in self._work.base.of(self._kind)}
        for item in items.values():
            if item.id not in recorded:
                path = self._documents.new_path(item)
                await self._attempt(path, self._write(path, item))

    async def _attempt(self, path: str, step: Awaitable[None]) -> None:
        try:
            await step
        except ChangedMeanwhile:
            self._work.again = True
        except InvalidInput as error:
            self._work.skip(self._kind, path, error)

    async def _follow(self) -> None:
        records = {record.path: record for record in self._work.base.of(self._kind)}
        missing = {
            path: record
            for path, record in records.items()
            if path not in self._work.folder.files and self._work.folder.trouble(path) is None
        }
        loose = [path for path in self._documents.paths() if path not in records] if missing else []
        # By their bytes first: they are surer than what lies beside.
        for is_same in (self._work.has_bytes_of, self._documents.is_moved):
            for record in list(missing.values()):
                if (path := next((path for path in loose if is_same(record, path)), None)) is not None:
                    follow(self._work, record, path)
                    loose.remove(path)
                    del missing[record.path]

    async def _follow_record(self, record: Record, item: Item | None) -> None:
        work = self._work
        if (trouble := work.folder.trouble(record.path)) is not None:
            raise trouble
        there = record.path in work.folder.files
        if item is None and not there:
            work.base.drop(record.path)
        elif item is None:
            if work.is_unchanged(record):
                work.remove(record)
            else:  # deleted here, changed there: it becomes something new
                work.base.drop(record.path)
        elif not there:
            await self._write(record.path, item, restored=True)
        else:
            await self._compare(record, item)

    async def _compare(self, record: Record, item: Item) -> None:
        unchanged = self._work.is_unchanged(record)
        if unchanged and item.version == record.library:
            return
        text = await self._documents.text(item)
        data = self._work.folder.read(record.path)
        # The file is the agreed one, so at most the library has changed.
        if data_hash(data) == record.file:
            if data == text or await self._says(data, item, record.path):
                self._agree(record.path, item, data)
            else:
                await self._write(record.path, item, text=text)
            return
        parsed = self._documents.parse(record.path, data)
        if await self._documents.is_same(item, parsed):
            self._agree(record.path, item, data)
        # Only the file has changed: the library has the agreed version, or one that gives the same file.
        elif item.version == record.library or data_hash(text) == record.file:
            await self._take(record.path, item, parsed, data)
        else:
            await self._conflict(record.path, item, data, text)

    async def _says(self, data: bytes, item: Item, path: str) -> bool:
        """Whether a file, laid out as a person likes it, says what the library has."""
        try:
            return await self._documents.is_same(item, self._documents.parse(path, data))
        except InvalidInput:
            return False

    async def _take(self, path: str, item: Item, parsed: P, data: bytes) -> None:
        if not self._work.dry:
            version = await self._documents.change(item, parsed)
            self._agree(path, Item(item.id, item.name, version), data)
        self._work.tell(MirrorEvent("taken", self._kind, path, item.id, item.name))

    async def _conflict(self, path: str, item: Item, data: bytes, text: bytes) -> None:
        # The copy first: from the next line on the words of the file are nowhere else.
        kept = self._work.keep(path, data)
        await self._write(path, item, text=text, quiet=True)
        self._work.tell(MirrorEvent("conflict", self._kind, path, item.id, item.name, kept=kept))

    async def _write(
        self, path: str, item: Item, *, text: bytes | None = None, restored: bool = False, quiet: bool = False
    ) -> None:
        data = await self._documents.text(item) if text is None else text
        self._work.write(path, data)
        self._agree(path, item, data)
        if not quiet:
            self._work.tell(
                MirrorEvent("restored" if restored else "written", self._kind, path, item.id, item.name)
            )

    def _agree(self, path: str, item: Item, data: bytes) -> None:
        self._work.agree(Record(path, self._kind, item.id, data_hash(data), item.version))

    async def _loose(self, items: list[Item]) -> None:
        """Files that no record has: those of documents that are here already, else new ones."""
        texts: dict[str, Item] | None = None
        for path in self._documents.paths():
            if self._work.base.at(path) is not None:
                continue
            if texts is None:  # read only where there is a file to compare with
                texts = {data_hash(await self._documents.text(item)): item for item in items}
            await self._attempt(path, self._adopt(path, texts))

    async def _adopt(self, path: str, texts: dict[str, Item]) -> None:
        data = self._work.folder.read(path)
        parsed = self._documents.parse(path, data)
        key = data_hash(data)
        if key not in texts:
            key = await self._alike(texts, parsed)
        if (item := texts.pop(key, None)) is not None:
            self._agree(path, item, data)
            return
        if not self._work.dry:
            item = await self._documents.add(path, parsed)
            self._agree(path, item, data)
        self._work.tell(
            MirrorEvent("added", self._kind, path, item.id if item else "", item.name if item else "")
        )

    async def _alike(self, texts: Mapping[str, Item], parsed: P) -> str:
        for key, item in texts.items():
            if await self._documents.is_same(item, parsed):
                return key
        return ""
