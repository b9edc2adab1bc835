"""What stands under a list of settings: the meaning of the row under the cursor, and facts about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.geometry import Region
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from lunalux_core.text import clean, clean_line
from lunalux_tui.parts.drawn import palette_of, within
from lunalux_tui.render.wrap import wrap
from lunalux_tui.theme.styles import BOLD, ERROR, HEADING, MUTED, SURFACE, WARNING, Line


@dataclass(frozen=True, slots=True)
class Explanation:
    """A title, what it means, facts (label and value), a warning, and what went wrong."""

    title: str = ""
    text: str = ""
    facts: Sequence[tuple[str, str]] = ()
    warning: str = ""
    trouble: str = ""


class ExplanationView(Widget):
    """Draws an explanation in the lines it has; the facts come last, so a short terminal leaves them out."""

    ALLOW_SELECT = False

    told: reactive[Explanation] = reactive(Explanation())

    def retranslate(self) -> None:
        self.refresh()

    def _lines(self, width: int) -> Iterator[Line]:
        told, pad = self.told, [(" ", SURFACE)]
        if told.title:
            yield from wrap([(clean_line(told.title, 300), HEADING | BOLD | SURFACE)], width, pad, pad)
        for text, mark, style in ((told.trouble, "✗ ", ERROR | BOLD), (told.warning, "⚠ ", WARNING | BOLD)):
            if text:
                yield from wrap([(mark + clean_line(text, 600), style | SURFACE)], width, pad, pad)
        for paragraph in clean(told.text).splitlines():
            yield from wrap([(paragraph, SURFACE)], width, pad, pad)
        if told.facts:
            yield ()
            column = max(cell_len(label) for label, _ in told.facts) + 3
            for label, value in told.facts:
                left = " " + label + " " * (column - 1 - cell_len(label))
                runs = [(clean_line(value, 600), SURFACE)]
                yield from wrap(runs, width, [(left, MUTED | SURFACE)], [(" " * column, SURFACE)])

    def render_lines(self, crop: Region) -> list[Strip]:
        width, palette = self.size.width, palette_of(self)
        lines = list(self._lines(max(width - 1, 10)))
        strips = []
        for y in crop.line_range:
            runs = lines[y] if y < len(lines) else ()
            used = sum(cell_len(text) for text, _ in runs)
            strips.append(palette.strip((*runs, (" " * max(width - used, 0), SURFACE)), width))
        return within(self, strips, crop)
