"""One suite, two storages: a module with `EACH_STORE = True` runs over SQLite, and slowly over DynamoDB.

Of such a module the tests that take `tmp_path` are meant: they open their store by `open_store`.
The emulator is emptied before each test; within a test, what was written stays.
"""

from __future__ import annotations

import asyncio
import inspect
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import storage_engines
from storage_engines import ministack, provision

from lunalux_core.backend.storage.aws_calls import AwsAccess
from lunalux_core.backend.storage.schema import table_specs


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    wanted = getattr(metafunc.module, "EACH_STORE", False)
    if wanted and "tmp_path" in inspect.signature(metafunc.function).parameters:
        engines = ["sqlite", pytest.param("dynamodb", marks=pytest.mark.slow)]
        metafunc.parametrize("each_store", engines, indirect=True)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccess]:
    with ministack(tmp_path_factory.mktemp("emulator")) as access:
        yield access


@pytest.fixture(autouse=True)
def each_store(request: pytest.FixtureRequest) -> Iterator[None]:
    if getattr(request, "param", "sqlite") == "sqlite":
        yield
        return
    access: AwsAccess = request.getfixturevalue("emulator")
    reset = urllib.request.Request(f"{access.endpoint}/_ministack/reset", method="POST")
    urllib.request.urlopen(reset, timeout=30).close()
    # Without the tables' TTL: these tests have clocks of their own, which the emulator does not know.
    specs = tuple(replace(spec, ttl=None) for spec in table_specs())
    with ThreadPoolExecutor(1) as beside:  # pytest's own loop is none of its business
        beside.submit(asyncio.run, provision(access, specs)).result()
    storage_engines.chosen = access
    try:
        yield
    finally:
        storage_engines.chosen = None
