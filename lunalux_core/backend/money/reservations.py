"""What is reserved, and what a reservation writes: the values and rows behind `money`. Pure.

See docs/spec/backend.md: Transactions, Money rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lunalux_core.backend.money.billing import Approval, ModelConfig, ShownPrice
from lunalux_core.backend.money.stored_answers import unpack
from lunalux_core.backend.repos.movements import (
    OPEN,
    Movement,
    balance_change,
    move_row,
    open_marks,
    user_pk,
)
from lunalux_core.backend.running.backend_settings import TableNames
from lunalux_core.backend.running.clock import iso
from lunalux_core.backend.storage.foreign_values import text, whole
from lunalux_core.backend.storage.table import Absent, All, AnyOf, Eq, Item, Key, Operation, Put
from lunalux_core.errors import BackendError


@dataclass(frozen=True, slots=True)
class Action:
    """What a person asked for, once. `operation` is the Idempotency-Key (or a fresh id) and `request_hash`
    what it stands for; `character_id` is the market character that is talked to, if any; `shown` the price
    that the person saw, if the client told."""

    user_id: str
    operation: str
    request_hash: str
    character_id: str | None = None
    shown: ShownPrice | None = None


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


def reserving(tables: TableNames, reservation: Reservation, now_ms: int) -> list[Operation]:
    """Movement first, so that a repeated action is seen as such even when the wallet is empty by now."""
    action, approval = reservation.action, reservation.approval
    movement = movement_for(reservation, "RESERVED", iso(now_ms))
    row = move_row(
        action.user_id,
        movement,
        claim=reservation.claim,
        requestHash=action.request_hash,
        cost=approval.cost,
        luxLevel=reservation.lux_level,
        counted=action.character_id is None,
    )
    # A reply that was given back may be asked for again under its key; any other row of this key stands in
    # the way.
    again = All(Eq("status", "REFUNDED"), Eq("requestHash", action.request_hash))
    opened = {
        "PK": user_pk(action.user_id),
        "SK": f"{OPEN}{action.operation}",
        "opId": action.operation,
        "claim": reservation.claim,
        "startedAt": now_ms,
        **open_marks(action.user_id, now_ms),
    }
    charge: list[Operation] = []
    if approval.currency is not None:
        charge = balance_change(
            tables, action.user_id, approval.currency, -approval.cost, movement.created_at
        )
    return [
        Put(tables.ledger, row, when=AnyOf(Absent(), again)),
        *charge,
        Put(tables.ledger, opened, when=None),
    ]


def movement_for(reservation: Reservation, status: str, moment: str) -> Movement:
    """The movement of a reservation, as it stands with `status`."""
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


def replayed(action: Action, row: Item | None, now_ms: int) -> Replay:
    """The stored answer of an action that was asked for before."""
    if row is None or row.get("requestHash") != action.request_hash:
        raise BackendError(
            "IDEMPOTENCY_MISMATCH",
            "This idempotency key was used for another request.",
            "Send a new key with a new request.",
        )
    # RESERVED: the first request is still waiting for the provider. Answering both would call it twice.
    if row.get("status") != "SETTLED":
        raise BackendError(
            "OPERATION_IN_PROGRESS",
            "This request is being answered already.",
            "Wait a moment, then ask again with the same key.",
            retry_after=2,
        )
    response = unpack(text(row.get("response"))) if now_ms // 1000 < whole(row.get("expiresAt")) else None
    if response is None:
        raise BackendError(
            "IDEMPOTENCY_MISMATCH",
            "This request was answered more than a day ago; its answer is no longer kept.",
            "Send a new key to ask anew.",
        )
    return Replay(response)


def mine(claim: str) -> All:
    """The movement is still reserved, and by this request."""
    return All(Eq("status", "RESERVED"), Eq("claim", claim))


def open_key(user_id: str, operation: str) -> Key:
    """The row that says a reservation is under way."""
    return Key(user_pk(user_id), f"{OPEN}{operation}")
