"""Personas: made and changed in their dialog, with the worldbook that goes with one."""

from __future__ import annotations

import pytest
from chat_world import Driven, open_app
from market_world import frame
from textual.widgets import Input, Static, TextArea

from lunalux_tui.chat.personas_dialog import PersonaDialog, PersonasDialog
from lunalux_tui.parts.ask_dialog import ConfirmDialog
from lunalux_tui.parts.key_bar import KeyBar
from lunalux_tui.parts.pick_dialog import PickDialog

BOOK = {"entries": {"0": {"uid": 0, "key": ["sea"], "content": "The sea is grey."}}}


async def opened(driven: Driven, kind: type, keys: str = "") -> None:
    if keys:
        await driven.press(keys)
    await driven.until(lambda: type(driven.app.screen) is kind)


def bound(driven: Driven) -> str:
    return str(driven.app.screen.query_one("#persona-book", Static).render())


def keys_offered(driven: Driven) -> set[str]:
    """The keys in the footer of a dialog."""
    bar = driven.app.screen.query_one(KeyBar)
    return {part.text.split()[0] for part in bar.left()} - {"F1", "^p"}


async def personas(driven: Driven) -> None:
    driven.app.push_screen(PersonasDialog(driven.app.runtime))
    await opened(driven, PersonasDialog)
    await driven.until(lambda: driven.app.screen.query(KeyBar))


async def test_a_persona_gets_a_worldbook_and_lets_go_of_it() -> None:
    async with open_app((80, 24)) as driven:
        library = driven.app.runtime.library
        await library.worldbooks.add("The sea", BOOK)
        await personas(driven)
        assert keys_offered(driven) == {"^n", "esc"}, "without a row there is nothing to choose or to edit"
        await opened(driven, PersonaDialog, "ctrl+n")
        assert bound(driven) == "Worldbook: none"
        driven.app.screen.query_one("#persona-name", Input).value = "Bo"
        await opened(driven, PickDialog, "ctrl+b")
        await driven.press(*"sea", "enter")
        await opened(driven, PersonaDialog)
        await driven.until(lambda: bound(driven) == "Worldbook: The sea")
        await opened(driven, PersonasDialog, "ctrl+s")
        (bo,) = await library.personas.list()
        assert (bo.name, bo.worldbook) == ("Bo", "The sea")

        await driven.until(lambda: "The sea" in frame(driven.app))
        await opened(driven, PersonaDialog, "ctrl+e")
        assert bound(driven) == "Worldbook: The sea"
        await opened(driven, PickDialog, "ctrl+b")
        await driven.press(*"none", "enter")
        await opened(driven, PersonaDialog)
        await opened(driven, PersonasDialog, "ctrl+s")
        assert [persona.worldbook for persona in await library.personas.list()] == [""]


async def test_changing_the_name_keeps_a_book_that_is_gone() -> None:
    async with open_app((80, 24)) as driven:
        library = driven.app.runtime.library
        await library.personas.bind((await library.personas.save("Bo")).id, "Lost book")
        await personas(driven)
        await driven.until(lambda: "Lost book" in frame(driven.app))
        await opened(driven, PersonaDialog, "ctrl+e")
        assert bound(driven) == "Worldbook: Lost book (not in the library)"
        driven.app.screen.query_one("#persona-name", Input).value = "Bob"
        await opened(driven, PersonasDialog, "ctrl+s")
        (bob,) = await library.personas.list()
        assert (bob.name, bob.worldbook) == ("Bob", "Lost book")


@pytest.mark.parametrize(
    ("language", "asked"), [("en", "Delete Bo? Conversations"), ("zh", "要删除“Bo”吗？用过它的会话会保留。")]
)
async def test_a_persona_is_deleted_only_after_a_yes(
    monkeypatch: pytest.MonkeyPatch, language: str, asked: str
) -> None:
    monkeypatch.setenv("LUNALUX_LANG", language)
    async with open_app((80, 24)) as driven:
        library = driven.app.runtime.library
        bo = await library.personas.save("Bo", "A cartographer with a bad knee.")
        await personas(driven)
        await driven.until(lambda: "A cartographer" in frame(driven.app))
        await opened(driven, ConfirmDialog, "ctrl+d")
        await driven.until(lambda: asked in frame(driven.app))
        await opened(driven, PersonasDialog, "escape")
        assert [persona.id for persona in await library.personas.list()] == [bo.id]
        await opened(driven, ConfirmDialog, "ctrl+d")
        await opened(driven, PersonasDialog, "enter")
        await driven.until(lambda: "A cartographer" not in frame(driven.app))
        assert not await library.personas.list()


async def test_a_persona_left_with_escape_is_offered_again() -> None:
    async with open_app((80, 24)) as driven:
        library = driven.app.runtime.library
        bo = await library.personas.save("Bo", "A cartographer.")
        await personas(driven)
        await driven.until(lambda: "A cartographer" in frame(driven.app))
        await opened(driven, PersonaDialog, "ctrl+e")
        description = driven.app.screen.query_one("#persona-description", TextArea)
        description.text = "A cartographer with a bad knee."
        await opened(driven, PersonasDialog, "escape")
        await driven.until(lambda: "A cartographer" in frame(driven.app))
        assert [persona.description for persona in await library.personas.list()] == ["A cartographer."]

        await opened(driven, PersonaDialog, "ctrl+e")
        description = driven.app.screen.query_one("#persona-description", TextArea)
        await driven.until(lambda: description.text == "A cartographer with a bad knee.")
        description.undo()
        assert description.text == "A cartographer."
        description.redo()
        await opened(driven, PersonasDialog, "ctrl+s")
        await driven.until(lambda: "bad knee" in frame(driven.app))
        assert await library.drafts.get(f"persona:{bo.id}") == ""

        await opened(driven, PersonaDialog, "ctrl+n")
        driven.app.screen.query_one("#persona-name", Input).value = "Nobody yet"
        await opened(driven, PersonasDialog, "escape")
        await opened(driven, PersonaDialog, "ctrl+n")
        assert driven.app.screen.query_one("#persona-name", Input).value == "Nobody yet"
