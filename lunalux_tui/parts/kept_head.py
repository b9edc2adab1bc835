"""The line over a document of the library that is being changed."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from lunalux_core.text import clean_line
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import Bar, Part
from lunalux_tui.theme.styles import BOLD, CHARACTER, MUTED, SURFACE


class KeptHead(Bar):
    """Which document it is, and whether all of it is kept."""

    GROUND = SURFACE
    name_shown: reactive[str] = reactive("")
    kept: reactive[bool] = reactive(True)

    def left(self) -> Sequence[Part]:
        state = t("create.state.saved" if self.kept else "create.state.writing")
        return [Part(clean_line(self.name_shown, 80), CHARACTER | BOLD), Part(state, MUTED, weight=1)]
