"""The process dies at every step of a charge, a claim, a publication; then the books agree."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from doomed import DIED, forks
from money_doomed import REWARDS
from money_world import HOLD_MS, TABLES, World, world

from lunalux_core.backend.repos.coupons import Coupons

DOOMED = Path(__file__).with_name("money_doomed.py")
ROUNDS = 200


def die(folder: Path, scenario: str, write: int, when: str) -> None:
    status, _ = forks(DOOMED).run(str(folder), scenario, str(write), when, within=60)
    assert status == DIED


async def set_up(folder: Path) -> None:
    async with world(folder) as w:
        await w.account()
        await Coupons(w.store, TABLES, w.ledgers, w.now).create("ONCE", "star", 10)


async def sweep(w: World) -> None:
    w.clock += HOLD_MS
    await w.money.sweep_user("ada")
    assert await w.open_rows() == 0
    await w.check()


@pytest.mark.parametrize(
    "scenario, write, when, star",
    [
        ("submit", 0, "before", 100),
        ("submit", 0, "after", 100),
        ("submit", 1, "before", 100),
        ("submit", 1, "after", 95),  # the answer is kept, to be replayed
        ("submit_in_vain", 1, "before", 100),
        ("submit_in_vain", 1, "after", 100),
    ],
)
async def test_a_charge_is_whole_or_given_back(
    tmp_path: Path, scenario: str, write: int, when: str, star: int
) -> None:
    await set_up(tmp_path)
    die(tmp_path, scenario, write, when)
    async with world(tmp_path) as w:
        await w.check()
        await sweep(w)
        assert await w.balances() == {"star": star, "luna": 100}


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_coupon_whose_answer_was_lost_pays_once_in_the_end(tmp_path: Path, when: str) -> None:
    await set_up(tmp_path)
    die(tmp_path, "coupon", 0, when)
    async with world(tmp_path) as w:
        await w.check()
        again = await Coupons(w.store, TABLES, w.ledgers, w.now).redeem("ada", "ONCE", "the-key")
        assert again.amount == 10
        assert await w.balances() == {"star": 110, "luna": 100}
        await w.check()


@pytest.mark.parametrize("write, when", [(0, "after"), (1, "before"), (1, "after")])
async def test_a_publication_uses_up_its_ticket_with_it(tmp_path: Path, write: int, when: str) -> None:
    await set_up(tmp_path)
    die(tmp_path, "publish", write, when)
    async with world(tmp_path) as w:
        card = await w.store.get(TABLES.character_en, ("CHAR#card", "PROFILE"))
        ticket = await w.store.get(TABLES.liked, ("USER#ada", "UPLOAD#upload"))
        assert (card is None) == (ticket is not None) == ((write, when) != (1, "after"))


@pytest.mark.parametrize("write, when", [(0, "before"), (0, "after"), (1, "before"), (1, "after")])
async def test_an_invitation_counts_once_in_the_end(tmp_path: Path, write: int, when: str) -> None:
    await set_up(tmp_path)
    die(tmp_path, "invite", write, when)
    async with world(tmp_path, REWARDS) as w:
        code = (await w.invites.require("ada")).invite_code
        account = await w.account("bob", code)
        assert account.wallet.star_coin == 107
        invite = await w.invites.require("ada")
        assert (invite.total_invites, invite.unissued_reward_count) == (1, 1)
        await w.check("bob")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_milestone_is_paid_once_in_the_end(tmp_path: Path, when: str) -> None:
    await set_up(tmp_path)
    async with world(tmp_path, REWARDS) as w:
        await w.account("bob", (await w.invites.require("ada")).invite_code)
    die(tmp_path, "milestone", 0, when)
    async with world(tmp_path, REWARDS) as w:
        paid = (await w.invites.settle("ada")).times
        assert paid == (1 if when == "before" else 0)
        assert (await w.balances())["star"] == 111
        await w.check()


async def test_the_naive_order_drifts(tmp_path: Path) -> None:
    """A control: two writes where there should be one transaction, and the same check sees it."""
    await set_up(tmp_path)
    die(tmp_path, "naive", 1, "before")
    async with world(tmp_path) as w:
        assert (await w.balances())["star"] == 95
        with pytest.raises(AssertionError, match="starCoin"):
            await w.check()


async def killed_while_busy(folder: Path, seed: int) -> None:
    forks(DOOMED).kill(str(folder), "busy", after=random.Random(seed).uniform(0.0, 0.08))
    async with world(folder) as w:
        await w.check()
        await sweep(w)


async def test_killed_at_any_moment(tmp_path: Path) -> None:
    await set_up(tmp_path)
    for seed in range(4):
        await killed_while_busy(tmp_path, seed)


@pytest.mark.slow
async def test_killed_at_any_moment_many_times(tmp_path: Path) -> None:
    await set_up(tmp_path)
    for seed in range(ROUNDS):
        await killed_while_busy(tmp_path, seed)
