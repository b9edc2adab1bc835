"""Market and account against `lunalux serve` in a process of its own: signed in, used, and gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from market_world import frame, running, until
from served_backend import Served, serve
from textual.pilot import Pilot

from lunalux_core.config.paths import Paths
from lunalux_tui.account.screen import AccountScreen
from lunalux_tui.account.sign_in_dialog import SignInDialog
from lunalux_tui.account.username_dialog import ForcedUsernameDialog
from lunalux_tui.app.app import LunaluxApp
from lunalux_tui.chat.screen import ChatScreen
from lunalux_tui.market.screen import MarketScreen

pytest.importorskip("lunalux_core.backend.running.embedded")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    for backend in serve(tmp_path / "server"):
        monkeypatch.setenv("LUNALUX_API_URL", backend.url)
        yield backend


async def market_screen(app: LunaluxApp, pilot: Pilot[None]) -> MarketScreen:
    app.action_go("market")
    await until(pilot, lambda: isinstance(app.screen, MarketScreen) and app.screen.shown is not None)
    assert isinstance(app.screen, MarketScreen)
    return app.screen


async def test_sign_up_browse_like_chat_and_lose_the_network(paths: Paths, served: Served) -> None:
    async with running((120, 40)) as (app, pilot):
        await market_screen(app, pilot)
        await until(pilot, lambda: "Sign in to see the market" in frame(app))
        app.action_go("user")
        await until(pilot, lambda: "You are not signed in." in frame(app))
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, SignInDialog))
        await pilot.press(*"one@example.org", "enter", *"a-long-password-7", "enter", "enter")
        await until(pilot, lambda: isinstance(app.screen, ForcedUsernameDialog))
        await pilot.press(*"Mirelle_77", "enter")
        await until(pilot, lambda: isinstance(app.screen, AccountScreen))

        screen = await market_screen(app, pilot)
        await until(pilot, lambda: bool(screen.grid.cards))
        first, second = screen.grid.cards[:2]
        thumbnails = screen.grid.thumbnails
        assert thumbnails is not None
        await until(pilot, lambda: thumbnails.get(first) is not None)
        await pilot.press("l")
        await until(pilot, lambda: first.id in screen.grid.liked)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, ChatScreen) and app.chat.character is not None)
        await until(
            pilot, lambda: app.chat.character is not None and app.chat.character.market_id == first.id
        )

        served.process.terminate()
        served.process.wait(20)
        screen = await market_screen(app, pilot)
        await pilot.press("r")
        await until(pilot, lambda: "offline" in frame(app))
        assert [card.id for card in screen.grid.cards[:2]] == [first.id, second.id]
        await pilot.press("right", "l")
        await until(pilot, lambda: second.id in screen.grid.liked)  # kept, and sent when there is a network
        await pilot.press("d")
        await until(
            pilot,
            lambda: any(
                "on disk goes on working" in notification.message for notification in app._notifications
            ),
        )
        assert not screen.chips.busy
