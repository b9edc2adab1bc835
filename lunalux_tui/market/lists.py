"""The market's lists: from disk at once, refreshed behind, searched while the person types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from textual import on, work
from textual.widgets import Input

from lunalux_core.errors import LunaluxError, NetworkError, SessionError
from lunalux_core.ids import now_ms
from lunalux_core.library.market_cache import Filters, Lang, MarketCard, Sort
from lunalux_tui.i18n import t, tell
from lunalux_tui.market.grid import MarketGrid
from lunalux_tui.market.screen_base import MarketBase

PAGE = 60
"""Cards read from disk at a time."""

FETCHES = 4
"""Pages fetched at most for one wish for more, when filters leave nothing of them."""

AGE_SECONDS = 30


class MarketLists(MarketBase):
    """Which list is shown, and how its cards get on the screen."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: tuple[Lang, Sort, Filters, str] | None = None
        """Which list, filters and words the cards in the grid belong to."""

        self._sorts: dict[str, Sort] = {}
        self._next_key: str | None = None
        self._disk_end = False
        self._searching = self._typed_since = False

    def begin(self) -> None:
        self.set_interval(AGE_SECONDS, self._tick)
        self._open()

    def _tick(self) -> None:
        """The age on the screen goes on; a list that has expired is fetched while somebody looks at it."""
        self.head.refresh()
        if self.is_current:
            self.refresh_behind()

    def on_screen_resume(self) -> None:
        if self.shown is not None:
            self.refresh_behind()

    def signed_in(self) -> None:
        if self.shown is not None:
            self.refresh_behind()

    # -- from disk ---------------------------------------------------------------------------------

    @work(group="list", exclusive=True, exit_on_error=False)
    async def _open(self) -> None:
        """The first list: as it was left, whatever its age."""
        try:
            kept = await self.runtime.library.state.get("market_view", {})
        except LunaluxError as error:  # the market's lists are another file and can still be shown
            self.show_failure(error)
            kept = {}
        if isinstance(kept, dict):
            self._sorts = {
                lang: sort for lang, sort in kept.get("sorts", {}).items() if sort in ("hot", "new")
            }
            if kept.get("lang") in ("en", "zh"):
                self.head.lang = kept["lang"]
        self.head.sort = self._sorts.get(self.lang, "hot")
        await self._show()
        self.refresh_behind()

    def _key(self) -> tuple[Lang, Sort, Filters, str]:
        return self.lang, self.sort, self.filters, self.field.value

    @work(group="list", exclusive=True, exit_on_error=False)
    async def show_list(self, *, keep: bool = False) -> None:
        """Show the list and the filters in force; an earlier wish that is not done yet is dropped."""
        await self._show(keep=keep)

    async def _show(self, *, keep: bool = False) -> None:
        limit = max(len(self.grid.cards), PAGE) if keep else PAGE
        key = self._key()
        listing = await self.runtime.market.listing(self.lang, self.sort, limit=0)
        cards = await self._read(0, limit)
        if key != self._key():
            return  # the person went on meanwhile, and so does another call
        self._next_key = listing.next_key
        self._disk_end = len(cards) < limit
        self.head.stored_at = listing.stored_at
        self.head.stale = bool(listing.stored_at) and not listing.fresh(now_ms())
        self.grid.waiting = self.head.fetching and not listing.stored_at
        self._set_more()
        self.say_emptiness()
        before = self.grid.current
        self.grid.show(cards, keep=keep)
        if (before is None) != (self.grid.current is None):
            self.refresh_bindings()  # what acts on a card can be done now, or not any more
        self.chips.shown = len(cards)
        self.shown = key

    async def _read(self, offset: int, limit: int) -> Sequence[MarketCard]:
        """Cards on disk that the words and filters leave, from `offset` on."""
        market, words = self.runtime.market, self.field.value
        if words.strip():
            found = await market.search(words, self.lang, self.sort, self.filters, limit=offset + limit)
            return found[offset:]
        return (await market.listing(self.lang, self.sort, self.filters, limit=limit, offset=offset)).cards

    def _set_more(self) -> None:
        fetchable = self._next_key is not None and not self.field.value.strip() and not self.head.trouble
        self.grid.more = self.chips.more = not self._disk_end or fetchable

    @on(MarketGrid.EndNear)
    def _more_wanted(self) -> None:
        if not self.grid.waiting:
            self.grid.waiting = True
            self._more()

    @work(group="list", exit_on_error=False)
    async def _more(self) -> None:
        """The next cards: from disk, and from the backend when the disk has no more of them."""
        key = self._key()
        cards: Sequence[MarketCard] = ()
        try:
            for _ in range(FETCHES):
                cards = await self._read(len(self.grid.cards), PAGE)
                self._disk_end = len(cards) < PAGE
                if cards or self._next_key is None or self.field.value.strip():
                    break
                await self.runtime.market.more(self.lang, self.sort)
                self._next_key = (await self.runtime.market.listing(self.lang, self.sort, limit=0)).next_key
        except LunaluxError as error:
            self._in_trouble(error)
        finally:
            if key == self._key():
                self.grid.waiting = False
                self._set_more()
                there = {card.id for card in self.grid.cards}
                self.grid.extend([card for card in cards if card.id not in there])
                self.chips.shown = len(self.grid.cards)

    # -- from the network --------------------------------------------------------------------------

    def refresh_behind(self, *, force: bool = False) -> None:
        """Fetch the list when it has expired, or because the person asks for it; the screen goes on."""
        if self.head.fetching and not force:
            return
        self._refresh(force)

    @work(group="refresh", exclusive=True, exit_on_error=False)
    async def _refresh(self, force: bool) -> None:
        lang, sort = self.lang, self.sort
        listing = await self.runtime.market.listing(lang, sort, limit=0)
        if listing.fresh(now_ms()) and not force:
            return
        self.head.fetching = True
        self.grid.waiting = not self.grid.cards and not listing.stored_at
        try:
            await self.runtime.market.refresh(lang, sort, force=force)
            self.head.trouble = ""
            if self.grid.thumbnails is not None:
                self.grid.thumbnails.retry()
        except LunaluxError as error:
            self._in_trouble(error)
        finally:
            if (lang, sort) == (self.lang, self.sort):
                self.head.fetching = self.grid.waiting = False
        self.show_list(keep=True)

    def _in_trouble(self, error: LunaluxError) -> None:
        """The list on disk stands; the bar says why there is no newer one."""
        if isinstance(error, NetworkError):
            self.emptiness, self.head.trouble = "offline", t("market.state.offline")
        elif isinstance(error, SessionError):
            taken = error.code == "SESSION_TAKEN_OVER"
            self.emptiness = "signed_out"
            self.head.trouble = t("market.state.taken_over" if taken else "market.state.signed_out")
        else:
            self.emptiness, self.head.trouble = "offline", tell(error)[0]
        self.grid.more = self.chips.more = False

    # -- typing ------------------------------------------------------------------------------------

    @on(Input.Changed, "#market-search")
    def _typed(self) -> None:
        self._typed_since = True
        if not self._searching:
            self._searching = True
            self._search()

    @work(group="search", exit_on_error=False)
    async def _search(self) -> None:
        """One search at a time, always for the newest words: no pause, and no queue of old ones."""
        try:
            while self._typed_since:
                self._typed_since = False
                await self._show()
        finally:
            self._searching = False

    @on(Input.Submitted, "#market-search")
    def _submitted(self) -> None:
        self.grid.focus()

    # -- which list --------------------------------------------------------------------------------

    def change_list(self, *, lang: Lang | None = None, sort: Sort | None = None) -> None:
        """Show another language or order; what the person chose for each language is remembered."""
        if lang is not None:
            self.head.lang = lang
            self.grid.show(())  # not for one frame do the other language's cards stay
            self.grid.waiting = True
            self.head.sort = self._sorts.get(lang, "hot")
        if sort is not None:
            self.head.sort = self._sorts[self.lang] = sort
        self.head.trouble = ""
        self.workers.cancel_group(self, "refresh")
        self.head.fetching = False
        self._remember()
        self._change()

    @work(group="list", exclusive=True, exit_on_error=False)
    async def _change(self) -> None:
        await self._show()
        self.refresh_behind()

    @work(group="remember", exit_on_error=False)
    async def _remember(self) -> None:
        await self.runtime.library.state.set("market_view", {"lang": self.lang, "sorts": self._sorts})

    def change_filters(self, **changes: object) -> None:
        self.chips.filters = replace(self.filters, **changes)  # type: ignore[arg-type]
        self.show_list()
