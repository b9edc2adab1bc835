"""The command palette: what it offers is done, whichever node declares it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chat_world import Driven, open_app
from create_world import open_editor
from market_world import frame
from textual.command import CommandPalette
from textual.widgets import Input

from lunalux_core.editor.greetings import greetings
from lunalux_core.library.characters import NewCharacter
from lunalux_tui.app.help_dialog import HelpDialog
from lunalux_tui.app.jump import JumpScreen


async def choose(driven: Driven, words: str) -> None:
    """Run a command as a person does: open the palette, type words of it, enter."""
    await driven.press("ctrl+p")
    await driven.until(lambda: isinstance(driven.app.screen, CommandPalette))
    await driven.press(*("space" if letter == " " else letter for letter in words))
    await driven.settle()
    await driven.press("enter")
    await driven.until(lambda: not isinstance(driven.app.screen, CommandPalette))


@pytest.mark.parametrize(
    ("words", "opened"), [("show what can be done", HelpDialog), ("letter", JumpScreen)], ids=["help", "jump"]
)
async def test_what_the_app_itself_does_is_done_from_the_palette(
    words: str, opened: type, home: Path
) -> None:
    async with open_app() as driven:
        await choose(driven, words)
        await driven.until(lambda: isinstance(driven.app.screen, opened))


async def test_what_a_part_of_the_editor_does_is_done_from_the_palette(home: Path) -> None:
    async with open_editor() as editor:
        await editor.section("greetings")
        await editor.driven.press("escape")  # from the words to their list
        before = len(greetings(editor.screen.draft.document))
        await choose(editor.driven, "add a greeting")
        await editor.driven.until(lambda: len(greetings(editor.screen.draft.document)) > before)


async def test_words_that_no_command_has_lead_to_the_help_in_the_persons_language(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUNALUX_LANG", "zh")
    async with open_app((80, 24)) as driven:
        await choose(driven, "qqqq")
        await driven.until(lambda: isinstance(driven.app.screen, HelpDialog))


async def test_enter_runs_what_was_typed_and_not_what_stood_there_before_it_was_found() -> None:
    async with open_app() as driven:
        await driven.press("ctrl+p")
        await driven.until(lambda: isinstance(driven.app.screen, CommandPalette))
        await driven.settle()  # the list of all commands stands, its first row is chosen
        field = driven.app.screen.query_one(Input)
        field.value = "show what can be done"
        await field.action_submit()
        await driven.until(lambda: isinstance(driven.app.screen, HelpDialog))


async def test_an_offer_has_its_key_at_the_right_and_words_of_a_card_are_words() -> None:
    async with open_app() as driven:
        library = driven.app.runtime.library
        intro = "[/red] a tag that closes nothing [bold"
        await library.characters.add(NewCharacter("odd", "Odd", "{}", "odd", intro=intro))
        await driven.press("ctrl+p", *"odd")
        await driven.until(lambda: "[/red] a tag that closes nothing" in frame(driven.app))
        await driven.press("escape", "ctrl+p", *"tree")
        await driven.until(lambda: re.search(r"Tree {60,}\^t ", frame(driven.app)))
