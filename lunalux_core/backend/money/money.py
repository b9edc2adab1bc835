"""One official reply as a movement of coins: reserve → call → settle, or refund.

    NEW ─ reserve → RESERVED ─ settle → SETTLED
                        └──── refund → REFUNDED ─ reserve (a retry of the same action) → RESERVED

Each arrow is one transaction over the movement, the wallet, the ledger summary and the open-reservation
row. A reservation belongs to the request that made it (`claim`): a slow request can neither settle nor
refund what a later retry has reserved. Whoever crashes leaves an OPEN# row, which is given back when it is
older than any call can last. The free path makes the same steps with nothing to pay.

See docs/spec/backend.md: Transactions, Money rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lunalux_core.backend.money.billing import (
    CURRENCIES,
    ModelConfig,
    Wallet,
    approve,
    price_changed,
    race_lost,
)
from lunalux_core.backend.money.reservations import (
    Action,
    Replay,
    Reservation,
    mine,
    movement_for,
    open_key,
    replayed,
    reserving,
)
from lunalux_core.backend.money.stored_answers import pack
from lunalux_core.backend.repos.ledger import OPENING, Ledger, Ledgers, no_wallet
from lunalux_core.backend.repos.movements import (
    OPEN,
    OWN_MARK,
    balance_change,
    line_row,
    move_key,
    movement_of,
    user_pk,
)
from lunalux_core.backend.repos.wallets import Wallets
from lunalux_core.backend.running.backend_settings import TableNames
from lunalux_core.backend.running.clock import iso
from lunalux_core.backend.running.logs import logger
from lunalux_core.backend.storage.foreign_values import text, whole
from lunalux_core.backend.storage.table import (
    Absent,
    ConditionFailed,
    Delete,
    Eq,
    Invalid,
    Item,
    Operation,
    Put,
    Store,
    Unavailable,
    Update,
)
from lunalux_core.errors import BackendError, InvalidInput, PaymentError
from lunalux_core.ids import uuid4

__all__ = ["Action", "Money", "Replay", "Reservation"]

REPLAY_MS = 24 * 3600 * 1000
HOLD_MARGIN_S = 60
TRIES = 4
SWEEP_PAGE = 100
Step = Callable[[str], None]


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
            WALLET_NOT_FOUND. BackendError: OPERATION_IN_PROGRESS, IDEMPOTENCY_MISMATCH, PRICE_CHANGED where
            it is dearer than `action` says that it was shown. InvalidInput:
            INVALID_REQUEST, the key is a name of the service's own movements.
        """
        _check_key(action)
        swept = False
        for _ in range(TRIES):
            wallet = await self._wallets.require(action.user_id)
            try:
                approval = approve(config, wallet)
            except PaymentError:
                replay = await self._done_before(action)
                if replay is not None:
                    return replay
                # The missing coins may stand in a reservation whose process died. Once is enough: what a
                # sweep gives back is there at the next look.
                if swept or not await self.sweep_user(action.user_id):
                    raise
                swept = True
                continue
            # Asked before the coins move, so that a price that rose is never charged unseen; a retry of a
            # reply that was paid at the old price still gets it.
            if action.shown is not None and not action.shown.covers(approval):
                replay = await self._done_before(action)
                if replay is not None:
                    return replay
                raise price_changed(config)
            reservation = Reservation(action, config, approval, uuid4(), wallet.lux_level)
            failed = await self._try_reserve(reservation)
            if failed is None:
                self._step("reserved")
                return reservation
            # The index is that of the operation in `reserving`: 0 the movement, 1 the wallet, 2 the ledger.
            if failed.index == 0:
                # A process that died under this very key may have left it open: once that is too old to be
                # alive, the retry takes its place.
                if not swept and (failed.old or {}).get("status") == "RESERVED":
                    swept = True
                    if await self.sweep_user(action.user_id):
                        continue
                return replayed(action, failed.old, self._now_ms())
            if failed.index == 1:
                raise no_wallet() if failed.old is None else race_lost(config)
            # An account of an older service lacks its ledger summary: it is made, then tried again.
            await self._ledgers.heal(action.user_id)
        raise Unavailable("The coins could not be reserved.")

    async def done_before(self, action: Action) -> Replay | None:
        """The stored answer of an action, asked for without any coins; None where none was paid for.

        Raises:
            BackendError: OPERATION_IN_PROGRESS, IDEMPOTENCY_MISMATCH. InvalidInput: INVALID_REQUEST, as
            `reserve`.
        """
        _check_key(action)
        try:
            return await self._done_before(action)
        except BackendError as error:
            # A process that died under this very key may have left it open.
            if error.code != "OPERATION_IN_PROGRESS" or not await self.sweep_user(action.user_id):
                raise
        return await self._done_before(action)

    async def _try_reserve(self, reservation: Reservation) -> ConditionFailed | None:
        """Write the reservation; the condition that failed, None where it was written."""
        try:
            await self._store.transact(reserving(self._tables, reservation, self._now_ms()))
        except ConditionFailed as failed:
            return failed
        except Unavailable as error:
            # The answer of the storage was lost, the write perhaps not. The claim is ours alone, so finding
            # it in the row is proof.
            if not error.maybe_applied or not await self._holds(reservation):
                raise
        return None

    async def _holds(self, reservation: Reservation) -> bool:
        """Whether a write whose answer was lost did happen."""
        action = reservation.action
        row = await self._store.get(self._tables.ledger, move_key(action.user_id, action.operation))
        return row is not None and row.get("claim") == reservation.claim

    async def settle(self, reservation: Reservation, response: Mapping[str, Any]) -> bool:
        """Keep the coins and store the answer for a day, to be replayed.

        Returns:
            False where the reservation was given back meanwhile: the answer is then free of charge.
        """
        action, now = reservation.action, self._now_ms()
        movement = movement_for(reservation, "SETTLED", iso(now))
        changes = {
            "status": "SETTLED",
            "response": pack(response),
            "settledAt": movement.created_at,
            "expiresAt": (now + REPLAY_MS) // 1000,
        }
        key = move_key(action.user_id, action.operation)
        writes: list[Operation] = [
            Update(self._tables.ledger, key, set=changes, when=mine(reservation.claim)),
            Delete(self._tables.ledger, open_key(action.user_id, action.operation)),
            # The line of the history is written with the decision: a reservation that is given back must
            # not be listed as a charge.
            Put(self._tables.ledger, line_row(action.user_id, movement, now)),
        ]
        self._step("settling")
        try:
            await self._store.transact(writes)
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
        # Decided already, or reserved anew by a retry with a claim of its own.
        if row is None or row.get("claim") != claim or row.get("status") != "RESERVED":
            await self._drop_orphan(user_id, operation, claim)
            return False
        moment = iso(self._now_ms())
        writes: list[Operation] = [
            Update(
                self._tables.ledger,
                move_key(user_id, operation),
                set={"status": "REFUNDED", "amount": 0, "refundedAt": moment},
                when=mine(claim),
            ),
            Delete(self._tables.ledger, open_key(user_id, operation)),
        ]
        if row.get("currency") in CURRENCIES:
            price = max(0, -whole(row.get("amount")))  # what the movement says: the books are its sums
            writes += balance_change(self._tables, user_id, row["currency"], price, moment, undo=True)
            given_back = replace(movement_of(row), amount=0, status="REFUNDED", created_at=moment)
            writes.append(Put(self._tables.ledger, line_row(user_id, given_back, self._now_ms())))
        try:
            await self._store.transact(writes)
        except ConditionFailed as failed:
            # Index 0 is the movement: somebody else decided it first, and there is nothing to give back.
            if failed.index > 0:
                raise BackendError(
                    "WALLET_NOT_FOUND", "A reservation cannot be given back: its wallet or ledger is missing."
                ) from None
            return False
        self._step("refunded")
        return True

    async def _drop_orphan(self, user_id: str, operation: str, claim: str) -> None:
        """Delete an open row whose movement is decided or gone."""
        its = Eq("claim", claim) if claim else Absent("claim")
        try:
            await self._store.write(Delete(self._tables.ledger, open_key(user_id, operation), when=its))
        except ConditionFailed:
            return  # none is there, or it belongs to a retry

    async def sweep_user(self, user_id: str) -> int:
        """Give back what crashed requests of an account left open; returns how many coins' reservations."""
        page = await self._store.query(self._tables.ledger, user_pk(user_id), prefix=OPEN, limit=SWEEP_PAGE)
        given_back = 0
        for row in page.items:
            try:
                given_back += await self.sweep_row(row)
            except (BackendError, Invalid) as error:
                logger.warning("a reservation cannot be given back: %s", error)  # the others still can
        return given_back

    async def sweep_row(self, row: Item) -> bool:
        """Give one OPEN# row's reservation back if it is older than any call can last."""
        # Younger than the longest call: its request may still be running.
        if self._now_ms() - whole(row.get("startedAt")) < self._hold_ms:
            return False
        user_id, operation = str(row["PK"]).removeprefix("USER#"), str(row["SK"]).removeprefix(OPEN)
        if not operation:
            return False
        return await self._give_back(user_id, operation, text(row.get("claim")))

    async def balances(self, user_id: str) -> tuple[Wallet, Ledger | None]:
        """Wallet and ledger summary as they stand."""
        return await self._wallets.require(user_id), await self._ledgers.get(user_id)

    async def _done_before(self, action: Action) -> Replay | None:
        """The stored answer of an action that cannot be paid again.

        Raises:
            BackendError: OPERATION_IN_PROGRESS, IDEMPOTENCY_MISMATCH.
        """
        row = await self._store.get(self._tables.ledger, move_key(action.user_id, action.operation))
        if row is None or row.get("status") == "REFUNDED":
            return None
        return replayed(action, row, self._now_ms())


def _check_key(action: Action) -> None:
    # Keys and the service's own movements share one row space: a client must not take the id of a coupon's
    # credit or of the first balance.
    if OWN_MARK in action.operation or action.operation == OPENING["star"]:
        raise InvalidInput("INVALID_REQUEST", "The idempotency key is not valid.", "Send a fresh UUID.")
