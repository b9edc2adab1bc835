"""How the SQLite file is opened, and the thread that each connection lives on."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from lunalux_core.backend.storage.table import Unavailable

T = TypeVar("T")
BUSY_SECONDS = 30
SCHEMA_VERSION = 1


def open_connection(path: Path, ddl: Iterable[str] | None) -> sqlite3.Connection:
    """A connection with durable commits; with `ddl` it makes file and tables first, without it only reads."""
    db = _connect(path, ddl, BUSY_SECONDS)
    if ddl is None:
        db.execute("PRAGMA query_only = 1")
    return db


def open_impatient(path: Path) -> sqlite3.Connection:
    """A connection to an existing file that waits for nobody, and leaves copying the log to the others."""
    db = _connect(path, None, 0)
    db.execute("PRAGMA wal_autocheckpoint = 0")
    return db


def _connect(path: Path, ddl: Iterable[str] | None, patience_s: float) -> sqlite3.Connection:
    if ddl is not None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite gives -wal and -shm the same mode
    db = sqlite3.connect(path, timeout=patience_s, isolation_level=None, check_same_thread=False)
    try:
        _enter_wal(db)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA mmap_size = 268435456")
        if ddl is not None:
            _create(db, ddl)
    except BaseException:
        db.close()
        raise
    return db


def _enter_wal(db: sqlite3.Connection) -> None:
    """Switching to WAL does not wait for other openers by itself, so it is tried again here."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _create(db: sqlite3.Connection, ddl: Iterable[str]) -> None:
    """Make what is missing; safe when several processes open a new file at once."""
    db.execute("BEGIN IMMEDIATE")
    try:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise sqlite3.OperationalError("the file was written by a newer version of Lunalux")
        for statement in ddl:
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def transaction(db: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """`work` in a write transaction: all of it is on disk when this returns, or none of it ever."""
    db.execute("BEGIN IMMEDIATE")
    return finished(db, work)


def finished(db: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """`work` in the transaction that was begun, and its commit."""
    try:
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return result


@contextmanager
def unreadable_texts(db: sqlite3.Connection) -> Iterator[None]:
    """Read texts that are no UTF-8 with a mark for what is wrong; slower, so for those alone."""
    db.text_factory = lambda data: data.decode("utf-8", "replace")
    try:
        yield
    finally:
        db.text_factory = str


class Worker:
    """One connection on one thread of its own.

    Raises:
        Unavailable: from every call, when the disk or the file refuses, or after `close`.
    """

    def __init__(self, name: str, connect: Callable[[], sqlite3.Connection]) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._opening: Future[sqlite3.Connection] = self._executor.submit(connect)
        self._closed = False

    def connection(self) -> sqlite3.Connection:
        return self._opening.result()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._submit(work)

    async def run_transaction(self, work: Callable[[sqlite3.Connection], T]) -> tuple[T, float]:
        """What `transaction` returns, and the seconds it took."""

        def timed(db: sqlite3.Connection) -> tuple[T, float]:
            began = time.perf_counter()
            result = transaction(db, work)
            return result, time.perf_counter() - began

        return await self._submit(timed)

    async def _submit(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise Unavailable("The storage is closed.")

        def guarded() -> T:
            try:
                return work(self._opening.result())
            except (sqlite3.Error, OSError) as error:
                raise unavailable(error) from error

        return await asyncio.wrap_future(self._executor.submit(guarded))

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True

        def shut() -> None:
            if self._opening.exception() is None:
                self._opening.result().close()

        self._executor.submit(shut).result()
        self._executor.shutdown()


def unavailable(error: Exception) -> Unavailable:
    """The sentence a person can act on. A transaction of SQLite is whole or absent, never in doubt."""
    if isinstance(error, OSError):
        full = error.errno in {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
        kind = "full" if full else "unwritable" if error.errno in _UNWRITABLE else ""
    else:
        # By its number: the text of an error may hold any word that a path does.
        name = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
        kind = _KINDS.get(name, "")
    return Unavailable(_SENTENCES.get(kind) or f"The service's data cannot be used: {error}")


_UNWRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR})
_KINDS = {
    "SQLITE_FULL": "full",
    "SQLITE_READONLY": "unwritable",
    "SQLITE_CANTOPEN": "unwritable",
    "SQLITE_PERM": "unwritable",
    "SQLITE_BUSY": "busy",
    "SQLITE_LOCKED": "busy",
    "SQLITE_CORRUPT": "damaged",
    "SQLITE_NOTADB": "damaged",
}
_SENTENCES = {
    "full": "The disk that holds the service's data is full.",
    "unwritable": "The service cannot write to its data folder.",
    "busy": f"Another program held the service's data for over {BUSY_SECONDS} seconds.",
    "damaged": "The file with the service's data is damaged; restore a backup.",
}
