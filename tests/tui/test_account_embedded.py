"""Account and wallet with nothing set up, and with accounts of people, on the embedded backend."""

from __future__ import annotations

import subprocess
import sys

import pytest
from market_world import frame, running, until
from textual.pilot import Pilot

from lunalux_core.config.paths import Paths
from lunalux_tui.account.coupon_dialog import CouponDialog
from lunalux_tui.account.screen import AccountScreen
from lunalux_tui.account.sign_in_dialog import SignInDialog
from lunalux_tui.account.username_dialog import ForcedUsernameDialog
from lunalux_tui.app.app import LunaluxApp

pytest.importorskip("lunalux_core.backend.running.embedded")

PASSWORD = "a-long-password-7"


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
    await pilot.press(*email, "enter", *PASSWORD, "enter", "enter")


async def coupon(app: LunaluxApp, pilot: Pilot[None]) -> None:
    await pilot.press("c")
    await until(pilot, lambda: isinstance(app.screen, CouponDialog))


async def test_the_local_account_has_coins_and_needs_no_name(paths: Paths) -> None:
    async with running((120, 40)) as (app, pilot):
        screen = await user(app, pilot)
        await until(pilot, lambda: "Local account" in frame(app))
        assert screen.state.local and screen.state.star == 100 and screen.state.luna == 100
        await until(pilot, lambda: all(words in frame(app) for words in ("★ 100", "☾ 100", "Lux")))
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
        await until(pilot, lambda: "mirelle_77" in frame(app))
        await pilot.press("8", "enter")
        await until(pilot, lambda: app.screen is screen and screen.state.username == "mirelle_778")


async def test_a_coupon_that_is_none_is_said_inline_and_stays(paths: Paths) -> None:
    async with running((100, 30)) as (app, pilot):
        await user(app, pilot)
        await coupon(app, pilot)
        await pilot.press(*"NOT-A-COUPON", "enter")
        await until(pilot, lambda: "does not exist" in frame(app))
        await until(pilot, lambda: "NOT-A-COUPON" in frame(app))


async def test_a_coupon_brings_coins_and_a_line_of_history(paths: Paths) -> None:
    made = [sys.executable, "-m", "lunalux_tui", "admin", "coupon", "create", "MOON-50"]
    subprocess.run([*made, "--currency", "star", "--amount", "50"], check=True, timeout=120)
    async with running((120, 40)) as (app, pilot):
        screen = await user(app, pilot)
        await coupon(app, pilot)
        await pilot.press(*"ＭＯＯＮ-5", "space", "0", "enter")
        await until(pilot, lambda: screen.state.star == 150)
        await until(pilot, lambda: "★ 150" in frame(app) and "Coupon" in frame(app) and "+50 ★" in frame(app))
        await coupon(app, pilot)
        await pilot.press(*"MOON-50", "enter")
        await until(pilot, lambda: "does not exist" in frame(app))
        assert screen.state.star == 150


async def test_another_device_takes_over_and_nothing_is_lost(paths: Paths) -> None:
    async with running((120, 40)) as (app, pilot):
        screen = await user(app, pilot)
        await sign_up(app, pilot, "one@example.org")
        await until(pilot, lambda: isinstance(app.screen, ForcedUsernameDialog))
        await pilot.press(*"Mirelle_77", "enter")
        await until(pilot, lambda: app.screen is screen)
        await app.runtime.client.accounts.sign_in("one@example.org", PASSWORD)  # as another device would
        await pilot.press("r")
        await until(pilot, lambda: "on another device" in frame(app))
        await until(
            pilot, lambda: all(words in frame(app) for words in ("Nothing is lost", "Mirelle_77", "★ 100"))
        )
        assert await app.runtime.library.characters.count() > 0
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, SignInDialog))
        await pilot.press(*PASSWORD, "enter")
        await until(pilot, lambda: app.screen is screen and screen.state.signed_in)
        await until(pilot, lambda: "on another device" not in frame(app))


async def test_signing_out_and_back_to_the_local_account(paths: Paths) -> None:
    async with running((120, 40)) as (app, pilot):
        screen = await user(app, pilot)
        local = screen.state.user_id
        await sign_up(app, pilot, "one@example.org")
        await until(pilot, lambda: isinstance(app.screen, ForcedUsernameDialog))
        await pilot.press("ctrl+o")
        await until(pilot, lambda: app.screen is screen and not screen.state.signed_in)
        await until(pilot, lambda: "You are not signed in." in frame(app))
        await pilot.press("a")
        await until(pilot, lambda: screen.state.signed_in)
        assert screen.state.user_id == local


async def test_older_movements_and_history_survive_without_the_backend(paths: Paths) -> None:
    async with running((120, 40)) as (app, pilot):
        await user(app, pilot)
        await until(pilot, lambda: "Welcome coins" in frame(app))
    async with running((120, 40)) as (app, pilot):
        await user(app, pilot)
        await until(pilot, lambda: "Welcome coins" in frame(app))


async def test_a_wrong_address_is_told_before_anybody_is_asked(paths: Paths) -> None:
    async with running((80, 24)) as (app, pilot):
        await user(app, pilot)
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, SignInDialog))
        await pilot.press(*"foo", "enter", *PASSWORD, "enter")
        await until(pilot, lambda: "This is not an e-mail address" in frame(app))
        focused = app.screen.focused
        assert focused is not None and focused.id == "email"
