"""Invitations: codes, the reward of the invited, and milestones.

Whoever invites far more people than anybody knows farms rewards: only so many invitations count for one
inviter and day, and for one address and day, in RATE# rows that are part of the same transaction.

See docs/spec/backend.md: Transactions, Money rules, Tables.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from lunalux_core.backend.repos.ledger import Ledgers, is_odd
from lunalux_core.backend.repos.movements import gain, refuse_erased, user_pk
from lunalux_core.backend.running.backend_settings import TableNames
from lunalux_core.backend.running.clock import from_iso, iso
from lunalux_core.backend.storage.foreign_values import text, unchanged, whole
from lunalux_core.backend.storage.table import (
    Absent,
    Condition,
    ConditionFailed,
    Delete,
    Eq,
    Exists,
    Item,
    Key,
    Operation,
    Put,
    Store,
    Unavailable,
    Update,
)
from lunalux_core.backend.storage.windows import Rule, one_more
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.ids import uuid4

CODE_ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"  # none that reads like another
CODE_LENGTH = 10
DAY_MS = 24 * 3600 * 1000
NEW_ACCOUNT_MS = DAY_MS
INVITED_ADDRESS = Rule("invited-ip", 30, 86_400)
"""New accounts of one address that count as invited: few enough that nobody farms them."""
TRIES = 5
COUNTS = ("totalInvites", "unissuedRewardCount")


@dataclass(frozen=True, slots=True)
class Invite:
    """Somebody's code and what it brought: invitees in all, and those not yet rewarded."""

    user_id: str
    invite_code: str
    total_invites: int
    unissued_reward_count: int


@dataclass(frozen=True, slots=True)
class Rewards:
    """Star coins for being invited, and for every `threshold` invitees; 0 turns a reward off. `per_day`:
    how many invitations count for one inviter within a day (UTC), the rest being of no effect."""

    invitee_star: int = 0
    threshold: int = 0
    milestone_star: int = 0
    per_day: int = 50


@dataclass(frozen=True, slots=True)
class Settlement:
    """How many milestones were paid, and the star coins of all of them."""

    times: int
    reward_star: int


class Invites:
    """The invite table."""

    def __init__(
        self,
        store: Store,
        tables: TableNames,
        ledgers: Ledgers,
        rewards: Rewards,
        now_ms: Callable[[], int],
    ) -> None:
        self._store, self._tables, self._ledgers = store, tables, ledgers
        self._rewards, self._now_ms = rewards, now_ms
        self._day_of_inviter = Rule("invite", rewards.per_day, DAY_MS // 1000)

    async def get(self, user_id: str) -> Invite | None:
        item = await self._store.get(self._tables.invite, profile_key(user_id))
        if item is not None and (not text(item.get("inviteCode")) or is_odd(item, COUNTS)):
            await self._mend(user_id, item)
            item = await self._store.get(self._tables.invite, profile_key(user_id))
        return None if item is None else invite_of(item)

    async def _mend(self, user_id: str, item: Item) -> None:
        """Counts that another program left as something else than whole numbers, and a code that is lost."""
        counted = {name: max(0, whole(item.get(name))) for name in COUNTS}
        as_read: list[Condition] = [Exists(), *unchanged(item, *COUNTS, "inviteCode")]
        writes: list[Operation] = []
        if not text(item.get("inviteCode")):
            code = _fresh_code()
            counted_and_code: dict[str, object] = {**counted, "inviteCode": code}
            writes.append(self._owned(user_id, code))
        else:
            counted_and_code = dict(counted)
        key = profile_key(user_id)
        writes.append(Update(self._tables.invite, key, set=counted_and_code, when=as_read))
        try:
            await self._store.transact(writes)
        except ConditionFailed:
            return  # it moved meanwhile; the next look mends it

    async def require(self, user_id: str) -> Invite:
        """The profile, made with a new code where it is missing.

        Raises:
            SessionError: UNAUTHORIZED, the account was erased meanwhile.
        """
        for _ in range(TRIES):
            invite = await self.get(user_id)
            if invite is not None:
                return invite
            try:
                await self._store.transact(self.new_profile(user_id))
            except ConditionFailed:
                continue  # made by another request, or the code is somebody's
            await refuse_erased(self._store, self._tables, user_id, self._now_ms())
        raise Unavailable("No invite code could be made.")

    def new_profile(self, user_id: str) -> list[Operation]:
        """Profile and code owner with a fresh code; fails where either is there."""
        code = _fresh_code()
        moment = iso(self._now_ms())
        key = profile_key(user_id)
        profile = {
            "PK": key.pk,
            "SK": key.sk,
            "userId": user_id,
            "inviteCode": code,
            "totalInvites": 0,
            "unissuedRewardCount": 0,
            "createdAt": moment,
            "updatedAt": moment,
        }
        return [Put(self._tables.invite, profile, when=Absent()), self._owned(user_id, code)]

    def _owned(self, user_id: str, code: str) -> Operation:
        owner = code_key(code)
        owned = {"PK": owner.pk, "SK": owner.sk, "userId": user_id, "inviteCode": code}
        return Put(self._tables.invite, owned, when=Absent())

    async def leaving(self, user_id: str) -> list[Operation]:
        """What takes a profile and its code away, where the code is this account's indeed."""
        invite, writes = await self.get(user_id), list[Operation]()
        if invite is not None:
            key = code_key(invite.invite_code)
            owner = await self._store.get(self._tables.invite, key)
            if owner is not None and owner.get("userId") == user_id:
                writes.append(Delete(self._tables.invite, key, when=Eq("userId", user_id)))
        return [Delete(self._tables.invite, profile_key(user_id)), *writes]

    async def accept(self, invitee: str, code: str, created_at: object, address: str | None = None) -> bool:
        """Count `invitee` for the owner of `code`, once for each account and only while it is new.

        Args:
            created_at: the invitee's `createdAt` (ISO).
            address: where the invitee is, None where addresses are not counted.

        Returns:
            Whether the invitation counted; an unknown or own code is simply of no effect.
        """
        born = from_iso(created_at)
        if born is None or self._now_ms() - born > NEW_ACCOUNT_MS or not looks_like_code(code):
            return False
        owner = await self._owner(code)
        if owner is None or owner == invitee or await self.get(owner) is None:
            return False
        for _ in range(TRIES):
            try:
                await self._store.transact(self._acceptance(invitee, owner, address))
                return True
            except ConditionFailed as failed:
                if failed.index not in (WALLET_OF_GAIN, LEDGER_OF_GAIN):
                    return False  # counted before, no owner, or a count of the day is full
                try:
                    await self._ledgers.refused(invitee, failed, WALLET_OF_GAIN)
                except (NotFound, InvalidInput):
                    return False  # no wallet, or no room in it
        raise Unavailable("The invitation could not be counted.")

    async def counted(self, invitee: str, code: str) -> bool:
        """Whether `invitee` is known as invited with `code`: what a repeated `accept` cannot tell."""
        owner = await self._owner(code) if looks_like_code(code) else None
        profile = await self._store.get(self._tables.user, Key(user_pk(invitee), "PROFILE"))
        return owner is not None and profile is not None and profile.get("invitedBy") == owner

    async def _owner(self, code: str) -> str | None:
        """Whose code it is; ours are capitals however they are typed, older ones may be anything."""
        for spelling in dict.fromkeys((code, code.upper())):
            row = await self._store.get(self._tables.invite, code_key(spelling))
            if row is not None and (owner := text(row.get("userId"))):
                return owner
        return None

    def _acceptance(self, invitee: str, inviter: str, address: str | None) -> list[Operation]:
        now = self._now_ms()
        writes: list[Operation] = [
            Update(
                self._tables.user,
                Key(user_pk(invitee), "PROFILE"),
                set={"invitedBy": inviter},
                when=(Exists(), Absent("invitedBy")),
            ),
            Update(
                self._tables.invite,
                profile_key(inviter),
                set={"updatedAt": iso(now)},
                incr={"totalInvites": 1, "unissuedRewardCount": 1},
                when=Exists(),
            ),
            one_more(self._tables.user, self._day_of_inviter, inviter, now),
        ]
        if self._rewards.invitee_star > 0:
            writes += gain(
                self._tables,
                invitee,
                operation=f"invitee/{inviter}",
                kind="invitee",
                currency="star",
                amount=self._rewards.invitee_star,
                now_ms=now,
            )
        if address is not None:
            writes.append(one_more(self._tables.user, INVITED_ADDRESS, address, now))
        return writes

    async def settle(self, user_id: str) -> Settlement:
        """Pay every milestone that is due, each exactly once however often this is called.

        Raises:
            NotFound: WALLET_NOT_FOUND. InvalidInput: INVALID_REQUEST, more than a wallet holds, and they stay
            due.
        """
        threshold, reward = self._rewards.threshold, self._rewards.milestone_star
        for _ in range(TRIES):
            invite = await self.require(user_id)
            times = invite.unissued_reward_count // threshold if threshold > 0 and reward > 0 else 0
            if times <= 0:
                return Settlement(0, 0)
            try:
                await self._store.transact(self._payment(invite, times * threshold, times * reward))
                return Settlement(times, times * reward)
            except ConditionFailed as failed:
                if failed.index >= WALLET_OF_PAYMENT:
                    await self._ledgers.refused(user_id, failed, WALLET_OF_PAYMENT)
        raise Unavailable("The milestones could not be settled.")

    def _payment(self, invite: Invite, invitees: int, star: int) -> list[Operation]:
        now = self._now_ms()
        return [
            Update(
                self._tables.invite,
                profile_key(invite.user_id),
                set={"updatedAt": iso(now)},
                incr={"unissuedRewardCount": -invitees},
                # As it was read: of two settlements at once, only one may pay for these invitees.
                when=Eq("unissuedRewardCount", invite.unissued_reward_count),
            ),
            *gain(
                self._tables,
                invite.user_id,
                operation=f"milestone/{uuid4()}",
                kind="milestone",
                currency="star",
                amount=star,
                now_ms=now,
            ),
        ]


# Places of operations in these two transactions, by which a condition that failed is known.
WALLET_OF_PAYMENT = 2
WALLET_OF_GAIN, LEDGER_OF_GAIN = 4, 5


def profile_key(user_id: str) -> Key:
    return Key(user_pk(user_id), "INVITE_PROFILE")


def code_key(code: str) -> Key:
    return Key(f"INVITE_CODE#{code}", "OWNER")


def _fresh_code() -> str:
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def looks_like_code(code: str) -> bool:
    """Whether somebody's code could be written so; what could not is of no effect, and of no harm."""
    return 0 < len(code) <= 64 and code.isascii() and code.isprintable()


def invite_of(item: Item) -> Invite:
    return Invite(
        user_id=str(item["PK"]).removeprefix("USER#"),
        invite_code=text(item.get("inviteCode")),
        total_invites=whole(item.get("totalInvites")),
        unissued_reward_count=whole(item.get("unissuedRewardCount")),
    )
