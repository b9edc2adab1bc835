"""Words typed in a dialog outlive it and the program, and are offered when the same thing is opened again."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from chat_world import Driven, open_app
from textual.widgets import Input, TextArea

from lunalux_core.config.paths import Paths
from lunalux_core.library.program_state import state_cell
from lunalux_tui.chat.personas_dialog import PersonaDialog, PersonasDialog
from lunalux_tui.parts.ask_dialog import AskDialog
from lunalux_tui.parts.preset_dialog import PresetDialog
from lunalux_tui.parts.rows import Rows

Opening = Callable[[Driven], Awaitable[None]]


def on_disk(paths: Paths) -> str:
    """The drafts that a program which is killed now leaves behind."""
    other = sqlite3.connect(paths.library)
    try:
        return str(state_cell(other, "unsaved") or "")
    finally:
        other.close()


async def _edit(driven: Driven) -> None:
    driven.chat.transcript.focus()
    await driven.press("e")


async def _personas(driven: Driven) -> None:
    driven.app.push_screen(PersonasDialog(driven.app.runtime))
    await driven.until(lambda: isinstance(driven.app.screen, PersonasDialog))
    await driven.press("ctrl+n")
    await driven.until(lambda: isinstance(driven.app.screen, PersonaDialog))


def _performed(action: str) -> Opening:
    async def opening(driven: Driven) -> None:
        driven.chat.perform(action)

    return opening


async def _memory(driven: Driven) -> None:
    await _performed("memory")(driven)
    await driven.until(lambda: driven.app.screen.query(".tab-filter"))
    await driven.settle()
    await driven.press("a")


DIALOGS: dict[str, tuple[Opening, str]] = {
    "a message": (_edit, "#edit-text"),
    "the author's note": (_performed("note"), "#note-text"),
    "a chat's own texts": (_performed("overrides"), "#override-scenario"),
    "what replies begin with": (_performed("begin_with"), "#start-text"),
    "a persona": (_personas, "#persona-name"),
    "a fact": (_memory, "#field-title"),
}
"""How each is opened, and the field that is written in."""


async def field_of(driven: Driven, dialog: str) -> Any:
    """Open a dialog and wait for the field that has the words."""
    opening, name = DIALOGS[dialog]
    await opening(driven)
    await driven.until(lambda: driven.app.screen.query(name))
    field = driven.app.screen.query_one(name)
    field.focus()
    await driven.until(lambda: field.has_focus)
    return field


def words_of(field: Any) -> str:
    assert isinstance(field, Input | TextArea)
    return field.value if isinstance(field, Input) else field.text


@pytest.mark.parametrize("dialog", DIALOGS)
async def test_words_are_on_disk_after_a_pause_and_go_with_what_was_saved(dialog: str, paths: Paths) -> None:
    async with open_app() as driven:
        await driven.say("Hello")
        field = await field_of(driven, dialog)
        before = words_of(field)
        await driven.press(*"Quince")
        await driven.until(lambda: "Quince" in on_disk(paths))
        await driven.press(*["backspace"] * len("Quince"))
        assert words_of(field) == before
        await driven.until(lambda: "Quince" not in on_disk(paths))


@pytest.mark.parametrize("dialog", DIALOGS)
async def test_words_are_there_again_after_the_program_was_left(dialog: str, paths: Paths) -> None:
    async with open_app() as driven:
        await driven.say("Hello")
        await field_of(driven, dialog)
        await driven.press(*"Quince", "ctrl+q")
    assert "Quince" in on_disk(paths)
    async with open_app() as driven:
        assert "Quince" in words_of(await field_of(driven, dialog))


async def test_a_pause_that_ends_after_the_dialog_brings_no_draft_back(paths: Paths) -> None:
    async with open_app() as driven:
        await field_of(driven, "the author's note")
        await driven.press(*"Quince", "ctrl+s")
        await driven.until(lambda: driven.app.screen is driven.chat)
        await asyncio.sleep(0.8)
        await driven.settle()
        assert "Quince" not in on_disk(paths)


async def test_one_undo_in_a_chats_own_texts_shows_the_saved_text() -> None:
    async with open_app() as driven:
        await field_of(driven, "a chat's own texts")
        await driven.press(*"At sea", "ctrl+s")
        await driven.until(lambda: driven.app.screen is driven.chat)
        await field_of(driven, "a chat's own texts")
        await driven.press("!", "escape")
        await driven.until(lambda: driven.app.screen is driven.chat)
        assert "what you wrote is kept" in driven.told()
        field = await field_of(driven, "a chat's own texts")
        assert words_of(field) == "At sea!"
        await driven.press("ctrl+z")
        await driven.until(lambda: words_of(field) == "At sea")


# -- prompts of a preset -------------------------------------------------------------------------------


async def _prompt(driven: Driven) -> TextArea:
    """The words of the first prompt that has any, in the editor."""
    driven.chat.perform("preset")
    await driven.until(lambda: isinstance(driven.app.screen, PresetDialog))
    dialog = driven.app.screen
    await driven.until(lambda: dialog.query_one("#prompt-rows", Rows).rows)
    await driven.press("e")
    await driven.until(lambda: driven.app.screen.query("#edit-text"))
    area = driven.app.screen.query_one("#edit-text", TextArea)
    await driven.until(lambda: area.has_focus)
    return area


async def test_words_of_a_presets_prompt_are_kept_at_a_pause_at_escape_and_at_the_end(paths: Paths) -> None:
    async with open_app() as driven:
        await _prompt(driven)
        await driven.press(*"Quince")
        await driven.until(lambda: "Quince" in on_disk(paths))
        await driven.press("!", "escape")
        await driven.until(lambda: isinstance(driven.app.screen, PresetDialog))
        assert "what you wrote is kept" in driven.told()
        await driven.press("escape")
        await driven.until(lambda: driven.app.screen is driven.chat)
        assert (await _prompt(driven)).text.endswith("Quince!")
        await driven.press("?", "ctrl+q")
    async with open_app() as driven:
        area = await _prompt(driven)
        assert area.text.endswith("Quince!?")
        await driven.press("ctrl+s")
        await driven.until(lambda: "Quince" not in on_disk(paths))
        await driven.settle()
        (preset,) = await driven.app.runtime.library.presets.list()
        assert any(text.endswith("Quince!?") for text in _contents(preset.document))


def _contents(document: Any) -> list[str]:
    return [str(prompt.get("content", "")) for prompt in document["prompts"]]


# -- lines ---------------------------------------------------------------------------------------------

LINES = {"instruct": "", "rewrite": "", "out_of_character": "", "mark": "", "rename": ""}
"""Actions that ask for a line, and what stands in it at first."""


async def _line(driven: Driven, action: str) -> Input:
    driven.chat.perform(action)
    await driven.until(lambda: driven.app.screen.query("#answer"))
    field = driven.app.screen.query_one("#answer", Input)
    await driven.until(lambda: field.has_focus)
    return field


@pytest.mark.parametrize("action", LINES)
async def test_a_line_is_kept_at_a_pause_at_escape_and_at_the_end(action: str, paths: Paths) -> None:
    async with open_app() as driven:
        await driven.say("Hello")
        assert (await _line(driven, action)).value == LINES[action]
        await driven.press(*"Quince")
        await driven.until(lambda: "Quince" in on_disk(paths))
        await driven.press("!", "escape")
        await driven.until(lambda: driven.app.screen is driven.chat)
        await driven.until(lambda: "what you wrote is kept" in driven.told())
        assert (await _line(driven, action)).value == "Quince!"
        await driven.press("?", "ctrl+q")
    async with open_app() as driven:
        field = await _line(driven, action)
        assert field.value == "Quince!?"
        await driven.press("enter")
        await driven.until(lambda: "Quince" not in on_disk(paths))


async def test_a_key_shows_the_saved_line_in_the_place_of_the_kept_one_and_back() -> None:
    async with open_app() as driven:
        await _line(driven, "out_of_character")
        await driven.press(*"Slowly", "enter")
        await driven.until(lambda: driven.app.screen is driven.chat)
        await _line(driven, "out_of_character")
        await driven.press("end", *" please", "escape")
        await driven.until(lambda: driven.app.screen is driven.chat)
        field = await _line(driven, "out_of_character")
        for words in ("Slowly please", "Slowly", "Slowly please"):
            assert field.value == words
            await driven.press("ctrl+z")


async def test_a_secret_is_never_a_draft(paths: Paths) -> None:
    async with open_app() as driven:
        driven.app.push_screen(AskDialog("A key", secret=True))
        await driven.until(lambda: driven.app.screen.query("#answer"))
        await driven.press(*"Quince")
        await asyncio.sleep(0.8)
        await driven.press("ctrl+q")
    assert "Quince" not in on_disk(paths)
