"""The line over the settings: where one is, and what is wrong with the files."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import Bar, Part
from lunalux_tui.theme.styles import BOLD, CHARACTER, MUTED, SURFACE, WARNING


class SettingsHead(Bar):
    """Title, section, problems."""

    GROUND = SURFACE

    section: reactive[str] = reactive("")
    problems: reactive[int] = reactive(0)

    def left(self) -> Sequence[Part]:
        return [
            Part(t("place.settings.title"), CHARACTER | BOLD, "screen.sections"),
            Part(f"▸ {self.section}", MUTED),
        ]

    def right(self) -> Sequence[Part]:
        if not self.problems:
            return []
        return [Part(f"⚠ {t('settings.problems', n=self.problems)}", WARNING | BOLD, "screen.problems")]
