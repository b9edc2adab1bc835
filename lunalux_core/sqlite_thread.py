"""What every SQLite file of ours needs: a connection on a thread of its own, and errors told by their number.

`database` opens the library with it, `backend.storage.sqlite` the data of the service. What each of them says
of an error, and how durable its writes are, is its own.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeVar

T = TypeVar("T")
Connection = sqlite3.Connection
Trouble = Literal["full", "unwritable", "busy", "damaged", "other"]

FULL_BYTES = 256 * 1024
"""With less room than this, SQLite cannot make the files beside a database, and calls that an I/O error."""

_KINDS: dict[str, Trouble] = {
    "SQLITE_FULL": "full",
    "SQLITE_READONLY": "unwritable",
    "SQLITE_CANTOPEN": "unwritable",
    "SQLITE_PERM": "unwritable",
    "SQLITE_AUTH": "unwritable",
    "SQLITE_BUSY": "busy",
    "SQLITE_LOCKED": "busy",
    "SQLITE_CORRUPT": "damaged",
    "SQLITE_NOTADB": "damaged",
}
_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_UNWRITABLE = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ELOOP,
        errno.ENAMETOOLONG,
    }
)


class SqliteThread:
    """A connection that lives on one thread, opened there at once without blocking.

    Args:
        connect: opens the connection, on the thread.
        told: makes what is raised of an error of SQLite, and of the file system while the file is opened.
    """

    def __init__(
        self, name: str, connect: Callable[[], Connection], told: Callable[[Exception], Exception]
    ) -> None:
        self._told = told
        # One worker: work runs in the order in which it was submitted, and a connection is never shared.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._opening = self._thread.submit(self._open, connect)
        self.closed = False

    def _open(self, connect: Callable[[], Connection]) -> Connection:
        try:
            return connect()
        except (sqlite3.Error, OSError) as error:
            raise self._told(error) from error

    def connection(self) -> Connection:
        """Wait until the file is open. For other threads, which must not use what they get."""
        return self._opening.result()

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Run `work` on the thread once everything before it has run."""

        def guarded() -> T:
            connection = self._opening.result()
            try:
                return work(connection)
            except sqlite3.Error as error:
                raise self._told(error) from error

        return self._thread.submit(guarded)

    def close(self, then: Callable[[], None] = lambda: None) -> None:
        """Wait for the work under way, close the file, and do `then` on the thread. Safe to call twice."""
        if self.closed:
            return
        self.closed = True

        def shut() -> None:
            if self._opening.exception() is None:
                self._opening.result().close()
            then()

        # On the thread, after all work that waits there.
        self._thread.submit(shut).result()
        self._thread.shutdown()


def kind_of_trouble(error: Exception, path: Path | None = None) -> Trouble:
    """What an error is about, by its number: the text of one may hold any word that a path does.

    Args:
        path: of the file, where it is known: the room beside it tells what an I/O error means.
    """
    if isinstance(error, OSError):
        if error.errno in _FULL:
            return "full"
        return "unwritable" if error.errno in _UNWRITABLE else "other"
    # A name like SQLITE_READONLY_DBMOVED says more than is asked: the first two parts are the kind.
    name = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
    if name == "SQLITE_IOERR" and path is not None and _no_room(path):
        return "full"
    return _KINDS.get(name, "other")


def _no_room(path: Path) -> bool:
    from shutil import disk_usage

    try:
        return disk_usage(path.parent).free < FULL_BYTES
    except OSError:
        return False


def share(connection: Connection, patience_seconds: float) -> None:
    """Let several programs use the file (WAL); SQLite itself does not wait where two ask for it at once."""
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if kind_of_trouble(error) != "busy" or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def transaction(connection: Connection, work: Callable[[Connection], T], begin: str = "BEGIN IMMEDIATE") -> T:
    """`work` in a transaction: all of it is stored when this returns, or none of it ever."""
    connection.execute(begin)
    return finished(connection, work)


def finished(connection: Connection, work: Callable[[Connection], T]) -> T:
    """`work` in the transaction that was begun, and its end."""
    try:
        result = work(connection)
        connection.execute("COMMIT")
        return result
    except BaseException:
        if connection.in_transaction:  # a full disk ends the transaction by itself
            connection.execute("ROLLBACK")
        raise


def is_unreadable(error: sqlite3.OperationalError) -> bool:
    """Whether a cell holds bytes that are no text; this error is Python's own, and has no number."""
    return "decode to UTF-8" in str(error)


def readable(data: bytes) -> str:
    """A `text_factory` for such cells: a mark for what is wrong. It makes reading slower."""
    return data.decode("utf-8", "replace")


def copy_database(connection: Connection, target: Path) -> None:
    """Write a whole, consistent copy of an open database to `target`, which only its owner may read."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # Made before SQLite opens it: SQLite would give it the rights of the umask, often readable for all.
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    other = sqlite3.connect(target)
    try:
        connection.backup(other)
    finally:
        other.close()
