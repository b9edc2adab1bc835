"""One official reply as a movement of coins: reserve → call → settle, or refund (A3, M1 to M4).

    NEW ─ reserve → RESERVED ─ settle → SETTLED
                        └──── refund → REFUNDED ─ reserve (a retry of the same action) → RESERVED

Each arrow is one transaction over the movement, the wallet, the ledger summary and the open-reservation
row. A reservation belongs to the request that made it (`claim`): a slow request can neither settle nor
refund what a later retry has reserved. Whoever crashes leaves an OPEN# row, which is given back when it is
older than any call can last. The free path makes the same steps with nothing to pay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lunalux_core.backend.answers import pack, unpack
from lunalux_core.backend.billing import Approval, ModelConfig, Wallet, approve, race_lost
from lunalux_core.backend.clock import iso
from lunalux_core.backend.repos.ledger import OPENING, Ledger, Ledgers
from lunalux_core.backend.repos.movements import (
    OPEN,
    OWN_MARK,
    Movement,
    balance_change,
    line_row,
    move_key,
    move_row,
    user_pk,
)
from lunalux_core.backend.repos.wallets import Wallets, no_wallet
from lunalux_core.backend.settings import TableNames
from lunalux_core.backend.storage.table import (
    Absent,
    All,
    AnyOf,
    ConditionFailed,
    Delete,
    Eq,
    Item,
    Key,
    Operation,
    Put,
    Store,
    Unavailable,
    Update,
)
from lunalux_core.errors import BackendError, InvalidInput, PaymentError
from lunalux_core.ids import uuid4

REPLAY_MS = 24 * 3600 * 1000
HOLD_MARGIN_S = 60
TRIES = 4
SWEEP_PAGE = 100
Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Action:
    """What a person asked for, once. `operation` is the Idempotency-Key (or a fresh id) and `request_hash`
    what it stands for; `character_id` is the market character that is talked to, if any."""

    user_id: str
    operation: str
    request_hash: str
    character_id: str | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """Coins set aside for one call."""

    action: Action
    config: ModelConfig
    approval: Approval
    claim: str
    lux_level: int


@dataclass(frozen=True, slots=True)
class Replay:
    """The action was done before: the stored body of its 200 answer."""

    response: Mapping[str, Any]


class Money:
    """The wallet's side of the gateway.

    Args:
        call_timeout_s: the longest a provider's call can last; reservations older than that and a margin
            are given back.
        step: called with the name of each step between two writes; tests end the process there.
    """

    def __init__(
        self,
        store: Store,
        tables: TableNames,
        wallets: Wallets,
        ledgers: Ledgers,
        now_ms: Callable[[], int],
        *,
        call_timeout_s: int = 120,
        step: Step = lambda name: None,
    ) -> None:
        self._store, self._tables = store, tables
        self._wallets, self._ledgers, self._now_ms = wallets, ledgers, now_ms
        self._hold_ms = (call_timeout_s + HOLD_MARGIN_S) * 1000
        self._step = step

    async def reserve(self, action: Action, config: ModelConfig) -> Reservation | Replay:
        """Set the price aside, or find that the action was done before.

        Raises:
            PaymentError: PAYMENT_NOT_SUPPORTED, INSUFFICIENT_FUNDS, BILLING_FAILED. NotFound:
            WALLET_NOT_FOUND. BackendError: OPERATION_IN_PROGRESS, IDEMPOTENCY_MISMATCH. InvalidInput:
            INVALID_REQUEST, the key is a name of the service's own movements.
        """
        if OWN_MARK in action.operation or action.operation == OPENING["star"]:
            raise InvalidInput("INVALID_REQUEST", "The idempotency key is not valid.", "Send a fresh UUID.")
        swept = False
        for _ in range(TRIES):
            wallet = await self._wallets.require(action.user_id)
            try:
                approval = approve(config, wallet)
            except PaymentError:
                done = await self._done_before(action)
                if done is not None:
                    return done
                if swept or not await self.sweep_user(action.user_id):
                    raise
                swept = True
                continue
            reservation = Reservation(action, config, approval, uuid4(), wallet.lux_level)
            failed = await self._try_reserve(reservation)
            if failed is None:
                self._step("reserved")
                return reservation
            if failed.index == 0:
                return self._replay(action, failed.old)
            if failed.index == 1:
                raise no_wallet() if failed.old is None else race_lost(config)
            await self._ledgers.heal(action.user_id)
        raise Unavailable("The coins could not be reserved.")

    async def _try_reserve(self, reservation: Reservation) -> ConditionFailed | None:
        """Write the reservation; what stood against it, if anything did."""
        try:
            await self._store.transact(self._reserving(reservation), token=f"r{reservation.claim}")
        except ConditionFailed as failed:
            return failed
        except Unavailable as error:
            if not error.maybe_applied or not await self._holds(reservation):
                raise
        return None

    async def _holds(self, reservation: Reservation) -> bool:
        """Whether a write whose answer was lost did happen (M3)."""
        action = reservation.action
        row = await self._store.get(self._tables.ledger, move_key(action.user_id, action.operation))
        return row is not None and row.get("claim") == reservation.claim

    def _reserving(self, reservation: Reservation) -> list[Operation]:
        """Movement first, so that a repeated action is seen as such even when the wallet is empty by now."""
        action, approval, now = reservation.action, reservation.approval, self._now_ms()
        movement = self._movement(reservation, "RESERVED", iso(now))
        row = move_row(
            action.user_id,
            movement,
            claim=reservation.claim,
            requestHash=action.request_hash,
            cost=approval.cost,
            luxLevel=reservation.lux_level,
            counted=action.character_id is None,
        )
        again = All(Eq("status", "REFUNDED"), Eq("requestHash", action.request_hash))
        opened = {
            "PK": user_pk(action.user_id),
            "SK": f"{OPEN}{action.operation}",
            "opId": action.operation,
            "claim": reservation.claim,
            "startedAt": now,
        }
        charge: list[Operation] = []
        if approval.currency is not None:
            charge = balance_change(
                self._tables, action.user_id, approval.currency, -approval.cost, movement.created_at
            )
        return [
            Put(self._tables.ledger, row, when=AnyOf(Absent(), again)),
            *charge,
            Put(self._tables.ledger, opened, when=None),
        ]

    @staticmethod
    def _movement(reservation: Reservation, status: str, moment: str) -> Movement:
        action, approval = reservation.action, reservation.approval
        return Movement(
            id=action.operation,
            kind="charge",
            currency=approval.currency,
            amount=-approval.cost,
            status=status,
            created_at=moment,
            model_id=reservation.config.model_id,
            character_id=action.character_id,
        )

    async def settle(self, reservation: Reservation, response: Mapping[str, Any]) -> bool:
        """Keep the coins and store the answer for a day, to be replayed.

        Returns:
            False where the reservation was given back meanwhile: the answer is a gift then.
        """
        action, now = reservation.action, self._now_ms()
        movement = self._movement(reservation, "SETTLED", iso(now))
        done = {
            "status": "SETTLED",
            "response": pack(response),
            "settledAt": movement.created_at,
            "expiresAt": (now + REPLAY_MS) // 1000,
        }
        key = move_key(action.user_id, action.operation)
        writes: list[Operation] = [
            Update(self._tables.ledger, key, set=done, when=_mine(reservation.claim)),
            Delete(self._tables.ledger, _open_key(action.user_id, action.operation)),
            Put(self._tables.ledger, line_row(action.user_id, movement, now)),
        ]
        self._step("settling")
        try:
            await self._store.transact(writes, token=f"s{reservation.claim}")
        except ConditionFailed:
            return False
        except Unavailable as error:
            row = await self._store.get(self._tables.ledger, key) if error.maybe_applied else None
            settled = row is not None and row["status"] == "SETTLED" and row.get("claim") == reservation.claim
            if not settled:
                raise
        self._step("settled")
        return True

    async def refund(self, reservation: Reservation) -> bool:
        """Give the coins back; False where they were settled or given back before."""
        self._step("refunding")
        return await self._give_back(
            reservation.action.user_id, reservation.action.operation, reservation.claim
        )

    async def _give_back(self, user_id: str, operation: str, claim: str) -> bool:
        row = await self._store.get(self._tables.ledger, move_key(user_id, operation))
        if row is None or row.get("claim") != claim or row.get("status") != "RESERVED":
            await self._drop_orphan(user_id, operation, claim)
            return False
        moment = iso(self._now_ms())
        writes: list[Operation] = [
            Update(
                self._tables.ledger,
                move_key(user_id, operation),
                set={"status": "REFUNDED", "amount": 0, "refundedAt": moment},
                when=_mine(claim),
            ),
            Delete(self._tables.ledger, _open_key(user_id, operation)),
        ]
        if row.get("currency") is not None:
            writes += balance_change(
                self._tables, user_id, row["currency"], int(row["cost"]), moment, undo=True
            )
        try:
            await self._store.transact(writes)
        except ConditionFailed as failed:
            if failed.index > 0:
                raise Unavailable("A reservation cannot be given back: its wallet is missing.") from None
            return False
        self._step("refunded")
        return True

    async def _drop_orphan(self, user_id: str, operation: str, claim: str) -> None:
        """An open row whose movement is decided or gone promises nothing; it must not stay."""
        try:
            await self._store.write(
                Delete(self._tables.ledger, _open_key(user_id, operation), when=Eq("claim", claim))
            )
        except ConditionFailed:
            return  # none is there, or it belongs to a retry

    async def sweep_user(self, user_id: str) -> int:
        """Give back what crashed requests of an account left open; returns how many coins' reservations."""
        page = await self._store.query(self._tables.ledger, user_pk(user_id), prefix=OPEN, limit=SWEEP_PAGE)
        return sum([await self.sweep_row(row) for row in page.items])

    async def sweep_row(self, row: Item) -> bool:
        """Give one OPEN# row's reservation back if it is older than any call can last."""
        if self._now_ms() - int(row["startedAt"]) < self._hold_ms:
            return False
        user_id = str(row["PK"]).removeprefix("USER#")
        return await self._give_back(user_id, str(row["opId"]), str(row["claim"]))

    async def balances(self, user_id: str) -> tuple[Wallet, Ledger | None]:
        """Wallet and ledger summary as they stand."""
        wallet, ledger = await asyncio.gather(self._wallets.require(user_id), self._ledgers.get(user_id))
        return wallet, ledger

    async def _done_before(self, action: Action) -> Replay | None:
        """The stored answer of an action that cannot be paid again.

        Raises:
            BackendError: OPERATION_IN_PROGRESS, IDEMPOTENCY_MISMATCH.
        """
        row = await self._store.get(self._tables.ledger, move_key(action.user_id, action.operation))
        if row is None or row.get("status") == "REFUNDED":
            return None
        return self._replay(action, row)

    def _replay(self, action: Action, row: Item | None) -> Replay:
        """What an action that was met before comes to (M2)."""
        if row is None or row.get("requestHash") != action.request_hash:
            raise BackendError(
                "IDEMPOTENCY_MISMATCH",
                "This idempotency key was used for another request.",
                "Send a new key with a new request.",
            )
        if row["status"] != "SETTLED":
            raise BackendError(
                "OPERATION_IN_PROGRESS",
                "This request is being answered already.",
                "Wait a moment, then ask again with the same key.",
                retry_after=2,
            )
        if "response" not in row or self._now_ms() // 1000 >= int(row["expiresAt"]):
            raise BackendError(
                "IDEMPOTENCY_MISMATCH",
                "This request was answered more than a day ago; its answer is no longer kept.",
                "Send a new key to ask anew.",
            )
        return Replay(unpack(row["response"]))


def _mine(claim: str) -> All:
    return All(Eq("status", "RESERVED"), Eq("claim", claim))


def _open_key(user_id: str, operation: str) -> Key:
    return Key(user_pk(user_id), f"{OPEN}{operation}")
