"""Transactions in place on a quick disk: when they are, and that nothing else about them changes."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.backend.storage.sqlite import SqliteStore, pace
from lunalux_core.backend.storage.sqlite.pace import CHECKPOINT_EVERY, FIRST_PROOF, QUICK_SECONDS, Pace
from lunalux_core.backend.storage.table import Absent, ConditionFailed, Key, Put, TableSpec, Update

TABLE = TableSpec("things")
QUICK, SLOW = QUICK_SECONDS / 10, QUICK_SECONDS * 10


def proved() -> Pace:
    judge = Pace()
    for _ in range(FIRST_PROOF):
        assert not judge.in_place()
        judge.note(QUICK, in_place=False)
    return judge


def test_a_disk_must_prove_itself_first() -> None:
    assert proved().in_place()


def test_a_slow_transaction_sends_them_back_for_twice_as_long() -> None:
    judge = proved()
    judge.note(SLOW, in_place=True)
    for _ in range(2 * FIRST_PROOF):
        assert not judge.in_place()
        judge.note(QUICK, in_place=False)
    assert judge.in_place()


def test_now_and_then_the_thread_gets_one_to_copy_the_log() -> None:
    judge = proved()
    chosen = [judge.in_place() for _ in range(3 * CHECKPOINT_EVERY)]
    assert chosen.count(False) == 3


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), max_size=200))
def test_a_disk_that_is_always_slow_is_never_waited_for(quick_before: list[bool]) -> None:
    judge = Pace()
    for quick in quick_before:
        judge.note(QUICK if quick else SLOW, in_place=judge.in_place())
    waited = 0
    for _ in range(20_000):
        here = judge.in_place()
        waited += here
        judge.note(SLOW, in_place=here)
    assert waited <= 1


@pytest.fixture
def always_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace.Pace, "in_place", lambda self: True)


async def test_in_place_they_hold_and_fail_as_on_the_thread(tmp_path: Path, always_in_place: None) -> None:
    store = SqliteStore(tmp_path / "b.db", [TABLE])
    key = Key("A", "B")
    assert await store.get("things", key) is None  # opens the connection that works in place
    await store.transact([Put("things", {"PK": "A", "SK": "B", "n": 1}, when=Absent())])
    with pytest.raises(ConditionFailed) as failed:
        await store.transact([Put("things", {"PK": "A", "SK": "B", "n": 2}, when=Absent())])
    assert failed.value.old == {"PK": "A", "SK": "B", "n": 1}
    assert await store.write(Update("things", key, incr={"n": 4})) == {"PK": "A", "SK": "B", "n": 5}
    await store.aclose()
    again = SqliteStore(tmp_path / "b.db", [TABLE])
    assert (await again.get("things", key) or {})["n"] == 5
    await again.aclose()


async def test_what_holds_the_file_is_waited_for_on_the_thread(tmp_path: Path, always_in_place: None) -> None:
    store = SqliteStore(tmp_path / "b.db", [TABLE])
    await store.get("things", Key("A", "B"))
    other = sqlite3.connect(tmp_path / "b.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.ensure_future(store.transact([Put("things", {"PK": "A", "SK": "B"})]))
    done, _ = await asyncio.wait({writing}, timeout=0.2)
    assert not done  # and the event loop was free meanwhile
    other.execute("COMMIT")
    other.close()
    await asyncio.wait_for(writing, 20)
    assert await store.get("things", Key("A", "B")) is not None
    await store.aclose()


async def test_both_ways_together_lose_nothing(tmp_path: Path) -> None:
    stores = [SqliteStore(tmp_path / "b.db", [TABLE]) for _ in range(2)]
    key = Key("A", "B")
    for store in stores:
        await store.get("things", key)

    async def count(store: SqliteStore) -> None:
        for _ in range(60):
            await store.transact([Update("things", key, incr={"n": 1})])

    await asyncio.gather(*(count(store) for store in stores for _ in range(3)))
    assert (await stores[0].get("things", key) or {})["n"] == 2 * 3 * 60
    for store in stores:
        await store.aclose()
