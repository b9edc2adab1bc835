"""The whole library for other programs, from the settings."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from chat_world import Driven, open_app
from settings_world import answer, section

from lunalux_tui.parts.ask_dialog import AskDialog, ConfirmDialog
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.settings.sections.section_view import SectionView

BOOK = {"entries": {"0": {"uid": 0, "key": ["moon"], "content": "The moon is silver."}}}


def said(driven: Driven) -> str:
    return "\n".join(note.message for note in driven.app._notifications)


async def choose(driven: Driven, pane: SectionView, words: str) -> AskDialog[str]:
    """Choose a form by its name; the question for a path comes up."""
    await driven.press("x")
    await driven.until(lambda: isinstance(driven.app.screen, PickDialog))
    await driven.press(*words, "enter")
    await driven.until(lambda: isinstance(driven.app.screen, AskDialog))
    dialog = driven.app.screen
    assert isinstance(dialog, AskDialog)
    return dialog


async def test_the_library_is_written_for_sillytavern(tmp_path: Path) -> None:
    target = tmp_path / "everything.zip"
    async with open_app((100, 30)) as driven:
        library = driven.app.runtime.library
        await library.worldbooks.add("Moons", BOOK)
        pane = await section(driven, "data")
        await choose(driven, pane, "silly")
        await answer(driven, target)
        await driven.until(lambda: str(target) in said(driven))
        count = await library.characters.count()
        assert f"{count} characters" in said(driven) and "1 worldbook" in said(driven)
        names = zipfile.ZipFile(target).namelist()
        assert sum(name.startswith("characters/") for name in names) == count
        assert "worlds/Moons.json" in names

        before = target.read_bytes()
        await choose(driven, pane, "silly")
        await answer(driven, target)
        await driven.until(lambda: isinstance(driven.app.screen, ConfirmDialog))
        await driven.press("escape")
        await driven.until(lambda: driven.app.screen is pane.screen)
        assert target.read_bytes() == before


@pytest.mark.parametrize(("language", "words"), [("en", "not part of it"), ("zh", "只认角色卡里的世界书")])
async def test_what_narratium_cannot_hold_is_said(tmp_path: Path, language: str, words: str) -> None:
    target = tmp_path / "all.json"
    async with open_app((80, 24)) as driven:
        driven.app.switch_language(language)
        await driven.app.runtime.library.worldbooks.add("Moons", BOOK)
        pane = await section(driven, "data")
        dialog = await choose(driven, pane, "narra")
        assert "narratium-" in dialog.query_one("#answer").value  # type: ignore[attr-defined]
        await answer(driven, target)
        await driven.until(lambda: words in said(driven))
        stores = json.loads(target.read_text(encoding="utf-8"))
        assert len(stores["characters_record"]) == await driven.app.runtime.library.characters.count()


async def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    async with open_app((100, 30)) as driven:
        pane = await section(driven, "data")
        await choose(driven, pane, "narra")
        await answer(driven, tmp_path / "file" / "all.json")
        await driven.until(
            lambda: any(notification.severity == "error" for notification in driven.app._notifications)
        )
        await driven.until(lambda: driven.app.screen is pane.screen)
    assert (tmp_path / "file").read_text() == "mine"
