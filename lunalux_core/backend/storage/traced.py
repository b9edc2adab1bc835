"""A store and stored objects whose calls are spans: the operation, its tables, how many items or bytes.

No key and no value of a row, no key of an object.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from lunalux_core.backend.storage.blobs import BlobExists, BlobInfo, Blobs, Presigned
from lunalux_core.backend.storage.table import (
    ConditionFailed,
    Delete,
    Item,
    Operation,
    Page,
    Put,
    Store,
    Update,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from lunalux_core.backend.running.traces import Span, Traces


class TracedStore:
    """Hands everything on to `plain`. A condition that does not hold is an answer, not a failure."""

    def __init__(self, plain: Store, traces: Traces) -> None:
        self.plain, self._traces = plain, traces

    async def get(self, table: str, key: tuple[str, str], *, consistent: bool = True) -> Item | None:
        with self._span("get", table):
            return await self.plain.get(table, key, consistent=consistent)

    async def get_many(self, table: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Item]:
        with self._span("get_many", table, len(keys)):
            return await self.plain.get_many(table, keys)

    async def write(self, operation: Put | Update | Delete) -> Item | None:
        failed: ConditionFailed | None = None
        item: Item | None = None
        with self._span(type(operation).__name__.lower(), operation.table) as span:
            try:
                item = await self.plain.write(operation)
            except ConditionFailed as error:
                failed = _unmet(span, error)
        if failed is not None:
            raise failed
        return item

    async def transact(self, operations: Sequence[Operation], token: str | None = None) -> None:
        tables = ",".join(dict.fromkeys(operation.table for operation in operations))
        failed: ConditionFailed | None = None
        with self._span("transact", tables, len(operations)) as span:
            try:
                await self.plain.transact(operations, token)
            except ConditionFailed as error:
                failed = _unmet(span, error)
        if failed is not None:
            raise failed

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
        with self._span("query", table) as span:
            page = await self.plain.query(
                table, pk, index=index, prefix=prefix, after=after, limit=limit, descending=descending
            )
            span.note(lunalux__index=index, lunalux__items=len(page.items))
            return page

    def scan_all(self, table: str) -> AsyncIterator[Item]:
        return self.plain.scan_all(table)

    async def scan(self, table: str, *, after: Mapping[str, str] | None = None, limit: int = 100) -> Page:
        with self._span("scan", table):
            return await self.plain.scan(table, after=after, limit=limit)

    async def size(self, table: str) -> int | None:
        return await self.plain.size(table)

    async def aclose(self) -> None:
        await self.plain.aclose()

    def _span(self, operation: str, tables: str, items: int | None = None) -> AbstractContextManager[Span]:
        named: dict[str, Any] = {"db__operation__name": operation, "db__collection__name": tables}
        return self._traces.work(
            f"{operation} {tables}", **named, db__system__name=_system(self.plain), lunalux__items=items
        )


class TracedBlobs:
    """Hands everything on to `plain`. An object that is there already is an answer, not a failure."""

    def __init__(self, plain: Blobs, traces: Traces) -> None:
        self.plain, self._traces = plain, traces

    async def put(self, key: str, data: bytes, content_type: str, *, replace: bool = False) -> BlobInfo:
        info: BlobInfo | None = None
        with self._span("PutObject") as span:
            span.note(lunalux__bytes=len(data))
            try:
                info = await self.plain.put(key, data, content_type, replace=replace)
            except BlobExists:
                span.note(lunalux__exists=True)
        if info is None:
            raise BlobExists(key)
        return info

    async def get(self, key: str) -> bytes | None:
        with self._span("GetObject") as span:
            data = await self.plain.get(key)
            span.note(lunalux__bytes=None if data is None else len(data))
            return data

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        sent = 0
        pieces = cast("AsyncGenerator[bytes]", self.plain.stream(key))
        with self._span("GetObject") as span:
            try:
                async with aclosing(pieces):
                    async for piece in pieces:
                        sent += len(piece)
                        yield piece
            except GeneratorExit:  # whoever read has enough: no failure
                return
            finally:
                span.note(lunalux__bytes=sent)

    async def head(self, key: str) -> BlobInfo | None:
        with self._span("HeadObject"):
            return await self.plain.head(key)

    async def delete(self, key: str) -> None:
        with self._span("DeleteObject"):
            await self.plain.delete(key)

    async def presign_get(self, key: str, *, expires_in: int, filename: str | None = None) -> Presigned:
        return await self.plain.presign_get(key, expires_in=expires_in, filename=filename)

    async def presign_put(
        self, key: str, *, size: int, content_type: str, expires_in: int, sha256: str | None = None
    ) -> Presigned:
        return await self.plain.presign_put(
            key, size=size, content_type=content_type, expires_in=expires_in, sha256=sha256
        )

    async def aclose(self) -> None:
        await self.plain.aclose()

    def _span(self, operation: str) -> AbstractContextManager[Span]:
        """A span in the standard's words for AWS; a folder of files is asked for the same things."""
        aws = type(self.plain).__name__ == "S3Blobs"
        return self._traces.work(
            f"S3.{operation}" if aws else f"files.{operation}",
            rpc__system="aws-api" if aws else "files",
            rpc__service="S3" if aws else "files",
            rpc__method=operation,
        )


def plain_blobs(blobs: Blobs) -> Blobs:
    """The stored objects themselves, without what looks on."""
    return blobs.plain if isinstance(blobs, TracedBlobs) else blobs


def plain_store(store: Store) -> Store:
    """The store itself, without what looks on."""
    return store.plain if isinstance(store, TracedStore) else store


def _system(store: Store) -> str:
    return "aws.dynamodb" if type(store).__name__ == "DynamoStore" else "sqlite"


def _unmet(span: Span, error: ConditionFailed) -> ConditionFailed:
    span.note(lunalux__condition_failed=error.index)
    return error
