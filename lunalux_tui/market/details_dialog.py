"""One market card in full, over the grid: its picture, intro, tags and numbers, and what to do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal

from lunalux_core.errors import LunaluxError
from lunalux_core.library.market_cache import MarketCard
from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.market.details_text import CardDetails
from lunalux_tui.parts.dialog import CANCEL, Dialog
from lunalux_tui.parts.picture import Picture

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime
    from lunalux_tui.market.card_actions import CardActions
    from lunalux_tui.market.grid import MarketGrid

DETAIL_ACTIONS = (
    Action("market.chat", "answer('chat')", "c,enter", footer=1, palette=False),
    Action("market.like", "like", "l", footer=2, palette=False),
    Action("market.download", "answer('download')", "d", footer=3, palette=False),
    Action("details.previous", "step(-1)", "left,h", footer=4, priority=True, palette=False),
    Action("details.next", "step(1)", "right", footer=5, priority=True, palette=False),
    Action("market.report", "answer('report')", "x", footer=6, palette=False),
    CANCEL,
)


class Market(Protocol):
    """The screen under the dialog: whose cards these are, and where the cursor goes along."""

    card_actions: CardActions

    @property
    def runtime(self) -> Runtime: ...

    @property
    def grid(self) -> MarketGrid: ...

    def step(self, step: int) -> MarketCard | None:
        """Go to a neighbour of the card under the cursor."""


class MarketDetails(Dialog[str]):
    """Answers "chat", "download" or None. Left and right go to the neighbours."""

    ACTIONS = DETAIL_ACTIONS
    BINDINGS = bindings(DETAIL_ACTIONS)
    CSS_PATH = ["../parts/dialog.tcss", "details_dialog.tcss"]  # type: ignore[assignment]  # noqa: RUF012
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (70, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (22, "-tall")]  # noqa: RUF012
    SIZE = "-details"

    def __init__(self, market: Market, card: MarketCard) -> None:
        super().__init__(_title(card))
        self._market = market
        self._card = card

    def compose_body(self) -> ComposeResult:
        with Horizontal():
            yield Picture()
            yield CardDetails(self._card, liked=self._card.id in self._market.grid.liked)

    def on_mount(self) -> None:
        self.query_one(CardDetails).focus()
        self._show(self._card)

    def _show(self, card: MarketCard) -> None:
        self._card = card
        self.query_one("#dialog").border_title = _title(card).replace("[", "\\[")
        self.query_one(Picture).show(None, who=card.name, seed=card.id)
        # Drawn at once with what the list knows; `_look` completes it.
        self._write(owned=False)
        self._look(card)

    def _write(self, *, owned: bool) -> None:
        self.query_one(CardDetails).show(
            self._card, liked=self._card.id in self._market.grid.liked, owned=owned
        )

    @work(group="look", exclusive=True, exit_on_error=False)
    async def _look(self, card: MarketCard) -> None:
        """What takes a moment: whether it is in the library, and the picture in its size here."""
        owned = await self._market.runtime.library.characters.by_market_id(card.id)
        self._write(owned=owned is not None)
        if self._market.grid.thumbnails is None or not card.thumbnail:
            return
        try:
            data = await self._market.runtime.market.thumbnail(card)
        except LunaluxError:
            return  # the monogram stays
        self.query_one(Picture).show(data, who=card.name, seed=card.id)

    def action_answer(self, answer: str) -> None:
        self.dismiss(answer)

    def action_like(self) -> None:
        self._like(self._card)

    @work(group="like", exit_on_error=False)
    async def _like(self, card: MarketCard) -> None:
        await self._market.card_actions.like(card)
        # The card of the grid, which was read again and has the new number of likes.
        self._show(self._market.grid.current or card)

    def action_step(self, step: int) -> None:
        if (card := self._market.step(step)) is not None and card.id != self._card.id:
            self._show(card)


def _title(card: MarketCard) -> str:
    return clean_line(card.name, 80) or t("market.nameless")
