"""Worldbooks, regex scripts and presets of the library are written in the app, and tried meanwhile."""

from __future__ import annotations

import json

import pytest
from chat_world import Driven, open_app
from textual.widgets import Input, TextArea

from lunalux_core.config.settings import load_settings
from lunalux_core.runtime import Runtime
from lunalux_tui.chat.books_dialog import BooksDialog
from lunalux_tui.create.book_screen import BookScreen
from lunalux_tui.parts.form_field import FieldBox
from lunalux_tui.parts.key_bar import KeyBar
from lunalux_tui.parts.preset_dialog import PresetDialog
from lunalux_tui.parts.told import Told
from lunalux_tui.settings.screen import SettingsScreen
from lunalux_tui.settings.script_screen import ScriptScreen

BOOK = {
    "entries": {
        "7": {
            "uid": 7,
            "key": ["moon"],
            "content": "The moon is green.",
            "comment": "Moon",
            "odd": {"kept": 1},
        }
    },
    "extra": "kept",
}
SCRIPT = {
    "id": "a", "scriptName": "Stars", "findRegex": "/(moo)n/gi", "replaceString": "<$1>", "trimStrings": [],
    "placement": [2], "disabled": False, "markdownOnly": True, "odd": "kept",
}  # fmt: skip


async def stored(kind: str, name: str, document: object) -> None:
    async with Runtime.open(load_settings()) as runtime:
        shelf = runtime.library.worldbooks if kind == "worldbook" else runtime.library.scripts
        await shelf.add(name, document, enabled=False)


async def section(driven: Driven, name: str) -> SettingsScreen:
    driven.app.action_settings(name)
    await driven.until(lambda: isinstance(driven.app.screen, SettingsScreen) and driven.app.screen.ready)
    screen = driven.app.screen
    assert isinstance(screen, SettingsScreen)
    await driven.until(lambda: screen.section.id == name and screen.section_view.has_focus)
    return screen


async def book_screen(driven: Driven) -> BookScreen:
    await driven.until(lambda: isinstance(driven.app.screen, BookScreen))
    screen = driven.app.screen
    assert isinstance(screen, BookScreen)
    await driven.until(lambda: screen.section_view.stands and screen.section_view.rows.has_focus)
    return screen


def box(driven: Driven, field: str) -> FieldBox:
    return next(one for one in driven.app.screen.query(FieldBox) if one.field == field)


async def write(driven: Driven, field: str, text: str) -> None:
    control = box(driven, field).field_control
    control.focus()
    if isinstance(control, TextArea):
        control.load_text(text)
    else:
        assert isinstance(control, Input)
        control.value = text
    await driven.settle()


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_an_entry_of_an_imported_book_is_changed_and_tried(size: tuple[int, int], home: object) -> None:
    await stored("worldbook", "Night", BOOK)
    async with open_app(size) as driven:
        settings = await section(driven, "worldbooks")
        await driven.until(lambda: settings.section_view.rows)
        await driven.press("e")
        await driven.until(
            lambda: (
                isinstance(driven.app.screen, BookScreen) and driven.app.screen.section_view.rows.has_focus
            )
        )
        screen = driven.app.screen
        assert isinstance(screen, BookScreen)
        await driven.press("enter")
        await driven.until(lambda: box(driven, "content").target.has_focus)
        await write(driven, "content", "The moon is blue.")
        await driven.press("f10")
        await driven.until(lambda: box(driven, "trial").target.has_focus)
        await write(driven, "trial", "Look at the moon!")
        await driven.until(lambda: screen.section_view.trial.firing == {"7"})
        await driven.press("escape")
        await driven.until(lambda: screen.section_view.rows.has_focus)
        await driven.press("escape")
        await driven.until(lambda: driven.app.screen is settings)
        (item,) = await driven.app.runtime.library.worldbooks.list()
        entry = item.document["entries"]["7"]
        assert entry["content"] == "The moon is blue." and entry["odd"] == {"kept": 1}
        assert item.document["extra"] == "kept" and not item.enabled


async def test_a_new_book_gets_an_entry_that_undo_takes_back(home: object) -> None:
    async with open_app() as driven:
        settings = await section(driven, "worldbooks")
        await driven.press("n")
        await driven.until(lambda: driven.app.screen.query("#answer"))
        driven.app.screen.query_one("#answer", Input).value = "Harbour"
        await driven.press("enter")
        await driven.until(
            lambda: (
                isinstance(driven.app.screen, BookScreen) and driven.app.screen.section_view.rows.has_focus
            )
        )
        screen = driven.app.screen
        assert isinstance(screen, BookScreen)
        await driven.press("a")
        await driven.until(lambda: box(driven, "comment").target.has_focus)
        await write(driven, "comment", "Lamp")
        await write(driven, "keys", "lamp, light")
        await write(driven, "content", "It never goes out.")
        await driven.press("escape", "c")
        await driven.until(lambda: len(screen.section_view.view) == 2)
        await driven.press("ctrl+z")
        await driven.until(lambda: len(screen.section_view.view) == 1)
        await driven.press("escape")
        await driven.until(lambda: driven.app.screen is settings)
        (item,) = await driven.app.runtime.library.worldbooks.list()
        (entry,) = item.document["entries"].values()
        assert item.name == "Harbour" and entry["key"] == ["lamp", "light"]
        assert entry["content"] == "It never goes out."


async def test_a_script_is_changed_with_its_result_in_view(home: object) -> None:
    await stored("regex", "Stars", SCRIPT)
    async with open_app() as driven:
        settings = await section(driven, "regex")
        await driven.until(lambda: settings.section_view.rows)
        await driven.press("e")
        await driven.until(lambda: isinstance(driven.app.screen, ScriptScreen))
        screen = driven.app.screen
        assert isinstance(screen, ScriptScreen)

        def result() -> str:
            return "".join(text for text, _ in screen.preview._runs)

        await write(driven, "trial", "A moon, a Moon.")
        await driven.until(lambda: result() == "A <moo>, a <Moo>.")
        await write(driven, "replaceString", "sun")
        await driven.until(lambda: result() == "A sun, a sun.")
        await write(driven, "findRegex", "/(/")
        await driven.until(lambda: screen.verdict.warns or "cannot be read" in screen.verdict.words)
        await driven.press("ctrl+z")
        await driven.until(lambda: result() == "A sun, a sun.")
        screen.rows.focus()
        await driven.press("down", "enter")  # the person's words, too
        await driven.press("escape")
        await driven.until(lambda: driven.app.screen is settings)
        (item,) = await driven.app.runtime.library.scripts.list()
        assert item.document == {**SCRIPT, "replaceString": "sun", "placement": [1, 2]}, json.dumps(
            item.document
        )


async def test_e_opens_the_prompts_of_the_preset_under_the_cursor(home: object) -> None:
    async with open_app() as driven:
        settings = await section(driven, "presets")
        await driven.until(lambda: settings.section_view.rows)
        await driven.press("e")
        await driven.until(lambda: isinstance(driven.app.screen, PresetDialog))


async def test_with_the_book_of_the_card_alone_it_says_where_others_come_from(home: object) -> None:
    async with open_app() as driven:
        await driven.press("escape", "W")
        await driven.until(lambda: isinstance(driven.app.screen, BooksDialog))
        dialog = driven.app.screen
        await driven.until(lambda: "settings (F6)" in str(dialog.query_one(".hint", Told).content))
        bar = dialog.query_one(KeyBar)
        shown = "".join(strip.text for strip in bar.render_lines(bar.size.region))
        assert "⏎ Entries" in shown and "This chat" not in shown


async def test_w_shows_which_books_are_in_force_here_and_attaches_others(home: object) -> None:
    await stored("worldbook", "Night", BOOK)
    async with open_app() as driven:
        library = driven.app.runtime.library
        await library.personas.save("Ada")
        conversation, character = driven.chat.conversation, driven.chat.character
        assert conversation is not None and character is not None
        await driven.press("escape", "W")
        await driven.until(lambda: isinstance(driven.app.screen, BooksDialog))
        dialog = driven.app.screen
        assert isinstance(dialog, BooksDialog)

        def why() -> str:
            return next((row.detail for row in dialog.rows.rows if row.title == "Night"), "")

        await driven.until(lambda: why() == "not in force here")
        while dialog.rows.rows[dialog.rows.cursor].title != "Night":
            await driven.press("down")
        for key, words in (("c", "this chat"), ("r", character.name), ("p", "Ada"), ("a", "all chats")):
            await driven.press(key)
            await driven.until(lambda words=words: words in why())
        stored_now = await library.conversations.get(conversation.id)
        assert stored_now.metadata["chat_metadata"]["world_info"] == "Night"
        assert await library.characters.worldbooks(character.id) == ("Night",)
        chosen = await library.personas.chosen()
        assert chosen is not None and chosen.worldbook == "Night"
        (item,) = await library.worldbooks.list()
        assert item.enabled
        await driven.press("c", "r", "p", "a")
        await driven.until(lambda: why() == "not in force here")
        await driven.press("enter")
        await book_screen(driven)
