"""The market screen: find a character of the community, and talk with it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work

from lunalux_core.errors import NotFound
from lunalux_core.library.market_cache import MarketCard, Nsfw, Sort
from lunalux_tui.actions import bindings
from lunalux_tui.i18n import t
from lunalux_tui.market.actions import CARD_ACTIONS, LIST_ACTIONS
from lunalux_tui.market.grid import MarketGrid
from lunalux_tui.market.lists import MarketLists

if TYPE_CHECKING:
    from lunalux_core.importing import ImportResult

NSFW: tuple[Nsfw, ...] = ("exclude", "include", "only")
TAGS_FROM = 500
"""Cards of the list whose tags are offered as filters."""


class MarketScreen(MarketLists):
    """What can be done in the market."""

    PLACE = "market"
    AUTO_FOCUS = "#cards"
    CSS_PATH: ClassVar = "screen.tcss"
    ACTIONS = (*LIST_ACTIONS, *CARD_ACTIONS)
    BINDINGS = bindings(ACTIONS)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what needs a card where there is none."""
        if action in {"details", "chat", "like", "download"}:
            return self.is_mounted and self.grid.current is not None
        return True

    # -- the list ----------------------------------------------------------------------------------

    def action_search(self) -> None:
        self.field.focus()

    def action_back(self) -> None:
        """Escape: first the words go, then the filters."""
        if self.field.value:
            self.field.value = ""
        elif not self.field.has_focus and (self.filters.tags or self.filters.original):
            self.change_filters(tags=(), original=False)
        self.grid.focus()

    def action_sort(self, sort: str = "") -> None:
        wanted = cast(Sort, sort) if sort in ("hot", "new") else "new" if self.sort == "hot" else "hot"
        if wanted != self.sort:
            self.change_list(sort=wanted)

    def action_language(self) -> None:
        self.change_list(lang="zh" if self.lang == "en" else "en")

    def action_nsfw(self) -> None:
        self.change_filters(nsfw=NSFW[(NSFW.index(self.filters.nsfw) + 1) % len(NSFW)])

    def action_original(self) -> None:
        self.change_filters(original=not self.filters.original)

    def action_drop_tag(self, tag: str) -> None:
        self.change_filters(tags=tuple(one for one in self.filters.tags if one != tag))

    def action_refresh(self) -> None:
        self.refresh_behind(force=True)

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_tags(self) -> None:
        """Choose a tag to filter by, or let go of one."""
        from lunalux_tui.parts.pick_dialog import PickDialog
        from lunalux_tui.parts.rows import Row

        listing = await self.runtime.market.listing(self.lang, self.sort, limit=TAGS_FROM)
        counts = Counter(tag for card in listing.cards for tag in dict.fromkeys(card.tags))
        chosen = self.filters.tags
        names = [*chosen, *(tag for tag, _ in counts.most_common() if tag not in chosen)]
        rows = [
            Row(f"{place}", tag, right=str(counts[tag]), mark="✓" if tag in chosen else "·")
            for place, tag in enumerate(names)
        ]
        picked = await self.app.push_screen_wait(
            PickDialog(t("market.tags.title"), rows, hint=t("market.tags.hint"))
        )
        if picked is not None:
            tag = names[int(picked)]
            self.change_filters(
                tags=tuple(one for one in chosen if one != tag) if tag in chosen else (*chosen, tag)
            )

    # -- one card ----------------------------------------------------------------------------------

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

    def step(self, step: int) -> MarketCard | None:
        """Go to a neighbour of the card under the cursor."""
        self.grid.action_step(step)
        return self.grid.current

    def action_like(self) -> None:
        if (card := self.grid.current) is not None:
            self._like(card)

    @work(group="like", exit_on_error=False)
    async def _like(self, card: MarketCard) -> None:
        await self.like(card)

    async def like(self, card: MarketCard) -> None:
        """Like a card, once and for good."""
        if card.id in self.grid.liked:
            self.notify(t("market.liked_before", name=card.name), markup=False, timeout=2)
            return
        try:
            sent = await self.runtime.market.like(card.id)
        except NotFound:
            self.show_list(keep=True)  # without the card that is gone
            raise
        key = "market.liked" if sent else "market.liked_later"
        self.notify(t(key, name=card.name), markup=False, timeout=3)
        await self._show(keep=True)

    @work(group="card", exclusive=True, exit_on_error=False)
    async def action_chat(self) -> None:
        """Download, import, bind, and talk."""
        if (card := self.grid.current) is not None:
            self.lunalux.open_character((await self._bring(card)).id)

    @work(group="card", exclusive=True, exit_on_error=False)
    async def action_download(self) -> None:
        if (card := self.grid.current) is not None:
            result = await self._bring(card)
            key = "market.there_already" if result.status == "duplicate" else "market.downloaded"
            self.notify(t(key, name=result.name), markup=False)
            await self._show(keep=True)

    async def _bring(self, card: MarketCard) -> ImportResult:
        """A card of the community into the library, with a word about it while it comes."""
        self.chips.busy = t("market.bringing", name=card.name[:40])
        try:
            return await self.runtime.market.download(card.id)
        except NotFound:
            self.show_list(keep=True)  # without the card that is gone
            raise
        finally:
            self.chips.busy = ""

    # -- publishing --------------------------------------------------------------------------------

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_publish(self) -> None:
        """Give a character of the library to the community, then show it where it is: among the new."""
        from lunalux_tui.market.publish_dialog import publish

        published = await publish(self.lunalux, self.lang)
        if published is not None:
            self.field.value = ""
            self.change_list(lang=published, sort="new")
            self.refresh_behind(force=True)
