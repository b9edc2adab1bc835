"""A conversation into a file, from the chat."""

from __future__ import annotations

from pathlib import Path

from chat_world import Driven, open_app
from settings_world import answer

from lunalux_tui.parts.ask_dialog import ConfirmDialog
from lunalux_tui.parts.path_dialog import PathDialog


async def export_to(driven: Driven, path: Path) -> None:
    """Ask for the export, and name a path in its dialog."""
    await driven.app.run_action("screen.export")
    await driven.until(lambda: isinstance(driven.app.screen, PathDialog))
    await answer(driven, path)


async def test_a_file_that_is_there_is_replaced_only_when_the_person_says_so(tmp_path: Path) -> None:
    path = tmp_path / "evening.md"
    path.write_text("another evening")
    async with open_app((100, 30)) as driven:
        await driven.say("Good evening")
        await export_to(driven, path)
        await driven.until(lambda: isinstance(driven.app.screen, ConfirmDialog))
        await driven.press("escape")
        await driven.until(lambda: driven.app.screen is driven.chat)
        assert path.read_text() == "another evening"

        await export_to(driven, path)
        await driven.until(lambda: isinstance(driven.app.screen, ConfirmDialog))
        await driven.press("y")
        await driven.until(lambda: str(path) in driven.told())
        assert "Good evening" in path.read_text(encoding="utf-8")


async def test_a_folder_takes_the_file_under_the_name_that_was_proposed(tmp_path: Path) -> None:
    async with open_app((100, 30)) as driven:
        await driven.say("Good evening")
        await export_to(driven, tmp_path)
        await driven.until(lambda: str(tmp_path) in driven.told())
        (file,) = tmp_path.glob("*.md")
        assert "Good evening" in file.read_text(encoding="utf-8")
