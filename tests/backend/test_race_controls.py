"""Controls of the races: the same wishes without the remedy, and the invariant that breaks.

Most do by hand what the repositories must not do, a look and then a write, with both looks before either
write. That the checks of the real tests see it is what makes those tests worth something.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from money_world import TABLES, World, world
from test_ranking_orders import TABLE, Market, card_id, market

from lunalux_core.backend.accounts.sessions import Sessions
from lunalux_core.backend.market.ranking_keys import HOT, hot_key
from lunalux_core.backend.money.unwatched import Unwatched
from lunalux_core.backend.repos.coupons import Coupons, coupon_key
from lunalux_core.backend.repos.invites import INVITED_ADDRESS, Rewards, profile_key
from lunalux_core.backend.repos.movements import user_pk, wallet_key
from lunalux_core.backend.running.clock import iso
from lunalux_core.backend.running.signatures import Signer
from lunalux_core.backend.storage.table import Eq, Exists, Key, Put, Update
from lunalux_core.backend.web import streaming
from lunalux_core.backend.web.limits import StoredLimiter
from lunalux_core.backend.web.streaming import EventStream, ServerEvent

EACH_STORE = True
REWARDS = Rewards(invitee_star=20, threshold=2, milestone_star=50)


@pytest.fixture
async def w(tmp_path: Path, each_store: None) -> AsyncIterator[World]:
    async with world(tmp_path, REWARDS) as opened:
        for user in ("ada", "bob"):
            await opened.account(user)
        yield opened


async def test_a_name_looked_up_and_then_taken_has_two_owners(w: World, tmp_path: Path) -> None:
    meet = asyncio.Barrier(2)
    owner = Key("USERNAME#lamp", "OWNER")

    async def naive(user: str) -> None:
        assert await w.store.get(TABLES.user, owner) is None
        await meet.wait()
        await w.store.write(Put(TABLES.user, {"PK": owner.pk, "SK": owner.sk, "userId": user}))
        profile = Key(user_pk(user), "PROFILE")
        await w.store.write(Update(TABLES.user, profile, set={"usernameLower": "lamp"}, when=Exists()))

    await asyncio.gather(naive("ada"), naive("bob"))
    profiles = [await w.store.get(TABLES.user, Key(user_pk(user), "PROFILE")) for user in ("ada", "bob")]
    assert [profile and profile["usernameLower"] for profile in profiles] == ["lamp", "lamp"]


async def test_a_coupon_counted_and_then_paid_is_paid_too_often(w: World, tmp_path: Path) -> None:
    await Coupons(w.store, TABLES, w.ledgers, w.now).create("RACE", "star", 10, 1)
    meet = asyncio.Barrier(2)

    async def naive(user: str) -> None:
        row = await w.store.get(TABLES.coupons, coupon_key("RACE"))
        assert row is not None and row["remainingClaims"] == 1
        await meet.wait()
        await w.store.write(
            Update(TABLES.coupons, coupon_key("RACE"), incr={"remainingClaims": -1}, when=Exists())
        )
        await w.store.write(Update(TABLES.wallet, wallet_key(user), incr={"starCoin": 10}, when=Exists()))

    await asyncio.gather(naive("ada"), naive("bob"))
    row = await w.store.get(TABLES.coupons, coupon_key("RACE"))
    assert row is not None and row["remainingClaims"] == -1
    with pytest.raises(AssertionError, match="starCoin"):
        await w.check("ada")


async def test_a_referral_without_its_mark_counts_twice(w: World, tmp_path: Path) -> None:
    meet = asyncio.Barrier(2)

    async def naive() -> None:
        profile = await w.store.get(TABLES.user, Key(user_pk("bob"), "PROFILE"))
        assert profile is not None and "invitedBy" not in profile
        await meet.wait()
        await w.store.write(
            Update(TABLES.invite, profile_key("ada"), incr={"totalInvites": 1}, when=Exists())
        )
        await w.store.write(
            Update(TABLES.user, Key(user_pk("bob"), "PROFILE"), set={"invitedBy": "ada"}, when=Exists())
        )

    await asyncio.gather(naive(), naive())
    assert (await w.invites.require("ada")).total_invites == 2  # of one invitee


async def test_an_address_counted_before_its_invitation_is_used_up_by_one_account(
    w: World, tmp_path: Path
) -> None:
    code = (await w.invites.require("ada")).invite_code
    limiter = StoredLimiter(w.store, TABLES.user, w.now)

    async def naive() -> bool:
        counted = not await limiter.take(INVITED_ADDRESS, "here")
        return counted and await w.invites.accept("bob", code, iso(w.now()))

    told = await asyncio.gather(*(naive() for _ in range(INVITED_ADDRESS.count)))
    assert told.count(True) == 1
    assert await limiter.take(INVITED_ADDRESS, "here")  # nobody else is invited there today


async def test_a_milestone_looked_at_and_then_paid_is_paid_twice(w: World, tmp_path: Path) -> None:
    await w.store.write(
        Update(TABLES.invite, profile_key("ada"), set={"unissuedRewardCount": 2}, when=Exists())
    )
    meet = asyncio.Barrier(2)

    async def naive(number: int) -> None:
        assert (await w.invites.require("ada")).unissued_reward_count == 2
        await meet.wait()
        await w.wallets.adjust("ada", "star", 50, operation=f"milestone-{number}")
        await w.store.write(
            Update(TABLES.invite, profile_key("ada"), incr={"unissuedRewardCount": -2}, when=Exists())
        )

    await asyncio.gather(naive(1), naive(2))
    assert (await w.balances("ada"))["star"] == 200
    assert (await w.invites.require("ada")).unissued_reward_count == -2


async def test_a_refresh_of_the_session_but_not_of_its_token_brings_it_back(w: World, tmp_path: Path) -> None:
    """A refresh that names session and epoch, which a sign-out leaves as they are."""
    signer = Signer(["a-secret-of-some-length"])
    sessions = Sessions(w.store, TABLES.user, signer, ttl_s=9, cache_s=0, now_ms=w.now)
    token = await sessions.open("ada", "ada@example.org")
    session = await sessions.check("ada", token)
    assert await sessions.close("ada", token)
    token, row = sessions._issue("ada", session.session_id, session.epoch)
    as_named = (Eq("sessionId", session.session_id), Eq("epoch", session.epoch))
    await w.store.write(Update(TABLES.user, Key(user_pk("ada"), "SESSION"), set=row, when=as_named))
    assert await sessions.check("ada", token)


@pytest.fixture
async def m(tmp_path: Path, each_store: None) -> AsyncIterator[Market]:
    async with market(tmp_path) as opened:
        for number in range(4):
            await opened.publish(card_id(number))
        await opened.drain()
        yield opened


async def test_a_mark_cleared_without_a_look_loses_what_came_meanwhile(m: Market, tmp_path: Path) -> None:
    """The batch reads, a reply is counted, the batch clears the mark."""
    await m.warm("0002", 5)
    before = await m.store.get(TABLE, ("CHAR#0002", "PROFILE"))
    assert before is not None
    await m.warm("0003", 7)
    await m.warm("0002", 100)
    await m.store.write(
        Update(
            TABLE,
            Key("CHAR#0002", "PROFILE"),
            set={HOT.sk: hot_key(before["HeatScore"], "0002", 999_999_999_999)},
            remove=(HOT.dirty_pk, HOT.dirty_sk),
            when=Exists(),
        )
    )
    await m.drain()
    page = await m.store.query(TABLE, "ALL#HOT", index="GSI_HOT")
    index = [str(row["PK"]).removeprefix("CHAR#") for row in page.items]
    assert index != await m.sorted_by("hot")
    assert index[0] == "0003" and (await m.sorted_by("hot"))[0] == "0002"


async def test_a_mark_stamped_anew_sends_the_hottest_to_the_end_of_the_queue(
    m: Market, tmp_path: Path
) -> None:
    """With marks that are set and not kept, the card that is warmed most is never in the first batch."""
    for number in range(4):
        await m.warm(card_id(number), 1)
    m.clock += 1
    await m.store.write(
        Update(
            TABLE,
            Key("CHAR#0000", "PROFILE"),
            set=m.mark("hot", "0000"),
            incr={"HeatScore": 1000},
            when=Exists(),
        )
    )
    await m.ranking._jobs["en", "hot"].ranker.batch(3)
    card = await m.store.get(TABLE, ("CHAR#0000", "PROFILE"))
    assert card is not None and card[HOT.sk] != hot_key(1001, "0000", 999_999_999_999)


async def _words_for_nobody(at_once: bool) -> tuple[list[bytes], bool]:
    """The bodies sent to a reader who leaves before the request is read (`at_once`), or in the moment of the
    first piece; and whether the reply went on to its end, which is what makes it a paid one."""
    left, ended, sent = asyncio.Event(), False, list[bytes]()
    if at_once:
        left.set()

    async def source() -> AsyncGenerator[ServerEvent, None]:
        nonlocal ended
        left.set()
        yield ServerEvent("delta", {"text": "Good"})
        await asyncio.sleep(0.01)
        ended = True

    async def receive() -> dict[str, Any]:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    unwatched, events = Unwatched(), source()
    await EventStream(events, events, unwatched)({"type": "http"}, receive, send)
    await unwatched.finish(60)
    return [body for body in sent if body], ended


async def _no_look(watch: object) -> None:
    return


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_first_piece_sent_without_a_look_at_the_door_is_paid_by_nobody_there(
    monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    assert await _words_for_nobody(at_once) == ([], False)
    monkeypatch.setattr(streaming, "_still_there", _no_look)
    bodies, ended = await _words_for_nobody(at_once)
    assert bodies or ended
