"""How the market's cards are drawn in columns: lines made when they are seen, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rich.cells import cell_len
from rich.segment import Segment
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from lunalux_core.library.market_cache import MarketCard
from lunalux_tui.i18n import t
from lunalux_tui.market.card_face import HEIGHT, Face, card_lines, skeleton_lines
from lunalux_tui.market.picture_queue import PictureQueue
from lunalux_tui.parts.drawn import palette_of, within
from lunalux_tui.render.wrap import wrap
from lunalux_tui.theme.palette import Palette
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED, Run

PITCH = HEIGHT + 1
"""Lines from one row of cards to the next."""

NARROWEST, MOST = 36, 4
GAP = 2
LINES_KEPT = 400


class CardCanvas(ScrollView):
    """Cards side by side, skeletons while none has come, or words where there is none."""

    ALLOW_SELECT = False  # dragging over cards means nothing; a click chooses
    virtual_size = reactive(Size(0, 0), layout=False)  # other cards must not lay out the whole screen again
    cursor: reactive[int] = reactive(0, repaint=False)
    liked: reactive[frozenset[str]] = reactive(frozenset())
    waiting: reactive[bool] = reactive(False)
    """Whether cards are on their way: without any, skeletons are drawn, else a line says so at the end."""

    more: reactive[bool] = reactive(False)
    """Whether there may be cards after the last one."""

    words: reactive[tuple[str, str]] = reactive(("", ""))
    """What to say, and what to do, where there is no card."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.thumbnails: PictureQueue | None = None
        self._cards: Sequence[MarketCard] = ()
        self._lines: dict[tuple[int, bool], list[list[Segment]]] = {}
        self._palette: Palette | None = None
        self._columns = 1
        self._cells: Sequence[tuple[int, int]] = ()
        self._room = 0

    @property
    def cards(self) -> Sequence[MarketCard]:
        return self._cards

    @property
    def current(self) -> MarketCard | None:
        """The card under the cursor."""
        return self._cards[self.cursor] if 0 <= self.cursor < len(self._cards) else None

    def redraw(self, card_id: str = "") -> None:
        """Draw a card again because its picture came or its numbers changed; all of them by default."""
        for key in list(self._lines):
            if not card_id or (key[0] < len(self._cards) and self._cards[key[0]].id == card_id):
                del self._lines[key]
        self.refresh()

    def retranslate(self) -> None:
        self.redraw()

    def watch_liked(self) -> None:
        self.redraw()

    # -- geometry ----------------------------------------------------------------------------------

    @property
    def columns(self) -> int:
        return self._columns

    @property
    def _width(self) -> int:
        """Cells beside the scroll bar."""
        return self.scrollable_content_region.width

    def _measure(self) -> None:
        width = self._room = self._width
        count = self._columns = min(max((width + GAP) // (NARROWEST + GAP), 1), MOST)
        edges = [column * (width + GAP) // count for column in range(count + 1)]
        self._cells = [(left, right - GAP - left) for left, right in pairwise(edges)]
        rows = -(-len(self._cards) // self._columns)
        height = rows * PITCH + (1 if self._cards else 0)
        self.virtual_size = Size(width, height)
        # By hand, because `virtual_size` brings no layout here, which would tell the bar.
        self.vertical_scrollbar.window_virtual_size = height
        self.vertical_scrollbar.window_size = self.size.height

    def _cell(self, column: int) -> tuple[int, int]:
        """Left edge and width of a column."""
        return self._cells[column]

    # -- drawing -----------------------------------------------------------------------------------

    def render_lines(self, crop: Region) -> list[Strip]:
        palette = palette_of(self)
        if palette is not self._palette:
            self._palette = palette
            self._lines.clear()
        # The scroll bar came or went, which is known only after the layout.
        if self._room != self._width:
            self._measure()
        width, top = self._room, int(self.scroll_offset.y)
        draw = self._card_line if self._cards else self._bare_line
        strips = [draw(top + y, width, palette) for y in crop.line_range]
        return within(self, strips, crop)

    def _card_line(self, y: int, width: int, palette: Palette) -> Strip:
        row, line = divmod(y, PITCH)
        first = row * self._columns
        if first >= len(self._cards):
            if line or first - self._columns >= len(self._cards):
                return palette.blank(width)
            text = t("market.loading") if self.waiting else "" if self.more else t("market.end")
            return palette.strip([(" " + text, MUTED)], width)
        if line == HEIGHT:
            return palette.blank(width)
        segments: list[Segment] = []
        at = 0
        for column in range(self._columns):
            place = first + column
            if place >= len(self._cards):
                break
            left, cell = self._cell(column)
            segments.append(Segment(" " * (left - at), palette.style(0)))
            segments += self._face(place, cell, palette)[line]
            at = left + cell
        segments.append(Segment(" " * (width - at), palette.style(0)))
        return Strip(segments, width)

    def _face(self, place: int, width: int, palette: Palette) -> list[list[Segment]]:
        selected = place == self.cursor and self.has_focus
        lines = self._lines.get((place, selected))
        if lines is None:
            if len(self._lines) > LINES_KEPT:
                self._lines.clear()
            card = self._cards[place]
            picture = self.thumbnails.get(card) if self.thumbnails is not None else None
            face = Face(width, selected, card.id in self.liked, picture)
            lines = self._lines[place, selected] = card_lines(card, face, palette)
        return lines

    def _bare_line(self, y: int, width: int, palette: Palette) -> Strip:
        """Without cards: skeletons while they are coming, else what to do."""
        if not self.waiting:
            return palette.strip(self._said(y, width), width)
        row, line = divmod(y, PITCH)
        if line == HEIGHT:
            return palette.blank(width)
        segments: list[Segment] = []
        at = 0
        for column in range(self._columns):
            left, cell = self._cell(column)
            segments.append(Segment(" " * (left - at), palette.style(0)))
            segments += skeleton_lines(cell, palette, row + column)[line]
            at = left + cell
        return Strip([*segments, Segment(" " * (width - at), palette.style(0))], width)

    def _said(self, y: int, width: int) -> Sequence[Run]:
        title, hint = self.words
        room = max(min(width - 4, 64), 8)
        lines = [*wrap([(title, BOLD | ACCENT)], room), (), *wrap([(hint, MUTED)], room)] if title else []
        at = y - max((self.size.height - len(lines)) // 3, 0)
        if not 0 <= at < len(lines):
            return ()
        used = sum(cell_len(text) for text, _ in lines[at])
        return [(" " * ((width - used) // 2), 0), *lines[at]]
