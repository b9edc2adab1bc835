"""Official models on the chat screen: prices before, costs after, refusals as notes, another device."""

from __future__ import annotations

import pytest
from chat_world import Driven, open_app
from market_world import frame

from lunalux_core.config.config_file import set_value
from lunalux_core.config.paths import Paths
from lunalux_tui.account.sign_in_dialog import SignInDialog
from lunalux_tui.account.taken_over import TakenOverPanel
from lunalux_tui.account.username_dialog import ForcedUsernameDialog
from lunalux_tui.market.screen import MarketScreen
from lunalux_tui.parts.models_dialog import ModelsDialog

PASSWORD = "a long enough passphrase 7"


async def choose(driven: Driven, model: str) -> None:
    """Take a model from the picker, as a person does."""
    await driven.press("ctrl+g")
    await driven.until(lambda: isinstance(driven.app.screen, ModelsDialog))
    await driven.until(lambda: "✦" in frame(driven.app))
    dialog = driven.app.screen
    assert isinstance(dialog, ModelsDialog)
    await driven.until(lambda: any(row.id == model for row in dialog._rows))
    dialog.dismiss(model)
    await driven.until(lambda: driven.app.screen is driven.chat)


async def test_the_picker_tells_prices_and_the_bar_what_was_paid_and_what_is_left(paths: Paths) -> None:
    async with open_app() as driven:
        await driven.press("ctrl+g")
        await driven.until(lambda: isinstance(driven.app.screen, ModelsDialog))
        await driven.until(lambda: "5 star" in frame(driven.app))
        await driven.until(lambda: all(words in frame(driven.app) for words in ("free", "8 stars or 3 luna")))
        await driven.press("escape")
        await driven.until(lambda: "★" not in frame(driven.app))
        await choose(driven, "official:002")
        await driven.until(lambda: "★ 100" in frame(driven.app))
        rows = {row["modelId"]: row["displayname"] for row in driven.app.runtime.account.state.models}
        await driven.until(lambda: f"✦ {rows['002']}" in frame(driven.app))
        await driven.say("Hello")
        await driven.until(lambda: "★ 95" in frame(driven.app))
        await driven.until(lambda: "5 star" in frame(driven.app))


async def test_a_refused_payment_is_a_note_and_the_words_stay(paths: Paths) -> None:
    paths.config.mkdir(parents=True, exist_ok=True)
    set_value(paths.config_file, "chat.model", "official:002")
    async with open_app() as driven:
        account = driven.app.runtime.account
        await account.ensure()
        for _ in range(20):
            await driven.say("Again")
        assert account.state.star == 0
        await driven.write("One more")
        await driven.press("enter")
        await driven.until(lambda: driven.notes() and not driven.chat.busy)
        (note,) = driven.notes()
        assert "coins" in note
        assert driven.contents()[-2] == "One more" and account.state.star == 0
        await choose(driven, "practice")
        await driven.press("ctrl+r")
        await driven.until(lambda: not driven.chat.busy and driven.contents()[-1] != "")
        assert not driven.notes()


@pytest.mark.parametrize("place", ["chat", "market"])
async def test_another_device_is_one_panel_wherever_one_is_and_typing_goes_on(
    paths: Paths, place: str
) -> None:
    async with open_app() as driven:
        app = driven.app
        await app.runtime.account.sign_up("one@example.org", PASSWORD)
        await driven.until(lambda: isinstance(app.screen, ForcedUsernameDialog))
        await driven.press(*"Mirelle_77", "enter")
        await driven.until(lambda: app.screen is driven.chat)
        if place == "market":
            app.action_go("market")
            await driven.until(lambda: isinstance(app.screen, MarketScreen) and app.screen.shown)
        else:
            await driven.write("half a sentence")
        await app.runtime.client.accounts.sign_in("one@example.org", PASSWORD)  # as another device would
        before = app.focused
        with pytest.raises(Exception, match="signed in"):
            await app.runtime.account.refresh()
        await driven.until(lambda: "on another device" in frame(app))
        await driven.until(lambda: "Nothing is lost" in frame(app))
        assert app.focused is before
        if place == "chat":
            await driven.press("s")
            assert driven.chat.prompt.text == "half a sentences"
            app.action_go("market")
            await driven.until(lambda: isinstance(app.screen, MarketScreen) and app.screen.is_mounted)
            await driven.until(lambda: len(app.screen.query(TakenOverPanel)) == 1)
            await driven.until(lambda: frame(app).count("[ Sign in · F12 ]") == 1)
        await driven.press("f12")
        await driven.until(lambda: isinstance(app.screen, SignInDialog))
        await driven.press(*PASSWORD, "enter")
        await driven.until(lambda: app.account is not None and app.account.signed_in)
        await driven.until(lambda: "on another device" not in frame(app))
        assert await app.runtime.library.characters.count() > 0
        app.action_go("chat")
        await driven.until(lambda: app.screen is driven.chat)
        await driven.until(lambda: "on another device" not in frame(app))
