"""The market's lists: from disk at once, refreshed in the background, searched while the person types."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

from lunalux_core.errors import LunaluxError, NetworkError, SessionError
from lunalux_core.ids import now_ms
from lunalux_core.language import Language
from lunalux_core.library.market_cache import Filters, MarketCard, Sort
from lunalux_tui.i18n import t, tell

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime

PAGE = 60
"""Cards read from disk at a time."""

FETCHES = 4
"""Pages fetched at most for one wish for more, when filters leave nothing of them."""

Work = Callable[[], Coroutine[Any, Any, None]]
"""What runs beside the screen; called when its turn comes, which may be never."""


class ListView(Protocol):
    """Where a list is shown, and what runs beside it."""

    @property
    def runtime(self) -> Runtime:
        """The core with the market and the small facts that are remembered."""

    @property
    def words(self) -> str:
        """What is typed into the search field at this moment."""

    def show_list_state(self) -> None:
        """Show which list it is, its age, and what is going on with it."""

    def show_cards(self, cards: Sequence[MarketCard], *, keep: bool) -> None:
        """Show these cards; with `keep` cursor and view stay where they are."""

    def add_cards(self, cards: Sequence[MarketCard]) -> None:
        """Put further cards after the last one."""

    def clear_cards(self) -> None:
        """Take the cards away until others come."""

    def retry_pictures(self) -> None:
        """Ask again for pictures that could not be had: there is a network."""

    def show_failure(self, error: BaseException) -> None:
        """Tell a failure."""

    def start(self, work: Work, group: str, *, exclusive: bool = False) -> object:
        """Run beside the screen; an exclusive work ends the others of its group."""

    def stop(self, group: str) -> None:
        """End the works of a group."""


class MarketLists:
    """Which list is shown, and how its cards get on the screen."""

    def __init__(self, view: ListView) -> None:
        self._view = view
        self.lang: Language = "en"
        self.sort: Sort = "hot"
        self.filters = Filters()
        self.shown: tuple[Language, Sort, Filters, str] | None = None
        """Which list, filters and words the cards on the screen belong to."""

        self.cards: Sequence[MarketCard] = ()
        self.stored_at = 0
        """When the list came from the backend, in milliseconds since 1970; 0 for never."""

        self.stale = False
        self.fetching = False
        self.waiting = False
        """Whether cards are on their way."""

        self.more = False
        """Whether there may be cards after the last one."""

        self.trouble = ""
        """Why the list could not be refreshed, in a few words."""

        self.emptiness: Literal["offline", "signed_out"] = "offline"
        """Why there is no list, when there is trouble."""

        self._sorts: dict[str, Sort] = {}
        self._next_key: str | None = None
        self._disk_end = False
        self._searching = self._typed_since = False

    # -- from disk ---------------------------------------------------------------------------------

    def begin(self, lang: Language, filters: Filters) -> None:
        """Show the first list: as it was left, else of this language."""
        self.lang, self.filters, self.waiting = lang, filters, True
        self._view.show_list_state()
        self._view.start(self._begin, "list", exclusive=True)

    async def _begin(self) -> None:
        try:
            stored = await self._view.runtime.library.state.get("market_view", {})
        except LunaluxError as error:  # the market's lists are another file and can still be shown
            self._view.show_failure(error)
            stored = {}
        if isinstance(stored, dict):
            self._sorts = {
                lang: sort for lang, sort in stored.get("sorts", {}).items() if sort in ("hot", "new")
            }
            if stored.get("lang") in ("en", "zh"):
                self.lang = stored["lang"]
        self.sort = self._sorts.get(self.lang, "hot")
        self._view.show_list_state()
        await self.read()
        self.refresh()

    def _key(self) -> tuple[Language, Sort, Filters, str]:
        return self.lang, self.sort, self.filters, self._view.words

    def show(self, *, keep: bool = False) -> None:
        """Show the list and the filters in force; an earlier wish that is not done yet is dropped."""
        self._view.start(partial(self.read, keep=keep), "list", exclusive=True)

    async def read(self, *, keep: bool = False) -> None:
        """Read what is to be shown from disk; with `keep` as many cards as there are now."""
        limit = max(len(self.cards), PAGE) if keep else PAGE
        key = self._key()
        listing = await self._view.runtime.market.listing(self.lang, self.sort, limit=0)
        cards = await self._read(0, limit)
        if key != self._key():
            return  # the person went on meanwhile, and so does another call
        self._next_key = listing.next_key
        self._disk_end = len(cards) < limit
        self.stored_at = listing.stored_at
        self.stale = bool(listing.stored_at) and not listing.fresh(now_ms())
        self.waiting = self.fetching and not listing.stored_at
        self._set_more()
        self.cards = cards
        self._view.show_list_state()
        self._view.show_cards(cards, keep=keep)
        self.shown = key

    async def _read(self, offset: int, limit: int) -> Sequence[MarketCard]:
        """Cards on disk that the words and filters leave, from `offset` on."""
        market, words = self._view.runtime.market, self._view.words
        if words.strip():
            cards = await market.search(words, self.lang, self.sort, self.filters, limit=offset + limit)
            return cards[offset:]
        return (await market.listing(self.lang, self.sort, self.filters, limit=limit, offset=offset)).cards

    def _set_more(self) -> None:
        # While there is trouble, every look at the end of the list would ask in vain.
        fetchable = self._next_key is not None and not self._view.words.strip() and not self.trouble
        self.more = not self._disk_end or fetchable

    def show_more(self) -> None:
        """The end of the list is near."""
        if not self.waiting:
            self.waiting = True
            self._view.show_list_state()
            self._view.start(self._show_more, "list")

    async def _show_more(self) -> None:
        """The next cards: from disk, and from the backend when the disk has no more of them."""
        key, market = self._key(), self._view.runtime.market
        cards: Sequence[MarketCard] = ()
        try:
            for _ in range(FETCHES):
                cards = await self._read(len(self.cards), PAGE)
                self._disk_end = len(cards) < PAGE
                if cards or self._next_key is None or self._view.words.strip():
                    break
                await market.more(self.lang, self.sort)
                self._next_key = (await market.listing(self.lang, self.sort, limit=0)).next_key
        except LunaluxError as error:
            self._note_trouble(error)
        finally:
            # The person may have gone to another list meanwhile, which has its own end.
            if key == self._key():
                self.waiting = False
                self._set_more()
                # A refresh in between moves cards, so that some may come twice.
                there = {card.id for card in self.cards}
                further = [card for card in cards if card.id not in there]
                self.cards = [*self.cards, *further]
                self._view.show_list_state()
                self._view.add_cards(further)

    # -- from the network --------------------------------------------------------------------------

    def look_again(self) -> None:
        """Something changed that a list may depend on: fetch it if it has expired, once the first stands."""
        if self.shown is not None:
            self.refresh()

    def refresh(self, *, force: bool = False) -> None:
        """Fetch the list when it has expired, or because the person asks for it; the screen goes on."""
        if not self.fetching or force:
            self._view.start(partial(self._refresh, force), "refresh", exclusive=True)

    async def _refresh(self, force: bool) -> None:
        lang, sort, market = self.lang, self.sort, self._view.runtime.market
        listing = await market.listing(lang, sort, limit=0)
        if listing.fresh(now_ms()) and not force:
            return
        self.fetching = True
        self.waiting = not self.cards and not listing.stored_at
        self._view.show_list_state()
        try:
            await market.refresh(lang, sort, force=force)
            self.trouble = ""
            self._view.show_list_state()
            self._view.retry_pictures()
        except LunaluxError as error:
            self._note_trouble(error)
        finally:
            if (lang, sort) == (self.lang, self.sort):
                self.fetching = self.waiting = False
                self._view.show_list_state()
        self.show(keep=True)

    def _note_trouble(self, error: LunaluxError) -> None:
        """The list on disk stands; the bar says why there is no newer one."""
        if isinstance(error, NetworkError):
            self.emptiness, self.trouble = "offline", t("market.state.offline")
        elif isinstance(error, SessionError):
            taken = error.code == "SESSION_TAKEN_OVER"
            self.emptiness = "signed_out"
            self.trouble = t("market.state.taken_over" if taken else "market.state.signed_out")
        else:
            self.emptiness, self.trouble = "offline", tell(error)[0]
        self.more = False
        self._view.show_list_state()

    # -- which list --------------------------------------------------------------------------------

    def search(self) -> None:
        """Other words are typed: one search at a time, always for the newest, with no queue of old ones."""
        self._typed_since = True
        if not self._searching:
            self._searching = True
            self._view.start(self._search, "search")

    async def _search(self) -> None:
        try:
            while self._typed_since:
                self._typed_since = False
                await self.read()
        finally:
            self._searching = False

    def change(self, *, lang: Language | None = None, sort: Sort | None = None) -> None:
        """Show another language or order; what the person chose for each language is remembered."""
        if lang is not None:
            self.lang, self.waiting, self.cards = lang, True, ()
            self.sort = self._sorts.get(lang, "hot")
        if sort is not None:
            self.sort = self._sorts[self.lang] = sort
        self.trouble = ""
        # A fetch that is under way is about the list that was left.
        self._view.stop("refresh")
        self.fetching = False
        self._view.show_list_state()
        if lang is not None:
            self._view.clear_cards()  # not for one frame do the other language's cards stay
        self._view.start(self._remember, "remember")
        self._view.start(self._change, "list", exclusive=True)

    async def _change(self) -> None:
        await self.read()
        self.refresh()

    async def _remember(self) -> None:
        view = {"lang": self.lang, "sorts": self._sorts}
        await self._view.runtime.library.state.set("market_view", view)

    def change_filters(self, **changes: object) -> None:
        """Leave other cards out."""
        self.filters = replace(self.filters, **changes)  # type: ignore[arg-type]
        self._view.show_list_state()
        self.show()
