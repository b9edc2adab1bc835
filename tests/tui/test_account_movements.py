"""The movements of the account without a screen: a real account on the embedded backend, and its disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from lunalux_core.account import AccountState
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.errors import NetworkError
from lunalux_core.runtime import Runtime
from lunalux_tui.account.movements import Movements

pytest.importorskip("lunalux_core.backend.running.embedded")


class Shown:
    """Notes what is shown, in the order in which it is."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.kinds: list[list[str]] = []

    def show_movements(self, movements: Sequence[Mapping[str, Any]]) -> None:
        self.kinds.append([str(movement["kind"]) for movement in movements])


async def test_movements_are_fetched_once_and_stay_on_disk(paths: Paths) -> None:
    async with Runtime.open(load_settings()) as runtime:
        state = await runtime.account.ensure()
        first = Shown(runtime)
        movements = Movements(first)
        await movements.follow(state)
        await movements.follow(state)
        assert len(first.kinds) == 1 and first.kinds[0] and not movements.more
    async with Runtime.open(load_settings()) as runtime:  # the next start, with no backend to ask
        again = Shown(runtime)
        await Movements(again).follow(replace(state, offline=True))
        assert again.kinds == first.kinds


async def test_new_totals_without_a_backend_leave_what_was_read(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Runtime.open(load_settings()) as runtime:
        state = await runtime.account.ensure()
        shown = Shown(runtime)
        movements = Movements(shown)
        await movements.follow(state)
    monkeypatch.setenv("LUNALUX_API_URL", "http://127.0.0.1:9")
    async with Runtime.open(load_settings()) as runtime:
        shown = Shown(runtime)
        movements = Movements(shown)
        spent = replace(state, ledger={**state.ledger, "totalStarCoinUsed": 7})
        await movements.follow(spent)
        assert shown.kinds and shown.kinds[-1]
        with pytest.raises(NetworkError):  # told by the screen; what was read stays
            await movements.read_older()
        assert len(shown.kinds) == 1


async def test_without_an_account_nothing_is_shown(paths: Paths) -> None:
    async with Runtime.open(load_settings()) as runtime:
        shown = Shown(runtime)
        movements = Movements(shown)
        await movements.follow(await runtime.account.ensure())
        await movements.follow(AccountState())
        assert shown.kinds[0] and shown.kinds[-1] == [] and not movements.more
