"""What is done with one card of the market: like it, or bring it into the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lunalux_core.errors import NotFound
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.importing import ImportResult
    from lunalux_core.library.market_cache import MarketCard
    from lunalux_core.runtime import Runtime
    from lunalux_tui.market.lists import MarketLists


class CardView(Protocol):
    """Where cards are shown."""

    @property
    def runtime(self) -> Runtime:
        """The core with the market."""

    @property
    def liked(self) -> frozenset[str]:
        """Ids of the cards that this account likes."""

    def show_busy(self, text: str) -> None:
        """Say what is being done with a card; "" for nothing."""

    def notify(self, message: str, *, markup: bool = True, timeout: float | None = None) -> None:
        """A notice."""


class CardActions:
    """Each tells how it went; a card that is gone from the market goes from the list, too."""

    def __init__(self, view: CardView, lists: MarketLists) -> None:
        self._view = view
        self._lists = lists

    async def like(self, card: MarketCard) -> None:
        """Like a card, once and for good."""
        if card.id in self._view.liked:
            self._view.notify(t("market.liked_before", name=card.name), markup=False, timeout=2)
            return
        try:
            sent = await self._view.runtime.market.like(card.id)
        except NotFound:
            self._lists.show(keep=True)
            raise
        key = "market.liked" if sent else "market.liked_later"
        self._view.notify(t(key, name=card.name), markup=False, timeout=3)
        await self._lists.read(keep=True)

    async def download(self, card: MarketCard) -> None:
        """Bring a card into the library, and say whether it was there before."""
        result = await self.bring(card)
        key = "market.there_already" if result.status == "duplicate" else "market.downloaded"
        self._view.notify(t(key, name=result.name), markup=False)
        await self._lists.read(keep=True)

    async def bring(self, card: MarketCard) -> ImportResult:
        """A card of the community into the library, with a word about it while it comes."""
        self._view.show_busy(t("market.bringing", name=card.name[:40]))
        try:
            return await self._view.runtime.market.download(card.id)
        except NotFound:
            self._lists.show(keep=True)
            raise
        finally:
            self._view.show_busy("")
