"""A text that is scrolled: help, the panes of plug-ins."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.geometry import Size
from textual.strip import Strip

from lunalux_tui.parts.drawn import palette_of
from lunalux_tui.parts.selectable import Selectable
from lunalux_tui.theme.styles import SURFACE, Line


class TextView(Selectable, can_focus=True):
    """Lines laid out for the width there is; scrolled by keys and wheel."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: Sequence[Line] = ()

    def lay(self, width: int) -> Sequence[Line]:
        """The lines for `width` cells."""
        raise NotImplementedError

    def lay_again(self) -> None:
        """Follow a change of what is shown."""
        self.forget_selection()
        # Before the first layout the width is 0, for which nothing can be wrapped.
        self._lines = self.lay(max(self.size.width - 2, 20))
        self.virtual_size = Size(self.size.width, len(self._lines))
        self.refresh()

    def retranslate(self) -> None:
        self.lay_again()

    def on_resize(self) -> None:
        self.lay_again()

    def runs_of(self, line: int) -> Line:
        return self._lines[line] if 0 <= line < len(self._lines) else ()

    def line_at(self, line: int) -> Strip:
        runs, width = self.runs_of(line), self.size.width
        used = sum(cell_len(text) for text, _ in runs)
        strip = palette_of(self).strip((*runs, (" " * max(width - used, 0), SURFACE)), width)
        return self.marked(strip, line)
