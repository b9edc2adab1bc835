"""Reserve, settle, refund, replay: the coins of an official reply."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from money_world import EITHER, FREE, HOLD_MS, STAR, TABLES, UNPAYABLE, World, world

from lunalux_core.backend.money.money import Action, Replay, Reservation
from lunalux_core.backend.repos.coupons import Coupons
from lunalux_core.backend.repos.invites import Rewards
from lunalux_core.backend.storage.table import Operation, Store, Unavailable
from lunalux_core.errors import BackendError, LunaluxError, NotFound, PaymentError

EACH_STORE = True
DAY_MS = 24 * 3600 * 1000


async def test_a_reply_is_charged_once_and_its_answer_replayed_for_a_day(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account()
        assert await w.spend(STAR, "op") is True
        assert await w.balances() == {"star": 95, "luna": 100}
        again = await w.spend(STAR, "op")
        assert again == Replay({"content": "op"})
        assert await w.balances() == {"star": 95, "luna": 100}
        w.clock += DAY_MS - 1000
        assert isinstance(await w.spend(STAR, "op"), Replay)
        w.clock += 2000
        with pytest.raises(BackendError) as old:
            await w.spend(STAR, "op")
        assert old.value.code == "IDEMPOTENCY_MISMATCH"
        assert await w.balances() == {"star": 95, "luna": 100}
        await w.check()


async def test_a_key_means_one_request_only(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account()
        held = await w.reserve(STAR, "op")
        with pytest.raises(BackendError) as busy:
            await w.money.reserve(held.action, STAR)
        assert busy.value.code == "OPERATION_IN_PROGRESS"
        other = replace(held.action, request_hash="another")
        with pytest.raises(BackendError) as mismatch:
            await w.money.reserve(other, STAR)
        assert mismatch.value.code == "IDEMPOTENCY_MISMATCH"
        await w.money.settle(held, {})
        with pytest.raises(BackendError) as later:
            await w.money.reserve(other, STAR)
        assert later.value.code == "IDEMPOTENCY_MISMATCH"
        assert (await w.balances())["star"] == 95


async def test_a_long_answer_is_replayed_whole(tmp_path: Path) -> None:
    answer = {"content": "天地玄黄 " * 100_000}
    async with world(tmp_path) as w:
        await w.account()
        held = await w.reserve(STAR, "op")
        assert await w.money.settle(held, answer)
        assert await w.money.reserve(held.action, STAR) == Replay(answer)


async def test_a_refund_undoes_the_charge_and_the_key_may_be_used_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account()
        held = await w.reserve(STAR, "op")
        assert (await w.balances())["star"] == 95
        await w.check()
        assert await w.money.refund(held) is True
        assert await w.money.refund(held) is False
        ledger = await w.ledgers.get("ada")
        assert ledger is not None and ledger.total_star_coin_used == 0
        assert await w.balances() == {"star": 100, "luna": 100}
        assert await w.spend(STAR, "op") is True
        assert (await w.balances())["star"] == 95
        assert await w.open_rows() == 0
        await w.check()


async def test_an_answer_that_comes_after_the_refund_is_a_gift(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account()
        late = await w.reserve(STAR, "op")
        w.clock += HOLD_MS
        assert await w.money.sweep_user("ada") == 1
        assert await w.money.settle(late, {"content": "late"}) is False
        assert await w.balances() == {"star": 100, "luna": 100}
        retry = await w.reserve(STAR, "op")
        assert await w.money.settle(late, {"content": "late"}) is False  # it cannot settle the retry's coins
        assert await w.money.refund(late) is False  # nor give them back
        assert await w.money.settle(retry, {"content": "retry"}) is True
        assert (await w.balances())["star"] == 95
        await w.check()


async def test_reservations_under_way_are_left_alone(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account()
        held = await w.reserve(EITHER, "op")
        w.clock += 60_000
        assert await w.money.sweep_user("ada") == 0
        assert await w.open_rows() == 1
        assert await w.money.settle(held, {}) is True
        assert await w.open_rows() == 0


async def test_coins_of_a_crashed_request_pay_for_the_next(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account()
        await w.wallets.adjust("ada", "star", -95)
        await w.reserve(STAR, "crashed")
        with pytest.raises(PaymentError, match="not enough"):
            await w.spend(STAR, "next")
        w.clock += HOLD_MS
        assert await w.spend(STAR, "next") is True
        assert (await w.balances())["star"] == 0
        await w.check()


async def test_a_retry_takes_the_place_of_its_own_request_that_crashed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account()
        await w.reserve(STAR, "crashed")
        w.clock += HOLD_MS // 100
        with pytest.raises(BackendError) as busy:
            await w.reserve(STAR, "crashed")
        assert busy.value.code == "OPERATION_IN_PROGRESS"  # it may be alive
        w.clock += HOLD_MS
        assert await w.spend(STAR, "crashed") is True
        assert await w.balances() == {"star": 95, "luna": 100}
        assert await w.open_rows() == 0
        await w.check()


async def test_free_replies_are_movements_of_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account()
        assert await w.spend(FREE, "op") is True
        assert isinstance(await w.spend(FREE, "op"), Replay)
        row = await w.store.get(TABLES.ledger, ("USER#ada", "MOVE#op"))
        assert row is not None and (row["amount"], row["status"], row["cost"]) == (0, "SETTLED", 0)
        assert await w.balances() == {"star": 100, "luna": 100}
        await w.check()


async def test_star_is_spent_before_luna(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account()
        await w.wallets.adjust("ada", "star", -85)
        assert await w.spend(EITHER, "a") is True
        assert await w.balances() == {"star": 7, "luna": 100}
        assert await w.spend(EITHER, "b") is True
        assert await w.balances() == {"star": 7, "luna": 97}
        await w.check()


async def test_refusals_have_their_codes_and_move_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(NotFound) as nobody:
            await w.spend(STAR, "op")
        assert nobody.value.code == "WALLET_NOT_FOUND"
        await w.account()
        with pytest.raises(PaymentError) as closed:
            await w.spend(UNPAYABLE, "op")
        assert closed.value.code == "PAYMENT_NOT_SUPPORTED"
        with pytest.raises(PaymentError) as poor:
            await w.spend(replace(STAR, star_cost=101), "op")
        assert poor.value.code == "INSUFFICIENT_FUNDS"
        assert await w.balances() == {"star": 100, "luna": 100}
        assert await w.open_rows() == 0


async def test_a_hundred_requests_on_a_wallet_worth_fifty(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account()
        await w.wallets.adjust("ada", "star", 150)

        async def one(number: int) -> str:
            try:
                made = await w.money.reserve(Action("ada", f"op{number}", "hash"), STAR)
                assert isinstance(made, Reservation)
                assert await w.money.settle(made, {"content": ""})
            except LunaluxError as error:
                return error.code
            return "paid"

        outcomes = await asyncio.gather(*map(one, range(100)))
        assert outcomes.count("paid") == 50
        assert set(outcomes) <= {"paid", "INSUFFICIENT_FUNDS", "BILLING_FAILED"}
        assert (await w.balances())["star"] == 0
        ledger = await w.ledgers.get("ada")
        assert ledger is not None and ledger.total_star_coin_used == 250
        assert len(await moves(w, "ada", "charge")) == 50 and await w.open_rows() == 0
        await w.check()


async def moves(w: World, user_id: str, kind: str | None = None) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = await w.store.query(TABLES.ledger, f"USER#{user_id}", prefix="MOVE#", after=after)
        found += [str(row["SK"]) for row in page.items if kind in (None, row["kind"])]
        after = page.after
        if after is None:
            return found


async def test_the_same_key_sent_at_once_is_charged_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account()

        async def one() -> str:
            try:
                made = await w.money.reserve(Action("ada", "op", "hash"), STAR)
            except LunaluxError as error:
                return error.code
            return type(made).__name__

        outcomes = await asyncio.gather(*(one() for _ in range(30)))
        assert sorted(outcomes) == ["OPERATION_IN_PROGRESS"] * 29 + ["Reservation"]
        assert (await w.balances())["star"] == 95


async def test_the_history_is_newest_first_and_pages_meet(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account()
        for number in range(7):
            w.clock += 1000
            await w.spend(STAR, f"op{number}")
        seen: list[str] = []
        after: str | None = None
        while True:
            page = await w.ledgers.history("ada", after, 3)
            assert len(page.movements) <= 3
            seen += [movement.id for movement in page.movements if movement.kind == "charge"]
            after = page.after
            if after is None:
                break
        assert seen == [f"op{number}" for number in reversed(range(7))]
        with pytest.raises(LunaluxError) as foreign:
            await w.ledgers.history("ada", "MOVE#op1")
        assert foreign.value.code == "INVALID_REQUEST"


async def test_no_idempotency_key_can_pass_for_a_movement_of_the_services_own(tmp_path: Path) -> None:
    """A key chosen to be the name of a coming debit, coupon or reward must not stand in its way."""
    rewards = Rewards(invitee_star=20, threshold=1, milestone_star=50)
    async with world(tmp_path, rewards) as w:
        code = (await w.account("bob")).invite.invite_code
        await w.account("ada")
        for key in (
            "init",
            "init:luna",
            "invitee",
            "coupon:GIFT",
            "admin:fine",
            "a/b",
            "coupon/GIFT",
            "admin/fine",
        ):
            with suppress(LunaluxError):
                await w.spend(FREE, key)
        coupons = Coupons(w.store, TABLES, w.ledgers, w.now)
        await coupons.create("GIFT", "star", 10)
        assert (await coupons.redeem("ada", "GIFT")).amount == 10
        await w.wallets.adjust("ada", "star", -30, operation="fine")
        await w.wallets.adjust("ada", "star", -30, operation="fine")
        await w.account("ada", code)
        assert await w.balances("ada") == {"star": 100 + 10 - 30 + 20, "luna": 100}
        await w.check("ada")
        with pytest.raises(LunaluxError) as refused:
            await w.spend(FREE, "coupon/GIFT")
        assert refused.value.code == "INVALID_REQUEST"


class LostAnswers:
    """A store that does what it is told and then seems not to answer: the next `lost` transactions."""

    def __init__(self, store: Store) -> None:
        self._store, self.lost, self.applied = store, 0, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def transact(self, operations: Sequence[Operation], token: str | None = None) -> None:
        if self.lost and not self.applied:
            self.lost -= 1
            raise Unavailable(maybe_applied=True)
        await self._store.transact(operations, token)
        if self.lost:
            self.lost -= 1
            raise Unavailable(maybe_applied=True)


@pytest.mark.parametrize("applied", [True, False])
async def test_a_lost_answer_of_the_store_is_resolved_by_reading(tmp_path: Path, applied: bool) -> None:
    """Never by a blind retry."""
    async with world(tmp_path) as plain:
        await plain.account()
        store: Any = LostAnswers(plain.store)
        w = World(store)
        store.lost, store.applied = 1, applied
        if not applied:
            with pytest.raises(Unavailable):
                await w.reserve(STAR, "op")
            assert (await w.balances())["star"] == 100
        held = await w.reserve(STAR, "op")
        assert (await w.balances())["star"] == 95
        store.lost = 1
        if not applied:
            with pytest.raises(Unavailable):
                await w.money.settle(held, {"content": "kept"})
        assert await w.money.settle(held, {"content": "kept"}) is True
        assert await w.spend(STAR, "op") == Replay({"content": "kept"})
        assert (await w.balances())["star"] == 95
        assert await w.open_rows() == 0
        await w.check()
