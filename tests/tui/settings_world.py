"""The settings screen, driven over real files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from chat_world import Driven
from textual.widgets import Input

from lunalux_tui.parts.ask_dialog import AskDialog
from lunalux_tui.settings.screen import SettingsScreen
from lunalux_tui.settings.sections.section_view import SectionView


async def section(driven: Driven, name: str) -> SectionView:
    """Go to a section of the settings and into its list."""
    app = driven.app
    app.action_settings(name)
    await driven.until(lambda: isinstance(app.screen, SettingsScreen) and app.screen.ready)
    screen = app.screen
    assert isinstance(screen, SettingsScreen)
    await driven.until(lambda: screen.section.id == name and screen.section_view.has_focus)
    return screen.section_view


async def go_to(driven: Driven, pane: SectionView, row_id: str) -> None:
    """Put the cursor on a row."""
    await driven.until(lambda: row_id in [row.id for row in pane.rows])
    pane.set_rows(pane.rows, at=row_id)
    await driven.pilot.pause()


def right_of(pane: SectionView, row_id: str) -> str:
    """What stands at the right of a row."""
    return next(row.right for row in pane.rows if row.id == row_id)


async def answer(driven: Driven, text: str | Path, field: str = "#answer") -> None:
    """Write into the dialog that is open, and press enter."""
    await driven.until(lambda: driven.app.screen.query(field))
    driven.app.screen.query_one(field, Input).value = str(text)
    await driven.press("enter")


async def asked(driven: Driven) -> AskDialog[str]:
    """The question that comes up."""
    await driven.until(lambda: isinstance(driven.app.screen, AskDialog))
    dialog = driven.app.screen
    assert isinstance(dialog, AskDialog)
    return dialog


def titles(rows: Iterable[object]) -> list[str]:
    """The words of rows."""
    return [str(getattr(row, "title", "")) for row in rows]
