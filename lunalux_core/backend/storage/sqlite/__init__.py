"""The storage port on one SQLite file: what the embedded backend keeps its data in.

Every write is its own BEGIN IMMEDIATE with synchronous=FULL, so that what was answered survives a power cut;
it is made on a thread, or in place while the disk is quick (`pace`). Pages are read on a second thread, and
never wait for a disk sync; one item by its key is read where it is asked for.
Several processes may share the file (WAL, 30 s of patience). Indexes are SQLite's own, over the documents.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from lunalux_core.backend.storage import effects, operation_checks
from lunalux_core.backend.storage.encoding import decode, encode, fingerprint
from lunalux_core.backend.storage.sqlite.connection import (
    Worker,
    open_connection,
    open_impatient,
    unavailable,
    unreadable_texts,
)
from lunalux_core.backend.storage.sqlite.layout import Layout
from lunalux_core.backend.storage.sqlite.pace import Pace
from lunalux_core.backend.storage.table import (
    ITEM_BYTES,
    ConditionFailed,
    Delete,
    Invalid,
    Item,
    Key,
    Operation,
    Page,
    Put,
    TableSpec,
    Update,
)
from lunalux_core.sqlite_thread import copy_database, finished, is_unreadable

T = TypeVar("T")
GET_MANY_LIMIT = 100
SCAN_PAGE = 500
# As long as DynamoDB remembers a token.
TOKEN_SECONDS = 600
SURELY_SMALL = ITEM_BYTES // 4  # characters of JSON; none of them is more than four bytes


class SqliteStore:
    """A Store in the file at `path`, which is made (mode 0600) if missing.

    Raises:
        Unavailable: from every call, when the disk or the file refuses, or after `aclose`.
    """

    def __init__(self, path: Path, specs: Iterable[TableSpec]) -> None:
        self._path = path
        self._specs = {spec.name: spec for spec in specs}
        self._layout = Layout(self._specs)
        self._writer = Worker("lunalux-store-w", lambda: open_connection(path, self._layout.ddl()))
        self._reader = Worker("lunalux-store-r", self._open_reader)
        self._near: sqlite3.Connection | None = None
        self._opening = asyncio.Lock()
        self._pace = Pace()

    def _open_reader(self) -> sqlite3.Connection:
        self._writer.connection()  # it makes the file and the tables
        return open_connection(self._path, None)

    async def get(self, table: str, key: tuple[str, str], *, consistent: bool = True) -> Item | None:
        operation_checks.check_key(key)
        operation_checks.spec_of(table, self._specs)
        near = await self._opened_near()
        try:
            return self._read(near, table, key)
        except sqlite3.Error:  # held by a process that recovers or closes it, or worse: wait, and tell, there
            return await self._reader.run(lambda db: self._read(db, table, key))

    async def _opened_near(self) -> sqlite3.Connection:
        """The connection for reads in place, opened once however many ask for it first."""
        if self._near is None:
            async with self._opening:
                if self._near is None:
                    self._near = await self._reader.run(lambda _: open_impatient(self._path))
        return self._near

    async def get_many(self, table: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Item]:
        operation_checks.spec_of(table, self._specs)
        if len(keys) > GET_MANY_LIMIT:
            raise Invalid(f"at most {GET_MANY_LIMIT} items at once")
        for key in keys:
            operation_checks.check_key(key)

        def read(db: sqlite3.Connection) -> dict[tuple[str, str], Item]:
            items = {(pk, sk): self._read(db, table, (pk, sk)) for pk, sk in keys}
            return {Key(*key): item for key, item in items.items() if item is not None}

        return await self._reader.run(read)

    async def write(self, operation: Put | Update | Delete) -> Item | None:
        operation_checks.check_operation(operation, operation_checks.spec_of(operation.table, self._specs))

        def work(db: sqlite3.Connection) -> Item | None:
            ((old, new),) = self._apply(db, (operation,), tell_old=True)
            return old if isinstance(operation, Delete) else new

        return await self._transaction(work)

    async def transact(self, operations: Sequence[Operation], token: str | None = None) -> None:
        operation_checks.check_transaction(operations, self._specs)

        def work(db: sqlite3.Connection) -> None:
            if token is None or not self._was_applied(db, token, operations):
                self._apply(db, operations)

        await self._transaction(work)

    async def query(
        self,
        table: str,
        pk: str,
        *,
        index: str | None = None,
        prefix: str = "",
        after: Mapping[str, str] | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> Page:
        operation_checks.spec_of(table, self._specs)
        if limit < 1:
            raise Invalid("a page holds at least one item")
        select = self._layout.select(table, index, pk, prefix, after, limit, descending)

        def read(db: sqlite3.Connection) -> Page:
            try:
                return select.page(db.execute(select.sql, select.values))
            except sqlite3.OperationalError as error:
                if not is_unreadable(error):
                    raise
                with unreadable_texts(db):  # one row's half a surrogate pair must not hide all the others
                    return select.page(db.execute(select.sql, select.values))

        return await self._reader.run(read)

    async def scan_all(self, table: str) -> AsyncIterator[Item]:
        operation_checks.spec_of(table, self._specs)
        sql, last = self._layout.scan(table), 0
        while True:
            rows = await self._reader.run(
                lambda db, last=last: db.execute(sql, (last, SCAN_PAGE)).fetchall()  # type: ignore[misc]
            )
            for rowid, doc in rows:
                yield decode(doc)
                last = rowid
            if len(rows) < SCAN_PAGE:
                return

    async def scan(self, table: str, *, after: Mapping[str, str] | None = None, limit: int = 100) -> Page:
        operation_checks.spec_of(table, self._specs)
        last = _row_of(after)
        sql = self._layout.scan(table)
        rows = await self._reader.run(lambda db: db.execute(sql, (last, limit + 1)).fetchall())
        items = tuple(decode(doc) for _, doc in rows[:limit])
        return Page(items, {"row": str(rows[limit - 1][0])} if len(rows) > limit else None)

    async def size(self, table: str) -> int | None:
        operation_checks.spec_of(table, self._specs)
        sql = self._layout.count(table)
        count: int = await self._reader.run(lambda db: db.execute(sql).fetchone()[0])
        return count

    async def purge(self, now_s: int) -> int:
        """Drop items whose TTL has passed, as DynamoDB does by itself; returns how many."""

        def work(db: sqlite3.Connection) -> int:
            return sum(db.execute(sql, (now_s,)).rowcount for sql in self._layout.purges())

        return (await self._writer.run_transaction(work))[0]

    async def backup(self, target: Path) -> None:
        """Write a whole, consistent copy of the store to the file `target`."""

        def work(db: sqlite3.Connection) -> None:
            try:
                copy_database(db, target)
            except OSError as error:
                raise unavailable(error) from error

        await self._reader.run(work)

    async def aclose(self) -> None:
        """Wait for the work under way, then close the file. Safe to call twice."""
        for thread in (self._reader, self._writer):
            await asyncio.to_thread(thread.close)
        async with self._opening:
            near, self._near = self._near, None
        if near is not None:
            near.close()

    async def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`work` in a write transaction: in place while that takes next to no time, else on the thread."""
        if self._near is not None and self._pace.in_place():
            began = time.perf_counter()
            if self._begun(self._near):
                try:
                    result = finished(self._near, work)
                except sqlite3.Error as error:
                    raise unavailable(error) from error
                self._pace.note(time.perf_counter() - began, in_place=True)
                return result
        result, seconds = await self._writer.run_transaction(work)
        self._pace.note(seconds, in_place=False)
        return result

    @staticmethod
    def _begun(near: sqlite3.Connection) -> bool:
        """Whether the file was free; the thread waits for whoever holds it."""
        try:
            near.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            return False
        return True

    def _read(self, db: sqlite3.Connection, table: str, key: tuple[str, str]) -> Item | None:
        rows = db.execute(self._layout.get[table], tuple(key)).fetchall()
        return decode(rows[0][0]) if rows else None

    def _apply(
        self, db: sqlite3.Connection, operations: Sequence[Operation], *, tell_old: bool = False
    ) -> list[tuple[Item | None, Item | None]]:
        """Run the operations inside an open transaction; the items before and after, one pair each.

        What is replaced or taken away without a condition is not read, unless the caller wants it told.
        """
        # All conditions are tried before anything is written, and one that fails is told before what is
        # invalid, as DynamoDB does.
        invalid: Invalid | None = None
        changes: list[tuple[Item | None, Item | None]] = []
        for number, operation in enumerate(operations):
            blind = operation.when is None and isinstance(operation, Put | Delete) and not tell_old
            old = None if blind else self._read(db, operation.table, operation_checks.key_of(operation))
            if not effects.holds(operation.when, old):
                raise ConditionFailed(number, old)
            try:
                changes.append((old, effects.outcome(operation, old)))
            except Invalid as error:
                invalid = invalid or error
        if invalid is not None:
            raise invalid
        for operation, (old, new) in zip(operations, changes, strict=True):
            key = operation_checks.key_of(operation)
            if isinstance(operation, Delete):
                db.execute(self._layout.delete[operation.table], key)
            elif new is not None and new is not old:
                text = encode(new)
                if len(text) > SURELY_SMALL:
                    operation_checks.check_size(new)
                db.execute(self._layout.upsert[operation.table], (*key, text))
        return changes

    def _was_applied(self, db: sqlite3.Connection, token: str, operations: Sequence[Operation]) -> bool:
        """Whether this very transaction was applied lately; notes it otherwise."""
        content, now = fingerprint(operations), int(time.time())
        db.execute("DELETE FROM _tokens WHERE at <= ?", (now - TOKEN_SECONDS,))
        row = db.execute("SELECT content FROM _tokens WHERE token = ?", (token,)).fetchone()
        if row is None:
            db.execute("INSERT INTO _tokens VALUES (?, ?, ?)", (token, content, now))
        elif row[0] != content:
            raise Invalid("the token belongs to another transaction")
        return row is not None


def _row_of(after: Mapping[str, str] | None) -> int:
    """The row that a scan goes on after; 0 for the beginning."""
    if after is None:
        return 0
    row = after.get("row", "")
    if set(after) != {"row"} or not (row.isascii() and row.isdigit()):
        raise Invalid("the place to go on from is not one of this scan")
    return int(row)
