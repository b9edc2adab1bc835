"""The SQLite file itself: its mode, its indexes, several processes on it, power cuts, copies."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storage_engines import sqlite_store

from lunalux_core.backend.storage.encoding import decode, encode
from lunalux_core.backend.storage.operation_checks import item_size
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.sqlite import SqliteStore
from lunalux_core.backend.storage.table import Exists, Key, Put, Unavailable, Update

ROOT = Path(__file__).resolve().parents[2]
CARDS = "character_table_EN"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | TEXTS
    | st.frozensets(TEXTS, min_size=1, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXTS.filter(bool) | st.sampled_from(["$set", "$$set", "$"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS.filter(bool), VALUES, max_size=6))
@settings(max_examples=100)
def test_documents_keep_every_value(item: dict[str, object]) -> None:
    assert decode(encode(item)) == item


def test_sizes_are_counted_as_dynamodb_does() -> None:
    assert item_size({"PK": "a", "SK": "b"}) == 6
    assert item_size({"name": "世"}) == 4 + 3
    assert item_size({"n": 1}) == 1 + 2
    assert item_size({"n": 123456}) == 1 + 4
    assert item_size({"n": -12}) == 1 + 3
    assert item_size({"b": True, "x": None}) == 4
    assert item_size({"s": frozenset({"ab", "c"})}) == 1 + 3
    assert item_size({"l": ["a", 1]}) == 1 + 3 + (1 + 1) + (1 + 2)
    assert item_size({"m": {"k": "v"}}) == 1 + 3 + 1 + 2


async def test_the_file_is_the_owners_alone(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path / "new") as store:
        await store.write(Put("user_table", {"PK": "a", "SK": "b"}))
        modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()}
        assert modes == {0o600}


async def test_pages_of_an_index_read_the_index_only(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path) as store:
        await store.purge(0)
        after = {"PK": "CHAR#1", "SK": "PROFILE", "GSI_HOT_PK": "ALL#HOT", "GSI_HOT_SK": "N#1"}
        for position, prefix in ((None, ""), (after, ""), (after, "N#")):
            select = store._layout.select(CARDS, "GSI_HOT", "ALL#HOT", prefix, position, 100, False)
            with sqlite3.connect(tmp_path / "backend.sqlite3") as db:
                plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {select.sql}", select.values)]
            assert len(plan) == 1 and f"USING INDEX {CARDS}/GSI_HOT" in plan[0], plan
        select = store._layout.select("user_table", None, "USER#a", "S", {"PK": "USER#a", "SK": "S"}, 9, True)
        with sqlite3.connect(tmp_path / "backend.sqlite3") as db:
            plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {select.sql}", select.values)]
        assert len(plan) == 1 and "SEARCH" in plan[0], plan


async def test_items_end_when_their_time_has_come(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path) as store:
        for number, ends in enumerate((100, 200, 300, None)):
            row = {"PK": "USER#a", "SK": f"LIKED#{number}"}
            await store.write(Put("liked_table", row if ends is None else {**row, "expiresAt": ends}))
        await store.write(Put("ledger_summary_table", {"PK": "a", "SK": "MOVE#1", "expiresAt": 1}))
        assert await store.purge(200) == 2
        left = await store.query("liked_table", "USER#a")
        assert [row["SK"] for row in left.items] == ["LIKED#2", "LIKED#3"]
        assert await store.get("ledger_summary_table", ("a", "MOVE#1")) is not None, "a movement never ends"


async def test_a_copy_is_whole(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path) as store:
        await store.write(Put("user_table", {"PK": "a", "SK": "b", "n": 1}))
        await store.backup(tmp_path / "copies" / "backend.sqlite3")
        await store.write(Update("user_table", ("a", "b"), incr={"n": 1}, when=Exists()))
    async with sqlite_store(tmp_path / "copies") as copy:
        assert await copy.get("user_table", ("a", "b")) == {"PK": "a", "SK": "b", "n": 1}


async def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "backend.sqlite3") as db:
        db.execute("PRAGMA user_version = 99")
    async with sqlite_store(tmp_path) as store:
        with pytest.raises(Unavailable, match="newer version"):
            await store.get("user_table", ("a", "b"))


async def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "backend.sqlite3").write_bytes(b"not a database at all, but long enough to be read" * 50)
    async with sqlite_store(tmp_path) as store:
        with pytest.raises(Unavailable, match="damaged"):
            await store.get("user_table", ("a", "b"))


async def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    for place in (tmp_path / "taken", tmp_path / "taken" / "inside", tmp_path / ("n" * 300)):
        async with sqlite_store(place) as store:
            with pytest.raises(Unavailable, match="cannot write"):
                await store.get("user_table", ("a", "b"))
    async with sqlite_store(tmp_path / "here") as store:
        await store.write(Put("user_table", {"PK": "a", "SK": "b"}))
        with pytest.raises(Unavailable, match="cannot write"):
            await store.backup(tmp_path / "taken" / "copy.sqlite3")
        assert await store.get("user_table", ("a", "b")) is not None


async def test_a_full_disk_keeps_what_was_there_and_is_told(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path) as store:
        await store.write(Put("user_table", {"PK": "a", "SK": "b", "n": 1}))
        await store._writer.run(lambda db: db.execute("PRAGMA max_page_count = 1"))  # no page more than now
        with pytest.raises(Unavailable, match="is full"):
            for number in range(100):
                await store.transact(
                    [
                        Update("user_table", ("a", "b"), incr={"n": 1}, when=Exists()),
                        Put("user_table", {"PK": "big", "SK": str(number), "data": "x" * 300_000}),
                    ]
                )
        await store._writer.run(lambda db: db.execute("PRAGMA max_page_count = 1073741823"))
        kept = [row async for row in store.scan_all("user_table")]
        assert next(row["n"] for row in kept if row["PK"] == "a") == len(kept), "each was whole or not at all"
        assert await store.write(Update("user_table", ("a", "b"), incr={"n": 1}, when=Exists())) is not None


async def test_cancelling_a_caller_breaks_nothing(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path) as store:
        await store.write(Put("user_table", {"PK": "a", "SK": "b", "n": 0}))
        work = [
            asyncio.create_task(store.write(Update("user_table", ("a", "b"), incr={"n": 1}, when=Exists())))
            for _ in range(20)
        ]
        await asyncio.sleep(0)
        for task in work[::2]:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        row = await store.get("user_table", ("a", "b"))
        assert row is not None and 10 <= row["n"] <= 20


COUNT = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from lunalux_core.backend.storage.schema import table_specs
    from lunalux_core.backend.storage.sqlite import SqliteStore
    from lunalux_core.backend.storage.table import Put, Update

    async def main(path, name, rounds):
        store = SqliteStore(Path(path), table_specs())
        for number in range(int(rounds)):
            await store.transact([
                Update("user_table", ("shared", "count"), incr={"n": 1}),
                Put("liked_table", {"PK": "moves", "SK": f"{name}#{number:04d}"}),
            ])
        await store.aclose()

    asyncio.run(main(*sys.argv[1:]))
    """
)


async def test_several_processes_share_one_new_file(tmp_path: Path) -> None:
    path = tmp_path / "backend.sqlite3"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", COUNT, str(path), str(number), "40"], cwd=ROOT, stderr=subprocess.PIPE
        )
        for number in range(3)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    store = SqliteStore(path, table_specs())
    row = await store.get("user_table", Key("shared", "count"))
    assert row is not None and row["n"] == 120
    moves = [row async for row in store.scan_all("liked_table")]
    assert len(moves) == 120
    await store.aclose()


async def test_documents_stay_readable_to_other_tools(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path) as store:
        await store.write(Put("user_table", {"PK": "USER#a", "SK": "PROFILE", "email": "ä@example.org"}))
    with sqlite3.connect(tmp_path / "backend.sqlite3") as db:
        (doc,) = db.execute('SELECT doc FROM "user_table"').fetchone()
    assert json.loads(doc) == {"PK": "USER#a", "SK": "PROFILE", "email": "ä@example.org"}
