"""The market's pages: order from the top list and the index, facts from the cards themselves.

The first page is kept for a few seconds per language and order. What a page says of a card is read
from the card, so counters are as fresh as the page; cards that were hidden or deleted drop out at once.

See docs/spec/backend.md: Counters and ranking.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lunalux_core.backend.market.ranking import named_card
from lunalux_core.backend.market.ranking_keys import ORDERS, Order, RankSort, partitions
from lunalux_core.backend.market.ranking_schedule import table_of
from lunalux_core.backend.running.backend_settings import SIGV4_MAX_SECONDS, BackendSettings
from lunalux_core.backend.running.signatures import Cursor, Signer
from lunalux_core.backend.storage.table import Item, Store
from lunalux_core.backend.web.refusals import refuse
from lunalux_core.language import Language

PAGE_SECONDS = 5.0
CURSOR_SECONDS = SIGV4_MAX_SECONDS
GET_MANY = 100
LONGEST_PK = 512


@dataclass(frozen=True, slots=True)
class RankPosition:
    """Where a card stands in an order: its sort key there, and its own key."""

    sort_key: str
    pk: str
    sk: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A page: cards with their places, in order. `last` is where to go on from, None at the end."""

    entries: tuple[tuple[RankPosition, Item], ...]
    last: RankPosition | None

    @property
    def cards(self) -> tuple[Item, ...]:
        return tuple(card for _, card in self.entries)


class Listings:
    """Reads pages. `monotonic` times the cache of first pages."""

    def __init__(
        self,
        store: Store,
        settings: BackendSettings,
        signer: Signer,
        now_ms: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._settings, self._signer = store, settings, signer
        self._now_ms, self._monotonic = now_ms, monotonic
        self._first: dict[tuple[Language, RankSort], tuple[float, Listing]] = {}

    def forget(self, lang: Language, sort: RankSort | None = None) -> None:
        """Drop the kept first pages of a language, after something on them changed."""
        for key in [k for k in self._first if k[0] == lang and sort in (None, k[1])]:
            del self._first[key]

    async def first(self, lang: Language, sort: RankSort, limit: int | None) -> Listing:
        """The first page; `limit` is clamped to the documented top limit."""
        most = self._top_limit(sort)
        cached = self._first.get((lang, sort))
        if cached is None or self._monotonic() - cached[0] >= PAGE_SECONDS:
            cached = (self._monotonic(), await self._read_first(lang, sort, most))
            self._first[lang, sort] = cached
        page, count = cached[1], max(1, min(limit or most, most))
        if count >= len(page.entries):
            return page
        return Listing(page.entries[:count], last=page.entries[count - 1][0])

    async def more(self, lang: Language, sort: RankSort, key: str | None, limit: int | None) -> Listing:
        """The page after `key`, or the first one without a key.

        Raises:
            BackendError: INVALID_REQUEST, the key was not made here for this listing, or has expired.
        """
        if key is None:
            return await self.first(lang, sort, limit)
        now_s = self._now_ms() // 1000
        cursor = Cursor.open(self._signer, key, listing=sort, scope=lang, now_s=now_s)
        if cursor is None:
            raise refuse("INVALID_REQUEST", "The page key is not valid any more; start from the first page.")
        most = self._page_limit(sort)
        return await self._from_index(
            lang, sort, RankPosition(*cursor.position), max(1, min(limit or most, most))
        )

    def seal(self, lang: Language, sort: RankSort, listing: Listing) -> str | None:
        """The opaque `nextKey` of a page."""
        last = listing.last
        if last is None:
            return None
        expires = self._now_ms() // 1000 + CURSOR_SECONDS
        return Cursor(sort, lang, [last.sort_key, last.pk, last.sk], expires).seal(self._signer)

    def _top_limit(self, sort: RankSort) -> int:
        ranking = self._settings.ranking
        return ranking.hot_top_limit if sort == "hot" else ranking.time_top_limit

    def _page_limit(self, sort: RankSort) -> int:
        ranking = self._settings.ranking
        return ranking.hot_page_limit if sort == "hot" else ranking.time_page_limit

    async def _read_first(self, lang: Language, sort: RankSort, limit: int) -> Listing:
        """The top list's order; while it is empty, the index's."""
        order, table = ORDERS[sort], table_of(self._settings, lang)
        rows = await self._top(table, order, limit)
        places: list[RankPosition] = []
        for row in rows:  # each card once, in its best place, whoever wrote the rows
            pk = f"CHAR#{named_card(row)}"
            if len(pk) <= LONGEST_PK and pk != "CHAR#" and all(pk != place.pk for place in places):
                places.append(RankPosition(str(row["SK"]), pk, "PROFILE"))
        if not places:
            return await self._from_index(lang, sort, None, limit)
        entries = await self._entries(table, places)
        # One card, only to know whether there is another page.
        rest = await self._from_index(lang, sort, places[-1], 1)
        return Listing(entries, last=places[-1] if rest.entries or rest.last else None)

    async def _top(self, table: str, order: Order, limit: int) -> list[Item]:
        rows: list[Item] = []
        after: Mapping[str, str] | None = None
        while len(rows) < limit:
            page = await self._store.query(table, order.top_pk, after=after, limit=limit - len(rows))
            rows += page.items
            after = page.after
            if after is None:
                break
        return rows

    async def _from_index(
        self, lang: Language, sort: RankSort, start: RankPosition | None, limit: int
    ) -> Listing:
        """Cards after `start` by the index: every shard's next ones, merged."""
        order, table, ranking = ORDERS[sort], table_of(self._settings, lang), self._settings.ranking
        indexes = self._settings.indexes
        index = indexes.hot if sort == "hot" else indexes.time
        places: list[RankPosition] = []
        for pk in partitions(order.all_word, ranking.shards):
            after = None
            if start is not None:
                after = {order.pk: pk, order.sk: start.sort_key, "PK": start.pk, "SK": start.sk}
            # One more from each shard: the page may come from a single one,
            # and what is over tells that it goes on.
            page = await self._store.query(table, pk, index=index, after=after, limit=limit + 1)
            places += [RankPosition(str(row[order.sk]), str(row["PK"]), str(row["SK"])) for row in page.items]
        places.sort(key=lambda place: place.sort_key)
        last = places[limit - 1] if len(places) > limit else None
        return Listing(await self._entries(table, places[:limit]), last)

    async def _entries(
        self, table: str, places: Sequence[RankPosition]
    ) -> tuple[tuple[RankPosition, Item], ...]:
        """The visible cards at these places, in their order."""
        cards: dict[str, Item] = {}
        # Cards of the earlier service stand under the sort key 0.
        for sk in ("PROFILE", "0"):
            keys = [(place.pk, sk) for place in places if place.pk not in cards]
            for at in range(0, len(keys), GET_MANY):
                rows = await self._store.get_many(table, keys[at : at + GET_MANY])
                cards |= {pk: item for (pk, _), item in rows.items()}
            if len(cards) == len(places):
                break
        return tuple(
            (place, cards[place.pk])
            for place in places
            if place.pk in cards and cards[place.pk].get("Status", "active") == "active"
        )
