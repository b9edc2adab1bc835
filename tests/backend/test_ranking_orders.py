"""Ranking on a real store: once quiet, pages are the sort by (−heat, id) and (−time, id)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from storage_engines import open_store, plant

from lunalux_core.backend.market.listing import Listings
from lunalux_core.backend.market.ranking_keys import (
    HOT,
    ORDERS,
    TIME,
    RankSort,
    dirty_key,
    hot_key,
    partition,
    shard_of,
)
from lunalux_core.backend.market.ranking_schedule import SORTS, Ranking
from lunalux_core.backend.running.backend_settings import BackendSettings, RankingSettings
from lunalux_core.backend.running.signatures import Signer
from lunalux_core.backend.storage.table import Delete, Exists, Key, Store, Update

EACH_STORE = True
TABLE = "character_table_EN"
T0 = 1_770_000_000_000
LAST = 10**12
"""A time that never comes, in seconds."""


class Market:
    """Cards, and what may happen to them, on a store of its own."""

    def __init__(self, store: Store, settings: BackendSettings) -> None:
        self.store, self.settings = store, settings
        self.clock = T0
        self.ranking = self.instance()
        self.listings = Listings(store, settings, Signer(["a-secret-of-some-length"]), lambda: self.clock)

    def instance(self) -> Ranking:
        return Ranking(self.store, self.settings, lambda: self.clock)

    def mark(self, sort: RankSort, card: str) -> dict[str, str]:
        order, shards = ORDERS[sort], self.settings.ranking.shards
        return {
            order.dirty_pk: partition(order.dirty_word, shard_of(card, shards), shards),
            order.dirty_sk: dirty_key(self.clock, card),
        }

    async def publish(self, card: str, heat: int = 0) -> None:
        self.clock += 1
        await self.store.write(
            Update(
                TABLE,
                Key(f"CHAR#{card}", "PROFILE"),
                set={
                    "CharacterID": card,
                    "HeatScore": heat,
                    "Status": "active",
                    "UpdatedAt": datetime.fromtimestamp(self.clock / 1000, UTC).isoformat(),
                    **self.mark("hot", card),
                    **self.mark("time", card),
                },
            )
        )

    async def warm(self, card: str, heat: int) -> None:
        self.clock += 1
        await self.store.write(
            Update(
                TABLE,
                Key(f"CHAR#{card}", "PROFILE"),
                incr={"HeatScore": heat},
                set_default=self.mark("hot", card),
                when=Exists(),
            )
        )

    async def hide(self, card: str) -> None:
        marks = {**self.mark("hot", card), **self.mark("time", card)}
        await self.store.write(
            Update(
                TABLE,
                Key(f"CHAR#{card}", "PROFILE"),
                set={"Status": "hidden"},
                set_default=marks,
                when=Exists(),
            )
        )

    async def drain(self) -> None:
        for sort in SORTS:
            await self.ranking.drain("en", sort)
        self.listings.forget("en")

    async def pages(self, sort: RankSort, limit: int) -> list[str]:
        """Every page from first to last, as ids."""
        page = await self.listings.first("en", sort, limit)
        ids = [str(card["PK"]).removeprefix("CHAR#") for card in page.cards]
        while key := self.listings.seal("en", sort, page):
            page = await self.listings.more("en", sort, key, limit)
            ids += [str(card["PK"]).removeprefix("CHAR#") for card in page.cards]
        return ids

    async def sorted_by(self, sort: RankSort) -> list[str]:
        """The definition: visible cards by falling value, ties by id."""
        cards = [item async for item in self.store.scan_all(TABLE) if item["SK"] == "PROFILE"]
        cards = [card for card in cards if card["Status"] == "active"]
        cards.sort(key=lambda card: str(card["CharacterID"]))
        cards.sort(key=lambda card: card[ORDERS[sort].value], reverse=True)
        return [str(card["CharacterID"]) for card in cards]


@asynccontextmanager
async def market(folder: Path, **ranking: int) -> AsyncIterator[Market]:
    base = RankingSettings(hot_top_limit=6, hot_top_buffer=9, time_top_limit=6, time_top_buffer=9)
    settings = BackendSettings(ranking=replace(base, **ranking))  # type: ignore[arg-type]
    store = open_store(folder / "store.db")
    try:
        yield Market(store, settings)
    finally:
        await store.aclose()


def card_id(number: int) -> str:
    return f"{number:04d}"


async def test_cards_that_were_marked_before_there_were_shards_are_ranked_with_them(tmp_path: Path) -> None:
    async with market(tmp_path) as m:
        for number in range(12):
            await m.publish(card_id(number), number)
        await m.drain()
        for number in range(0, 12, 2):
            await m.warm(card_id(number), 100)
    async with market(tmp_path, shards=4) as m:
        for number in range(12):
            await m.warm(card_id(number), 1)  # the marks of half of them are there already
        await m.drain()
        page = await m.store.query(TABLE, "DIRTY#HOT", index="GSI_DIRTY_HOT")
        assert page.items == ()
        found = []
        for shard in range(4):
            rows = await m.store.query(TABLE, f"ALL#HOT#{shard:02d}", index="GSI_HOT")
            found += [(row["GSI_HOT_SK"], str(row["PK"]).removeprefix("CHAR#")) for row in rows.items]
        assert [name for _, name in sorted(found)] == await m.sorted_by("hot")


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_quiet_pages_are_the_sorted_cards(tmp_path: Path, shards: int, seed: int) -> None:
    chance = random.Random(seed)
    async with market(tmp_path, shards=shards, batch_limit=7) as m:
        for number in range(40):
            await m.publish(card_id(number), chance.choice([0, 0, 5, 17]))
        for round_ in range(4):
            for _ in range(15):
                await m.warm(card_id(chance.randrange(40)), chance.choice([1, 2, 30]))
            if round_ % 2:
                await m.hide(card_id(chance.randrange(40)))
            await m.drain()
            for sort in SORTS:
                expected = await m.sorted_by(sort)
                assert await m.pages(sort, 6) == expected
                top = await m.store.query(TABLE, ORDERS[sort].top_pk)
                assert [row["CharacterID"] for row in top.items][:6] == expected[:6]
                assert len(top.items) <= 9


async def test_increments_during_the_batch_are_never_lost(tmp_path: Path) -> None:
    async with market(tmp_path, batch_limit=5) as m:
        for number in range(12):
            await m.publish(card_id(number))
        going = True

        async def warm() -> None:
            chance = random.Random(7)
            while going:
                await m.warm(card_id(chance.randrange(12)), 1)
                await asyncio.sleep(0.005)

        writers = [asyncio.ensure_future(warm()) for _ in range(3)]
        ranked = 0
        for _ in range(40):
            ranked += await m.ranking.drain("en", "hot", for_ms=0)  # ends, though there may always be more
            await m.ranking.drain("en", "time", for_ms=0)
            await asyncio.sleep(0.005)
        going = False
        assert ranked > 24  # cards were ranked again while they grew warmer
        await asyncio.gather(*writers)
        await m.drain()
        assert await m.pages("hot", 6) == await m.sorted_by("hot")
        left = await m.store.query(TABLE, HOT.dirty_word, index="GSI_DIRTY_HOT")
        assert left.items == ()


async def test_the_hottest_cards_do_not_starve_behind_newer_marks(tmp_path: Path) -> None:
    """More marks than a batch takes, and the first card is warmed again and again meanwhile."""
    async with market(tmp_path, batch_limit=3) as m:
        for number in range(30):
            await m.publish(card_id(number))
        ranker = m.ranking._jobs["en", "hot"].ranker
        await m.warm("0000", 1000)
        await ranker.batch(3)
        await m.warm("0001", 1)
        card = await m.store.get(TABLE, ("CHAR#0000", "PROFILE"))
        assert card is not None and card["GSI_HOT_SK"] == hot_key(1000, "0000", 999_999_999_999)


async def test_a_stale_batch_cannot_clear_a_mark_it_did_not_see(tmp_path: Path) -> None:
    async with market(tmp_path) as m:
        await m.publish("0000")
        ranker = m.ranking._jobs["en", "hot"].ranker
        before = await m.store.get(TABLE, ("CHAR#0000", "PROFILE"))
        assert before is not None
        await m.warm("0000", 5)
        from lunalux_core.backend.storage.table import ConditionFailed

        with pytest.raises(ConditionFailed):
            await ranker._place(Key("CHAR#0000", "PROFILE"), before, {})
        card = await m.store.get(TABLE, ("CHAR#0000", "PROFILE"))
        assert card is not None and HOT.dirty_pk in card and HOT.sk not in card


async def test_one_instance_works_while_another_holds_the_lease(tmp_path: Path) -> None:
    async with market(tmp_path) as m:
        await m.publish("0000")
        other = m.instance()
        assert await other._jobs["en", "hot"].lease.take()
        assert await m.ranking.drain("en", "hot") == 0
        m.clock += 61_000  # the other one died; its lease has run out
        assert await m.ranking.drain("en", "hot") == 1
        await m.warm("0000", 1)
        assert await other.drain("en", "hot") == 1


async def test_due_means_a_window_has_passed(tmp_path: Path) -> None:
    async with market(tmp_path) as m:
        await m.publish("0000")
        await m.ranking.drain_if_due("en", "hot")
        await m.publish("0001", heat=3)
        await m.ranking.drain_if_due("en", "hot")
        assert [c["CharacterID"] for c in (await m.listings.first("en", "hot", None)).cards] == ["0000"]
        m.clock += 5000
        await m.ranking.drain_if_due("en", "hot")
        m.listings.forget("en")
        assert [c["CharacterID"] for c in (await m.listings.first("en", "hot", None)).cards] == [
            "0001",
            "0000",
        ]


async def test_heat_beyond_the_scale_is_clamped_and_widths_stay(tmp_path: Path) -> None:
    assert hot_key(5, "x", 999) == "NEGHEAT#994#CHAR#x"
    assert hot_key(10**15, "x", 999_999_999_999) == "NEGHEAT#000000000000#CHAR#x"
    assert TIME.all_word == "ALL#TIME" and partition("ALL#HOT", 0, 1) == "ALL#HOT"


async def test_range_heat_is_the_heat_of_the_window(tmp_path: Path) -> None:
    ranges = {"range_heat_window_s": 2 * 3600, "range_heat_interval_s": 60}
    async with market(tmp_path, **ranges) as m:
        await m.publish("0000")
        await m.ranking.note_heat("en", "0000", 4)
        await m.ranking.drain_if_due("en", "hot")

        async def range_heat() -> object:
            card = await m.store.get(TABLE, ("CHAR#0000", "PROFILE"))
            return card and card.get("RangeHeat")

        assert await range_heat() == 4
        m.clock += 3600_000
        await m.ranking.note_heat("en", "0000", 2)
        await m.ranking.drain_if_due("en", "hot")
        assert await range_heat() == 6
        m.clock += 3600_000
        await m.ranking.drain_if_due("en", "hot")
        assert await range_heat() == 2
        m.clock += 7200_000
        await m.ranking.drain_if_due("en", "hot")
        assert await range_heat() == 0


@pytest.mark.parametrize("hours", [4, 7, 720])
async def test_range_heat_is_set_back_after_a_pause_longer_than_its_window(
    tmp_path: Path, hours: int
) -> None:
    """Nobody ran meanwhile, and what the rows noted has expired."""
    async with market(tmp_path, range_heat_window_s=2 * 3600, range_heat_interval_s=60) as m:
        for card, heat in (("0000", 4), ("0001", 6), ("0002", 1)):
            await m.publish(card)
            await m.ranking.note_heat("en", card, heat)
        await m.ranking.drain_if_due("en", "hot")
        m.clock += hours * 3600_000
        await m.ranking.note_heat("en", "0002", 3)
        for row in [row async for row in m.store.scan_all(TABLE)]:
            if row.get("expiresAt", LAST) <= m.clock // 1000:
                await m.store.write(Delete(TABLE, Key(row["PK"], row["SK"])))
        await m.instance().drain_if_due("en", "hot")
        cards = [await m.store.get(TABLE, (f"CHAR#000{number}", "PROFILE")) or {} for number in range(3)]
        assert [card["RangeHeat"] for card in cards] == [0, 0, 3]
        warm = await m.store.query(TABLE, "RANGE#WARM")
        assert [row["SK"] for row in warm.items] == ["CHAR#0002"]


async def test_a_clock_that_was_set_back_and_a_lease_without_an_end_hold_nothing_up(tmp_path: Path) -> None:
    async with market(tmp_path, range_heat_window_s=2 * 3600, range_heat_interval_s=60) as m:
        for card in ("0000", "0001"):
            await m.publish(card)
        m.clock += 10 * 3600_000  # wrong by ten hours, in a process that dies while it works
        ahead = m.instance()
        await m.ranking.drain_if_due("en", "hot")
        for job in ahead._jobs.values():
            assert await job.lease.take()
        m.clock -= 10 * 3600_000
        await m.warm("0000", 2)
        await m.ranking.note_heat("en", "0000", 2)
        await m.ranking.drain_if_due("en", "hot")
        m.listings.forget("en")
        assert await m.pages("hot", 10) == ["0000", "0001"]
        card = await m.store.get(TABLE, ("CHAR#0000", "PROFILE"))
        assert card is not None and card["RangeHeat"] == 2
        for ends in ("never", 2**60, None, 12.5):
            lease = {"PK": "LEASE#HOT", "SK": "LEASE", "owner": "somebody", "expiresAtMs": ends}
            await plant(m.store, TABLE, {name: value for name, value in lease.items() if value is not None})
            await m.warm("0001", 3)
            assert await m.ranking.drain("en", "hot") == 1


def foreign(card: str, m: Market, **changes: Any) -> dict[str, Any]:
    """A marked card as another program may have written it; None takes an attribute away."""
    m.clock += 1
    row = {
        "PK": f"CHAR#{card}",
        "SK": "PROFILE",
        "CharacterID": card,
        "HeatScore": 4,
        "UpdatedAt": datetime.fromtimestamp(m.clock / 1000, UTC).isoformat(),
        **m.mark("hot", card),
        **m.mark("time", card),
        **changes,
    }
    return {name: value for name, value in row.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "heat"),
    [
        ({"HeatScore": 12.5}, 13),
        ({"HeatScore": 12.4}, 12),
        ({"HeatScore": "12"}, 12),
        ({"HeatScore": "hot"}, 0),
        ({"HeatScore": ["x"]}, 0),
        ({"HeatScore": None}, None),
        ({"CharacterID": None}, 4),
        ({"CharacterID": 7}, 4),
        ({"UpdatedAt": None}, 4),
        ({"UpdatedAt": 5}, 4),
        ({"Metadata": "text", "Tags": ["a"], "CharacterName": 12.5}, 4),
        ({"TopHotSK": 12.5, "TopTimeSK": ["x"]}, 4),
    ],
    ids=str,
)
async def test_an_odd_card_is_ranked_as_well_as_it_can_be(
    tmp_path: Path, changes: dict[str, Any], heat: int | None
) -> None:
    async with market(tmp_path) as m:
        await m.publish("good", 99)
        await plant(m.store, TABLE, foreign("odd", m, **changes))
        await m.drain()
        assert await m.pages("hot", 6) == ["good", "odd"]
        card = await m.store.get(TABLE, ("CHAR#odd", "PROFILE"))
        assert card is not None and card.get("HeatScore") == heat
        assert HOT.dirty_pk not in card and TIME.dirty_pk not in card
        assert set(await m.pages("time", 6)) == {"good", "odd"}


async def test_a_row_that_cannot_be_ranked_is_named_and_keeps_nobody_waiting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Even one in each batch, with the oldest marks."""
    caplog.set_level(logging.ERROR, "lunalux.backend")
    async with market(tmp_path, batch_limit=2) as m:
        for number in range(5):
            await plant(m.store, TABLE, {**foreign(f"n{number}", m), "PK": f"NOTE#{number}"})
        await m.publish("good", 99)
        assert await asyncio.wait_for(m.ranking.drain("en", "hot"), 30) == 6
        await m.drain()
        assert await m.pages("hot", 6) == ["good"]
    named = {record.__dict__["card"] for record in caplog.records if "cannot be ranked" in record.message}
    assert named == {f"NOTE#{number}" for number in range(5)}


async def test_top_rows_of_another_program_become_the_cards_own(tmp_path: Path) -> None:
    """Each card stands once, and a removed card leaves no row behind."""
    async with market(tmp_path) as m:
        for number in range(4):
            card = card_id(number)
            await m.publish(card, number)
            key = hot_key(number, card, m.settings.ranking.max_heat)
            row = {"PK": HOT.top_pk, "SK": key, "CharacterID": card, "HeatScore": number}
            await plant(m.store, TABLE, row)
        await plant(m.store, TABLE, {"PK": HOT.top_pk, "SK": "NEGHEAT#0001#CHAR#gone", "CharacterID": "gone"})
        await plant(m.store, TABLE, {"PK": HOT.top_pk, "SK": "NEGHEAT#0002"})
        for number in range(4):
            await m.warm(card_id(number), 10)
        await m.drain()
        assert await m.pages("hot", 6) == [card_id(number) for number in (3, 2, 1, 0)]
        await m.hide(card_id(2))
        await m.drain()
        top = [row["CharacterID"] for row in (await m.store.query(TABLE, HOT.top_pk)).items]
        assert top == ["gone", *(card_id(number) for number in (3, 1, 0))]
        assert await m.ranking.adopt("en", dry_run=True) == 1
        assert await m.ranking.adopt("en") == 1 and await m.ranking.adopt("en") == 0
        top = [row["CharacterID"] for row in (await m.store.query(TABLE, HOT.top_pk)).items]
        assert top == [card_id(number) for number in (3, 1, 0)]


async def test_adopted_rows_are_noted_by_their_cards_and_trimmed(tmp_path: Path) -> None:
    async with market(tmp_path, hot_top_buffer=3) as m:
        for number in range(6):
            await m.publish(card_id(number), number)
        await m.drain()
        for number in range(6):  # as the service of before left them: rows, and no notes
            key = hot_key(number, card_id(number), m.settings.ranking.max_heat)
            await plant(m.store, TABLE, {"PK": HOT.top_pk, "SK": key, "CharacterID": card_id(number)})
            await m.store.write(
                Update(TABLE, Key(f"CHAR#{card_id(number)}", "PROFILE"), remove=("TopHotSK",), when=Exists())
            )
        assert await m.ranking.adopt("en") == 6
        await m.warm(card_id(0), 1)
        await m.drain()
        top = [row["CharacterID"] for row in (await m.store.query(TABLE, HOT.top_pk)).items]
        assert top == [card_id(number) for number in (5, 4, 3)]


async def test_heat_of_a_minute_is_gone_after_two(tmp_path: Path) -> None:
    async with market(tmp_path, range_heat_window_s=60, range_heat_interval_s=6) as m:
        await m.publish("warm")
        await m.ranking.note_heat("en", "warm", 3)

        async def now(seconds: int) -> int:
            m.clock += seconds * 1000
            await m.ranking.drain_if_due("en", "hot")
            card = await m.store.get(TABLE, ("CHAR#warm", "PROFILE"))
            assert card is not None
            return int(card.get("RangeHeat", -1))

        assert await now(10) == 3
        assert await now(30) == 3
        assert await now(30) == 0
