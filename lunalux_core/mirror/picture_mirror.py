"""Pictures of characters against `card.png` beside their cards.

The card inside of a picture is left out there: `card.json` is the card, and no former one must pass for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from lunalux_core.cards.card import Card
from lunalux_core.cards.card_reader import LoadedCard
from lunalux_core.database import Connection
from lunalux_core.errors import InvalidInput, LunaluxError, NotFound
from lunalux_core.importing.card_import import new_character
from lunalux_core.library.characters import load_character, load_pictures, replace_character
from lunalux_core.mirror.folder import PICTURES, ChangedMeanwhile, data_hash
from lunalux_core.mirror.sync_base import Record
from lunalux_core.mirror.work import MirrorAction, MirrorEvent, Work, follow


@dataclass(frozen=True, slots=True)
class _Owner:
    """A character, its folder, and its picture in the library; `version` is "" where it has none."""

    id: str
    name: str
    folder: str
    picture: Path
    version: str


class PictureMirror:
    """One pass over the pictures of the characters that have a folder."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._pictures = work.library.characters.pictures

    async def run(self) -> None:
        rows = await self._work.library.database.read(load_pictures)
        records = {record.id: record for record in self._work.base.of("picture")}
        owners = {owner.id: owner for owner in self._owners(rows)}
        for identity, record in records.items():
            if identity not in rows:
                await self._attempt(record.path, None, record)
        for owner in owners.values():
            await self._attempt(owner.folder, owner, records.get(owner.id))

    def _owners(self, rows: Mapping[str, tuple[str, str]]) -> Iterator[_Owner]:
        for card in self._work.base.of("card"):
            if card.id not in rows:
                continue
            name, picture = rows[card.id]
            folder = str(PurePosixPath(card.path).parent)
            path = self._pictures / picture
            # A row of a damaged library must not lead out of the folder.
            if not picture or Path(picture).name != picture:
                yield _Owner(card.id, name, folder, path, "")
                continue
            try:
                status = path.stat()
                version = f"{picture}:{status.st_size}:{status.st_mtime_ns}"
            except OSError:
                version = ""
            yield _Owner(card.id, name, folder, path, version)

    async def _attempt(self, path: str, owner: _Owner | None, record: Record | None) -> None:
        try:
            if owner is not None:
                await self._compare(owner, record)
            elif record is not None:
                self._gone(record)
        except ChangedMeanwhile:
            self._work.again = True
        except (InvalidInput, NotFound) as error:
            path = str(error.params.get("path") or path)
            self._work.skip("picture", path, error)

    def _gone(self, record: Record) -> None:
        """The character was deleted: its picture goes where its card went, or stays if it was changed."""
        if record.path in self._work.folder.files and self._work.is_unchanged(record):
            self._work.remove(record)
        else:
            self._work.base.drop(record.path)

    def _find_picture(self, owner: _Owner, record: Record | None) -> tuple[Record | None, str]:
        """The record and the file of a character's picture, wherever a person moved it; "" for no file."""
        work = self._work
        beside = [f"{owner.folder}/card{ending}" for ending in PICTURES]
        for path in beside:
            if (trouble := work.folder.trouble(path)) is not None:
                raise trouble
        there = [path for path in beside if path in work.folder.files]
        if record is None or record.path in there:
            return record, record.path if record else next(iter(there), "")
        same = f"{owner.folder}/{PurePosixPath(record.path).name}"
        if same in there:
            follow(work, record, same)
            return work.base.at(same), same
        if there or not record.path.startswith(f"{owner.folder}/"):
            work.base.drop(record.path)
            return None, next(iter(there), "")
        return record, ""

    async def _compare(self, owner: _Owner, record: Record | None) -> None:
        work = self._work
        record, path = self._find_picture(owner, record)
        unchanged = record is not None and bool(path) and work.is_unchanged(record)
        if record is not None and unchanged and owner.version == record.library:
            return
        if not owner.version:
            if record is not None and unchanged:
                work.remove(record, owner.name)
            elif path:
                await self._take(owner, path)
            elif record is not None:
                work.base.drop(record.path)
            return
        if record is not None and path and not unchanged and owner.version == record.library:
            await self._take(owner, path)
            return
        shown = shown_picture(owner.picture)
        if not path:
            self._write(owner, shown, "written" if record is None else "restored")
        elif record is not None and unchanged:
            quiet = data_hash(shown) == record.file and path == self._path(owner)
            self._write(owner, shown, None if quiet else "written")
            if path != self._path(owner):
                work.remove(record, owner.name)
        else:
            await self._both_changed(owner, record, path, shown)

    async def _both_changed(self, owner: _Owner, record: Record | None, path: str, shown: bytes) -> None:
        work = self._work
        data = work.folder.read(path)
        if data == shown:
            self._agree(owner, path, data)
        elif record is not None and data_hash(shown) == record.file:
            await self._take(owner, path)
        else:
            kept = work.keep(path, data)
            if path != self._path(owner) and not work.dry:
                work.folder.move(path, work.folder.trash_path(path))
            self._write(owner, shown)
            work.tell(MirrorEvent("conflict", "picture", self._path(owner), owner.id, owner.name, kept=kept))

    async def _take(self, owner: _Owner, path: str) -> None:
        """Give a character the picture of a file."""
        from lunalux_core.editor.draft_files import read_picture

        data = self._work.folder.read(path)
        try:
            attached = read_picture(data)
        except LunaluxError as error:
            error.params.setdefault("path", path)  # which of its files, beside the folder of the character
            raise
        if not self._work.dry:
            bare = without_card(data)
            name = f"{owner.id}.{hashlib.sha256(bare).hexdigest()[:12]}{attached.ext}"
            await self._store(owner, name, bare)
            status = (self._pictures / name).stat()
            version = f"{name}:{status.st_size}:{status.st_mtime_ns}"
            self._agree(replace(owner, version=version), path, data)
        self._work.tell(MirrorEvent("taken", "picture", path, owner.id, owner.name))

    async def _store(self, owner: _Owner, name: str, data: bytes) -> None:
        from lunalux_core.editor.draft_files import write_file

        # The file lies there before the row names it, and the former one goes after that.
        if not (self._pictures / name).exists():
            write_file(self._pictures / name, data)

        def change(connection: Connection) -> None:
            character = load_character(connection, owner.id)
            loaded = LoadedCard(
                Card.parse(character.document), None, "", "json", filename=f"{owner.name}.json"
            )
            new = new_character(owner.id, loaded, character.summary.language)
            replace_character(connection, owner.id, replace(new, picture=name))

        await self._work.library.database.write(change)
        for file in self._pictures.glob(f"{owner.id}.*"):
            if file.name != name and file.suffix != ".charx":
                with suppress(OSError):
                    file.unlink(missing_ok=True)

    def _write(self, owner: _Owner, data: bytes, action: MirrorAction | None = None) -> None:
        path = self._path(owner)
        self._work.write(path, data)
        self._agree(owner, path, data)
        if action is not None:
            self._work.tell(MirrorEvent(action, "picture", path, owner.id, owner.name))

    def _path(self, owner: _Owner) -> str:
        ending = owner.picture.suffix.lower()
        return f"{owner.folder}/card{ending if ending in PICTURES else '.png'}"

    def _agree(self, owner: _Owner, path: str, data: bytes) -> None:
        self._work.agree(Record(path, "picture", owner.id, data_hash(data), owner.version))


def shown_picture(path: Path) -> bytes:
    """A picture of the library as its file shows it. Raises InvalidInput."""
    from lunalux_core.regular_files import read_regular

    return without_card(read_regular(path))


def without_card(data: bytes) -> bytes:
    """A picture without the card that a PNG may hold."""
    from lunalux_core.cards import png

    if not png.is_png(data):
        return data
    try:
        card = next(png.texts(data, png.CARD_KEYWORDS), None)
        return data if card is None else png.write_texts(data, [], png.CARD_KEYWORDS)
    except LunaluxError:  # what cannot be taken apart is shown as it is
        return data
