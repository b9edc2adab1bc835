"""One import of many files: cards by threads and in batches, then everything that refers to them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TYPE_CHECKING

from lunalux_core.database import storage_error
from lunalux_core.importing.card_import import CardReader, KnownContents, PreparedFile, clear_leftovers, store
from lunalux_core.importing.chat_owners import ChatOwners
from lunalux_core.importing.import_results import ImportResult, OnDuplicate
from lunalux_core.importing.sources import ImportSource, place
from lunalux_core.library.characters import content_hashes

if TYPE_CHECKING:
    from lunalux_core.config.paths import Paths
    from lunalux_core.library import Library

BATCH = 64
BATCH_SECONDS = 0.25


def import_files(
    library: Library,
    paths: Paths,
    files: Iterable[ImportSource | ImportResult],
    *,
    jobs: int = 0,
    on_duplicate: OnDuplicate = "skip",
    language: str = "",
    dry_run: bool = False,
) -> Iterator[ImportResult]:
    """Import files of every kind, yielding results as soon as they are stored (blocking; run it in a thread).

    Args:
        files: of `gather`, or of `expand` for cards alone.
        jobs: reading threads; 0 chooses by the number of processors.
        on_duplicate: what to do with content that is in the library already. A chat that is there is never
            replaced, since it may have gone on since.
        language: language of the cards, else it is guessed from their text.
        dry_run: read and check everything, store nothing.
    """
    if not dry_run:
        # Before any thread reads: a folder that cannot be made would fail each file by itself.
        try:
            paths.pictures.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(error, paths.pictures) from error
        clear_leftovers(library)
    known_hashes = KnownContents(library.database.write_now(content_hashes))
    reader = CardReader(paths.pictures, known_hashes, on_duplicate, language, dry_run)
    others: list[PreparedFile] = []
    where = ChatOwners()
    for batch in _prepared(reader, files, jobs or min(4, (os.cpu_count() or 1) + 1)):
        if not dry_run and any(prepared.new is not None for prepared in batch):
            store(library, batch)
        for prepared in batch:
            if prepared.other is not None:
                # Chats, groups and settings refer to characters, so they wait until all cards are stored.
                others.append(prepared)
                continue
            # A picture beside a text file of the same name: it is told with its character.
            if prepared.untold:
                continue
            if prepared.source is not None and prepared.result.id:
                where.add(place(prepared.source).stem, prepared.result.name, prepared.result.id)
            yield prepared.result
    if others:
        from lunalux_core.importing.document_import import DocumentImport

        yield from DocumentImport(library, reader, where, on_duplicate, dry_run).take(others)


def _prepared(
    reader: CardReader, files: Iterable[ImportSource | ImportResult], workers: int
) -> Iterator[Sequence[PreparedFile]]:
    """Files as they are ready, some at a time, so that storing costs one transaction for many."""
    source = iter(files)
    with ThreadPoolExecutor(workers, thread_name_prefix="lunalux-import") as pool:
        running: set[Future[PreparedFile]] = set()
        batch: list[PreparedFile] = []
        since = time.monotonic()
        try:
            while True:
                # A few files for each thread: more would only hold their bytes in memory.
                for item in islice(source, max(workers * 4 - len(running), 0)):
                    running.add(pool.submit(reader.prepare, item))
                if not running:
                    break
                finished, running = wait(running, timeout=BATCH_SECONDS, return_when=FIRST_COMPLETED)
                batch += [future.result() for future in finished]
                if batch and (len(batch) >= BATCH or time.monotonic() - since >= BATCH_SECONDS):
                    yield batch
                    batch, since = [], time.monotonic()
            if batch:
                yield batch
        finally:
            for future in running:
                future.cancel()
