"""The market screen: find a character of the community, and talk with it."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import getters, on, work
from textual.app import ComposeResult
from textual.widgets import Input
from textual.worker import Worker

from lunalux_core.language import Language
from lunalux_core.library.market_cache import Filters, MarketCard, Nsfw, Sort
from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.market.card_actions import CardActions
from lunalux_tui.market.grid import MarketGrid
from lunalux_tui.market.grid_pictures import GridPictures
from lunalux_tui.market.list_head import MarketFilters, MarketHead, SearchField
from lunalux_tui.market.lists import MarketLists, Work
from lunalux_tui.parts.key_bar import KeyBar
from lunalux_tui.parts.place_bar import PlaceBar
from lunalux_tui.parts.screen import LunaScreen

if TYPE_CHECKING:
    from lunalux_core.account import AccountState

LIST_ACTIONS = (
    Action("market.search", "search", "slash,ctrl+f", footer=1),
    Action("market.sort", "sort", "s", footer=2),
    Action("market.language", "language", "z", footer=9),
    Action("market.nsfw", "nsfw", "n", footer=8),
    Action("market.original", "original", "o"),
    Action("market.tags", "tags", "t", footer=7),
    Action("market.refresh", "refresh", "r,ctrl+r", footer=10),
    Action("market.publish", "publish", "p", footer=6),
    Action("market.mine", "mine", "m", footer=11),
    Action("market.back", "back", "escape", palette=False),
)

CARD_ACTIONS = (
    Action("market.details", "details", "enter", footer=3),
    Action("market.chat", "chat", "c", footer=4),
    Action("market.like", "like", "l", footer=5),
    Action("market.download", "download", "d"),
    Action("market.report", "report", "x"),
)
"""These act on the card that the cursor is on."""

NSFW: tuple[Nsfw, ...] = ("exclude", "include", "only")
AGE_SECONDS = 30
"""Between two looks at whether the list has expired."""


class MarketScreen(LunaScreen[None]):
    """Shows what `lists` reads, lets `card_actions` act on a card, follows settings, account and language."""

    PLACE = "market"
    AUTO_FOCUS = "#cards"
    CSS_PATH: ClassVar = "screen.tcss"
    ACTIONS = (*LIST_ACTIONS, *CARD_ACTIONS)
    BINDINGS = bindings(ACTIONS)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (72, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (18, "-tall")]  # noqa: RUF012

    head = getters.query_one(MarketHead)
    chips = getters.query_one(MarketFilters)
    grid = getters.query_one(MarketGrid)
    field = getters.query_one("#market-search", Input)

    def __init__(self) -> None:
        super().__init__()
        self.lists = MarketLists(self)
        self.card_actions = CardActions(self, self.lists)
        self._pictures = GridPictures(self._start_picture, self.set_timer)

    def compose(self) -> ComposeResult:
        yield PlaceBar()
        yield MarketHead()
        yield SearchField(placeholder=t("market.search"), compact=True, id="market-search", max_length=200)
        yield MarketFilters()
        yield MarketGrid(id="cards")
        yield KeyBar()

    def on_mount(self) -> None:
        self.apply_settings()
        self.grid.focus()
        self.watch(self.app, "account", self._account_changed)
        self.set_interval(AGE_SECONDS, self._tick)
        settings = self.runtime.settings
        self.lists.begin(settings.lang, Filters(nsfw=settings.market_nsfw))  # type: ignore[arg-type]

    def _tick(self) -> None:
        """The age on the screen goes on; a list that has expired is fetched while somebody looks at it."""
        self.head.refresh()
        if self.is_current:
            self.lists.refresh()

    def on_screen_resume(self) -> None:
        self.lists.look_again()

    def _account_changed(self, state: AccountState | None) -> None:
        before, self.head.account = self.head.account, state
        if state is None:
            return
        self.grid.liked = state.liked
        same = before is None or (before.signed_in and before.user_id == state.user_id)
        if state.signed_in and not same:  # what was refused before may be asked for again
            self.lists.look_again()

    def retranslate(self) -> None:
        self.field.placeholder = t("market.search")
        self._say_emptiness()

    def apply_settings(self) -> None:
        """Follow the settings in force: pictures or monograms."""
        self._pictures.follow_settings(self.app, self.grid, self.runtime.market)

    def _start_picture(self, work: Coroutine[Any, Any, None]) -> None:
        self.run_worker(work, group="pictures", exit_on_error=False)

    def retry_pictures(self) -> None:
        self._pictures.retry()

    def on_unmount(self) -> None:
        self._pictures.close()

    # -- what the lists show -----------------------------------------------------------------------

    @property
    def lang(self) -> Language:
        return self.lists.lang

    @property
    def sort(self) -> Sort:
        return self.lists.sort

    @property
    def filters(self) -> Filters:
        return self.lists.filters

    @property
    def shown(self) -> tuple[Language, Sort, Filters, str] | None:
        """Which list, filters and words the cards in the grid belong to."""
        return self.lists.shown

    @property
    def words(self) -> str:
        return self.field.value

    @property
    def liked(self) -> frozenset[str]:
        return self.grid.liked

    def show_list_state(self) -> None:
        lists, head = self.lists, self.head
        head.lang, head.sort = lists.lang, lists.sort
        head.stored_at, head.stale = lists.stored_at, lists.stale
        head.fetching, head.trouble = lists.fetching, lists.trouble
        self.chips.filters = lists.filters
        self.grid.waiting = self.chips.waiting = lists.waiting
        self.grid.more = self.chips.more = lists.more

    def show_cards(self, cards: Sequence[MarketCard], *, keep: bool) -> None:
        self._say_emptiness()
        before = self.grid.current
        self.grid.show(cards, keep=keep)
        if (before is None) != (self.grid.current is None):
            self.refresh_bindings()  # what acts on a card can be done now, or not any more
        self.chips.shown = len(cards)

    def add_cards(self, cards: Sequence[MarketCard]) -> None:
        self.grid.extend(cards)
        self.chips.shown = len(self.grid.cards)

    def clear_cards(self) -> None:
        self.grid.show(())

    def _say_emptiness(self) -> None:
        """What an empty grid says: why there is nothing, and what to do."""
        words = self.words.strip()
        if words:
            key = "search"
        elif self.filters.tags or self.filters.original or self.filters.nsfw == "only":
            key = "filters"
        elif self.lists.trouble:
            key = self.lists.emptiness
        else:
            key = "market"
        self.grid.words = (t(f"market.empty.{key}.title", words=words), t(f"market.empty.{key}.hint"))

    def show_busy(self, text: str) -> None:
        self.chips.busy = text

    def start(self, work: Work, group: str, *, exclusive: bool = False) -> Worker[None]:
        return self.run_worker(work, group=group, exclusive=exclusive, exit_on_error=False)

    def stop(self, group: str) -> None:
        self.workers.cancel_group(self, group)

    @on(Input.Changed, "#market-search")
    def _typed(self) -> None:
        self.lists.search()

    @on(Input.Submitted, "#market-search")
    def _submitted(self) -> None:
        self.grid.focus()

    @on(MarketGrid.EndNear)
    def _end_near(self) -> None:
        self.lists.show_more()

    # -- what can be done with the list ------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what needs a card where there is none."""
        if action in {"details", "chat", "like", "download", "report"}:
            return self.is_mounted and self.grid.current is not None
        if action == "back":  # at the root, escape leads to the chat
            filters = self.filters
            return bool(self.field.has_focus or self.words or filters.tags or filters.original)
        return True

    def action_search(self) -> None:
        self.field.focus()

    def action_back(self) -> None:
        """Escape: first the words go, then the filters."""
        if self.field.value:
            self.field.value = ""
        elif not self.field.has_focus and (self.filters.tags or self.filters.original):
            self.lists.change_filters(tags=(), original=False)
        self.grid.focus()

    def action_sort(self, sort: str = "") -> None:
        order = cast(Sort, sort) if sort in ("hot", "new") else "new" if self.sort == "hot" else "hot"
        if order != self.sort:
            self.lists.change(sort=order)

    def action_language(self) -> None:
        self.lists.change(lang="zh" if self.lang == "en" else "en")

    def action_nsfw(self) -> None:
        self.lists.change_filters(nsfw=NSFW[(NSFW.index(self.filters.nsfw) + 1) % len(NSFW)])

    def action_original(self) -> None:
        self.lists.change_filters(original=not self.filters.original)

    def action_drop_tag(self, tag: str) -> None:
        self.lists.change_filters(tags=tuple(other for other in self.filters.tags if other != tag))

    def action_refresh(self) -> None:
        self.lists.refresh(force=True)

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_tags(self) -> None:
        """Choose a tag to filter by, or let go of one."""
        from lunalux_tui.market.tags_filter import CARDS, TagsFilterDialog

        listing = await self.runtime.market.listing(self.lang, self.sort, limit=CARDS)
        chosen = self.filters.tags
        dialog = TagsFilterDialog(listing.cards, chosen)
        picked = await self.app.push_screen_wait(dialog)
        if picked is not None:
            tag = dialog.names[int(picked)]
            self.lists.change_filters(
                tags=tuple(other for other in chosen if other != tag) if tag in chosen else (*chosen, tag)
            )

    # -- what can be done with a card --------------------------------------------------------------

    @on(MarketGrid.Opened)
    def _opened(self) -> None:
        self.action_details()

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_details(self) -> None:
        from lunalux_tui.market.details_dialog import MarketDetails

        card = self.grid.current
        if card is None:
            return
        answer = await self.app.push_screen_wait(MarketDetails(self, card))
        if answer == "chat":
            self.action_chat()
        elif answer == "download":
            self.action_download()
        elif answer == "report":
            self.action_report()

    def step(self, step: int) -> MarketCard | None:
        """Go to a neighbour of the card under the cursor."""
        self.grid.action_step(step)
        return self.grid.current

    def action_like(self) -> None:
        if (card := self.grid.current) is not None:
            self._like(card)

    @work(group="like", exit_on_error=False)
    async def _like(self, card: MarketCard) -> None:
        await self.card_actions.like(card)

    @work(group="card", exclusive=True, exit_on_error=False)
    async def action_chat(self) -> None:
        """Download, import, bind, and talk."""
        if (card := self.grid.current) is not None:
            self.lunalux.open_character((await self.card_actions.bring(card)).id)

    @work(group="card", exclusive=True, exit_on_error=False)
    async def action_download(self) -> None:
        if (card := self.grid.current) is not None:
            await self.card_actions.download(card)

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_report(self) -> None:
        """Tell the operators what is wrong with the card under the cursor."""
        from lunalux_tui.parts.ask_dialog import AskDialog, ask_kept

        card = self.grid.current
        if card is None:
            return
        title = t("market.report.title", name=clean_line(card.name, 60))
        dialog = AskDialog(title, hint=t("market.report.hint"))
        draft = self.runtime.library.drafts.of(f"report:{card.id}")
        reason = await ask_kept(self.app.push_screen_wait, dialog, draft)
        if reason:
            await self.runtime.market.report(card.id, reason)
            await draft.forget()
            self.notify(t("market.report.done"), markup=False)

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_mine(self) -> None:
        """The cards that the person published: change their words, take one back."""
        from lunalux_tui.market.mine_dialog import MineDialog

        if await self.app.push_screen_wait(MineDialog(self.runtime.market)):
            self.lists.refresh(force=True)

    # -- publishing --------------------------------------------------------------------------------

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_publish(self) -> None:
        """Give a character of the library to the community, then show it where it is: among the new."""
        from lunalux_tui.market.publish_dialog import publish

        published = await publish(self.lunalux, self.lang)
        if published is not None:
            self.field.value = ""
            self.lists.change(lang=published, sort="new")
            self.lists.refresh(force=True)
