"""A text to read as it is, however long: wrapped to the width, nothing in it is understood as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from lunalux_core.text import clean
from lunalux_tui.i18n import t
from lunalux_tui.parts.text_view import TextView
from lunalux_tui.render.wrap import wrap
from lunalux_tui.theme.styles import MUTED, SURFACE, Line, Run

LONGEST = 60_000
"""Characters that are laid out; whoever copies has all of them."""
LONGEST_LINE = 4_000


class Reader(TextView):
    """Shows runs of text; each paragraph is wrapped for itself."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._runs: Sequence[Run] = ()
        self._joined = False
        self._first_lines: list[int] = []
        """The line where each paragraph begins."""

    def show(self, runs: Sequence[Run], *, joined: bool = False) -> None:
        """Show another text, from its beginning. Each run is a paragraph; where they are `joined`, a piece of
        one text."""
        self._runs, self._joined = runs, joined
        self.lay_again()
        self.scroll_home(animate=False)

    def line_of(self, place: int) -> int:
        """The line where a run that is a paragraph begins; of one that is not laid out, the last line."""
        begun = self._first_lines
        return begun[place] if place < len(begun) else max(self.virtual_size.height - 1, 0)

    def lay(self, width: int) -> Sequence[Line]:
        lines = self._lay_joined(width) if self._joined else self._lay_paragraphs(width)
        surplus = sum(len(text) for text, _ in self._runs) - LONGEST
        if surplus > 0:
            lines.append(((" " + t("message.longer", n=f"{surplus:,}"), MUTED | SURFACE),))
        return lines

    def _lay_joined(self, width: int) -> list[Line]:
        pieces: list[Run] = []
        room = LONGEST
        for text, style in self._runs:
            pieces.append((clean(text[:room]), style | SURFACE))
            room -= min(len(text), room)
        return wrap(pieces, width, [(" ", SURFACE)], [(" ", SURFACE)])

    def _lay_paragraphs(self, width: int) -> list[Line]:
        lines: list[Line] = []
        room = LONGEST
        self._first_lines = []
        for text, style in self._runs:
            self._first_lines.append(len(lines))
            for paragraph in clean(text[:room]).split("\n"):
                for start in range(0, max(len(paragraph), 1), LONGEST_LINE):
                    piece = paragraph[start : start + LONGEST_LINE]
                    lines += wrap([(piece, style | SURFACE)], width, [(" ", SURFACE)], [(" ", SURFACE)])
            room -= min(len(text), room)
            if not room:
                break
        return lines
