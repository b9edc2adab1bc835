"""Card files into the library: one, or thousands.

Files are read and copied by a few threads; rows are stored in batches, and a result is only told once its
row is on disk. A bad file is a result like any other and never stops the batch.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lunalux_core.database import Connection, storage_error
from lunalux_core.errors import InvalidInput, LimitExceeded, LunaluxError, NotFound
from lunalux_core.ids import short_id
from lunalux_core.library.characters import NewCharacter, insert_character, replace_character

if TYPE_CHECKING:
    from lunalux_core.cards.front import LoadedCard
    from lunalux_core.library import Library
    from lunalux_core.paths import Paths

OnDuplicate = Literal["skip", "replace", "copy"]
Outcome = Literal["imported", "duplicate", "replaced", "failed"]
ENDINGS = (".png", ".json", ".charx", ".yaml", ".yml", ".jpg", ".jpeg")
BATCH = 64
BATCH_SECONDS = 0.25

_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of one file. `id` names the character (for a duplicate: the one that was there)."""

    path: str
    status: Outcome
    id: str = ""
    name: str = ""
    spec: str = ""
    error: LunaluxError | None = None
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Prepared:
    result: ImportResult
    new: NewCharacter | None = None
    replaces: str = ""
    files: tuple[Path, ...] = ()


@dataclass(slots=True)
class _Known:
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


def expand(arguments: Iterable[str], stdin: Iterable[str] = ()) -> Iterator[Path | ImportResult]:
    """Files named by paths, folders (recursively), globs, and `-` for a list on stdin, in a stable order.

    A path that does not exist comes out as a failed result.
    """
    for argument in arguments:
        if argument == "-":
            yield from expand(line.strip() for line in stdin if line.strip())
            continue
        path = Path(argument).expanduser()
        if path.is_dir():
            yield from sorted(
                file for file in path.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file()
            )
        elif path.exists():
            yield path
        elif found := sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor)))):
            yield from (file for file in found if file.is_file())
        else:
            error = NotFound(
                "FILE_NOT_FOUND", f"There is no file {argument}.", "Check the path.", path=argument
            )
            yield ImportResult(argument, "failed", error=error)


def import_files(
    library: Library,
    paths: Paths,
    files: Iterable[Path | ImportResult],
    *,
    jobs: int = 0,
    on_duplicate: OnDuplicate = "skip",
    language: str = "",
    dry_run: bool = False,
) -> Iterator[ImportResult]:
    """Import card files, yielding one result a file as soon as it is stored (blocking; run it in a thread).

    Args:
        jobs: reading threads; 0 chooses by the number of processors.
        on_duplicate: what to do with a card whose content is in the library already.
        language: language to note, else it is guessed from the card's text.
        dry_run: read and check everything, store nothing.
    """
    pictures = paths.pictures
    if not dry_run:
        try:
            pictures.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(error, pictures) from error
    known = _Known(library.database.write_now(_hashes))
    importer = _Importer(pictures, known, on_duplicate, language, dry_run)
    workers = jobs or min(4, (os.cpu_count() or 1) + 1)
    source = iter(files)
    with ThreadPoolExecutor(workers, thread_name_prefix="lunalux-import") as pool:
        running: set[Future[_Prepared]] = set()
        batch: list[_Prepared] = []
        since = time.monotonic()
        try:
            while True:
                for item in islice(source, max(workers * 4 - len(running), 0)):
                    running.add(pool.submit(importer.prepare, item))
                if not running:
                    break
                done, running = wait(running, timeout=BATCH_SECONDS, return_when=FIRST_COMPLETED)
                batch += [one.result() for one in done]
                if batch and (len(batch) >= BATCH or time.monotonic() - since >= BATCH_SECONDS):
                    yield from _store(library, batch, dry_run)
                    batch, since = [], time.monotonic()
            yield from _store(library, batch, dry_run)
        finally:
            for one in running:
                one.cancel()


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

    from lunalux_core.cards.front import read_card

    loaded = await asyncio.to_thread(read_card, data, filename)
    identity = short_id()
    new = new_character(identity, loaded, language)
    there = await library.characters.by_hash(new.content_hash)
    if there is not None:
        if market_id is not None:
            await library.characters.set_binding(there, active=True, market_id=market_id)
        return ImportResult(filename, "duplicate", there, new.name, new.spec, warnings=loaded.warnings)
    await asyncio.to_thread(_write_files, paths.pictures, identity, loaded, data)
    if market_id is not None:
        from dataclasses import replace

        new = replace(new, market_id=market_id, binding_active=True)
    await library.characters.add(new)
    return ImportResult(filename, "imported", identity, new.name, new.spec, warnings=loaded.warnings)


async def add_starters(library: Library, paths: Paths) -> bool:
    """Put the starter characters into a library that never had them; False when it had."""
    if await library.state.get("starters_added"):
        return False
    from lunalux_core.starter import cards

    if not await library.characters.count():
        for path in reversed(cards()):
            language = path.stem.rpartition(".")[2]
            await import_data(library, paths, path.read_bytes(), path.name, language=language)
    await library.state.set("starters_added", True)
    return True


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


class _Importer:
    """The part of a batch that runs in the reading threads."""

    def __init__(
        self, pictures: Path, known: _Known, on_duplicate: OnDuplicate, language: str, dry_run: bool
    ) -> None:
        self._pictures = pictures
        self._known = known
        self._on_duplicate = on_duplicate
        self._language = language
        self._dry_run = dry_run

    def prepare(self, item: Path | ImportResult) -> _Prepared:
        if isinstance(item, ImportResult):
            return _Prepared(item)
        try:
            return self._read(item)
        except LunaluxError as error:
            return _Prepared(ImportResult(str(item), "failed", error=error))
        except OSError as error:
            told = InvalidInput(
                "FILE_UNREADABLE",
                f"{item} cannot be read: {error.strerror or error}.",
                "Check its permissions.",
                path=str(item),
                reason=str(error.strerror or error),
            )
            return _Prepared(ImportResult(str(item), "failed", error=told))

    def _read(self, path: Path) -> _Prepared:
        from lunalux_core.cards.front import MAX_ARCHIVE, read_card

        if path.stat().st_size > MAX_ARCHIVE:
            raise LimitExceeded(
                "FILE_TOO_LARGE",
                f"{path.name} is larger than {MAX_ARCHIVE // 2**20} MB.",
                "Make its picture smaller.",
                limit=MAX_ARCHIVE,
            )
        data = path.read_bytes()
        loaded = read_card(data, path.name)
        identity = short_id()
        new = new_character(identity, loaded, self._language)
        there = None if self._on_duplicate == "copy" else self._known.claim(new.content_hash, identity)
        result = ImportResult(str(path), "imported", identity, new.name, new.spec, warnings=loaded.warnings)
        if there is not None and self._on_duplicate == "skip":
            return _Prepared(ImportResult(str(path), "duplicate", there, new.name, new.spec))
        files = () if self._dry_run else _write_files(self._pictures, identity, loaded, data, path)
        if there is not None:
            result = ImportResult(str(path), "replaced", there, new.name, new.spec, warnings=loaded.warnings)
            return _Prepared(result, new, there, files)
        return _Prepared(result, new, files=files)


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
            target = pictures / f"{identity}.charx"
            target.write_bytes(data)
            written.append(target)
    except OSError as error:
        for target in written:
            target.unlink(missing_ok=True)
        raise storage_error(error, pictures) from error
    return tuple(written)


def _store(library: Library, batch: Sequence[_Prepared], dry_run: bool) -> Iterator[ImportResult]:
    if batch and not dry_run:
        try:
            library.database.write_now(lambda connection: _store_rows(connection, batch))
        except LunaluxError:
            for prepared in batch:
                for path in prepared.files:
                    path.unlink(missing_ok=True)
            raise
    for prepared in batch:
        yield prepared.result


def _store_rows(connection: Connection, batch: Sequence[_Prepared]) -> None:
    for prepared in batch:
        if prepared.new is None:
            continue
        if prepared.replaces:
            replace_character(connection, prepared.replaces, prepared.new)
        else:
            insert_character(connection, prepared.new)


def _hashes(connection: Connection) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute("SELECT content_hash, id FROM characters")}
