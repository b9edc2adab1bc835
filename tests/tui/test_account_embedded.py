"""Account and wallet with nothing set up, and with accounts of people, on the embedded backend."""

from __future__ import annotations

import pytest
from market_world import frame, running, until
from textual.pilot import Pilot

from lunalux_core.paths import Paths
from lunalux_tui.dialogs.sign_in import SignInDialog
from lunalux_tui.dialogs.username import ForcedUsernameDialog
from lunalux_tui.screens.account import AccountScreen
from lunalux_tui.shell import LunaluxApp

pytest.importorskip("lunalux_core.backend.embedded")


async def user(app: LunaluxApp, pilot: Pilot[None]) -> AccountScreen:
    app.action_go("user")
    await until(pilot, lambda: isinstance(app.screen, AccountScreen))
    screen = app.screen
    assert isinstance(screen, AccountScreen)
    await until(pilot, lambda: screen.state.signed_in and not screen.head.busy)
    return screen


async def sign_up(app: LunaluxApp, pilot: Pilot[None], email: str) -> None:
    await pilot.press("n")
    await until(pilot, lambda: isinstance(app.screen, SignInDialog))
    await pilot.press(*email, "enter", *"a-long-password-7", "enter", "enter")


async def test_the_local_account_has_coins_and_needs_no_name(paths: Paths) -> None:
    async with running((120, 40)) as (app, pilot):
        screen = await user(app, pilot)
        await until(pilot, lambda: "Local account" in frame(app))
        assert screen.state.local and screen.state.star == 100 and screen.state.luna == 100
        shown = frame(app)
        assert "★ 100" in shown and "☾ 100" in shown and "Lux" in shown
        await until(pilot, lambda: "Welcome coins" in frame(app))
        assert app.screen is screen  # nobody forces a username on it


async def test_a_username_is_forced_and_one_that_is_taken_is_said_inline(paths: Paths) -> None:
    async with running((120, 40)) as (app, pilot):
        screen = await user(app, pilot)
        await sign_up(app, pilot, "one@example.org")
        await until(pilot, lambda: isinstance(app.screen, ForcedUsernameDialog))
        await pilot.press("escape")
        assert isinstance(app.screen, ForcedUsernameDialog)
        await pilot.press(*"Mirelle_77", "enter")
        await until(pilot, lambda: app.screen is screen and screen.state.username == "Mirelle_77")
        await pilot.press("x", "y")
        await until(pilot, lambda: not screen.state.signed_in)
        await sign_up(app, pilot, "two@example.org")
        await until(pilot, lambda: isinstance(app.screen, ForcedUsernameDialog))
        await pilot.press(*"mirelle_77", "enter")
        await until(pilot, lambda: "Choose another one" in frame(app))
        assert "mirelle_77" in frame(app)
        await pilot.press("8", "enter")
        await until(pilot, lambda: app.screen is screen and screen.state.username == "mirelle_778")


async def test_a_coupon_that_is_none_is_said_inline_and_stays(paths: Paths) -> None:
    async with running((100, 30)) as (app, pilot):
        await user(app, pilot)
        await pilot.press("c", *"NOT-A-COUPON", "enter")
        await until(pilot, lambda: "does not exist or is used up" in frame(app))
        assert "NOT-A-COUPON" in frame(app)
