"""State of the client that two want to change at once, and the controls of these races.

Each pair is the same wishes twice: with the remedy, and by hand as it must not be, a look and then a write
with both looks before either write. That the second breaks is what makes the first worth something.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import keyring
import pytest
import tomlkit
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked
from served_backend import device

from lunalux_core.account import AccountState, restored_state
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.sqlite import SqliteStore
from lunalux_core.config.config_file import set_value
from lunalux_core.config.credentials import Credentials
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.errors import InvalidInput, LunaluxError
from lunalux_core.library import Library

MANY = 20


@pytest.fixture
def library(paths: Paths) -> Iterator[Library]:
    opened = Library(paths)
    yield opened
    opened.close()


# -- the program's memory --------------------------------------------------------------------------


async def test_what_many_add_to_the_memory_at_once_is_all_there(library: Library) -> None:
    async def add(number: int) -> None:
        await library.state.update("likes", lambda kept: [*(kept or []), number])

    await asyncio.gather(*(add(number) for number in range(MANY)))
    assert sorted(await library.state.get("likes")) == list(range(MANY))


async def test_control_a_memory_read_and_then_written_keeps_one_of_two(library: Library) -> None:
    meet = asyncio.Barrier(2)

    async def naive(number: int) -> None:
        kept = await library.state.get("likes", [])
        await meet.wait()
        await library.state.set("likes", [*kept, number])

    await asyncio.gather(naive(1), naive(2))
    assert len(await library.state.get("likes")) == 1


async def test_two_programs_that_add_to_the_memory_lose_nothing(library: Library, paths: Paths) -> None:
    other = Library(paths)
    try:
        both = (library, other)
        adding = [
            both[number % 2].state.update("n", lambda kept, number=number: [*(kept or []), number])
            for number in range(MANY)
        ]
        await asyncio.gather(*adding)
    finally:
        other.close()
    assert len(await library.state.get("n")) == MANY


async def test_a_change_that_fails_leaves_the_memory_as_it_was(library: Library) -> None:
    await library.state.set("n", [1])

    def failing(kept: Any) -> Any:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await library.state.update("n", failing)
    assert await library.state.get("n") == [1]


# -- secrets ---------------------------------------------------------------------------------------


def at_once(wishes: Any) -> list[BaseException]:
    """Run functions in threads that all begin together; what they raised."""
    wishes = list(wishes)
    ready = threading.Barrier(len(wishes))
    failed: list[BaseException] = []

    def run(wish: Any) -> None:
        ready.wait(30)
        try:
            wish()
        except BaseException as error:
            failed.append(error)

    with ThreadPoolExecutor(len(wishes)) as pool:
        list(pool.map(run, wishes))
    return failed


def test_secrets_stored_by_many_at_once_are_all_kept(paths: Paths) -> None:
    stores = [Credentials(paths.credentials, use_keyring=False) for _ in range(MANY)]
    failed = at_once(
        lambda store=store, number=number: store.set(f"key{number}", str(number))
        for number, store in enumerate(stores)
    )
    assert not failed
    assert [stores[0].get(f"key{number}") for number in range(MANY)] == [str(n) for n in range(MANY)]
    assert not list(paths.data.glob("*.new"))


def test_control_a_file_of_secrets_read_and_then_written_loses_some(paths: Paths) -> None:
    paths.data.mkdir(parents=True)
    paths.credentials.write_text("{}")
    meet = threading.Barrier(2)

    def naive(name: str) -> None:
        held = json.loads(paths.credentials.read_text())
        meet.wait(30)
        temporary = paths.credentials.with_suffix(f".{name}")
        temporary.write_text(json.dumps({**held, name: "x"}))
        temporary.replace(paths.credentials)

    assert not at_once([lambda: naive("one"), lambda: naive("two")])
    assert len(json.loads(paths.credentials.read_text())) == 1


def test_a_counter_in_the_secrets_is_counted_by_everybody(paths: Paths) -> None:
    store = Credentials(paths.credentials, use_keyring=False)
    failed = at_once([lambda: store.update("n", lambda kept: str(int(kept or 0) + 1))] * MANY)
    assert not failed and store.get("n") == str(MANY)


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe\x00", b"[1, 2]", b"null", b"[" * 100_000])
def test_a_damaged_file_of_secrets_is_put_aside_and_told_never_written_over(
    paths: Paths, damage: bytes
) -> None:
    paths.data.mkdir(parents=True)
    paths.credentials.write_bytes(damage)
    told: list[LunaluxError] = []
    store = Credentials(paths.credentials, use_keyring=False, tell=told.append)
    store.set("model:x", "new")
    assert store.get("model:x") == "new"
    (kept,) = paths.data.glob("credentials-damaged-*.json")
    assert kept.read_bytes() == damage
    assert [message.code for message in told] == ["CREDENTIALS_DAMAGED"] and kept.name in told[0].hint


class Ring(KeyringBackend):
    """A system keyring in memory that can be locked."""

    priority = 5  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, str] = {}
        self.locked = False

    def _open(self) -> dict[str, str]:
        if self.locked:
            raise KeyringLocked
        return self.held

    def get_password(self, service: str, username: str) -> str | None:
        return self._open().get(username)

    def set_password(self, service: str, username: str, password: str) -> None:
        self._open()[username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self._open()[username]


@pytest.fixture
def ring() -> Iterator[Ring]:
    before, one = keyring.get_keyring(), Ring()
    keyring.set_keyring(one)
    yield one
    keyring.set_keyring(before)


def test_a_key_stored_while_the_keyring_was_locked_is_the_one_in_force_afterwards(
    paths: Paths, ring: Ring
) -> None:
    def store() -> Credentials:
        return Credentials(paths.credentials, use_keyring=True)

    store().set("model:x", "old")
    assert ring.held == {"model:x": "old"} and not paths.credentials.exists()
    ring.locked = True
    locked = store()
    locked.set("model:x", "new")
    assert locked.get("model:x") == "new" and locked.place == str(paths.credentials)
    ring.locked = False
    assert store().get("model:x") == "new"
    store().set("model:x", "newest")
    assert ring.held == {"model:x": "newest"} and store().get("model:x") == "newest"
    ring.locked = True
    store().delete("model:x")
    ring.locked = False
    assert store().get("model:x") is None
    store().set("model:x", "again")
    assert store().get("model:x") == "again"
    store().delete("model:x")
    assert ring.held == {} and store().get("model:x") is None


# -- the configuration -----------------------------------------------------------------------------


def test_settings_changed_by_many_at_once_are_all_kept(paths: Paths) -> None:
    wishes = {
        "chat.reply_words": 300,
        "ui.bell": True,
        "chat.user_name": "Ada",
        "language": "zh",
        "worldbook.depth": 7,
        "market.nsfw": "only",
    }
    failed = at_once(
        lambda key=key, value=value: set_value(paths.config_file, key, value) for key, value in wishes.items()
    )
    assert not failed
    settings = load_settings(paths, {})
    assert {key: settings.get(key) for key in wishes} == wishes
    assert not list(paths.config.glob("*.new"))


def test_control_a_configuration_read_and_then_written_keeps_one_of_two(paths: Paths) -> None:
    paths.config.mkdir(parents=True)
    paths.config_file.write_text("")
    meet = threading.Barrier(2)

    def naive(key: str) -> None:
        document = tomlkit.parse(paths.config_file.read_text())
        meet.wait(30)
        document[key] = "x"
        paths.config_file.write_text(tomlkit.dumps(document))

    at_once([lambda: naive("one"), lambda: naive("two")])
    assert len(tomlkit.parse(paths.config_file.read_text())) == 1


# -- the account -----------------------------------------------------------------------------------


async def test_two_programs_of_a_home_keep_each_others_part_of_the_account(tmp_path: Path) -> None:
    async with device(tmp_path) as one, device(tmp_path) as two:
        await one.account.ensure()
        await two.account.ensure()
        await asyncio.gather(one.account.liked("a"), two.account.liked("b"))
        await two.account.wallet.billed(
            {**two.account.state.wallet, "starCoin": 42}, two.account.state.ledger
        )
        await one.account.liked("c")
    async with device(tmp_path) as later:
        state = await later.account.load()
    assert state.liked >= {"a", "b", "c"} and state.star == 42


async def test_control_a_snapshot_kept_whole_forgets_what_another_program_kept(library: Library) -> None:
    one = two = AccountState("signed_in", "u")

    async def keep(state: AccountState) -> None:
        await library.cache.put("account", {"user_id": "u", "liked": sorted(state.liked)}, 1000)

    await keep(replace(one, liked=frozenset("a")))
    await keep(replace(two, liked=frozenset("b")))
    kept = await library.cache.get("account")
    assert kept is not None and restored_state(kept.value).liked == {"b"}


async def test_two_programs_that_start_in_a_new_home_share_the_local_account(tmp_path: Path) -> None:
    async with device(tmp_path) as one, device(tmp_path) as two:
        states = await asyncio.gather(one.account.ensure(), two.account.ensure())
    assert states[0].user_id == states[1].user_id and all(state.local for state in states)


async def test_the_same_coupon_twice_at_once_is_redeemed_once_and_nothing_fails(tmp_path: Path) -> None:
    async with device(tmp_path) as runtime:
        await runtime.account.ensure()
    made = [sys.executable, "-m", "lunalux_tui", "admin", "coupon", "create", "TWICE-50"]
    subprocess.run(
        [*made, "--currency", "star", "--amount", "50"],
        check=True,
        timeout=120,
        env={**os.environ, "LUNALUX_HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
    )
    async with device(tmp_path) as runtime:
        outcomes = await asyncio.gather(
            *(runtime.account.wallet.redeem("TWICE-50") for _ in range(2)), return_exceptions=True
        )
        assert all(outcome == ("star", 50) for outcome in outcomes), outcomes
        assert (await runtime.account.refresh()).star == 150


# -- the backend's file ----------------------------------------------------------------------------


async def test_first_reads_at_once_open_one_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lunalux_core.backend.storage import sqlite

    opened: list[object] = []
    real = sqlite.open_impatient

    def counting(path: Path) -> Any:
        connection = real(path)
        opened.append(connection)
        return connection

    monkeypatch.setattr(sqlite, "open_impatient", counting)
    store = SqliteStore(tmp_path / "b.db", _specs())
    table = next(iter(store._specs))
    await asyncio.gather(*(store.get(table, ("A", "B")) for _ in range(6)))
    await store.aclose()
    assert len(opened) == 1


def _specs() -> Any:
    known = BackendSettings.from_env({})
    return table_specs(known.tables, known.indexes)


def test_a_file_that_cannot_be_understood_stops_no_other_program(paths: Paths) -> None:
    paths.config.mkdir(parents=True)
    paths.config_file.write_text("[chat\n")
    failed = at_once([lambda: set_value(paths.config_file, "ui.bell", True)] * 3)
    assert len(failed) == 3 and all(isinstance(error, InvalidInput) for error in failed)
    assert paths.config_file.read_text() == "[chat\n"
