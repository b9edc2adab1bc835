"""The frame of what the user screen shows: a titled panel of drawn lines, some of them to click."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual import events
from textual.geometry import Region
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from lunalux_core.account import AccountState
from lunalux_tui.parts.drawn import Part, fit, palette_of, within
from lunalux_tui.theme.styles import BOLD, HEADING, MUTED, SURFACE, Run

PAD = 2
"""Cells of the frame at either side, with the blank beside it."""

FRAME = MUTED | SURFACE


class Panel(Widget):
    """Draws lines of parts in a frame; a part with an action can be clicked."""

    ALLOW_SELECT = False

    DEFAULT_CSS = "Panel { height: auto; }"

    account: reactive[AccountState | None] = reactive(None, layout=True)

    def watch_account(self) -> None:
        self.appear()

    def appear(self) -> None:
        """A panel with nothing to show takes no room."""
        # Whether there are lines at all does not depend on the width, which may not be known yet.
        self.display = bool(self.rows(40))

    def title(self) -> str:
        """What stands in the frame; "" for nothing."""
        return ""

    def rows(self, width: int) -> Sequence[Sequence[Part]]:
        """The lines, each of at most `width` cells."""
        return ()

    def retranslate(self) -> None:
        self.refresh(layout=True)

    def _lines(self, width: int) -> Sequence[Sequence[Part]]:
        return self.rows(max(width - 2 * PAD, 8))

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        rows = len(self._lines(width))
        return rows + 2 if rows else 0

    def render_lines(self, crop: Region) -> list[Strip]:
        width, palette = self.size.width, palette_of(self)
        rows = self._lines(width)
        self._zones: list[tuple[int, int, int, str]] = []
        strips = []
        for y in crop.line_range:
            if y in (0, len(rows) + 1):
                runs = self._edge(width, top=y == 0)
            else:
                runs = self._framed(y, rows[y - 1] if y <= len(rows) else (), width)
            strips.append(palette.strip(runs, width))
        return within(self, strips, crop)

    def _edge(self, width: int, *, top: bool) -> list[Run]:
        title = f" {fit(self.title(), max(width - 6, 0))} " if top and self.title() else ""
        left, right = ("╭─", "╮") if top else ("╰─", "╯")
        line = "─" * max(width - 3 - cell_len(title), 0)
        return [(left, FRAME), (title, HEADING | BOLD | SURFACE), (line + right, FRAME)]

    def _framed(self, y: int, parts: Sequence[Part], width: int) -> list[Run]:
        runs: list[Run] = [("│ ", FRAME)]
        x, end = PAD, width - PAD
        for part in parts:
            text = fit(part.text, end - x)
            runs.append((text, part.style | SURFACE))
            if part.action:
                self._zones.append((y, x, x + cell_len(text), part.action))
            x += cell_len(text)
        return [*runs, (" " * max(end - x, 0), SURFACE), (" │", FRAME)]

    async def on_click(self, event: events.Click) -> None:
        for y, start, end, action in getattr(self, "_zones", ()):
            if event.y == y and start <= event.x < end:
                event.stop()
                await self.run_action(action)
                return


def spread(left: Sequence[Part], right: Sequence[Part], width: int) -> Sequence[Part]:
    """A line with something at its left and something at its right; the left is cut where both do not fit."""
    room = width - sum(cell_len(part.text) for part in right)
    shown: list[Part] = []
    for part in left:
        text = fit(part.text, max(room - 1, 0))
        shown.append(Part(text, part.style, part.action))
        room -= cell_len(text)
    return (*shown, Part(" " * max(room, 0)), *right)


def meter(share: float, width: int) -> tuple[str, str]:
    """The filled and the empty part of a bar."""
    full = round(min(max(share, 0.0), 1.0) * width)
    return "━" * full, "─" * (width - full)
