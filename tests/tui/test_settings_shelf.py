"""Presets, worldbooks, scripts, plug-ins, keys and data in the settings, over real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chat_world import Driven, open_app
from settings_world import answer, asked, go_to, right_of, section
from textual.widgets import Input, Static

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.library.backup import put_in_place
from lunalux_core.runtime import Runtime
from lunalux_tui.parts.ask_dialog import ConfirmDialog
from lunalux_tui.parts.key_bar import KeyBar
from lunalux_tui.settings.key_dialog import PressDialog
from lunalux_tui.settings.sections.data import DataSection
from lunalux_tui.settings.sections.keys import KeysSection
from lunalux_tui.settings.sections.presets import BUILTIN, PresetsSection
from lunalux_tui.settings.sections.shelf import ScriptsSection, ShelfSection, WorldbooksSection

BOOK = {"entries": {"0": {"uid": 0, "key": ["moon"], "comment": "Moon", "content": "The moon is silver."}}}


def script(name: str) -> dict[str, object]:
    return {
        "scriptName": name,
        "findRegex": "/moon/g",
        "replaceString": "MOON",
        "placement": [2],
        "disabled": False,
        "markdownOnly": False,
        "promptOnly": False,
    }


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


async def bring(driven: Driven, path: Path | str, pane: ShelfSection, count: int) -> None:
    """Import a file through the dialog."""
    await driven.press("i")
    await asked(driven)
    await answer(driven, path)
    await driven.until(lambda: len(pane.items) == count)


async def test_a_worldbook_comes_in_is_changed_deleted_taken_back_and_goes_out(
    tmp_path: Path,
) -> None:
    async with open_app((100, 30)) as driven:
        pane = await section(driven, "worldbooks")
        assert isinstance(pane, WorldbooksSection)
        await driven.until(lambda: "import" in pane.empty)
        assert not pane.check_action("choose", ())
        await bring(driven, write(tmp_path / "moonbook.json", BOOK), pane, 1)
        assert [note.message for note in driven.app._notifications] == ["1 imported, not in use yet."]
        assert not next(iter(pane.items.values())).enabled  # nothing is switched on by itself
        assert "Moon" in dict(pane.explain(pane.chosen).facts)["entries"]

        await driven.press("space")
        await driven.until(lambda: next(iter(pane.items.values())).enabled)
        await driven.until(lambda: right_of(pane, pane.chosen) == "1 entry")
        await driven.press("space")
        await driven.until(lambda: not next(iter(pane.items.values())).enabled)
        await driven.press("R")
        (await asked(driven)).query_one("#answer", Input).value = "Book of the moon"
        await driven.press("escape")
        await driven.until(lambda: driven.app.screen is pane.screen)
        assert pane.rows[0].title == "moonbook"
        await driven.press("R")
        assert (await asked(driven)).query_one("#answer", Input).value == "Book of the moon"
        await driven.press("enter")
        await driven.until(lambda: pane.rows[0].title == "Book of the moon")
        await driven.press("d")
        await driven.until(lambda: not pane.items)
        await driven.press("u")
        await driven.until(lambda: [row.title for row in pane.rows] == ["Book of the moon"])
        assert not next(iter(pane.items.values())).enabled

        out = tmp_path / "out" / "book.json"
        await driven.press("x")
        await answer(driven, out)
        await driven.until(out.is_file)
        assert json.loads(out.read_text("utf-8"))["entries"]["0"]["content"] == "The moon is silver."


async def test_scripts_are_put_in_order_and_a_bad_file_is_told(tmp_path: Path) -> None:
    async with open_app((100, 30)) as driven:
        pane = await section(driven, "regex")
        assert isinstance(pane, ScriptsSection)
        for name in ("one", "two", "three"):
            write(tmp_path / f"{name}.json", script(name))
        await bring(driven, tmp_path / "*.json", pane, 3)
        told = [note.message for note in driven.app._notifications]
        assert told == ["3 imported, switched as in their file."]
        names = [row.title for row in pane.rows]
        pane.set_rows(pane.rows, at=pane.rows[2].id)
        await driven.press("K")
        await driven.until(lambda: [row.title for row in pane.rows] == [names[0], names[2], names[1]])
        assert pane.rows[pane.cursor].title == names[2]
        assert dict(pane.explain(pane.chosen).facts)["in"] == "replies"

        (tmp_path / "bad.txt").write_text("{", encoding="utf-8")
        await driven.press("i")
        await answer(driven, tmp_path / "bad.txt")
        await driven.until(lambda: any(note.severity == "error" for note in driven.app._notifications))
        assert len(pane.items) == 3


async def test_several_deleted_scripts_come_back_in_the_order_there_was(tmp_path: Path) -> None:
    async with open_app((100, 30)) as driven:
        pane = await section(driven, "regex")
        for name in ("one", "two", "three"):
            write(tmp_path / f"{name}.json", script(name))
        await bring(driven, tmp_path / "*.json", pane, 3)
        names = [row.title for row in pane.rows]
        pane.set_rows(pane.rows, at=pane.rows[0].id)
        for left in (2, 1, 0):
            await driven.press("d")
            await driven.until(lambda left=left: len(pane.rows) == left)  # type: ignore[misc]
        for back in (1, 2, 3):
            await driven.press("u")
            await driven.until(lambda back=back: len(pane.rows) == back)  # type: ignore[misc]
        assert [row.title for row in pane.rows] == names


async def test_a_preset_is_put_in_use_and_leaves_again(tmp_path: Path) -> None:
    async with open_app((100, 30)) as driven:
        pane = await section(driven, "presets")
        assert isinstance(pane, PresetsSection)
        await go_to(driven, pane, f"{BUILTIN}novel_king")
        await driven.press("enter")
        await driven.until(lambda: driven.app.runtime.settings.preset == "novel_king")
        assert right_of(pane, f"{BUILTIN}novel_king") == "in use"
        out = tmp_path / "novel.json"
        await driven.press("x")
        await answer(driven, out)
        await driven.until(out.is_file)
        await bring(driven, out, pane, 1)
        own = next(iter(pane.items))
        assert right_of(pane, own) == "" and right_of(pane, f"{BUILTIN}novel_king") == "in use"
        await go_to(driven, pane, own)
        await driven.press("enter")
        await driven.until(lambda: right_of(pane, own) == "in use")
        assert right_of(pane, f"{BUILTIN}novel_king") == ""
        assert pane.explain(own).facts


async def test_a_plug_in_is_brought_trusted_enabled_and_deleted(tmp_path: Path, paths: Paths) -> None:
    source = tmp_path / "loud.py"
    source.write_text("class Loud:\n    pass\n\n\nplugin = Loud\n", encoding="utf-8")
    async with open_app((100, 30)) as driven:
        pane = await section(driven, "plugins")
        bar = driven.app.screen.query_one(KeyBar)

        def keys_shown() -> str:
            return "".join(strip.text for strip in bar.render_lines(bar.size.region))

        await driven.until(lambda: "i Import" in keys_shown())
        assert "On/off" not in keys_shown(), "there is none yet"
        await driven.press("i")
        await answer(driven, source)
        await driven.until(lambda: "loud" in [row.id for row in pane.rows])
        await driven.until(lambda: "On/off" in keys_shown())
        assert right_of(pane, "loud") == "off"
        await go_to(driven, pane, "loud")
        await driven.press("enter")
        await driven.until(lambda: isinstance(driven.app.screen, ConfirmDialog))
        await driven.press("enter")
        await driven.until(lambda: right_of(pane, "loud") == "on")
        assert load_settings(paths).plugins[0].startswith("loud@")
        await driven.press("d")
        await driven.until(lambda: isinstance(driven.app.screen, ConfirmDialog))
        await driven.press("y")
        await driven.until(lambda: not pane.rows)
        assert not (paths.plugins / "loud.py").exists() and load_settings(paths).plugins == ()


async def test_a_key_is_given_by_pressing_it_and_a_conflict_is_told(paths: Paths) -> None:
    async with open_app((100, 30)) as driven:
        pane = await section(driven, "keys")
        assert isinstance(pane, KeysSection)
        await go_to(driven, pane, "chat.modes")
        await driven.press("enter")
        await driven.until(lambda: isinstance(driven.app.screen, PressDialog))
        await driven.press("ctrl+t")
        verdict = driven.app.screen.query_one("#verdict", Static)
        assert "Tree" in str(verdict.render())
        await driven.press("tab")
        assert "must go on" in str(verdict.render())
        await driven.press("ctrl+y")
        assert "text editing" in str(verdict.render())
        await driven.press("f10")
        await driven.until(lambda: driven.app.keymap.get("chat.modes") == "f10")
        assert load_settings(paths).keys == {"chat.modes": "f10"}
        assert right_of(pane, "chat.modes") == "F10"

        await driven.press("f2")
        await driven.press("f10")
        await driven.until(lambda: driven.app.screen.is_modal)
        await driven.press("escape")
        pane = await section(driven, "keys")
        await go_to(driven, pane, "chat.modes")
        await driven.press("r")
        assert load_settings(paths).keys == {} and driven.app.keymap == {}
        assert right_of(pane, "chat.modes") == ""


async def test_everything_is_backed_up_and_brought_back(tmp_path: Path, paths: Paths) -> None:
    target = tmp_path / "all.zip"
    async with open_app((100, 30)) as driven:
        pane = await section(driven, "data")
        assert isinstance(pane, DataSection)
        await driven.until(lambda: right_of(pane, "library").endswith("kB"))
        assert str(paths.library) in dict(pane.explain("library").facts).values()
        await driven.press("b")
        await answer(driven, target)
        await driven.until(target.is_file)
        await driven.until(lambda: driven.app.screen is pane.screen)
        await driven.app.runtime.library.worldbooks.add("Later", BOOK)

        await driven.press("o")
        await answer(driven, tmp_path / "none.zip")
        await driven.until(lambda: isinstance(driven.app.screen, ConfirmDialog))
        await driven.press("y")
        await driven.until(lambda: any(note.severity == "error" for note in driven.app._notifications))
        await driven.until(lambda: driven.app.screen is pane.screen)
        assert driven.app.afterwards is None

        await driven.press("o")
        await answer(driven, target)
        await driven.until(lambda: isinstance(driven.app.screen, ConfirmDialog))
        await driven.press("y")
        await driven.until(lambda: driven.app.afterwards is not None)
    again = driven.app.afterwards
    assert again is not None and again.func is put_in_place  # type: ignore[attr-defined]
    again()
    async with Runtime.open(load_settings()) as runtime:
        assert not await runtime.library.worldbooks.list()
        assert await runtime.library.characters.list()
    assert not list(paths.data.glob("restore-*"))


@pytest.mark.parametrize("name", ["worldbooks", "regex", "presets", "plugins", "keys", "data", "models"])
async def test_the_palette_leads_to_every_managed_section(name: str) -> None:
    async with open_app((80, 24)) as driven:
        from lunalux_tui.app.command_palette import Commands

        provider = Commands(driven.app.screen)
        titles = [offer.title for offer in provider._commands()]
        wanted = {action.id: action.label for action in driven.app.ACTIONS}[f"go.{name}"]
        assert wanted in titles


async def test_what_a_section_does_is_in_the_palette_while_it_is_shown(tmp_path: Path) -> None:
    from lunalux_tui.app.command_palette import Commands

    async with open_app((100, 30)) as driven:
        await section(driven, "plugins")
        pane = await section(driven, "worldbooks")
        assert isinstance(pane, WorldbooksSection)
        offers = Commands(driven.app.screen)._commands()
        offered = {offer.title.split("  ")[0]: offer.run for offer in offers}
        assert "Add a key" not in offered and "Delete" not in offered
        await offered["Import"]()  # type: ignore[misc]
        await asked(driven)
        await answer(driven, write(tmp_path / "book.json", BOOK))
        await driven.until(lambda: len(pane.items) == 1)
