"""One SQLite connection on one thread.

Everything local lives in one file. `read` and `write` run a function of the connection on the database
thread (see `sqlite_thread`) and hand its result back to the event loop; `write` is one transaction. sqlite3
is imported nowhere else on the client side. Several programs may have the same file open (WAL, busy timeout).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from lunalux_core.errors import StorageError
from lunalux_core.sqlite_thread import (
    SqliteThread,
    copy_database,
    is_unreadable,
    kind_of_trouble,
    readable,
    share,
    transaction,
)

T = TypeVar("T")
Connection = sqlite3.Connection
Row = sqlite3.Row

UNSTORABLE = (
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    sqlite3.DataError,
    OverflowError,
    UnicodeEncodeError,
)
"""What is raised for values that no table takes, as opposed to a disk or a file that refuses."""

BUSY_SECONDS = 15


def peek(path: Path, sql: str, most: int) -> list[str]:
    """The first column of at most `most` rows, read without creating, changing or waiting for anything.

    For completion in shells: a database that cannot be read gives nothing.
    """
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=0.5)) as connection:
            return [str(row[0]) for row in connection.execute(sql).fetchmany(most)]
    except sqlite3.Error:
        return []


def storage_error(error: Exception, path: Path) -> StorageError:
    """The sentence a person needs for an error of SQLite or of the file system at `path`."""
    where = str(path)
    trouble = kind_of_trouble(error, path)
    if trouble == "full":
        return StorageError(
            "DISK_FULL",
            f"The disk that holds {where} is full.",
            "Free some space; nothing that was saved before is lost.",
            path=where,
        )
    if trouble == "unwritable":
        return StorageError(
            "STORAGE_READ_ONLY",
            f"Lunalux cannot write to {where}.",
            "Make that folder writable, or choose another one with LUNALUX_HOME.",
            path=where,
        )
    if trouble == "busy":
        return StorageError(
            "STORAGE_BUSY",
            f"Another program holds {where} for too long.",
            "Close the other program and try again.",
            path=where,
        )
    if trouble == "damaged":
        return damaged(path)
    return StorageError(
        "STORAGE_FAILED",
        f"The library refused: {error}",
        "Run `lunalux doctor`.",
        path=where,
        reason=str(error).lower(),
    )


def damaged(path: Path) -> StorageError:
    """The error for a database file that cannot be used."""
    return StorageError(
        "STORAGE_DAMAGED",
        f"The library file {path} is damaged.",
        "Restore a backup with `lunalux restore`, or move the file away to start anew.",
        path=str(path),
    )


def statements(script: str) -> Iterator[str]:
    """The single statements of a script, triggers whole; unlike executescript this keeps a transaction."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def judge_database(path: Path, tables: Sequence[str], prepare: Callable[[Connection], None]) -> None:
    """Look whether a closed database is whole and has `tables`, and make it ready as a `Database` would.

    Raises:
        StorageError: STORAGE_DAMAGED, or what `prepare` raises.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            check = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if check[0] != "ok" or not {row[0] for row in rows}.issuperset(tables):
                raise damaged(path)
            prepare(connection)
            connection.execute("PRAGMA journal_mode = DELETE")  # everything into the one file
    except sqlite3.Error as error:
        raise storage_error(error, path) from error


class Presence:
    """Tells other programs that a library is in use, by a lock that ends with the process."""

    def __init__(self, path: Path) -> None:
        """Wait until no other program is `alone` there, then take the shared lock. Raises StorageError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            # A lock of SQLite and no file with a number in it: the system ends it with the process, so no
            # crash can leave a library locked.
            self._lock.execute("BEGIN")
            self._lock.execute("SELECT count(*) FROM sqlite_master").fetchone()  # takes the shared lock
        except sqlite3.Error as error:
            raise storage_error(error, path) from error

    def end(self) -> None:
        self._lock.close()

    @staticmethod
    @contextmanager
    def alone(path: Path, wait_seconds: float) -> Iterator[None]:
        """Nobody is present during the block.

        Raises:
            StorageError: LIBRARY_IN_USE, when somebody still is after `wait_seconds`.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = None
        try:
            lock = sqlite3.connect(path, timeout=wait_seconds, isolation_level=None)
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if lock is not None:
                lock.close()
            if kind_of_trouble(error, path) == "busy":
                raise StorageError(
                    "LIBRARY_IN_USE",
                    f"Another Lunalux has the library in {path.parent} open.",
                    "Close it first; nothing was changed.",
                    path=str(path.parent),
                ) from error
            raise storage_error(error, path) from error
        try:
            yield
        finally:
            lock.close()


async def _ended(running: Future[Any]) -> bool:
    """Wait for work that cannot be stopped, however often the waiting is cancelled; whether it succeeded."""
    outcome = asyncio.wrap_future(running)
    while not outcome.done():
        with suppress(asyncio.CancelledError):
            # `wait` leaves the future alone when it is cancelled itself; awaiting the future would cancel
            # it.
            await asyncio.wait({outcome})
    return not outcome.cancelled() and outcome.exception() is None


def data_version(connection: Connection) -> int:
    """A number that changes with each write of another connection."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


class Database:
    """A SQLite file with its own thread.

    Args:
        path: the file; its folder is made if missing.
        prepare: run once on the new connection (migrations); its errors surface from the first call.
        enter: run before the file is opened, on the database's thread; gives what is to be done after it
            is closed.

    Raises:
        StorageError: from every call, when the disk or the file refuses.
    """

    def __init__(
        self,
        path: Path,
        prepare: Callable[[Connection], None] | None = None,
        enter: Callable[[], Callable[[], None]] | None = None,
    ) -> None:
        self.path = path
        self._prepare = prepare
        self._enter = enter
        self._leave: Callable[[], None] = lambda: None
        self._version = 0
        self._thread = SqliteThread("lunalux-db", self._open, lambda error: storage_error(error, path))

    def _open(self) -> Connection:
        if self._enter is not None:
            self._leave = self._enter()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = self._connected()
        connection.row_factory = sqlite3.Row
        # In WAL mode this survives a killed process; a power cut can lose the last transactions, but never
        # damages the file. Waiting for the disk would cost some milliseconds a write.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        # 256 MiB: large libraries are read without copying pages.
        connection.execute("PRAGMA mmap_size = 268435456")
        if os.name == "posix":
            self.path.chmod(0o600)
        if self._prepare is not None:
            self._prepare(connection)
        self._version = data_version(connection)
        return connection

    def _connected(self) -> Connection:
        try:
            return self._shared()
        except sqlite3.OperationalError as error:
            if kind_of_trouble(error, self.path) != "full":
                raise
        # No room for the file by which programs share the library; one alone can do without, and read.
        return self._shared("PRAGMA locking_mode = EXCLUSIVE")

    def _shared(self, first: str = "") -> Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute(first)
            share(connection, BUSY_SECONDS)
        except BaseException:
            connection.close()
            raise
        return connection

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` on the database thread; several statements see one snapshot."""
        return await asyncio.wrap_future(self._submit(query, "BEGIN"))

    async def write(
        self, change: Callable[[Connection], T], *, committed: Callable[[T], None] | None = None
    ) -> T:
        """Run `change` as one transaction: all of it is stored, or none.

        Cancelled while it waits for its turn, it does not run at all; cancelled while it runs, it cannot be
        called back, so the outcome is waited for before the cancellation goes on.

        Args:
            committed: told the result as soon as it is known that it was stored, also to a caller who was
                cancelled meanwhile and gets no result.
        """
        # IMMEDIATE takes the write lock at once. A transaction that begins by reading and writes later
        # fails with SQLITE_BUSY when another program wrote in between, and no waiting helps it.
        running = self._submit(change, "BEGIN IMMEDIATE")
        try:
            result = await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            # `cancel` succeeds only for work that has not begun.
            if not running.cancel() and await _ended(running) and committed is not None:
                committed(running.result())
            raise
        if committed is not None:
            committed(result)
        return result

    def write_now(self, change: Callable[[Connection], T]) -> T:
        """`write` for callers without an event loop (batch import threads); blocks until stored."""
        return self._submit(change, "BEGIN IMMEDIATE").result()

    def try_now(self, change: Callable[[Connection], T]) -> T:
        """What `write_now` would give, but nothing of it stays (a dry run); blocks until it is known."""

        def trial(connection: Connection) -> T:
            connection.execute("SAVEPOINT trial")
            result = change(connection)
            # Back to the savepoint and not out of the transaction, which `transaction` ends itself.
            connection.execute("ROLLBACK TO trial")
            return result

        return self.write_now(trial)

    async def soundness(self) -> str:
        """ "ok", or the first thing that is wrong with the file, in SQLite's words; reads all of it."""
        return await self.read(lambda c: str(c.execute("PRAGMA quick_check(1)").fetchone()[0]))

    def _submit(self, work: Callable[[Connection], T], begin: str) -> Future[T]:
        def run(connection: Connection) -> T:
            try:
                return transaction(connection, work, begin)
            except sqlite3.OperationalError as error:
                if connection.text_factory is not str or not is_unreadable(error):
                    raise
            # One cell with bytes that are no text must not hide all the others. Reading like this is slower.
            connection.text_factory = readable
            return transaction(connection, work, begin)

        return self._thread.submit(run)

    async def changed_elsewhere(self) -> bool:
        """Whether another program wrote since the file was opened or this was asked last."""

        def look(connection: Connection) -> bool:
            before, self._version = self._version, data_version(connection)
            return self._version != before

        return await asyncio.wrap_future(self._thread.submit(look))

    async def backup(self, target: Path) -> None:
        """Write a whole, consistent copy of the database to `target`."""

        def copy(connection: Connection) -> None:
            try:
                copy_database(connection, target)
            except (sqlite3.Error, OSError) as error:
                raise storage_error(error, target) from error

        await asyncio.wrap_future(self._thread.submit(copy))

    def close(self) -> None:
        """Wait for the work under way, then close the file. Safe to call twice."""
        self._thread.close(lambda: self._leave())  # what it is, opening tells
