"""How the window was filled in the last turn: a bar, and what its parts are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from lunalux_tui.chat.conversation_bars import short_number
from lunalux_tui.chat.inspector.shares import WindowShares
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import fit, palette_of, within
from lunalux_tui.theme.styles import ACCENT, BOLD, CHARACTER, MUTED, SPEAKER_2, SURFACE, USER, WARNING, Run

LOOKS: Mapping[str, tuple[str, int]] = {
    "system": ("▓", MUTED),
    "card": ("▒", CHARACTER),
    "worldbook": ("▞", SPEAKER_2),
    "memory": ("█", ACCENT | BOLD),
    "history": ("▚", USER),
    "reply": ("░", WARNING),
    "free": ("·", MUTED),
}
"""Sign and colour of each part; the signs differ, for terminals without colours."""

FIRST = ("memory", "history", "free", "card", "system", "worldbook", "reply")
"""The names that are kept longest where there is little room."""
SHORT = 20
"""Lines of a screen below which the names take one line."""


class WindowBar(Widget):
    """One line of the bar and as many of its names as they need; one line of words before the first turn."""

    DEFAULT_CSS = "WindowBar { height: auto; background: $surface; }"
    ALLOW_SELECT = False

    shares: reactive[WindowShares | None] = reactive(None, layout=True)

    def retranslate(self) -> None:
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def render_lines(self, crop: Region) -> list[Strip]:
        width, palette = self.size.width, palette_of(self)
        lines = self._lines(width)
        strips = []
        for y in crop.line_range:
            runs = lines[y] if y < len(lines) else []
            used = sum(cell_len(text) for text, _ in runs)
            strips.append(palette.strip([*runs, (" " * max(width - used, 0), SURFACE)], width))
        return within(self, strips, crop)

    def _lines(self, width: int) -> list[list[Run]]:
        room = max(width - 2, 1)
        if self.shares is None:
            return [[(" " + fit(t("memory_pane.no_turn"), room), MUTED | SURFACE)]]
        return [self._bar(self.shares, room), *self._names(self.shares, room)]

    def _bar(self, shares: WindowShares, room: int) -> list[Run]:
        runs: list[Run] = [(" ", SURFACE)]
        for (name, _), cells in zip(shares.parts, cells_of(shares, room), strict=True):
            sign, style = LOOKS[name]
            runs.append((sign * cells, style | SURFACE))
        return runs

    def _names(self, shares: WindowShares, room: int) -> list[list[Run]]:
        """The names of the parts; on a short screen one line, of those that matter most."""
        named = {name: _named(name, tokens) for name, tokens in shares.parts}
        if self.screen.size.height < SHORT:
            kept: list[str] = []
            for name in FIRST:
                # Two cells stand between names, and none before the first.
                if sum(2 + length(named[other]) for other in (*kept, name)) - 2 <= room:
                    kept.append(name)
            named = {name: runs for name, runs in named.items() if name in kept}
        lines: list[list[Run]] = [[(" ", SURFACE)]]
        used = 0
        for runs in named.values():
            if used and used + 2 + length(runs) > room:
                lines.append([(" ", SURFACE)])
                used = 0
            gap = "  " if used else ""
            lines[-1] += [(gap, SURFACE), *runs]
            used += len(gap) + length(runs)
        return lines


def _named(name: str, tokens: int) -> list[Run]:
    sign, style = LOOKS[name]
    words = f" {t('memory_pane.part.' + name)} {short_number(tokens)}"
    return [(sign, style | SURFACE), (words, MUTED | SURFACE)]


def length(runs: Sequence[Run]) -> int:
    """Cells that some runs take."""
    return sum(cell_len(text) for text, _ in runs)


def cells_of(shares: WindowShares, room: int) -> Sequence[int]:
    """How many of `room` cells each part takes: one that is not empty at least one, at the largest's cost."""
    total = max(sum(tokens for _, tokens in shares.parts), 1)
    cells = [max(round(tokens * room / total), 1 if tokens else 0) for _, tokens in shares.parts]
    cells[cells.index(max(cells))] += room - sum(cells)
    return cells
