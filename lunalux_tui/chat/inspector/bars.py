"""The two lines over the inspector: which turn it is, and which view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.reactive import reactive

from lunalux_core.text import clean_line
from lunalux_tui.chat.inspector.views import VIEWS, Record, count
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import Bar, Part
from lunalux_tui.theme.styles import ACCENT, BOLD, ERROR, MUTED, SURFACE


class TurnHead(Bar):
    """Which turn is looked at, and what it cost."""

    GROUND = SURFACE

    turn: reactive[str] = reactive("")
    of: reactive[Mapping[str, object] | None] = reactive(None)
    compared: reactive[str] = reactive("")

    def left(self) -> Sequence[Part]:
        parts = [Part(self.turn, ACCENT | BOLD)]
        if self.compared:
            parts.append(Part(self.compared, MUTED, "screen.compare", 3))
        return parts

    def right(self) -> Sequence[Part]:
        record: Record | None = self.of
        if record is None:
            return ()
        report = record["prompt"]
        full = report["total"] > 0.9 * report["budget"]
        share = t("inspector.total", total=f"{report['total']:,}", budget=f"{report['budget']:,}")
        return [
            Part(clean_line(str(record["preset"]), 30), MUTED, weight=5),
            Part(clean_line(str(record["model"]), 30), MUTED, weight=6),
            Part(share, ERROR if full else 0, weight=1),
        ]


class ViewTabs(Bar):
    """The views with what is in them; a click goes to one."""

    GROUND = SURFACE
    GAP = "   "

    view: reactive[str] = reactive(VIEWS[0])
    of: reactive[Mapping[str, object] | None] = reactive(None)

    def left(self) -> Sequence[Part]:
        """All of them at every width: with what is in them, by name, at last by number alone."""
        forms = (
            [self._part(view, named=True, counted=True) for view in VIEWS],
            [self._part(view, named=True, counted=view == self.view) for view in VIEWS],
            [self._part(view, named=view == self.view, counted=view == self.view) for view in VIEWS],
        )
        width = self.size.width - 2
        return next((parts for parts in forms if self._length(parts) <= width), forms[-1])

    def _part(self, view: str, *, named: bool, counted: bool) -> Part:
        amount = count(view, self.of) if counted and self.of is not None else ""
        number, name = str(VIEWS.index(view) + 1), t(f"inspector.view.{view}") if named else ""
        text = " ".join(filter(None, (number, name, amount and f"({amount})")))
        style = ACCENT | BOLD if view == self.view else MUTED
        return Part(text, style, f"screen.view('{view}')", 0 if view == self.view else 1)
