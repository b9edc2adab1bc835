"""Erasing one's account on the user screen, over the real backend."""

from __future__ import annotations

import pytest
from market_world import frame, running, until
from textual.pilot import Pilot
from textual.widgets import Input

from lunalux_core.config.paths import Paths
from lunalux_core.errors import BackendError, NetworkError
from lunalux_tui.account.erase_dialog import EraseDialog
from lunalux_tui.account.screen import AccountScreen
from lunalux_tui.app.app import LunaluxApp

pytest.importorskip("lunalux_core.backend.running.embedded")

EMAIL, PASSWORD, NAME = "ada@example.org", "a-long-password-7", "Mirelle_77"


async def user(app: LunaluxApp, pilot: Pilot[None], *, local: bool = False) -> AccountScreen:
    """The user screen, with an account of somebody or the local one."""
    if not local:
        await app.runtime.account.sign_up(EMAIL, PASSWORD)
        await app.runtime.account.set_username(NAME)
    app.action_go("user")
    await until(pilot, lambda: isinstance(app.screen, AccountScreen))
    screen = app.screen
    assert isinstance(screen, AccountScreen)
    await until(pilot, lambda: screen.state.signed_in and not screen.head.busy)
    return screen


async def dialog(app: LunaluxApp, pilot: Pilot[None]) -> EraseDialog:
    await pilot.press("E")
    await until(pilot, lambda: isinstance(app.screen, EraseDialog))
    found = app.screen
    assert isinstance(found, EraseDialog)
    return found


async def test_an_account_is_erased_once_name_and_password_are_typed(paths: Paths) -> None:
    async with running((120, 40)) as (app, pilot):
        screen = await user(app, pilot)
        user_id, characters = screen.state.user_id, await app.runtime.library.characters.count()
        await until(pilot, lambda: "Welcome coins" in frame(app))
        await dialog(app, pilot)
        await until(
            pilot,
            lambda: "Gone for good" in frame(app) and "Stays" in frame(app) and f"Type {NAME}" in frame(app),
        )
        await pilot.press(*NAME, "enter")
        await until(pilot, lambda: "Password is missing." in frame(app))
        await pilot.press(*PASSWORD, "enter")
        await until(pilot, lambda: app.screen is screen and not screen.state.signed_in)
        await until(
            pilot, lambda: "You are not signed in." in frame(app) and "Welcome coins" not in frame(app)
        )
        assert await app.runtime.library.characters.count() == characters
        assert await app.runtime.library.cache.get(f"history:{user_id}") is None
        with pytest.raises(BackendError, match="do not fit") as refused:
            await app.runtime.account.sign_in(EMAIL, PASSWORD)
        assert refused.value.code == "BAD_CREDENTIALS"
        await app.runtime.account.sign_up(EMAIL, PASSWORD)  # address and name are free again
        assert (await app.runtime.account.set_username(NAME)).username == NAME


async def test_a_wrong_word_or_password_erases_nothing(paths: Paths) -> None:
    async with running((120, 40)) as (app, pilot):
        screen = await user(app, pilot)
        asked = await dialog(app, pilot)
        await pilot.press(*"Mirelle", "enter")
        await until(pilot, lambda: f"Type {NAME} exactly" in frame(app))
        asked.query_one("#word", Input).value = NAME
        asked.query_one("#password", Input).value = "not the password 1"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "not the password of this account" in frame(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)
        assert screen.state.signed_in and (await app.runtime.account.refresh()).username == NAME


async def test_a_session_taken_over_meanwhile_is_said_and_nothing_is_erased(paths: Paths) -> None:
    async with running((120, 40)) as (app, pilot):
        await user(app, pilot)
        asked = await dialog(app, pilot)
        await app.runtime.client.accounts.sign_in(EMAIL, PASSWORD)  # as another device would
        asked.query_one("#word", Input).value = NAME
        asked.query_one("#password", Input).value = PASSWORD
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "on another device" in frame(app))
        assert app.runtime.account.state.status == "taken_over"
        assert (await app.runtime.account.sign_in(EMAIL, PASSWORD)).username == NAME


async def test_without_the_backend_nothing_is_erased(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running((120, 40)) as (app, pilot):
        await user(app, pilot)
    monkeypatch.setenv("LUNALUX_API_URL", "http://127.0.0.1:9")
    async with running((120, 40)) as (app, pilot):
        with pytest.raises(NetworkError):
            await app.runtime.account.erase(PASSWORD)


async def test_the_local_account_needs_the_word_only_and_can_be_made_anew(paths: Paths) -> None:
    async with running((80, 24)) as (app, pilot):
        screen = await user(app, pilot, local=True)
        before = screen.state.user_id
        asked = await dialog(app, pilot)
        assert not asked.query("#password") and "Type erase" in frame(app)
        await pilot.press(*"erase", "enter")
        await until(pilot, lambda: app.screen is screen and not screen.state.signed_in)
        await pilot.press("a")
        await until(pilot, lambda: screen.state.signed_in)
        assert screen.state.local and screen.state.user_id != before
