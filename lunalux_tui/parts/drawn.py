"""Widgets that draw their own lines from style bits, straight from the theme's palette."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, cast

from rich.cells import cell_len
from textual import events
from textual.containers import Horizontal, Vertical
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from lunalux_tui.actions import actions_of, key_name, keys_of
from lunalux_tui.i18n import t
from lunalux_tui.render.wrap import fit as fit
from lunalux_tui.theme.palette import Palette
from lunalux_tui.theme.styles import ACCENT, BOLD, Run


class Themed(Protocol):
    """What these widgets need of the app."""

    @property
    def palette(self) -> Palette: ...

    keymap: Mapping[str, str]


def palette_of(widget: Widget) -> Palette:
    """The colours in force."""
    return cast(Themed, widget.app).palette


def keymap_of(widget: Widget) -> Mapping[str, str]:
    """The person's own keys by action id."""
    return cast(Themed, widget.app).keymap


def within(widget: Widget, strips: list[Strip], crop: Region) -> list[Strip]:
    """Finished lines: cut to the columns that are asked for, and through the app's filters."""
    if crop.column_span != (0, widget.size.width):
        strips = [strip.crop(*crop.column_span) for strip in strips]
    # Textual applies the filters (dim, no colour) to lines that it renders itself; these go past it.
    background = widget.background_colors[1]
    for line_filter in widget.get_line_filters():
        strips = [strip.apply_filter(line_filter, background) for strip in strips]
    return strips


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar; with an action it can be clicked. `weight` 0 is never left out, others first."""

    text: str
    style: int = 0
    action: str = ""
    weight: int = 0


def button(widget: Widget, action_id: str, action: str) -> Part:
    """What runs an action of the screen, with its first key.

    Args:
        action: what a click runs, with its parameters.
    """
    declared = next((offer for offer in actions_of(widget.screen) if offer.id == action_id), None)
    keys = keys_of(declared, keymap_of(widget)) if declared else []
    label = " · ".join([t(f"action.{action_id}.label"), *map(key_name, keys[:1])])
    return Part(f"[ {label} ]", ACCENT | BOLD, action)


class Column(Vertical):
    """A container that never shows: its children cover it, so it is not drawn line by line."""

    BLANK = True


class SideBySide(Horizontal):
    """The same from left to right."""

    BLANK = True


class Drawn(Widget):
    """Draws its own lines, and keeps them until `refresh` says that they are others.

    Textual asks for them with each frame of whatever changes beside the widget. A theme, keys of the person's
    own and another size make them anew, too.
    """

    _drawn: Sequence[Strip] | None = None
    _drawn_for: tuple[Palette, Mapping[str, str], Size] | None = None

    def draw(self, palette: Palette, width: int, height: int) -> Sequence[Strip]:
        """All lines of the widget; those that are missing at the end are empty."""
        raise NotImplementedError

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Self:
        """As Textual does it."""
        self._drawn = None
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_lines(self, crop: Region) -> list[Strip]:
        palette, size = palette_of(self), self.size
        look = palette, keymap_of(self), size
        # One that was just taken away may be asked once more, when there is no screen to ask for anything.
        if (self._drawn is None or look != self._drawn_for) and self.is_attached:
            self._drawn, self._drawn_for = self.draw(palette, *size), look
        lines = self._drawn or ()
        blank = palette.blank(size.width)
        return within(self, [lines[y] if y < len(lines) else blank for y in crop.line_range], crop)


class Bar(Drawn):
    """One line of parts: some at the left, some at the right, the least important left out when narrow."""

    DEFAULT_CSS = "Bar { height: 1; }"
    ALLOW_SELECT = False
    GAP = "  "
    GROUND = 0

    zones: Sequence[tuple[int, int, str]] = ()
    """Where a click runs an action: the cells from the first to before the second."""

    def left(self) -> Sequence[Part]:
        return ()

    def right(self) -> Sequence[Part]:
        return ()

    def retranslate(self) -> None:
        self.refresh()

    def draw(self, palette: Palette, width: int, height: int) -> Sequence[Strip]:
        blank = palette.strip([(" " * width, self.GROUND)], width)
        return [palette.strip(self._runs(), width), *[blank] * (height - 1)]

    def _runs(self) -> list[Run]:
        self._zones: list[tuple[int, int, str]] = []
        self.zones = self._zones
        width = self.size.width - 2
        left, right = list(self.left()), list(self.right())
        while (left or right) and self._length(left) + self._length(right) + (2 if right else 0) > width:
            weightiest = max([*left, *right], key=lambda part: part.weight)
            # Only parts that have to stay are left now; `_write` cuts the last of them.
            if not weightiest.weight:
                break
            (left if weightiest in left else right).remove(weightiest)
        room = width - self._length(right) - (2 if right else 0)
        ground = self.GROUND
        runs: list[Run] = [(" ", ground)]
        x = self._write(runs, left, 1, room)
        if right:
            gap = max(width + 1 - self._length(right) - x, 1)
            runs.append((" " * gap, ground))
            x = self._write(runs, right, x + gap, width)
        runs.append((" " * max(self.size.width - x, 0), ground))
        return runs

    def _length(self, parts: Sequence[Part]) -> int:
        return sum(cell_len(part.text) for part in parts) + cell_len(self.GAP) * max(len(parts) - 1, 0)

    def _write(self, runs: list[Run], parts: Sequence[Part], x: int, room: int) -> int:
        start = x
        for index, part in enumerate(parts):
            gap = self.GAP if index else ""
            text = fit(part.text, room - (x - start) - len(gap))
            if not text:
                break
            runs += [(gap, self.GROUND), (text, part.style | self.GROUND)]
            end = x + len(gap) + cell_len(text)
            if part.action:
                self._zones.append((x + len(gap), end, part.action))
            x = end
        return x

    async def on_click(self, event: events.Click) -> None:
        for start, end, action in self.zones:
            if start <= event.x < end:
                event.stop()
                await self.run_action(action)
                return
