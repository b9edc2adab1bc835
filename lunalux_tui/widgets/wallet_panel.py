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
from lunalux_tui.render.styles import BOLD, HEADING, SURFACE, Run
from lunalux_tui.widgets.lines import Part, fit, palette_of, within

PAD = 2


class Panel(Widget):
    """Draws lines of parts on a raised ground; a part with an action can be clicked."""

    DEFAULT_CSS = "Panel { height: auto; margin: 0 0 1 0; }"

    account: reactive[AccountState | None] = reactive(None, layout=True)

    def watch_account(self) -> None:
        self.appear()

    def appear(self) -> None:
        """A panel with nothing to show takes no room."""
        self.display = bool(self.rows(40))

    def title(self) -> str:
        """What stands over the lines; "" for nothing."""
        return ""

    def rows(self, width: int) -> Sequence[Sequence[Part]]:
        """The lines, each of at most `width` cells."""
        return ()

    def retranslate(self) -> None:
        self.refresh(layout=True)

    def _all(self, width: int) -> list[Sequence[Part]]:
        room = max(width - 2 * PAD, 8)
        head: list[Sequence[Part]] = [(Part(self.title(), HEADING | BOLD),)] if self.title() else []
        rows = self.rows(room)
        return [*head, *rows, ()] if rows else []

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self._all(width))

    def render_lines(self, crop: Region) -> list[Strip]:
        width, palette = self.size.width, palette_of(self)
        rows = self._all(width)
        self._zones: list[tuple[int, int, int, str]] = []
        strips = []
        for y in crop.line_range:
            runs: list[Run] = [(" " * PAD, SURFACE)]
            x = PAD
            for part in rows[y] if y < len(rows) else ():
                text = fit(part.text, width - x)
                runs.append((text, part.style | SURFACE))
                if part.action:
                    self._zones.append((y, x, x + cell_len(text), part.action))
                x += cell_len(text)
            runs.append((" " * max(width - x, 0), SURFACE))
            strips.append(palette.strip(runs, width))
        return within(self, strips, crop)

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
