"""How the SQLite file is opened, and the thread that each connection lives on."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from lunalux_core.backend.storage.table import Unavailable
from lunalux_core.sqlite_thread import SqliteThread, Trouble, kind_of_trouble, readable, share, transaction

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
    # A checkpoint would block this connection, which is there to be quick.
    db.execute("PRAGMA wal_autocheckpoint = 0")
    return db


def _connect(path: Path, ddl: Iterable[str] | None, patience_s: float) -> sqlite3.Connection:
    if ddl is not None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite gives -wal and -shm the same mode
    db = sqlite3.connect(path, timeout=patience_s, isolation_level=None, check_same_thread=False)
    try:
        share(db, BUSY_SECONDS)
        # Coins: a commit that was answered must survive a power cut, also where each write waits for the
        # disk.
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA mmap_size = 268435456")
        if ddl is not None:
            _create(db, ddl)
    except BaseException:
        db.close()
        raise
    return db


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


@contextmanager
def unreadable_texts(db: sqlite3.Connection) -> Iterator[None]:
    """Read texts that are no UTF-8 with a mark for what is wrong; slower, so for those alone."""
    db.text_factory = readable
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
        self._thread = SqliteThread(name, connect, unavailable)

    def connection(self) -> sqlite3.Connection:
        """Wait until the file is open."""
        return self._thread.connection()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns, outside any transaction of ours."""
        if self._thread.closed:
            raise Unavailable("The storage is closed.")
        return await asyncio.wrap_future(self._thread.submit(work))

    async def run_transaction(self, work: Callable[[sqlite3.Connection], T]) -> tuple[T, float]:
        """What `transaction` returns, and the seconds it took."""

        def timed(db: sqlite3.Connection) -> tuple[T, float]:
            began = time.perf_counter()
            result = transaction(db, work)
            return result, time.perf_counter() - began

        return await self.run(timed)

    def close(self) -> None:
        """Wait for the work under way, then close the file. Safe to call twice."""
        self._thread.close()


def unavailable(error: Exception) -> Unavailable:
    """The sentence a person can act on. A transaction of SQLite is whole or absent, never in doubt."""
    sentence = _SENTENCES.get(kind_of_trouble(error))
    return Unavailable(sentence or f"The service's data cannot be used: {error}")


_SENTENCES: dict[Trouble, str] = {
    "full": "The disk that holds the service's data is full.",
    "unwritable": "The service cannot write to its data folder.",
    "busy": f"Another program held the service's data for over {BUSY_SECONDS} seconds.",
    "damaged": "The file with the service's data is damaged; restore a backup.",
}
