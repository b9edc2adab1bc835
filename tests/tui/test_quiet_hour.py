"""An hour of use with warm caches, through a proxy that counts: what is known is not fetched."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from fault_proxy import FaultProxy
from market_world import names, running, until
from served_backend import Served, serve
from textual.pilot import Pilot

from lunalux_core.config.paths import Paths
from lunalux_core.language import Language
from lunalux_core.library.market_cache import Sort
from lunalux_tui.account.screen import AccountScreen
from lunalux_tui.app.app import LunaluxApp
from lunalux_tui.market.screen import MarketScreen

LISTS: tuple[tuple[Language, Sort], ...] = (("en", "hot"), ("en", "new"), ("zh", "hot"), ("zh", "new"))
TICKS = 120
"""The market looks at its list every half minute."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    yield from serve(tmp_path / "server")


async def test_an_hour_of_use_asks_for_the_session_and_for_nothing_else(
    paths: Paths, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FaultProxy(served.port).running() as proxy:
        monkeypatch.setenv("LUNALUX_API_URL", proxy.url)
        async with running((120, 40)) as (app, pilot):
            await app.runtime.account.sign_up("one@example.org", "a long enough passphrase 7")
            await app.runtime.account.set_username("Mirelle_77")
            await use(app, pilot, ticks=1)
        proxy.count.clear()
        async with running((120, 40)) as (app, pilot):
            await use(app, pilot, ticks=TICKS)
        assert set(proxy.count) <= {"GET /api/session/validate"}, proxy.count
        assert proxy.count["GET /api/session/validate"] <= 1


def settled(screen: MarketScreen) -> bool:
    """Whether the list is there with all its pictures."""
    pictures, cards = screen.grid.thumbnails, [card for card in screen.grid.in_view() if card.thumbnail]
    there = pictures is not None and all(pictures.get(card) is not None for card in cards)
    return bool(cards) and there and not screen.head.fetching


async def use(app: LunaluxApp, pilot: Pilot[None], *, ticks: int) -> None:
    """Look at every list of the market and at the account, search, wait, come back; again and again."""
    for _ in range(3):
        app.action_go("market")
        await until(pilot, lambda: isinstance(app.screen, MarketScreen) and app.screen.shown is not None)
        screen = app.screen
        assert isinstance(screen, MarketScreen)
        for lang, sort in LISTS:
            screen.lists.change(lang=lang, sort=sort)
            await until(pilot, partial(settled, screen))
        await names(screen, pilot, "a")
        screen.field.value = ""
        for _ in range(ticks):
            screen._tick()
        app.action_go("user")
        await until(pilot, lambda: isinstance(app.screen, AccountScreen) and bool(app.screen.moves.movements))
        app.action_go("settings")
        await pilot.pause(0.05)
        app.action_go("chat")
        await pilot.pause(0.05)
