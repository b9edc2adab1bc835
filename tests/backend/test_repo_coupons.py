"""Coupons on a real store: rows as documented, claims under races, replays."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from money_world import STAR, TABLES, World, world
from storage_engines import plant

from lunalux_core.backend.repos.coupons import Coupons, Redemption
from lunalux_core.backend.storage.foreign_values import LARGEST
from lunalux_core.backend.storage.table import Put
from lunalux_core.errors import BackendError, InvalidInput, NotFound

EACH_STORE = True
DAY_MS = 24 * 3600 * 1000


def coupons(w: World) -> Coupons:
    return Coupons(w.store, TABLES, w.ledgers, w.now)


async def console(w: World, code: str, **attributes: Any) -> None:
    """A coupon as an operator writes it by hand: documented keys and attributes only."""
    item = {"PK": f"COUPON#{code}", "SK": "COUPON", "coupon": code, "rewardType": 0, "amount": 10}
    await w.store.write(Put(TABLES.coupons, item | attributes))


async def tried(c: Coupons, user_id: str, code: str, key: str | None = None) -> str:
    try:
        await c.redeem(user_id, code, key)
    except BackendError as error:
        return error.code
    return "paid"


async def test_a_coupon_of_the_console_is_paid_and_gone(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account("ada")
        await w.account("bob")
        await console(w, "ONCE", rewardType=1, amount=7)
        assert await coupons(w).redeem("ada", " ONCE ") == Redemption("luna", 7)
        assert await w.balances("ada") == {"star": 100, "luna": 107}
        assert await w.store.get(TABLES.coupons, ("COUPON#ONCE", "COUPON")) is None
        assert await tried(coupons(w), "bob", "ONCE") == "COUPON_INVALID_OR_USED"
        await w.check("ada")


@pytest.mark.parametrize("code", ["With Space", "FULL１", "lower-case"])
async def test_a_code_is_found_as_the_console_spells_it(tmp_path: Path, code: str) -> None:
    """Ours are put right when they are made and typed; rows of others are as they are."""
    async with world(tmp_path) as w:
        await w.account("ada")
        await console(w, code)
        assert await coupons(w).redeem("ada", f" {code} ") == Redemption("star", 10)
        assert await w.store.get(TABLES.coupons, (f"COUPON#{code}", "COUPON")) is None
        assert await tried(coupons(w), "ada", code, "again") == "COUPON_INVALID_OR_USED"
        await w.check("ada")


async def test_created_coupons_have_the_documented_row(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        made = await coupons(w).create("MANY", "luna", 5, 3)
        assert (made.code, made.currency, made.amount, made.remaining) == ("MANY", "luna", 5, 3)
        row = await w.store.get(TABLES.coupons, ("COUPON#MANY", "COUPON"))
        assert row is not None
        assert (row["coupon"], row["rewardType"], row["amount"], row["remainingClaims"]) == ("MANY", 1, 5, 3)
        with pytest.raises(InvalidInput) as twice:
            await coupons(w).create("MANY", "star", 1)
        assert twice.value.code == "COUPON_EXISTS"
        for amount, claims in ((0, None), (-5, None), (10**9 + 1, 3), (5, 0), (5, -1), (5, 10**9 + 1)):
            with pytest.raises(InvalidInput):
                await coupons(w).create("OTHER", "star", amount, claims)


async def test_a_retry_within_a_day_is_answered_the_same_and_a_second_wish_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account()
        await coupons(w).create("MANY", "star", 10, 5)
        await coupons(w).create("ONCE", "star", 20)
        for _ in range(3):
            assert await coupons(w).redeem("ada", "MANY", "k1") == Redemption("star", 10)
            assert await coupons(w).redeem("ada", "ONCE", "k2") == Redemption("star", 20)
        for code, key in (("MANY", None), ("MANY", "k2"), ("ONCE", None), ("ONCE", "k1")):
            assert await tried(coupons(w), "ada", code, key) == "COUPON_INVALID_OR_USED"
        assert (await w.balances())["star"] == 130
        w.clock += DAY_MS
        assert await tried(coupons(w), "ada", "MANY", "k1") == "COUPON_INVALID_OR_USED"
        assert await tried(coupons(w), "ada", "ONCE", "k2") == "COUPON_INVALID_OR_USED"
        assert (await w.balances())["star"] == 130
        await w.check()


@pytest.mark.parametrize("shards", [None, 2])
async def test_a_coupon_that_does_not_fit_is_not_used_up(tmp_path: Path, shards: int | None) -> None:
    async with world(tmp_path) as w:
        await w.account()
        await w.wallets.adjust("ada", "star", LARGEST - 110)  # room for ten more
        await coupons(w).create("TWENTY", "star", 20, 5, shards=shards)
        await coupons(w).create("TEN", "star", 10, 5)
        await console(w, "ALL", amount=LARGEST)
        before = await w.ledgers.require("ada")
        for code in ("TWENTY", "ALL"):
            with pytest.raises(InvalidInput) as full:
                await coupons(w).redeem("ada", code, "key")
            assert full.value.params["kind"] == "wallet_full"
            assert (await coupons(w).issued(code)).claimed == 0
        assert (await coupons(w).issued("TWENTY")).left == 5
        assert (await w.balances())["star"] == LARGEST - 10
        assert await w.ledgers.require("ada") == before
        assert await coupons(w).redeem("ada", "TEN") == Redemption("star", 10)
        assert (await w.balances())["star"] == LARGEST
        await w.check()


async def test_coins_that_were_spent_leave_no_room_for_more_than_all_there_can_be(tmp_path: Path) -> None:
    """Else a reply that is given back would not fit any more, or what was used would be forgotten."""
    async with world(tmp_path) as w:
        await w.account()
        await w.wallets.adjust("ada", "star", LARGEST - 100)
        await coupons(w).create("FIVE", "star", 5, 5)
        reservation = await w.reserve(STAR, "k")
        with pytest.raises(InvalidInput):
            await coupons(w).redeem("ada", "FIVE")
        with pytest.raises(InvalidInput):
            await w.wallets.adjust("ada", "star", 5)
        await w.money.refund(reservation)
        assert (await w.balances())["star"] == LARGEST
        assert await w.spend(STAR, "k2")
        with pytest.raises(InvalidInput):
            await w.wallets.adjust("ada", "star", 5)
        ledger = await w.ledgers.require("ada")
        assert ledger is not None
        assert (ledger.total_star_coin_gain, ledger.total_star_coin_used) == (LARGEST, 5)
        assert await coupons(w).redeem("ada", (await coupons(w).create("L", "luna", 7)).code)
        await w.check()


@pytest.mark.parametrize(("coin", "stars"), [(99.5, 105), ("42", 47), (None, 5), (2**60, 105)])
async def test_a_coupon_goes_into_a_wallet_that_another_program_wrote(
    tmp_path: Path, coin: Any, stars: int
) -> None:
    async with world(tmp_path) as w:
        await w.account()
        row = dict(await w.store.get(TABLES.wallet, ("USER#ada", "WALLET")) or {}) | {"starCoin": coin}
        await plant(w.store, TABLES.wallet, {name: value for name, value in row.items() if value is not None})
        await coupons(w).create("FIVE", "star", 5, 5)
        assert await coupons(w).redeem("ada", "FIVE") == Redemption("star", 5)
        assert (await w.balances())["star"] == stars


async def test_ten_claims_among_forty_racing_accounts(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        users = [f"user{number}" for number in range(40)]
        for user in users:
            await w.account(user)
        await coupons(w).create("RACE", "star", 10, 10)
        outcomes = await asyncio.gather(
            *(tried(coupons(w), user, "RACE", "twice the same") for user in users for _ in range(2))
        )
        row = await w.store.get(TABLES.coupons, ("COUPON#RACE", "COUPON"))
        assert row is not None and row["remainingClaims"] == 0
        claims = await w.store.query(TABLES.coupons, "COUPON#RACE", prefix="CLAIM#")
        assert len(claims.items) == 10
        stars = Counter([(await w.balances(user))["star"] for user in users])
        assert stars == {110: 10, 100: 30}
        assert outcomes.count("paid") == 20  # each of the ten asked twice, and was told the same twice
        assert set(outcomes) == {"paid", "COUPON_INVALID_OR_USED"}
        for user in users:
            await w.check(user)


async def test_a_one_time_coupon_has_one_winner(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        users = [f"user{number}" for number in range(20)]
        for user in users:
            await w.account(user)
        await coupons(w).create("ONCE", "star", 10)
        outcomes = await asyncio.gather(*(tried(coupons(w), user, "ONCE") for user in users))
        assert Counter(outcomes) == {"paid": 1, "COUPON_INVALID_OR_USED": 19}


@pytest.mark.parametrize(("claims", "shards"), [(10, 4), (7, 7), (3, 1)])
async def test_split_claims_are_all_paid_and_no_more(tmp_path: Path, claims: int, shards: int) -> None:
    async with world(tmp_path) as w:
        users = [f"user{number}" for number in range(20)]
        for user in users:
            await w.account(user)
        await coupons(w).create("BIG", "star", 10, claims, shards=shards)
        outcomes = await asyncio.gather(*(tried(coupons(w), user, "BIG") for user in users))
        late = [await tried(coupons(w), user, "BIG") for user in users]  # who met too many others
        assert (outcomes + late).count("paid") == claims
        assert set(late) <= {"paid", "COUPON_INVALID_OR_USED"}
        row = await w.store.get(TABLES.coupons, ("COUPON#BIG", "COUPON"))
        assert row is not None and (row["remainingClaims"], row["shards"]) == (0, shards)
        rows = (await w.store.query(TABLES.coupons, "COUPON#BIG", prefix="SHARD#")).items
        assert [row["remainingClaims"] for row in rows] == [0] * shards
        assert sum([(await w.balances(user))["star"] - 100 for user in users]) == 10 * claims
        for user in users:
            await w.check(user)


async def test_big_campaigns_are_split_by_themselves_and_small_ones_are_not(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert (await coupons(w).create("SMALL", "star", 10, 4999)).shards == 0
        assert (await coupons(w).create("BIG", "star", 10, 50_003)).shards == 50
        assert (await coupons(w).create("HUGE", "star", 10, 10**9)).shards == 64
        rows = (await w.store.query(TABLES.coupons, "COUPON#BIG", prefix="SHARD#")).items
        assert sum(row["remainingClaims"] for row in rows) == 50_003
        for claims, shards in ((5, 6), (100, 65), (5, -1), (None, 1)):
            with pytest.raises(InvalidInput):
                await coupons(w).create("ODD", "star", 10, claims, shards=shards)
        await w.account()
        for code in ("BIG#SHARD#00", "SHARD#00", "BIG/SHARD#00"):
            assert await tried(coupons(w), "ada", code) == "COUPON_INVALID_OR_USED"


async def test_claims_of_before_are_honoured(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account("ada")
        await w.account("bob")
        await console(w, "OLD", remainingClaims=5, claimedBy=frozenset({"ada"}))
        assert await tried(coupons(w), "ada", "OLD") == "COUPON_INVALID_OR_USED"
        assert await tried(coupons(w), "bob", "OLD") == "paid"
        assert await w.balances("ada") == {"star": 100, "luna": 100}


async def test_a_claim_row_alone_is_a_claim(tmp_path: Path) -> None:
    """Written by another hand, without a movement of ours."""
    async with world(tmp_path) as w:
        await w.account()
        await coupons(w).create("MANY", "star", 10, 5)
        await w.store.write(Put(TABLES.coupons, {"PK": "COUPON#MANY", "SK": "CLAIM#ada", "userId": "ada"}))
        assert await tried(coupons(w), "ada", "MANY") == "COUPON_INVALID_OR_USED"
        assert await w.balances() == {"star": 100, "luna": 100}
        row = await w.store.get(TABLES.coupons, ("COUPON#MANY", "COUPON"))
        assert row is not None and row["remainingClaims"] == 5


@pytest.mark.parametrize(
    "attributes",
    [
        {"amount": 0},
        {"amount": -10},
        {"amount": True},
        {"amount": "10"},
        {"rewardType": 2},
        {"remainingClaims": 0},
    ],
)
async def test_coupons_that_could_not_be_credited_are_refused(
    tmp_path: Path, attributes: dict[str, Any]
) -> None:
    async with world(tmp_path) as w:
        await w.account()
        await console(w, "ODD", **attributes)
        assert await tried(coupons(w), "ada", "ODD") == "COUPON_INVALID_OR_USED"
        assert await w.balances() == {"star": 100, "luna": 100}


@pytest.mark.parametrize("code", ["", "   ", "NO-SUCH", "x" * 129, "a\x00b", "CLAIM#ada"])
async def test_codes_nobody_issued(tmp_path: Path, code: str) -> None:
    async with world(tmp_path) as w:
        await w.account()
        assert await tried(coupons(w), "ada", code) == "COUPON_INVALID_OR_USED"


async def test_without_a_wallet_the_coupon_stays(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await coupons(w).create("ONCE", "star", 10)
        with pytest.raises(NotFound) as nobody:
            await coupons(w).redeem("ada", "ONCE")
        assert nobody.value.code == "WALLET_NOT_FOUND"
        await w.account()
        assert await tried(coupons(w), "ada", "ONCE") == "paid"
