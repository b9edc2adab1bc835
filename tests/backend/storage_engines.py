"""The stores that the storage tests run on: SQLite files, and an emulator of AWS in a process of its own."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from lunalux_core.backend.running.backend_settings import TableNames
from lunalux_core.backend.storage.aws_calls import AwsAccess, AwsCallError
from lunalux_core.backend.storage.dynamodb import DynamoStore
from lunalux_core.backend.storage.expressions import to_wire
from lunalux_core.backend.storage.provision import Provisioner
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.sqlite import SqliteStore
from lunalux_core.backend.storage.table import Store, TableSpec, Unavailable

START_SECONDS = 30


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def ministack(folder: Path) -> Iterator[AwsAccess]:
    """A running ministack; ended by its process id."""
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GATEWAY_"))},
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "LOG_LEVEL": "ERROR",
        "SERVICES": "dynamodb,s3",
        "HOME": str(folder),
        "TMPDIR": str(folder),
    }
    with (folder / "ministack.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"], env=environment, cwd=folder, stdout=log, stderr=log
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/_ministack/health", process)
        yield AwsAccess("us-east-1", f"http://127.0.0.1:{port}", "test", "test")
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until a server that was just started answers, if only to refuse."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            assert process.poll() is None, "it ended at once"
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(0.05)


def named(suffix: str) -> TableNames:
    """Table names of one test, so that all can share an emulator."""
    names = TableNames()
    return replace(names, **{field: f"{getattr(names, field)}_{suffix}" for field in names.__slots__})


chosen: AwsAccess | None = None
"""The emulator that `open_store` opens, None for a file (conftest)."""


def open_store(path: Path) -> Store:
    """A store with the service's tables: the SQLite file at `path`, or the emulator of this test."""
    if chosen is None:
        return SqliteStore(path, table_specs())
    return DynamoStore(chosen, table_specs())


@asynccontextmanager
async def sqlite_store(
    folder: Path, specs: tuple[TableSpec, ...] | None = None
) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(folder / "backend.sqlite3", specs or table_specs())
    try:
        yield store
    finally:
        await store.aclose()


async def provision(access: AwsAccess, specs: tuple[TableSpec, ...]) -> None:
    """Make the declared tables on an emulator."""
    provisioner = Provisioner(access, specs, "")
    await provisioner.apply()
    await provisioner.aclose()


@asynccontextmanager
async def dynamo_store(access: AwsAccess, specs: tuple[TableSpec, ...]) -> AsyncIterator[DynamoStore]:
    """The store on tables that `provision` made."""
    store = DynamoStore(access, specs)
    try:
        yield store
    finally:
        await store.aclose()


@contextmanager
def moto(folder: Path) -> Iterator[AwsAccess]:
    """A running moto server; a validator of requests, never an oracle of races."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "moto.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/moto-api/", process)
        yield AwsAccess("us-east-1", f"http://127.0.0.1:{port}", "test", "test")
    finally:
        process.terminate()
        process.wait(timeout=20)


async def plant(store: Store, table: str, item: dict[str, Any]) -> None:
    """Put a row as another program would: with values that the port has no type for."""
    if isinstance(store, SqliteStore):
        text = json.dumps(item, default=lambda value: {"$set": sorted(value)})
        upsert = store._layout.upsert[table]
        await store._writer.run_transaction(lambda db: db.execute(upsert, (item["PK"], item["SK"], text)))
        return
    assert isinstance(store, DynamoStore)
    with suppress(
        Unavailable, AwsCallError
    ):  # a row that the emulator does not take is none that could be there
        await store._caller.call("put_item", repeatable=False, TableName=table, Item=_wire(item))


def _wire(item: dict[str, Any]) -> dict[str, Any]:
    """DynamoDB's JSON of what `to_wire` refuses too: numbers with fractions, also within lists and maps."""
    return {name: _wired(value) for name, value in item.items()}


def _wired(value: Any) -> dict[str, Any]:
    if isinstance(value, float):  # the wire has no number without an end
        return {"N": repr(value)} if math.isfinite(value) and abs(value) < 1e125 else {"S": repr(value)}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**38:
        return {"S": str(value)}
    if isinstance(value, (list, tuple)):
        return {"L": [_wired(inner) for inner in value]}
    if isinstance(value, dict):
        return {"M": _wire(value)}
    if isinstance(value, (set, frozenset)) and not value:
        return {"NULL": True}
    return dict(to_wire({"x": value})["x"])
