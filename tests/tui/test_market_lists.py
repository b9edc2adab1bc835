"""The market's lists without a screen: a real cache on disk, and a backend that does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from market_world import NOWHERE, item, stock

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.library.market_cache import Filters, MarketCard
from lunalux_core.runtime import Runtime
from lunalux_tui.market.lists import PAGE, MarketLists, Work

EN = [item(1, "Mirelle", tags=["fantasy"]), item(2, "Marigold", tags=["cozy"]), item(3, "Bram")]


class Shown:
    """Notes what is shown, and runs works as a screen does."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.words = ""
        self.names: list[str] = []
        self.failures: list[BaseException] = []
        self.lists = MarketLists(self)
        self.troubles: list[str] = []
        self._works: dict[str, list[asyncio.Task[None]]] = {}

    def show_list_state(self) -> None:
        if self.lists.trouble not in self.troubles[-1:]:
            self.troubles.append(self.lists.trouble)

    def show_cards(self, cards: Sequence[MarketCard], *, keep: bool) -> None:
        self.names = [card.name for card in cards]

    def add_cards(self, cards: Sequence[MarketCard]) -> None:
        self.names += [card.name for card in cards]

    def clear_cards(self) -> None:
        self.names = []

    def retry_pictures(self) -> None:
        raise AssertionError("no network came")

    def show_failure(self, error: BaseException) -> None:
        self.failures.append(error)

    def start(self, work: Work, group: str, *, exclusive: bool = False) -> None:
        if exclusive:
            self.stop(group)
        self._works.setdefault(group, []).append(asyncio.ensure_future(work()))

    def stop(self, group: str) -> None:
        for task in self._works.get(group, []):
            task.cancel()

    async def settled(self) -> None:
        """Wait until nothing runs any more."""
        while waiting := [task for works in self._works.values() for task in works if not task.done()]:
            await asyncio.wait(waiting, timeout=60)


@asynccontextmanager
async def lists(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shown]:
    monkeypatch.setenv("LUNALUX_API_URL", NOWHERE)
    async with Runtime.open(load_settings()) as runtime:
        shown = Shown(runtime)
        shown.lists.begin("en", Filters())
        await shown.settled()
        yield shown
        await shown.settled()
        assert not shown.failures


async def test_the_list_is_as_it_was_left(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    await stock(paths, {("en", "hot"): EN, ("zh", "new"): [item(9, "苏晚")]})
    async with lists(monkeypatch) as shown:
        assert shown.names == ["Mirelle", "Marigold", "Bram"]
        shown.lists.change(lang="zh", sort="new")
        assert shown.names == [] and shown.lists.waiting  # the other language's cards are gone at once
        await shown.settled()
        assert shown.names == ["苏晚"]
    async with lists(monkeypatch) as shown:
        assert shown.lists.shown == ("zh", "new", Filters(), "")
        assert shown.names == ["苏晚"]


async def test_only_the_newest_words_are_shown(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    await stock(paths, {("en", "hot"): EN})
    async with lists(monkeypatch) as shown:
        for words in ("m", "ma", "mar", "marigold"):
            shown.words = words
            shown.lists.search()
            await asyncio.sleep(0)  # the search before has only begun
        await shown.settled()
        assert shown.names == ["Marigold"]
        assert shown.lists.shown == ("en", "hot", Filters(), "marigold")


async def test_a_list_that_cannot_be_fetched_stays_and_says_why(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stock(paths, {("en", "hot"): EN})
    async with lists(monkeypatch) as shown:
        assert not shown.lists.trouble
        shown.lists.refresh(force=True)
        await shown.settled()
        assert shown.names == ["Mirelle", "Marigold", "Bram"]
        assert shown.lists.trouble and shown.lists.emptiness == "offline"
        assert not shown.lists.fetching and not shown.lists.waiting and not shown.lists.more
        shown.lists.change(sort="new")
        assert not shown.lists.trouble  # of the list before


async def test_cards_come_page_by_page_and_none_twice(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    await stock(paths, {("en", "hot"): [item(n, f"Number {n}") for n in range(PAGE + 5)]})
    async with lists(monkeypatch) as shown:
        assert len(shown.names) == PAGE and shown.lists.more
        shown.lists.show_more()
        shown.lists.show_more()
        await shown.settled()
        assert shown.names == [f"Number {n}" for n in range(PAGE + 5)] and not shown.lists.more


async def test_filters_leave_cards_out(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    await stock(paths, {("en", "hot"): EN})
    async with lists(monkeypatch) as shown:
        shown.lists.change_filters(tags=("cozy",))
        await shown.settled()
        assert shown.names == ["Marigold"]
        shown.lists.change_filters(tags=())
        shown.lists.change_filters(tags=("fantasy",))  # the wish before is dropped
        await shown.settled()
        assert shown.names == ["Mirelle"]
