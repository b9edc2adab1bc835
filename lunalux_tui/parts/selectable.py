"""Text that is selected with the mouse and copied, in widgets that draw their own lines.

Dragging and ctrl+c are the screen's matter; it asks a widget which sign of which line lies under the pointer
(`render_line`), and for the text between two of them (`get_selection`). Both count signs of the drawn line.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Offset
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from lunalux_tui.theme.styles import Run

_BARS = frozenset("│▎┊┃▌")
_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_MARKED = Style(reverse=True)
"""Shows in every theme, and without colours."""


class Selectable(ScrollView):
    """A scrolled column of lines whose text can be selected; a double click selects a word.

    Widgets say how many lines there are (`virtual_size`) and what stands in each.
    """

    _pressed = Offset(0, 0)

    def runs_of(self, line: int) -> Sequence[Run]:
        """What is drawn in a line of the content, from its first cell on, without filling."""
        raise NotImplementedError

    def line_at(self, line: int) -> Strip:
        """The drawn line of the content."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        """The drawn line in a row of the view; each sign knows its place in the content."""
        line = self.scroll_offset.y + y
        return self.line_at(line).apply_offsets(0, line)

    def marked(self, strip: Strip, line: int) -> Strip:
        """The drawn line with what is selected of it in reverse."""
        selection = self.text_selection
        span = None if selection is None else self._span(selection, line)
        if span is None:
            return strip
        start, end = span
        segments, at = [], 0
        for text, style, control in strip:
            cuts = sorted({0, len(text), *(min(max(cut - at, 0), len(text)) for cut in (start, end))})
            for first, last in itertools.pairwise(cuts):
                inside = start <= at + first < end
                look = (style + _MARKED if style else _MARKED) if inside else style
                segments.append(Segment(text[first:last], look, control))
            at += len(text)
        return Strip(segments, strip.cell_length)

    def _span(self, selection: Selection, line: int) -> tuple[int, int] | None:
        """The selected signs of a line; no more of it than there is text."""
        first, last = self._ends(selection)
        if not first.y <= line <= last.y:
            return None
        length = sum(len(text) for text, _ in self.runs_of(line))
        start = first.x if line == first.y else 0
        end = min(last.x if line == last.y else length, length)
        return (start, end) if start < end else None

    def _ends(self, selection: Selection) -> tuple[Offset, Offset]:
        """Where a selection begins and ends. One that goes on in another widget holds what is in view."""
        top, lines = self.scroll_offset.y, self.virtual_size.height
        bottom = min(top + self.size.height, lines) - 1
        # Textual leaves open the end that lies in another widget; the last sign is beyond every line.
        return selection.start or Offset(0, top), selection.end or Offset(1 << 30, bottom)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        first, last = self._ends(selection)
        texts = []
        for line in range(max(first.y, 0), min(last.y, self.virtual_size.height - 1) + 1):
            span = self._span(selection, line)
            texts.append("" if span is None else _cut(self.runs_of(line), *span).rstrip())
        text = "\n".join(texts).strip("\n")
        return (text, "\n") if text.strip() else None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        # A double click only calls `text_select_all`, which is not told where it was.
        self._pressed = event.screen_offset

    def text_select_all(self) -> None:
        """Select the word under the pointer: a double click means that here."""
        _, place = self.screen.get_widget_and_offset_at(*self._pressed)
        if place is None:
            return
        text = "".join(text for text, _ in self.runs_of(place.y))
        for word in _WORD.finditer(text):
            if word.start() <= place.x < word.end():
                ends = Offset(word.start(), place.y), Offset(word.end(), place.y)
                self.screen.selections = {self: Selection(*ends)}

    def forget_selection(self) -> None:
        """The lines are others now, so their numbers mean nothing any more."""
        if self.is_attached and self.text_selection is not None:
            self.screen.clear_selection()


def _cut(runs: Sequence[Run], start: int, end: int) -> str:
    """Signs of a line, without the bars at its left that belong to the drawing."""
    at = 0
    texts = []
    leading = True
    for text, _ in runs:
        bar = leading and text.strip() in _BARS
        leading = leading and (bar or not text.strip())
        if not bar:
            texts.append(text[max(start - at, 0) : max(end - at, 0)])
        at += len(text)
    return "".join(texts)
