"""The market's lists: from disk at once, refreshed behind, searched while the person types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from textual import getters, on
from textual.app import ComposeResult
from textual.widgets import Input
from textual.worker import Worker

from lunalux_core.errors import LunaluxError, NetworkError, SessionError
from lunalux_core.ids import now_ms
from lunalux_core.library.market import Filters, Lang, MarketCard, Sort
from lunalux_tui.i18n import t, tell
from lunalux_tui.screens.base import LunaScreen
from lunalux_tui.widgets.keybar import KeyBar
from lunalux_tui.widgets.market_bars import MarketFilters, MarketHead
from lunalux_tui.widgets.market_face import HEIGHT, PICTURE_WIDTH
from lunalux_tui.widgets.market_grid import MarketGrid
from lunalux_tui.widgets.thumbnails import Thumbnails

if TYPE_CHECKING:
    from lunalux_core.account import AccountState
    from lunalux_core.runtime import Runtime
    from lunalux_tui.shell import LunaluxApp

PAGE = 60
"""Cards read from disk at a time."""

FETCHES = 4
"""Pages fetched at most for one wish for more, when filters leave nothing of them."""

AGE_SECONDS = 30


class MarketBase(LunaScreen[None]):
    """Layout, which list is shown, and how its cards get on the screen."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (72, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (18, "-tall")]  # noqa: RUF012

    head = getters.query_one(MarketHead)
    chips = getters.query_one(MarketFilters)
    grid = getters.query_one(MarketGrid)
    field = getters.query_one("#market-search", Input)

    def __init__(self) -> None:
        super().__init__()
        self.shown: tuple[Lang, Sort, Filters, str] | None = None
        """Which list, filters and words the cards in the grid belong to."""

        self._sorts: dict[str, Sort] = {}
        self._next_key: str | None = None
        self._disk_end = False
        self._searching = self._typed_since = False
        self._emptiness = "offline"

    @property
    def lunalux(self) -> LunaluxApp:
        return cast("LunaluxApp", self.app)

    @property
    def runtime(self) -> Runtime:
        return self.lunalux.runtime

    @property
    def lang(self) -> Lang:
        return self.head.lang

    @property
    def sort(self) -> Sort:
        return self.head.sort

    @property
    def filters(self) -> Filters:
        return self.chips.filters

    def compose(self) -> ComposeResult:
        yield MarketHead()
        yield Input(placeholder=t("market.search"), compact=True, id="market-search", max_length=200)
        yield MarketFilters()
        yield MarketGrid(id="cards")
        yield KeyBar()

    def on_mount(self) -> None:
        settings = self.runtime.settings
        self.head.lang = settings.lang
        self.chips.filters = Filters(nsfw=settings.market_nsfw)  # type: ignore[arg-type]
        self.apply_settings()
        self.grid.waiting = True
        self.grid.focus()
        self.watch(self.app, "account", self._account_changed)
        self.set_interval(AGE_SECONDS, self._tick)
        self.run_worker(self._open(), group="list", exclusive=True, exit_on_error=False)

    def apply_settings(self) -> None:
        """Follow the settings in force: pictures or monograms."""
        wanted = self.runtime.settings.pictures != "off" and not self.lunalux.native_ansi_color
        if not wanted:
            self.grid.thumbnails = None
        elif self.grid.thumbnails is None:
            self.grid.thumbnails = Thumbnails(
                self.runtime.market.thumbnail, self._start_picture, self.grid.redraw, PICTURE_WIDTH, HEIGHT
            )
        self.grid.redraw()

    def _start_picture(self, work: object) -> Worker[None]:
        return self.run_worker(work, group="pictures", exit_on_error=False)  # type: ignore[arg-type]

    def _account_changed(self, state: AccountState | None) -> None:
        self.head.account = state
        if state is not None:
            self.grid.liked = state.liked

    def _tick(self) -> None:
        """The age on the screen goes on; a list that has expired is fetched while somebody looks at it."""
        self.head.refresh()
        if self.is_current:
            self.refresh_behind()

    def on_screen_resume(self) -> None:
        if self.grid.cards:
            self.refresh_behind()

    def retranslate(self) -> None:
        self.field.placeholder = t("market.search")
        self._say_emptiness()

    # -- from disk ---------------------------------------------------------------------------------

    async def _open(self) -> None:
        """The first list: as it was left, whatever its age."""
        kept = await self.runtime.library.state.get("market_view", {})
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

    def show_list(self, *, keep: bool = False) -> None:
        """Show the list and the filters in force; an earlier wish that is not done yet is dropped."""
        self.run_worker(self._show(keep=keep), group="list", exclusive=True, exit_on_error=False)

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
        self._say_emptiness()
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
            self.run_worker(self._more(), group="list", exit_on_error=False)

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
                self.grid.extend(cards)
                self.chips.shown = len(self.grid.cards)

    # -- from the network --------------------------------------------------------------------------

    def refresh_behind(self, *, force: bool = False) -> None:
        """Fetch the list when it has expired, or because the person asks for it; the screen goes on."""
        self.run_worker(self._refresh(force), group="refresh", exclusive=True, exit_on_error=False)

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
            self.head.fetching = self.grid.waiting = False
        self.show_list(keep=True)

    def _in_trouble(self, error: LunaluxError) -> None:
        """The list on disk stands; the bar says why there is no newer one."""
        if isinstance(error, NetworkError):
            self._emptiness, self.head.trouble = "offline", t("market.state.offline")
        elif isinstance(error, SessionError):
            taken = error.code == "SESSION_TAKEN_OVER"
            self._emptiness = "signed_out"
            self.head.trouble = t("market.state.taken_over" if taken else "market.state.signed_out")
        else:
            self._emptiness, self.head.trouble = "offline", tell(error)[0]
        self.grid.more = self.chips.more = False

    # -- typing ------------------------------------------------------------------------------------

    @on(Input.Changed, "#market-search")
    def _typed(self) -> None:
        self._typed_since = True
        if not self._searching:
            self._searching = True
            self.run_worker(self._search(), group="search", exit_on_error=False)

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
            self.head.sort = self._sorts.get(lang, "hot")
        if sort is not None:
            self.head.sort = self._sorts[self.lang] = sort
        self.head.trouble = ""
        self.workers.cancel_group(self, "refresh")
        self.head.fetching = False
        self.run_worker(self._remember(), group="remember", exit_on_error=False)
        self.run_worker(self._change(), group="list", exclusive=True, exit_on_error=False)

    async def _change(self) -> None:
        await self._show()
        self.refresh_behind()

    async def _remember(self) -> None:
        await self.runtime.library.state.set("market_view", {"lang": self.lang, "sorts": self._sorts})

    def change_filters(self, **changes: object) -> None:
        self.chips.filters = replace(self.filters, **changes)  # type: ignore[arg-type]
        self.show_list()

    def _say_emptiness(self) -> None:
        """What an empty grid says: why there is nothing, and what to do."""
        words = self.field.value.strip()
        if words:
            key = "search"
        elif self.filters.tags or self.filters.original or self.filters.nsfw == "only":
            key = "filters"
        elif self.head.trouble:
            key = self._emptiness
        else:
            key = "market"
        self.grid.words = (t(f"market.empty.{key}.title", words=words), t(f"market.empty.{key}.hint"))
