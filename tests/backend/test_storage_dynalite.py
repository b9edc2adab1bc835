"""The store's single-item operations on dynalite as well, a third judge of DynamoDB's expressions.

It knows no transactions, no TTL and no row that comes along with a refused condition, and finds no two maps
equal; so only what needs none of that is here. It is a Node program: without Node, or without a way to
fetch it, the tests are skipped and say so.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import test_storage_contract as contract
from storage_engines import dynamo_store, free_port, provision, wait_for
from test_storage_contract import (
    SPECS,
    T,
    item,
    key,
    test_a_delete_gives_back_what_it_took,
    test_a_put_replaces_the_whole_item,
    test_a_scan_sees_every_item,
    test_an_index_follows_its_items,
    test_an_index_holds_the_items_that_have_both_its_keys,
    test_an_update_does_all_its_parts,
    test_conditions_on_nothing,
    test_every_kind_of_value_comes_back_as_it_was,
    test_items_of_400_kilobytes_and_no_more,
    test_many_at_once,
    test_queries_page_in_the_order_of_the_sort_key,
)

from lunalux_core.backend.storage.aws_calls import AwsAccess
from lunalux_core.backend.storage.table import Condition, ConditionFailed, Eq, Key, Put, Store, Update

__all__ = [
    "key",
    "test_a_delete_gives_back_what_it_took",
    "test_a_put_replaces_the_whole_item",
    "test_a_scan_sees_every_item",
    "test_an_index_follows_its_items",
    "test_an_index_holds_the_items_that_have_both_its_keys",
    "test_an_update_does_all_its_parts",
    "test_conditions_on_nothing",
    "test_every_kind_of_value_comes_back_as_it_was",
    "test_items_of_400_kilobytes_and_no_more",
    "test_many_at_once",
    "test_queries_page_in_the_order_of_the_sort_key",
]
pytestmark = pytest.mark.slow

VERSION = "4.0.0"


def program(folder: Path) -> Path:
    """Where dynalite is: on the PATH, or fetched into `folder`."""
    known = shutil.which("dynalite")
    if known is not None:
        return Path(known)
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("dynalite needs Node, which is not here")
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), f"dynalite@{VERSION}"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=180)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("dynalite cannot be fetched from the registry of Node's packages")
    return folder / "node_modules" / ".bin" / "dynalite"


@pytest.fixture(scope="module")
def dynalite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccess]:
    folder, port = tmp_path_factory.mktemp("dynalite"), free_port()
    command = [str(program(folder)), "--host", "127.0.0.1", "--port", str(port), "--createTableMs", "0"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}", process)
        access = AwsAccess("us-east-1", f"http://127.0.0.1:{port}", "test", "test")
        asyncio.run(provision(access, tuple(replace(spec, ttl=None) for spec in SPECS)))
        yield access
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
async def store(dynalite: AwsAccess) -> AsyncIterator[Store]:
    async with dynamo_store(dynalite, SPECS) as made:
        yield made


(CONDITIONS,) = contract.test_conditions_mean_the_same_everywhere.pytestmark
OF_MAPS = Eq("m", {"deep": 1})


@pytest.mark.parametrize(
    ("condition", "expected"), [case for case in CONDITIONS.args[1] if case[0] != OF_MAPS]
)
async def test_conditions_mean_the_same_here(
    store: Store, key: Key, condition: Condition, expected: bool
) -> None:
    stored = item(key, n=5, flag=True, text="5", m={"deep": 1}, set=frozenset({"a", "b"}))
    await store.write(Put(T, stored))
    update = Update(T, key, set={"changed": True}, when=condition)
    if not expected:
        with pytest.raises(ConditionFailed):
            await store.write(update)
    else:
        await store.write(update)
    assert await store.get(T, key) == ({**stored, "changed": True} if expected else stored)
