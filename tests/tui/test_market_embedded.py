"""Whole ways through market and chat, with nothing set up: the embedded backend does its part."""

from __future__ import annotations

import pytest
from chat_world import settle
from market_world import frame, market, names, running, until
from textual.widgets import Input, TextArea

from lunalux_core.config.paths import Paths
from lunalux_tui.chat.screen import ChatScreen
from lunalux_tui.market.details_dialog import MarketDetails
from lunalux_tui.market.mine_dialog import EditOwnDialog, MineDialog
from lunalux_tui.market.publish_dialog import PublishDialog
from lunalux_tui.market.screen import MarketScreen

pytest.importorskip("lunalux_core.backend.running.embedded")


async def test_find_look_like_and_chat(paths: Paths) -> None:
    async with market() as (screen, pilot):
        await until(pilot, lambda: bool(screen.grid.cards))
        card = screen.grid.cards[0]
        await pilot.press("slash", *card.name.lower()[:4])
        await until(pilot, lambda: any(one.id == card.id for one in screen.grid.cards))
        await pilot.press("enter", "home", "enter")
        await until(pilot, lambda: isinstance(screen.app.screen, MarketDetails))
        chosen = screen.grid.current
        assert chosen is not None
        await pilot.press("l")
        await until(pilot, lambda: chosen.id in screen.runtime.account.state.liked)
        await until(pilot, lambda: f"♥ {chosen.likes + 1}" in frame(screen.app))
        await pilot.press("c")
        app = screen.lunalux
        await until(pilot, lambda: isinstance(app.screen, ChatScreen) and app.chat.character is not None)
        await until(
            pilot, lambda: app.chat.character is not None and app.chat.character.market_id == chosen.id
        )
        character = await app.runtime.library.characters.by_market_id(chosen.id)
        assert character is not None
        assert (await app.runtime.library.characters.get(character)).summary.binding_active


async def test_a_like_is_kept_and_cannot_be_given_twice(paths: Paths) -> None:
    async with market() as (screen, pilot):
        await until(pilot, lambda: bool(screen.grid.cards))
        card = screen.grid.cards[0]
        await pilot.press("l")
        await until(pilot, lambda: screen.grid.cards[0].likes == card.likes + 1)
        await pilot.press("l")
        await settle(pilot)
        assert screen.grid.cards[0].likes == card.likes + 1
    async with market() as (screen, pilot):
        await until(pilot, lambda: card.id in screen.grid.liked)


async def test_publish_and_find_it_among_the_new(paths: Paths) -> None:
    async with market() as (screen, pilot):
        await until(pilot, lambda: bool(screen.grid.cards))
        app = screen.lunalux
        await until(pilot, lambda: bool(app.account and app.account.signed_in))
        await pilot.press("p")
        await until(pilot, lambda: app.screen is not screen)
        await pilot.press(*"marigold", "enter")
        await until(pilot, lambda: isinstance(app.screen, PublishDialog))
        dialog = app.screen
        assert isinstance(dialog, PublishDialog)
        await until(pilot, lambda: "Publish" in frame(app))
        dialog.query_one("TextArea").load_text("   ")  # type: ignore[attr-defined]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "needs an intro" in frame(app))
        dialog.query_one("#tags").value = "cosy，witch"  # type: ignore[attr-defined]
        dialog.query_one("TextArea").load_text("She owes nobody anything.")  # type: ignore[attr-defined]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen is screen, 40)
        await until(
            pilot, lambda: screen.sort == "new" and any("Marigold" in c.name for c in screen.grid.cards)
        )
        found = await names(screen, pilot, "owes nobody")
        assert len(found) == 1 and "Marigold" in found[0]
        assert screen.grid.cards[0].tags == ("cosy", "witch")


async def test_what_was_typed_for_publishing_outlives_the_dialog(paths: Paths) -> None:
    async with running() as (app, pilot):
        app.action_go("market")
        for words in ("First words.", ""):
            await until(pilot, lambda: isinstance(app.screen, MarketScreen))
            await settle(pilot)
            await pilot.press("p")
            await until(pilot, lambda: app.screen.is_modal)
            await settle(pilot)
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, PublishDialog))
            dialog = app.screen
            area = dialog.query_one("TextArea")
            if words:
                await settle(pilot)
                area.load_text(words)  # type: ignore[attr-defined]
                await pilot.press("escape")
            else:
                await until(pilot, lambda: "First words." in frame(app))


async def test_what_one_published_is_found_reworded_and_taken_back(paths: Paths) -> None:
    async with market() as (screen, pilot):
        app = screen.lunalux
        await until(pilot, lambda: bool(screen.grid.cards) and bool(app.account and app.account.signed_in))
        await pilot.press("p")
        await until(pilot, lambda: app.screen is not screen)
        await pilot.press(*"marigold", "enter")
        await until(pilot, lambda: isinstance(app.screen, PublishDialog) and "Goes to" in frame(app))
        assert "this computer alone" in frame(app) and "○ 18+" in frame(app)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "● 18+" in frame(app))
        app.screen.query_one("TextArea").load_text("Mine to take back.")  # type: ignore[attr-defined]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen is screen, 40)
        (card,) = await screen.runtime.market.mine()
        assert "nsfw" in card.tags
        await pilot.press("m")
        await until(pilot, lambda: "Mine to take back." in frame(app) and "in the market" in frame(app))
        await pilot.press("e")
        await until(pilot, lambda: "In the market:" in frame(app))
        app.screen.query_one("TextArea").load_text("Other words.")  # type: ignore[attr-defined]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Other words." in frame(app))
        await pilot.press("x")
        await until(pilot, lambda: "for good?" in frame(app))
        await pilot.press("y")
        await until(pilot, lambda: "Nothing published yet" in frame(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)
        assert not await screen.runtime.market.mine()


async def test_other_words_for_a_card_are_kept_and_never_cut_off(paths: Paths) -> None:
    async with market() as (screen, pilot):
        app = screen.lunalux
        await until(pilot, lambda: bool(screen.grid.cards) and bool(app.account and app.account.signed_in))
        await pilot.press("p")
        await until(pilot, lambda: app.screen is not screen)
        await pilot.press(*"marigold", "enter")
        await until(pilot, lambda: isinstance(app.screen, PublishDialog) and "Goes to" in frame(app))
        intro = app.screen.query_one("#intro", TextArea)
        intro.load_text("x" * 4_001)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "at most 4,000 characters; this one has 4,001" in frame(app))
        intro.load_text("Mine.")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen is screen, 40)
        await pilot.press("m")
        await until(pilot, lambda: "Mine." in frame(app))
        for words in ("Mine.", "Mine.!"):
            await pilot.press("e")
            await until(pilot, lambda: isinstance(app.screen, EditOwnDialog) and app.screen.focused)
            assert app.screen.query_one("#intro", TextArea).text == words
            if words == "Mine.":
                await pilot.press("!", "escape")
                await until(pilot, lambda: isinstance(app.screen, MineDialog))
        await pilot.press("ctrl+z")
        await until(pilot, lambda: app.screen.query_one("#intro", TextArea).text == "Mine.")
        tags = ", ".join(f"tag {number}" for number in range(11))
        app.screen.query_one("#tags", Input).value = tags
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "at most 10 tags; these are 11" in frame(app))
        assert app.screen.query_one("#tags", Input).value == tags
        app.screen.query_one("#tags", Input).value = "one"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, MineDialog))
        await settle(pilot)
        (card,) = await screen.runtime.market.mine()
        assert card.tags == ["one"] or card.tags == ("one",)
        assert not await screen.runtime.library.drafts.get(f"own_card:{card.id}")


async def test_a_card_is_reported_with_a_reason(paths: Paths) -> None:
    async with market() as (screen, pilot):
        app = screen.lunalux
        await until(pilot, lambda: bool(screen.grid.cards) and bool(app.account and app.account.signed_in))
        await pilot.press("enter")
        await until(pilot, lambda: "likes" in frame(app) and "luna spent" in frame(app))
        await pilot.press("x")
        await until(pilot, lambda: "Say in a sentence" in frame(app))
        await pilot.press(*"rude", "escape")
        await until(pilot, lambda: not app.screen.query("#answer"))
        await pilot.press("x")
        await until(pilot, lambda: app.screen.query("#answer") and "rude" in frame(app))
        await pilot.press("enter")
        await until(pilot, lambda: any("look at it" in one.message for one in app._notifications))  # type: ignore[attr-defined]
