"""Accounts on a real store: first arrival, usernames, invitations."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from money_world import TABLES, World, world

from lunalux_core.backend.repos import invites
from lunalux_core.backend.repos.invites import Rewards
from lunalux_core.backend.repos.usernames import Username
from lunalux_core.backend.storage.foreign_values import LARGEST
from lunalux_core.backend.storage.table import Delete, Key, Put
from lunalux_core.backend.storage.windows import Rule
from lunalux_core.errors import BackendError, InvalidInput, LunaluxError, NotFound

EACH_STORE = True
DAY_MS = 24 * 3600 * 1000
REWARDS = Rewards(invitee_star=20, threshold=3, milestone_star=50)


async def test_a_new_account_has_all_its_documented_rows(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        account = await w.account()
        wallet = await w.store.get(TABLES.wallet, ("USER#ada", "WALLET"))
        ledger = await w.store.get(TABLES.ledger, ("USER#ada", "LEDGER_SUMMARY"))
        profile = await w.store.get(TABLES.user, ("USER#ada", "PROFILE"))
        invite = await w.store.get(TABLES.invite, ("USER#ada", "INVITE_PROFILE"))
        assert wallet and ledger and profile and invite
        assert (wallet["luxLevel"], wallet["starCoin"], wallet["lunaCoin"]) == (0, 100, 100)
        assert (ledger["totalStarCoinGain"], ledger["totalLunaCoinGain"]) == (100, 100)
        assert (ledger["totalStarCoinUsed"], ledger["totalLunaCoinUsed"]) == (0, 0)
        assert (profile["userId"], profile["email"]) == ("ada", "ada@example.org")
        owner = await w.store.get(TABLES.invite, (f"INVITE_CODE#{account.invite.invite_code}", "OWNER"))
        assert owner is not None and owner["userId"] == "ada"
        assert await w.account() == account
        await w.check()


async def test_forty_first_arrivals_at_once_make_one_account(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        accounts = await asyncio.gather(*(w.account() for _ in range(40)))
        assert len(set(accounts)) == 1
        codes = [row async for row in w.store.scan_all(TABLES.invite) if row["SK"] == "OWNER"]
        assert len(codes) == 1
        await w.check()


@pytest.mark.parametrize(
    "lost",
    [
        [(TABLES.ledger, "LEDGER_SUMMARY")],
        [(TABLES.wallet, "WALLET")],
        [(TABLES.invite, "INVITE_PROFILE")],
        [(TABLES.ledger, "LEDGER_SUMMARY"), (TABLES.ledger, "MOVE#init"), (TABLES.ledger, "MOVE#init/luna")],
    ],
)
async def test_accounts_that_lack_rows_are_completed(tmp_path: Path, lost: list[tuple[str, str]]) -> None:
    async with world(tmp_path) as w:
        await w.account()
        await w.wallets.adjust("ada", "star", -30)
        for table, sk in lost:
            await w.store.write(Delete(table, Key("USER#ada", sk)))
        await asyncio.gather(*(w.account() for _ in range(8)))
        assert await w.balances() == {"star": 70, "luna": 100}
        await w.check()


async def test_thirty_people_want_one_name(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        users = [f"user{number}" for number in range(30)]
        for user in users:
            await w.account(user)

        async def rename(number: int) -> str:
            try:
                await w.users.rename(users[number], ["Mira", "mira", "MIRA"][number % 3])
            except BackendError as error:
                return error.code
            return "mine"

        outcomes = await asyncio.gather(*map(rename, range(30)))
        assert Counter(outcomes) == {"mine": 1, "USERNAME_TAKEN": 29}
        named = [user for user in users if (await w.users.require(user)).username]
        assert named == [await w.users.owner("mira")]


async def test_a_rename_lets_the_old_name_go(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account("ada")
        await w.account("bob")
        await w.users.rename("ada", "Mira")
        assert (await w.users.rename("ada", "MIRA")).username == "MIRA"
        owner = await w.store.get(TABLES.user, ("USERNAME#mira", "OWNER"))
        assert owner is not None and (owner["username"], owner["userId"]) == ("MIRA", "ada")
        await w.users.rename("ada", "Selene")
        assert await w.store.get(TABLES.user, ("USERNAME#mira", "OWNER")) is None
        assert (await w.users.rename("bob", "Mira")).username == "Mira"
        with pytest.raises(NotFound) as nobody:
            await w.users.rename("carol", "Carol")
        assert nobody.value.code == "USER_NOT_FOUND"


async def test_racing_renames_of_one_account_leave_one_owner_row(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.account()
        names = ["Mira", "Selene", "Phoebe", "Artemis"]
        await asyncio.gather(*(w.users.rename("ada", name) for name in names * 3))
        owned = [row async for row in w.store.scan_all(TABLES.user) if str(row["PK"]).startswith("USERNAME#")]
        assert [row["username"] for row in owned] == [(await w.users.require("ada")).username]


async def test_a_name_of_before_the_shapes_can_be_left_when_another_owns_its_shape(tmp_path: Path) -> None:
    """An older profile owns its spelling only; somebody else may have taken the shape since."""
    async with world(tmp_path) as w:
        await w.account("ada")
        await w.account("bob")
        await w.users.rename("bob", "Alice1")  # its shape is that of "alicel"
        profile = await w.store.get(TABLES.user, ("USER#ada", "PROFILE"))
        assert profile is not None
        old = {"username": "Alicel", "usernameLower": "alicel"}
        await w.store.write(Put(TABLES.user, {**profile, **old}))
        owned = {"PK": "USERNAME#alicel", "SK": "OWNER", "userId": "ada", **old}
        await w.store.write(Put(TABLES.user, owned))
        assert (await w.users.rename("ada", "ALICEL")).username == "ALICEL", "only the case is another"
        assert (await w.users.rename("ada", "Selene")).username == "Selene"
        assert await w.store.get(TABLES.user, ("USERNAME#alicel", "OWNER")) is None
        with pytest.raises(BackendError):
            await w.users.rename("ada", "AIlce1")  # bob's shape is still bob's


@pytest.mark.parametrize(
    "owned, wanted",
    [("straße", "Straße"), ("Straße", "straße"), ("élan", "ÉLAN"), ("ΣΊΣΥΦΟΣ", "Σίσυφος")],
)
async def test_a_name_that_stands_in_older_rows_is_taken(tmp_path: Path, owned: str, wanted: str) -> None:
    """They key a name by its small letters, and have no row for its shape."""
    async with world(tmp_path) as w:
        await w.account("ada")
        await w.account("bob")
        profile = await w.store.get(TABLES.user, ("USER#ada", "PROFILE"))
        assert profile is not None
        old = {"username": owned, "usernameLower": owned.lower()}
        await w.store.write(Put(TABLES.user, {**profile, **old}))
        row = {"PK": f"USERNAME#{owned.lower()}", "SK": "OWNER", "userId": "ada", **old}
        await w.store.write(Put(TABLES.user, row))
        with pytest.raises(BackendError) as taken:
            await w.users.rename("bob", wanted)
        assert taken.value.code == "USERNAME_TAKEN"
        assert (await w.users.rename("ada", owned.title())).username == owned.title()


@pytest.mark.parametrize(
    "one, other",
    [("alice", "аlice"), ("b0b_", "bob_"), ("Alice", "AIice"), ("straße", "STRASSE"), ("ＡＤＡ９", "ada9")],
)
def test_names_that_look_alike_are_one(one: str, other: str) -> None:
    assert Username.known(one).shape == Username.known(other).shape


@pytest.mark.parametrize(
    "text",
    [
        "ab",
        "x" * 25,
        "",
        "a\u202eb c",
        "a\u200bbc",
        "a\x1bbc",
        "a\nbc",
        "admin",
        "Adm1n",
        "l.u.n.a.l.u.x",
        "___",
        "\u0301abc",
    ],
)
def test_names_nobody_may_have(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Username.parse(text)
    assert refused.value.code == "USERNAME_INVALID"


@given(st.text(max_size=30))
def test_whatever_is_accepted_is_within_the_rules_and_stays_itself(text: str) -> None:
    try:
        name = Username.parse(text)
    except InvalidInput:
        return
    assert 3 <= len(name.shown) <= 24
    assert name.shown.isprintable()
    again = Username.parse(name.shown)
    assert again == name
    assert Username.known(name.lower).lower == name.lower


async def test_an_invitation_counts_once(tmp_path: Path) -> None:
    async with world(tmp_path, REWARDS) as w:
        code = (await w.account("ada")).invite.invite_code
        await asyncio.gather(*(w.account("bob", code) for _ in range(10)))
        await w.account("bob", code)
        ada = await w.invites.require("ada")
        assert (ada.total_invites, ada.unissued_reward_count) == (1, 1)
        assert await w.balances("bob") == {"star": 120, "luna": 100}
        assert await w.balances("ada") == {"star": 100, "luna": 100}
        await w.check("bob")


@pytest.mark.parametrize("code, typed", [("AbCd1234", "AbCd1234"), ("ABCD2345", "abcd2345 ")])
async def test_codes_are_found_as_they_are_written_or_in_capitals(
    tmp_path: Path, code: str, typed: str
) -> None:
    async with world(tmp_path, REWARDS) as w:
        await w.account("ada")
        owner = {"PK": f"INVITE_CODE#{code}", "SK": "OWNER", "userId": "ada", "inviteCode": code}
        await w.store.write(Put(TABLES.invite, owner))
        await w.account("bob", typed)
        assert (await w.invites.require("ada")).total_invites == 1


async def test_an_account_that_goes_takes_nobody_elses_code_along(tmp_path: Path) -> None:
    async with world(tmp_path, REWARDS) as w:
        code = (await w.account("ada")).invite.invite_code
        own = (await w.account("bob")).invite.invite_code
        mistaken = await w.store.get(TABLES.invite, ("USER#bob", "INVITE_PROFILE"))
        await w.store.write(Put(TABLES.invite, {**(mistaken or {}), "inviteCode": code}))
        await w.users.erase("bob")
        assert await w.store.get(TABLES.invite, ("USER#bob", "INVITE_PROFILE")) is None
        await w.account("carol", code)
        assert (await w.invites.require("ada")).total_invites == 1
        await w.users.erase("ada")
        for gone in (f"INVITE_CODE#{code}", "USER#ada"):
            sk = "OWNER" if "CODE" in gone else "INVITE_PROFILE"
            assert await w.store.get(TABLES.invite, (gone, sk)) is None
        assert (await w.account("dora", own)).referred is False


async def test_invitations_that_do_not_count(tmp_path: Path) -> None:
    async with world(tmp_path, REWARDS) as w:
        ada = await w.account("ada")
        carol = await w.account("carol")
        await w.account("ada", ada.invite.invite_code)  # one's own
        await w.account("bob")
        for code in ("", "NO-SUCH-CODE", "x" * 500, "\x00", "OWNER"):
            await w.account("bob", code)
        w.clock += DAY_MS + 1
        await w.account("bob", ada.invite.invite_code)  # too late
        await w.account("dora", ada.invite.invite_code)
        await w.account("dora", carol.invite.invite_code)  # she was invited already
        assert (await w.invites.require("ada")).total_invites == 1
        assert (await w.invites.require("carol")).total_invites == 0
        assert await w.balances("bob") == {"star": 100, "luna": 100}


async def test_an_inviter_has_only_so_many_invitations_a_day(tmp_path: Path) -> None:
    """Thirty accounts at once, and five of them count today."""
    async with world(tmp_path, Rewards(20, 3, 50, per_day=5)) as w:
        code = (await w.account("ada")).invite.invite_code
        await asyncio.gather(*(w.account(f"guest{number}", code) for number in range(30)))
        assert (await w.invites.require("ada")).total_invites == 5
        rewarded = [(await w.balances(f"guest{number}"))["star"] == 120 for number in range(30)]
        assert rewarded.count(True) == 5
        w.clock += DAY_MS
        await w.account("tomorrow", code)
        assert (await w.invites.require("ada")).total_invites == 6
        for number in range(30):
            await w.check(f"guest{number}")


async def test_an_address_has_only_so_many_invitations_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only invitations that count use them up, however many are tried at once."""
    monkeypatch.setattr(invites, "INVITED_ADDRESS", Rule("invited-ip", 3, 86_400))
    async with world(tmp_path, Rewards(20, 3, 50)) as w:
        code = (await w.account("ada")).invite.invite_code

        async def arrive(user: str, typed: str = code, address: str | None = "a") -> bool | None:
            return (await w.users.init(user, f"{user}@example.org", typed, address)).referred

        for user, typed in (("ada", code), ("bob", "NO-SUCH-CODE")):
            assert set(await asyncio.gather(*(arrive(user, typed) for _ in range(5)))) == {False}
        # One account that asks ten times at once is one invitation.
        assert set(await asyncio.gather(*(arrive("bob") for _ in range(10)))) == {True}
        told = await asyncio.gather(*(arrive(f"guest{number}") for number in range(8)))
        assert told.count(True) == 2
        assert (await w.invites.require("ada")).total_invites == 3
        rewarded = [(await w.balances(f"guest{number}"))["star"] for number in range(8)]
        assert rewarded == [120 if accepted else 100 for accepted in told]
        assert await arrive("elsewhere", address="b") and await arrive("at-home", address=None)
        w.clock += DAY_MS
        assert await arrive("tomorrow")
        for number in range(8):
            await w.check(f"guest{number}")


async def invite(w: World, count: int) -> None:
    code = (await w.account("ada")).invite.invite_code
    for number in range(count):
        await w.account(f"guest{number}", code)


@pytest.mark.parametrize("count", [0, 2, 3, 7, 9])
async def test_milestones_pay_each_full_threshold_once(tmp_path: Path, count: int) -> None:
    async with world(tmp_path, REWARDS) as w:
        await invite(w, count)
        settled = await asyncio.gather(*(w.invites.settle("ada") for _ in range(6)))
        assert sum(each.times for each in settled) == count // 3
        assert (await w.balances("ada"))["star"] == 100 + 50 * (count // 3)
        ada = await w.invites.require("ada")
        assert (ada.total_invites, ada.unissued_reward_count) == (count, count % 3)
        await w.check("ada")


async def test_milestones_that_do_not_fit_stay_due(tmp_path: Path) -> None:
    async with world(tmp_path, REWARDS) as w:
        await invite(w, 3)
        await w.wallets.adjust("ada", "star", LARGEST - 101)
        with pytest.raises(InvalidInput) as full:
            await w.invites.settle("ada")
        assert full.value.params["kind"] == "wallet_full"
        assert (await w.invites.require("ada")).unissued_reward_count == 3
        assert (await w.balances("ada"))["star"] == LARGEST - 1
        await w.check("ada")


async def test_an_invitation_whose_reward_does_not_fit_does_not_count(tmp_path: Path) -> None:
    async with world(tmp_path, REWARDS) as w:
        code = (await w.account("ada")).invite.invite_code
        await w.account("bob")
        await w.wallets.adjust("bob", "star", LARGEST - 110)
        assert (await w.account("bob", code)).referred is False
        assert (await w.invites.require("ada")).total_invites == 0
        await w.check("bob")


async def test_an_adjustment_with_a_name_is_made_once_whatever_the_wallet_holds_by_now(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await w.account()
        for _ in range(2):
            assert (await w.wallets.adjust("ada", "star", -60, operation="fine")).star_coin == 40
            assert (
                await w.wallets.adjust("ada", "luna", LARGEST - 100, operation="gift")
            ).luna_coin == LARGEST
        for amount, code in ((-41, "INSUFFICIENT_FUNDS"), (-(2**70), "INSUFFICIENT_FUNDS")):
            with pytest.raises(LunaluxError) as refused:
                await w.wallets.adjust("ada", "star", amount)
            assert refused.value.code == code
        for amount in (LARGEST, LARGEST + 1, 2**70):
            with pytest.raises(InvalidInput):
                await w.wallets.adjust("ada", "star", amount)
        await w.check()


async def test_without_rewards_invitees_are_counted_and_nothing_is_paid(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await invite(w, 4)
        settled = await w.invites.settle("ada")
        assert (settled.times, settled.reward_star) == (0, 0)
        assert (await w.invites.require("ada")).unissued_reward_count == 4
        assert (await w.balances("ada"))["star"] == 100
        assert (await w.balances("guest0"))["star"] == 100
