"""Market cards on a real store: publishing, edits, likes, downloads, counted replies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from money_world import EITHER, FREE, HOLD_MS, STAR, T0, TABLES, World, world

from lunalux_core.backend.market.reply_counts import Dialogues
from lunalux_core.backend.money.billing import ModelConfig
from lunalux_core.backend.money.money import Action, Reservation
from lunalux_core.backend.money.sweeper import Sweeper
from lunalux_core.backend.repos.activity import Activity
from lunalux_core.backend.repos.characters import Characters, MarketCard, NewCard
from lunalux_core.backend.running.backend_settings import RankingSettings
from lunalux_core.backend.storage.table import Delete, Key, Put
from lunalux_core.errors import LunaluxError
from lunalux_core.language import Language

EACH_STORE = True
DAY_MS = 24 * 3600 * 1000
RANKING = RankingSettings(like_heat=3, download_heat=2, dialogue_heat=(1, 2, 4), luna_multiplier=Decimal(2))


class Market:
    """The repositories of the market beside those of the money, which are `w`."""

    def __init__(self, w: World, like_ttl_s: int | None) -> None:
        self.w, self.store = w, w.store
        self.characters = Characters(w.store, TABLES, RANKING, w.now)
        self.likes = Activity(w.store, TABLES, self.characters, RANKING, w.now, ttl_s=like_ttl_s)
        self.dialogues = Dialogues(w.store, TABLES, self.characters, RANKING, w.now)
        self.sweeper = Sweeper(w.store, TABLES, w.money, w.ledgers, self.dialogues, w.now)

    async def publish(
        self, card: str = "mira", lang: Language = "en", tags: tuple[str, ...] = ()
    ) -> MarketCard:
        new = NewCard(card, card.title(), lang, "s3://b/t", "s3://b/o", "An intro.", tags, "owner")
        return await self.characters.publish(new)

    async def reply(self, config: ModelConfig, character: str, operation: str) -> Reservation:
        made = await self.w.money.reserve(Action("ada", operation, "hash", character), config)
        assert isinstance(made, Reservation)
        assert await self.w.money.settle(made, {})
        return made

    async def card(self, card: str = "mira") -> MarketCard:
        return await self.characters.require(card)


@asynccontextmanager
async def market(folder: Path, *, like_ttl_s: int | None = None) -> AsyncIterator[Market]:
    async with world(folder) as w:
        yield Market(w, like_ttl_s)


async def refusal(what: Any) -> str:
    with pytest.raises(LunaluxError) as error:
        await what
    return error.value.code


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_a_new_card_has_the_documented_row(tmp_path: Path, lang: Language) -> None:
    async with market(tmp_path) as m:
        await m.publish("mira", lang, ("sea", "mystery"))
        table = TABLES.character_en if lang == "en" else TABLES.character_cn
        row = await m.store.get(table, ("CHAR#mira", "PROFILE"))
        assert row is not None
        assert row["Metadata"] == dict.fromkeys(
            ("TotalLunaCoinUsed", "LikedCount", "DownloadCount", "DialogueCount"), 0
        )
        assert (row["HeatScore"], row["Language"], row["Status"], row["Version"]) == (0, lang, "active", 1)
        assert row["Tags"] == frozenset({"sea", "mystery"})
        assert row["GSI_HOT_PK"] == "ALL#HOT"
        assert row["GSI_HOT_SK"] == "NEGHEAT#999999999999#CHAR#mira"
        assert row["GSI_TIME_SK"] == f"NEGTIME#{9999999999999 - T0:013d}#CHAR#mira"
        assert (row["DIRTY_TIME_PK"], row["DIRTY_TIME_SK"]) == ("DIRTY#TIME", f"TS#{T0}#CHAR#mira")
        assert (await m.card()).language == lang


async def test_a_ticket_publishes_once_and_not_after_its_end(tmp_path: Path) -> None:
    async with market(tmp_path) as m:
        ticket = await m.likes.open_ticket("ada", "up", "key.png", 9, None, 600)
        assert await m.likes.ticket("bob", "up") is None

        async def publish(number: int) -> str:
            card = NewCard(f"card{number}", "N", "en", "s3://b/t", "s3://b/o", "I", (), "ada")
            try:
                await m.characters.publish(card, m.likes.consume(ticket))
            except LunaluxError as error:
                return error.code
            return "published"

        outcomes = Counter(await asyncio.gather(*map(publish, range(8))))
        assert outcomes == {"published": 1, "UPLOAD_NOT_FOUND": 7}
        ticket = await m.likes.open_ticket("ada", "late", "key.png", 9, None, 600)
        m.w.clock += 601_000
        assert await m.likes.ticket("ada", "late") is None
        assert await publish(9) == "UPLOAD_NOT_FOUND"


async def test_edits_do_not_overwrite_each_other(tmp_path: Path) -> None:
    async with market(tmp_path) as m:
        card = await m.publish("mira", tags=("sea",))
        edited = await m.characters.edit(card, intro="Another.", version=1)
        assert (edited.intro, edited.version, edited.tags) == ("Another.", 2, ("sea",))
        assert await refusal(m.characters.edit(card, name="Old", version=1)) == "VERSION_CONFLICT"
        assert (await m.characters.edit(edited, tags=())).tags == ()
        assert (await m.card()).name == "Mira"


async def test_hidden_cards_come_back_and_deleted_ones_do_not(tmp_path: Path) -> None:
    async with market(tmp_path) as m:
        card = await m.publish()
        await m.characters.set_status("mira", "hidden")
        assert await refusal(m.card()) == "CHARACTER_NOT_FOUND"
        assert await refusal(m.likes.like("ada", "mira")) == "CHARACTER_NOT_FOUND"
        assert await refusal(m.characters.edit(card, name="X")) == "CHARACTER_NOT_FOUND"
        await m.characters.set_status("mira", "active")
        assert await m.likes.like("ada", "mira") is True
        await m.characters.set_status("mira", "deleted")
        assert await refusal(m.characters.set_status("mira", "active")) == "CHARACTER_NOT_FOUND"
        row = await m.store.get(TABLES.character_en, ("CHAR#mira", "PROFILE"))
        assert row is not None and row["Metadata"]["LikedCount"] == 1


async def test_a_like_counts_once_for_each_account(tmp_path: Path) -> None:
    async with market(tmp_path) as m:
        await m.publish()
        fans = [f"fan{number}" for number in range(12)]
        outcomes = await asyncio.gather(*(m.likes.like(fan, "mira") for fan in fans * 3))
        assert outcomes.count(True) == 12
        card = await m.card()
        assert (card.liked_count, card.heat) == (12, 36)
        assert await m.likes.liked("fan0") == ["mira"]
        assert card.updated_at == card.created_at


async def test_a_like_of_no_card_leaves_neither_card_nor_like(tmp_path: Path) -> None:
    async with market(tmp_path) as m:
        assert await refusal(m.likes.like("ada", "ghost")) == "CHARACTER_NOT_FOUND"
        assert await m.likes.liked("ada") == []
        for table in (TABLES.character_en, TABLES.character_cn):
            assert [row async for row in m.store.scan_all(table)] == []


async def test_likes_that_end_are_gone_before_the_store_drops_them(tmp_path: Path) -> None:
    async with market(tmp_path, like_ttl_s=100) as m:
        await m.publish()
        assert await m.likes.like("ada", "mira") is True
        m.w.clock += 99_000
        assert await m.likes.like("ada", "mira") is False
        m.w.clock += 1000
        assert await m.likes.liked("ada") == []
        assert await m.likes.like("ada", "mira") is True


async def test_downloads_count_once_a_day_and_never_the_owners(tmp_path: Path) -> None:
    async with market(tmp_path) as m:
        card = await m.publish()
        assert await m.likes.downloaded("owner", card) is False
        outcomes = await asyncio.gather(*(m.likes.downloaded("ada", card) for _ in range(10)))
        assert outcomes.count(True) == 1
        m.w.clock += DAY_MS
        assert await m.likes.downloaded("ada", card) is True
        assert (await m.card()).download_count == 2
        assert (await m.card()).heat == 4


@pytest.mark.parametrize("metadata", [None, {}, {"TotalCoinUsed": 40}, {"LikedCount": 5}])
@pytest.mark.parametrize("table", [TABLES.character_en, TABLES.character_cn])
async def test_older_cards_are_found_and_counted(
    tmp_path: Path, table: str, metadata: dict[str, int] | None
) -> None:
    """Sort key "0", a map of counters that is missing or short."""
    async with market(tmp_path) as m:
        await m.w.account()
        item: dict[str, Any] = {"PK": "CHAR#old", "SK": "0", "CharacterID": "old", "HeatScore": 2}
        await m.store.write(Put(table, item if metadata is None else {**item, "Metadata": metadata}))
        before = metadata or {}
        assert (await m.card("old")).total_coin_used == before.get("TotalCoinUsed", 0)
        assert await m.likes.like("ada", "old") is True
        assert await m.dialogues.count(await m.reply(FREE, "old", "op")) is True
        card = await m.card("old")
        assert (card.liked_count, card.dialogue_count) == (before.get("LikedCount", 0) + 1, 1)
        assert card.total_coin_used == before.get("TotalCoinUsed", 0)
        assert card.heat == 2 + 3 + 1


async def test_a_card_that_moved_to_the_new_key_is_still_counted(tmp_path: Path) -> None:
    async with market(tmp_path) as m:
        await m.w.account()
        item = {"PK": "CHAR#old", "SK": "0", "CharacterID": "old", "HeatScore": 0}
        await m.store.write(Put(TABLES.character_cn, item))
        assert await m.likes.like("ada", "old") is True
        moved = await m.store.get(TABLES.character_cn, ("CHAR#old", "0"))
        assert moved is not None
        await m.store.write(Put(TABLES.character_cn, {**moved, "SK": "PROFILE"}))
        await m.store.write(Delete(TABLES.character_cn, Key("CHAR#old", "0")))
        assert await m.likes.like("bob", "old") is True
        assert await m.dialogues.count(await m.reply(FREE, "old", "op")) is True
        card = await m.card("old")
        assert (card.liked_count, card.dialogue_count) == (2, 1)


async def test_replies_are_counted_with_the_heat_of_level_and_luna(tmp_path: Path) -> None:
    async with market(tmp_path) as m:
        await m.w.account()
        await m.publish()
        assert await m.dialogues.count(await m.reply(STAR, "mira", "a")) is True
        assert (await m.card()).heat == 1
        await m.w.wallets.adjust("ada", "star", -95)
        await m.w.wallets.set_level("ada", 2)
        paid = await m.reply(EITHER, "mira", "b")
        assert paid.approval.method == "luna"
        assert await m.dialogues.count(paid) is True
        assert await m.dialogues.count(paid) is True  # counted already: no more is added
        card = await m.card()
        assert (card.dialogue_count, card.total_coin_used, card.heat) == (2, 3, 1 + 4 + 3 * 2)


async def test_many_replies_on_one_card_are_all_counted(tmp_path: Path) -> None:
    async with market(tmp_path) as m:
        await m.w.account()
        await m.publish()
        replies = [await m.reply(FREE, "mira", f"op{number}") for number in range(130)]
        assert all(await asyncio.gather(*map(m.dialogues.count, replies)))
        assert (await m.card()).dialogue_count == 130


async def test_replies_on_a_card_that_is_gone_say_so(tmp_path: Path) -> None:
    async with market(tmp_path) as m:
        await m.w.account()
        assert await m.dialogues.count(await m.reply(FREE, "ghost", "a")) is False
        await m.publish()
        await m.characters.set_status("mira", "deleted")
        assert await m.dialogues.count(await m.reply(FREE, "mira", "b")) is False
        assert (await m.sweeper.sweep()).counted == 0


async def test_the_sweep_does_what_crashes_left_undone(tmp_path: Path) -> None:
    async with market(tmp_path) as m:
        for user in ("ada", "bob"):
            await m.w.account(user)
        await m.publish()
        await m.reply(EITHER, "mira", "uncounted")
        await m.w.reserve(STAR, "lost", "bob")
        m.w.clock += HOLD_MS
        first = await m.sweeper.sweep()
        assert (first.refunded, first.counted, first.forgotten) == (1, 1, 0)
        again = await m.sweeper.sweep()
        assert (again.refunded, again.counted) == (0, 0)
        assert (await m.card()).dialogue_count == 1
        assert await m.w.balances("bob") == {"star": 100, "luna": 100}
        m.w.clock += DAY_MS
        assert (await m.sweeper.sweep()).forgotten == 1
        row = await m.store.get(TABLES.ledger, ("USER#ada", "MOVE#uncounted"))
        assert row is not None and "response" not in row
        for user in ("ada", "bob"):
            assert await m.w.open_rows(user) == 0
            await m.w.check(user)


async def test_reconcile_names_the_account_whose_books_disagree(tmp_path: Path) -> None:
    async with market(tmp_path) as m:
        for user in ("ada", "bob"):
            await m.w.account(user)
            await m.w.spend(STAR, "op", user)
        assert [found async for found in m.sweeper.reconcile()] == []
        wallet = await m.store.get(TABLES.wallet, ("USER#bob", "WALLET"))
        assert wallet is not None
        await m.store.write(Put(TABLES.wallet, {**wallet, "starCoin": 90}))
        (found,) = [found async for found in m.sweeper.reconcile()]
        assert (found.user_id, found.currency) == ("bob", "star")
        assert (found.balance, found.ledger, found.movements) == (90, 95, 95)
        assert await m.sweeper.check("ada") == []
