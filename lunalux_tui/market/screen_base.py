"""The market screen's layout, and what it follows: settings, account, language."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual import getters
from textual.app import ComposeResult
from textual.geometry import Size
from textual.reactive import Reactive
from textual.widgets import Input
from textual.worker import Worker

from lunalux_core.library.market_cache import Filters, Lang, Sort
from lunalux_tui.i18n import t
from lunalux_tui.market.bars import MarketFilters, MarketHead
from lunalux_tui.market.card_face import HEIGHT, PICTURE_WIDTH
from lunalux_tui.market.grid import MarketGrid
from lunalux_tui.market.thumbnails import Thumbnails
from lunalux_tui.parts.graphics import cell_of, pictures_wanted, tell_terminal
from lunalux_tui.parts.keybar import KeyBar
from lunalux_tui.parts.screen import LunaScreen
from lunalux_tui.render.drawing import Cell, draw

if TYPE_CHECKING:
    from lunalux_core.account import AccountState


class SearchField(Input):
    """One line of fixed width: what is typed lays out nothing anew, so that results come at once."""

    virtual_size = Reactive(Size(0, 0), layout=False)


class MarketBase(LunaScreen[None]):
    """The parts of the screen; which cards are in it stands in its child."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (72, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (18, "-tall")]  # noqa: RUF012

    head = getters.query_one(MarketHead)
    chips = getters.query_one(MarketFilters)
    grid = getters.query_one(MarketGrid)
    field = getters.query_one("#market-search", Input)

    def __init__(self) -> None:
        super().__init__()
        self.emptiness = "offline"
        """Why there is no list: "offline" or "signed_out"."""

        self._cell: Cell | None = None
        self._pictures: Thumbnails | None = None

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
        yield SearchField(placeholder=t("market.search"), compact=True, id="market-search", max_length=200)
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
        self.begin()

    def begin(self) -> None:
        """Show the first list."""

    def apply_settings(self) -> None:
        """Follow the settings in force: pictures or monograms."""
        if not pictures_wanted(self.app):
            self._let_go()
        elif self.grid.thumbnails is None or self._cell != cell_of(self.app):
            self._let_go()
            self._cell = cell_of(self.app)
            market = self.runtime.market
            self._pictures = self.grid.thumbnails = Thumbnails(
                fetch=market.thumbnail,
                forget=market.forget_thumbnail,
                draw=partial(draw, columns=PICTURE_WIDTH, rows=HEIGHT, cell=self._cell),
                start=self._start_picture,
                later=self.set_timer,
                ready=self.grid.redraw,
                write=partial(tell_terminal, self.app),
            )
        self.grid.redraw()

    def on_unmount(self) -> None:
        if self._pictures is not None:
            self._pictures.close()

    def _let_go(self) -> None:
        self.on_unmount()
        self._pictures = self.grid.thumbnails = None

    def _start_picture(self, work: object) -> Worker[None]:
        return self.run_worker(work, group="pictures", exit_on_error=False)  # type: ignore[arg-type]

    def signed_in(self) -> None:
        """Somebody signed in: what was refused before may be asked for again."""

    def _account_changed(self, state: AccountState | None) -> None:
        before, self.head.account = self.head.account, state
        if state is None:
            return
        self.grid.liked = state.liked
        known = before is None or (before.signed_in and before.user_id == state.user_id)
        if state.signed_in and not known:
            self.signed_in()

    def retranslate(self) -> None:
        self.field.placeholder = t("market.search")
        self.say_emptiness()

    def say_emptiness(self) -> None:
        """What an empty grid says: why there is nothing, and what to do."""
        words = self.field.value.strip()
        if words:
            key = "search"
        elif self.filters.tags or self.filters.original or self.filters.nsfw == "only":
            key = "filters"
        elif self.head.trouble:
            key = self.emptiness
        else:
            key = "market"
        self.grid.words = (t(f"market.empty.{key}.title", words=words), t(f"market.empty.{key}.hint"))
