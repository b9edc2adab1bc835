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
