"""The two lines over the inspector: which turn it is, and which view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.reactive import reactive

from lunalux_core.text import clean_line
from lunalux_tui.chat.inspector.views import VIEWS, Record, count
from lunalux_tui.i18n import language, t
from lunalux_tui.parts.drawn import Bar, Part
from lunalux_tui.theme.styles import ACCENT, BOLD, ERROR, MUTED, SURFACE


def preset_title(name: str) -> str:
    """What the preset of a record is called: a record keeps the key of one that is built in."""
    from lunalux_core.presets.builtin import builtin_presets

    ours = builtin_presets("zh" if language() == "zh" else "en")
    return {preset.key: preset.title for preset in ours}.get(name) or clean_line(name, 30)


def model_title(name: str) -> str:
    """What the model of a record is called."""
    return t("model.practice") if name == "practice" else clean_line(name, 30)


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
            Part(preset_title(str(record["preset"])), MUTED, weight=5),
            Part(model_title(str(record["model"])), MUTED, weight=6),
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
        if name and amount:
            name = t("inspector.counted", view=name, n=amount)
        text = f"{number} {name}".rstrip()
        style = ACCENT | BOLD if view == self.view else MUTED
        return Part(text, style, f"screen.view('{view}')", 0 if view == self.view else 1)
