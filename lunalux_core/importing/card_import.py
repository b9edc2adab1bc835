"""Cards into the library: the part of an import that may run in many threads, and its storing in batches."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lunalux_core.cards.charx import CARD_MEMBER
from lunalux_core.database import Connection, storage_error
from lunalux_core.errors import InvalidInput, LimitExceeded, LunaluxError, StorageError
from lunalux_core.ids import short_id
from lunalux_core.importing.import_results import ImportResult, OnDuplicate, failed, not_understood
from lunalux_core.importing.sources import (
    ASSETS,
    ImportSource,
    Room,
    beside,
    files_below,
    place,
    read_source,
    size_of,
    unreadable,
)
from lunalux_core.library.characters import (
    NewCharacter,
    character_ids,
    id_by_hash,
    insert_character,
    load_character,
    replace_character,
)

if TYPE_CHECKING:
    from lunalux_core.cards.card_reader import LoadedCard
    from lunalux_core.cards.file_kind import FileKind
    from lunalux_core.config.paths import Paths
    from lunalux_core.library import Library

MAX_PORTRAIT = 32 * 1024 * 1024
"""Bytes of a picture that is taken along with a character in a text file."""

LEFT_SECONDS = 24 * 3600
"""A file without a row may belong to an import under way; after so long it does not."""
_OF_A_CHARACTER = re.compile(r"([0-9a-f]{12})\.[\w.]{1,24}", re.ASCII)
_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(slots=True)
class PreparedFile:
    """A file that was looked at: a result to tell, a row to store, or another kind of file to import.

    `copy` stores what is there already a second time; `untold` marks a file that is part of another one.
    """

    result: ImportResult
    new: NewCharacter | None = None
    replaces: str = ""
    files: tuple[Path, ...] = ()
    source: ImportSource | None = None
    other: FileKind | None = None
    copy: bool = False
    untold: bool = False


@dataclass(slots=True)
class KnownContents:
    """Which contents are in the library, shared by the reading threads."""

    ids: dict[str, str]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def claim(self, content_hash: str, identity: str) -> str | None:
        """Take a content for a new id; the id that has it already, if any."""
        with self.lock:
            there = self.ids.get(content_hash)
            if there is None:
                self.ids[content_hash] = identity
            return there


async def import_data(
    library: Library,
    paths: Paths,
    data: bytes,
    filename: str,
    *,
    language: str = "",
    market_id: str | None = None,
) -> ImportResult:
    """Import one card from memory (a download, a drop). Bound to the community when `market_id` is given.

    Raises:
        InvalidInput, LimitExceeded: the file is no card. StorageError: it cannot be stored.
    """
    import asyncio

    from lunalux_core.cards.card_reader import read_card
    from lunalux_core.cards.card_warnings import card_warnings

    loaded = await asyncio.to_thread(read_card, data, filename)
    identity = short_id()
    new = new_character(identity, loaded, language)
    # Asked before the picture is written; the insert asks again, within its transaction.
    there = await library.characters.by_hash(new.content_hash)
    if there is not None:
        if market_id is not None:
            await library.characters.set_binding(there, active=True, market_id=market_id)
        return ImportResult(filename, "duplicate", there, new.name, new.spec, warnings=loaded.warnings)
    files = await asyncio.to_thread(_write_files, paths.pictures, identity, loaded, data)
    if market_id is not None:
        new = replace(new, market_id=market_id, binding_active=True)
    there = await library.database.write(lambda connection: _insert_new(connection, new))
    if there:  # another program, or another download of the same, was quicker
        _take_away(files)
        return ImportResult(filename, "duplicate", there, new.name, new.spec, warnings=loaded.warnings)
    notes = (*loaded.warnings, *card_warnings(loaded.card))
    return ImportResult(filename, "imported", identity, new.name, new.spec, warnings=notes)


async def add_starters(library: Library, paths: Paths) -> None:
    """Put the starter characters into a library that has no character, or the rest of them where that was cut
    off: a program may be left while it starts."""
    from lunalux_core.starter import cards

    if not await library.state.get("starters_begun"):
        if await library.characters.count():
            return
        await library.state.set("starters_begun", True)
    # The list shows the newest first, so the one that is to stand in front is added last.
    for path in reversed(cards()):
        language = path.stem.rpartition(".")[2]
        await import_data(library, paths, path.read_bytes(), path.name, language=language)


def new_character(identity: str, loaded: LoadedCard, language: str = "") -> NewCharacter:
    """The library's reading of a card."""
    from lunalux_core.text import clean, clean_line

    card = loaded.card
    intro = card.user_description or card.creator_notes
    return NewCharacter(
        id=identity,
        name=clean_line(loaded.name, 200) or "?",
        document=card.text,
        content_hash=card.card_hash,
        spec=card.spec,
        # The beginnings are enough, and a card may have a megabyte of text.
        language=language or guess_language(card.name + card.first_mes[:2000] + card.description[:2000]),
        creator=clean_line(card.creator, 200),
        intro=clean(intro[:1000]),
        tags=tuple(clean_line(tag, 60) for tag in card.tags),
        picture=f"{identity}{loaded.picture_ext}" if loaded.picture is not None else "",
    )


def guess_language(text: str) -> str:
    """ "zh" when a fifth of the letters are Chinese characters, else "en"."""
    letters = len(_LETTER.findall(text))
    return "zh" if letters and len(_CJK.findall(text)) * 5 >= letters else "en"


class CardReader:
    """Reads files in threads; what is no card comes back as `other`, for those who know about it.

    Args:
        contents: which contents are in the library.
        language: language to note, else it is guessed from the card's text.
        dry_run: write no picture.
    """

    def __init__(
        self, pictures: Path, contents: KnownContents, on_duplicate: OnDuplicate, language: str, dry_run: bool
    ) -> None:
        self._pictures = pictures
        self._contents = contents
        self._on_duplicate = on_duplicate
        self._language = language
        self._dry_run = dry_run
        self._room = Room()

    def prepare(self, item: ImportSource | ImportResult) -> PreparedFile:
        if isinstance(item, ImportResult):
            return PreparedFile(item)
        try:
            with self._room.taken(size_of(item)):
                return self._read(item)
        except LunaluxError as error:
            return PreparedFile(failed(item, error), source=item)
        except OSError as error:
            return PreparedFile(failed(item, unreadable(item, error)), source=item)
        except Exception as error:  # one file that nobody thought of is no reason to stop the others
            return PreparedFile(failed(item, not_understood(item, error)), source=item)

    def _read(self, source: ImportSource) -> PreparedFile:
        from lunalux_core.cards.card_reader import MAX_ARCHIVE, read_card
        from lunalux_core.cards.file_kind import LEFT_ALONE, FileKind, recognise

        path = place(source)
        if size_of(source) > MAX_ARCHIVE:
            raise LimitExceeded(
                "FILE_TOO_LARGE",
                f"{path.name} is larger than {MAX_ARCHIVE // 2**20} MB.",
                "Make its picture smaller.",
                limit=MAX_ARCHIVE,
            )
        if path.suffix.lower() == ".jsonl":  # lines of a chat, read once its character is stored
            return PreparedFile(ImportResult(str(source), "imported"), source=source, other=FileKind.CHAT)
        data = read_source(source)
        try:
            loaded = read_card(data, path.name)
        except InvalidInput:
            kind = recognise(data, path.name)
            if kind is FileKind.UNKNOWN and _is_portrait(source):
                return PreparedFile(ImportResult(str(source), "imported"), source=source, untold=True)
            if kind is FileKind.CARD or kind in LEFT_ALONE:
                raise
            return PreparedFile(ImportResult(str(source), "imported"), source=source, other=kind)
        if loaded.source_format == "byaf":  # its chats follow once its characters are stored
            return PreparedFile(ImportResult(str(source), "imported"), source=source, other=FileKind.BYAF)
        return self.card(source, _with_portrait(source, loaded), data)

    def card(self, source: ImportSource, loaded: LoadedCard, data: bytes) -> PreparedFile:
        """A card that was read; its picture is kept here, its row is stored by `store`."""
        identity = short_id()
        new = new_character(identity, loaded, self._language)
        # Claimed while it is read: of two equal files in one import, read by two threads, one is stored.
        there = None if self._on_duplicate == "copy" else self._contents.claim(new.content_hash, identity)
        label = str(source)
        if there is not None and self._on_duplicate == "skip":
            return PreparedFile(ImportResult(label, "duplicate", there, new.name, new.spec), source=source)
        # A file can be copied by the system; a member of an archive is in memory only.
        original = source if isinstance(source, Path) else None
        base = identity
        if there is not None:  # beside the files of the one it replaces, until its row is stored
            base = f"{there}.{identity}"
            new = replace(new, picture=f"{base}{loaded.picture_ext}" if new.picture else "")
        files = () if self._dry_run else _write_files(self._pictures, base, loaded, data, original)
        from lunalux_core.cards.card_warnings import card_warnings

        notes = (*loaded.warnings, *card_warnings(loaded.card))
        if there is not None:
            result = ImportResult(label, "replaced", there, new.name, new.spec, warnings=notes)
            if not self._dry_run and loaded.picture is not None:
                _take_away(_older_files(self._pictures, there, files))
            return PreparedFile(result, new, there, source=source)
        result = ImportResult(label, "imported", identity, new.name, new.spec, warnings=notes)
        return PreparedFile(result, new, files=files, source=source, copy=self._on_duplicate == "copy")


_TEXT_CARDS = (".yaml", ".yml", ".json")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def _is_portrait(source: ImportSource) -> bool:
    """Whether a picture without a card belongs to a character in a text file of the same name beside it, as
    oobabooga keeps them."""
    path = place(source)
    if path.suffix.lower() not in _PICTURES:
        return False
    return any(beside(source, path.with_suffix(ending).name) for ending in _TEXT_CARDS)


def _with_portrait(source: ImportSource, loaded: LoadedCard) -> LoadedCard:
    """The card of a text file with the picture beside it, where that is a picture and nothing more."""
    from lunalux_core.cards.assets import picture_ext
    from lunalux_core.cards.file_kind import FileKind, recognise

    if loaded.picture is not None or place(source).suffix.lower() not in _TEXT_CARDS:
        return loaded
    for picture in _portraits(source, loaded):
        if size_of(picture) > MAX_PORTRAIT:
            continue
        try:
            data = read_source(picture)
        except (OSError, LunaluxError):
            continue
        ending = picture_ext(data)
        # A picture that is a card itself comes in as a character of its own.
        if ending and recognise(data, place(picture).name) is FileKind.UNKNOWN:
            return replace(loaded, picture=data, picture_ext=ending)
    return loaded


def _portraits(source: ImportSource, loaded: LoadedCard) -> Iterator[ImportSource]:
    """Files beside a card in a text file that may be its picture: of the same name, or the main picture of a
    CHARX that was unpacked."""
    from lunalux_core.cards.assets import list_assets, main_picture

    path = place(source)
    for ending in _PICTURES:
        if picture := beside(source, path.with_suffix(ending).name):
            yield picture
    if path.name.lower() == CARD_MEMBER:
        chosen = main_picture(list_assets(loaded.card, files_below(source, ASSETS)))
        # By the list, so that no path leads out of the folder.
        if chosen is not None and chosen.where == "member" and (main := beside(source, chosen.key)):
            yield main


def _write_files(
    pictures: Path, identity: str, loaded: LoadedCard, data: bytes, source: Path | None = None
) -> tuple[Path, ...]:
    """Keep the picture (for PNG cards the whole file) and, for archives, the archive itself."""
    written = []
    try:
        pictures.mkdir(parents=True, exist_ok=True)
        if loaded.picture is not None:
            target = pictures / f"{identity}{loaded.picture_ext}"
            if loaded.picture is data and source is not None:
                shutil.copyfile(source, target)  # the kernel copies, nothing passes through Python
            else:
                target.write_bytes(loaded.picture)
            written.append(target)
        if loaded.source_format == "charx":
            # The archive stays beside the picture: its expressions are read from there.
            target = pictures / f"{identity}.charx"
            target.write_bytes(data)
            written.append(target)
    except OSError as error:
        for target in written:
            target.unlink(missing_ok=True)
        raise storage_error(error, pictures) from error
    return tuple(written)


def store(library: Library, batch: Sequence[PreparedFile]) -> None:
    """Store the rows of a batch in one transaction. What cannot be stored becomes a failed result, its
    pictures are taken away again, and it keeps nothing else away.

    Raises:
        StorageError: nothing can be stored at all (the disk is full).
    """
    try:
        library.database.write_now(lambda connection: _store_rows(connection, batch))
    except StorageError:
        for prepared in batch:
            _take_away(prepared.files)
        raise
    except Exception:  # one row of them: told by itself, the others are stored without it
        for prepared in batch:
            _store_alone(library, prepared)
    else:
        for prepared in batch:
            _settle_files(library.characters.pictures, prepared)


def _store_alone(library: Library, prepared: PreparedFile) -> None:
    try:
        library.database.write_now(lambda connection: _store_rows(connection, [prepared]))
    except StorageError:
        raise
    except LunaluxError as error:
        prepared.result = failed(prepared.result.path, error)
    except Exception as error:
        prepared.result = failed(prepared.result.path, not_understood(prepared.result.path, error))
    else:
        _settle_files(library.characters.pictures, prepared)
        return
    _take_away(prepared.files)


def _older_files(pictures: Path, identity: str, kept: Sequence[Path]) -> list[Path]:
    """Files of a character that were not written again: its picture or archive came in another format."""
    there = (path for path in pictures.glob(f"{identity}.*") if path not in kept)
    return [path for path in there if path.is_file()]


def clear_leftovers(library: Library) -> None:
    """Remove the pictures of an import that was killed before their rows were stored, a day ago or more."""
    kept_ids = library.database.write_now(character_ids)
    with suppress(OSError):
        for path in library.characters.pictures.iterdir():
            name = _OF_A_CHARACTER.fullmatch(path.name)
            if name and name[1] not in kept_ids and time.time() - path.stat().st_mtime > LEFT_SECONDS:
                path.unlink(missing_ok=True)


def _take_away(files: Sequence[Path]) -> None:
    for path in files:
        path.unlink(missing_ok=True)


def _settle_files(pictures: Path, prepared: PreparedFile) -> None:
    """Give the archive of a replaced character its name, and take away what the former one had.

    A file without a picture leaves the former one's where it is.
    """
    identity, new = prepared.replaces, prepared.new
    if not identity or new is None or not new.picture:
        return
    archive = pictures / f"{identity}.charx"
    fresh = next((path for path in prepared.files if path.suffix == ".charx"), None)
    with suppress(OSError):
        if fresh is not None:
            fresh.replace(archive)
        for path in pictures.glob(f"{identity}.*"):
            if path.name != new.picture and not (fresh is not None and path == archive):
                path.unlink(missing_ok=True)


def _store_rows(connection: Connection, batch: Sequence[PreparedFile]) -> None:
    """Unique by content within the transaction: another program may import the same at the same time."""
    for prepared in batch:
        if prepared.new is None:
            continue
        if prepared.replaces:
            new = prepared.new
            if not new.picture:  # a file without a picture takes none away
                new = replace(
                    new, picture=load_character(connection, prepared.replaces).summary.picture or ""
                )
            replace_character(connection, prepared.replaces, new)
        elif prepared.copy:
            insert_character(connection, prepared.new)
        elif there := _insert_new(connection, prepared.new):
            result = prepared.result
            prepared.result = replace(result, status="duplicate", id=there, warnings=())
            _take_away(prepared.files)


def _insert_new(connection: Connection, new: NewCharacter) -> str:
    """Insert a character unless one of the same content is there; the id of that one, else ""."""
    there = id_by_hash(connection, new.content_hash)
    if there is None:
        insert_character(connection, new)
    return there or ""
