"""Choosing a theme: the one under the cursor is in use at once, escape brings the old one back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on

from lunalux_tui.i18n import has, t
from lunalux_tui.parts.dialog import question
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.theme import theme_files

if TYPE_CHECKING:
    from lunalux_tui.theme.themed_app import ThemedApp


class ThemesDialog(PickDialog):
    """Answers the name of a theme, or None. Files that are saved while it is open appear by themselves."""

    def __init__(self, app: ThemedApp) -> None:
        self._lunalux = app
        hint = question("themes.no_colour") if app.no_colour else question("themes.hint", folder=self._own)
        super().__init__(
            question("themes.title"), self._rows(), current=app.runtime.settings.theme, hint=hint
        )

    @property
    def _own(self) -> str:
        return str(self._lunalux.runtime.paths.themes)

    def _rows(self) -> list[Row]:
        return [
            Row(name, title_of(name), right="" if theme_files.bundled(name) else t("settings.own_theme"))
            for name in self._lunalux.theme_names()
        ]

    def follow_themes(self) -> None:
        """The themes folder changed."""
        self.show(self._rows())

    def show(self, rows: Sequence[Row], at: str | None = None) -> None:
        # Narrowing can put another theme under a cursor that does not move, which posts no `Moved`.
        super().show(rows, at)
        self._try_on()

    @on(Rows.Moved)
    def _try_on(self) -> None:
        """Wear what the cursor stands on."""
        if self.rows.chosen and self.rows.chosen != self._lunalux.theme:
            self._lunalux.use_theme(self.rows.chosen)

    def action_cancel(self) -> None:
        self._lunalux.use_theme(self._lunalux.runtime.settings.theme)
        super().action_cancel()


def title_of(name: str) -> str:
    """The name of a theme for people."""
    key = f"setting.ui.theme.value.{name}"
    return t(key) if has(key) else name
