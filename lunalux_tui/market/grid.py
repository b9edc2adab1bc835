"""The market's cards in one to four columns: one widget, whatever the number of cards.

A card is drawn when it comes into view, from cached lines. The grid knows nothing of where cards come
from: it says when the end is near, which cards are in view, and which one was opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Offset
from textual.message import Message

from lunalux_core.library.market_cache import MarketCard
from lunalux_tui.market.canvas import PITCH, CardCanvas
from lunalux_tui.market.card_face import HEIGHT


class MarketGrid(CardCanvas, can_focus=True):
    """Shows cards; the cursor stands on one of them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "row(-1)", show=False),
        Binding("down,j", "row(1)", show=False),
        Binding("left,h", "step(-1)", show=False),
        Binding("right", "step(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home,g", "edge(0)", show=False),
        Binding("end,G", "edge(-1)", show=False),
    ]

    @dataclass
    class Opened(Message):
        """A click on the card that the cursor is on."""

        card: MarketCard

    class EndNear(Message):
        """The last cards are in view or nearly so, and there may be more."""

    class Moved(Message):
        """Other cards are in view, or the cursor stands on another one."""

    # -- contents ----------------------------------------------------------------------------------

    def show(self, cards: Sequence[MarketCard], *, keep: bool = False) -> None:
        """Show these cards. With `keep` the cursor stays on its card and the view where it is."""
        chosen = self.current.id if keep and self.current is not None else ""
        self._cards = cards
        self._lines.clear()
        place = next((at for at, card in enumerate(cards) if card.id == chosen), -1) if chosen else -1
        # Before the cursor, whose watcher scrolls by these measures.
        self._measure()
        if place < 0 and not keep:
            self.scroll_to(y=0, animate=False, force=True)
        self.cursor = place if place >= 0 else (min(self.cursor, max(len(cards) - 1, 0)) if keep else 0)
        self.refresh()
        self._tell()

    def extend(self, cards: Sequence[MarketCard]) -> None:
        """Put further cards after the last one."""
        self._cards = [*self._cards, *cards]
        self._measure()
        self.refresh()
        self._tell()

    def in_view(self) -> Sequence[MarketCard]:
        """The cards in view, and the row below them."""
        first = int(self.scroll_offset.y) // PITCH * self._columns
        rows = self.size.height // PITCH + 2
        return self._cards[first : first + rows * self._columns]

    # -- geometry ----------------------------------------------------------------------------------

    def on_resize(self) -> None:
        self._lines.clear()
        self._measure()
        self._reveal()
        self._tell()

    def _reveal(self) -> None:
        top, y, view = self.cursor // self._columns * PITCH, self.scroll_offset.y, self.size.height
        if top < y:
            self.scroll_to(y=top, animate=False, force=True)
        elif view and top + HEIGHT > y + view:
            # Of a view lower than a card, the head is shown.
            self.scroll_to(y=min(top + HEIGHT - view, top), animate=False, force=True)

    def _tell(self) -> None:
        if not self.is_mounted:
            return
        if self.thumbnails is not None:
            self.thumbnails.want(self.in_view())
        # A screen ahead of what is in view, so that further cards come before the person gets there.
        last = (int(self.scroll_offset.y) + 2 * self.size.height) // PITCH * self._columns
        if self.more and not self.waiting and last >= len(self._cards):
            self.post_message(self.EndNear())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        # A movement passes through fractions of a line, in which the same cards are in view.
        if int(old_value) != int(new_value):
            self._tell()

    # -- the cursor --------------------------------------------------------------------------------

    def watch_cursor(self) -> None:
        self._reveal()
        self.refresh()
        self.post_message(self.Moved())

    def _to(self, place: int) -> None:
        self.cursor = min(max(place, 0), max(len(self._cards) - 1, 0))

    def action_step(self, step: int) -> None:
        self._to(self.cursor + step)

    def action_row(self, step: int) -> None:
        """Up and down within the column; the last row takes what it has."""
        place = self.cursor + step * self._columns
        if place < 0 or (
            place >= len(self._cards)
            and self.cursor // self._columns == (len(self._cards) - 1) // self._columns
        ):
            return
        self._to(place)

    def action_page(self, step: int) -> None:
        self._to(self.cursor + step * max(self.size.height // PITCH, 1) * self._columns)

    def action_edge(self, place: int) -> None:
        self._to(place % len(self._cards) if self._cards else 0)

    def jump_places(self) -> Iterator[tuple[Offset, str]]:
        """The cards whose names are in view."""
        top = int(self.scroll_offset.y)
        for place in range(len(self._cards)):
            y = place // self._columns * PITCH - top
            if 0 <= y < self.size.height:
                yield Offset(self._cell(place % self._columns)[0], y), f"open_at({place})"

    def action_open_at(self, place: int) -> None:
        """Show everything about a card by its place."""
        self.cursor = place
        self.post_message(self.Opened(self._cards[place]))

    def on_click(self, event: events.Click) -> None:
        row, line = divmod(int(self.scroll_offset.y) + event.y, PITCH)
        for column in range(self._columns):
            left, width = self._cell(column)
            place = row * self._columns + column
            if left <= event.x < left + width and line < HEIGHT and place < len(self._cards):
                chosen = self.cursor == place or event.chain > 1
                self.cursor = place
                if chosen:
                    self.post_message(self.Opened(self._cards[place]))
                return

    def on_focus(self) -> None:
        self.redraw()

    def on_blur(self) -> None:
        self.redraw()
