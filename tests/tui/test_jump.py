"""Jump mode: a letter leads to what it stands on."""

from __future__ import annotations

from chat_world import Driven, open_app

from lunalux_tui.app.jump import JumpScreen, targets


def letter(app: Driven, name: str) -> str:
    """The letter that leads to a widget (by its id) or an action."""
    screen = app.app.screen
    assert isinstance(screen, JumpScreen)
    return next(
        letters for letters, target in screen._targets.items() if name == (target.action or target.widget.id)
    )


async def test_letters_lead_to_widgets_and_to_what_can_be_clicked() -> None:
    async with open_app() as app:
        await app.press("f9")
        await app.press(letter(app, "roster-rows"))
        assert app.chat.roster.rows.has_focus
        await app.press("f9")
        await app.press(letter(app, "prompt"))
        assert app.chat.prompt.has_focus
        await app.press("f9")
        await app.press(letter(app, "screen.models"))
        await app.until(lambda: type(app.app.screen).__name__ == "ModelsDialog")


async def test_any_other_key_changes_nothing() -> None:
    async with open_app() as app:
        await app.write("half a line")
        await app.press("f9", "escape")
        assert app.chat.prompt.has_focus
        assert app.chat.prompt.text == "half a line"


async def test_every_letter_stands_on_its_own_place() -> None:
    async with open_app((80, 24)) as app:
        places = [target.place for target in targets(app.app.screen)]
        assert len(places) == len(set(places)) >= 3
