"""The parts of a transaction that changes a balance: wallet, ledger summary, movement and line of history.

Every change of a balance writes all of them in one transaction, so that this invariant (I1) always holds:
balance = gain − used = sum of the movements' amounts. The `amount` of a movement is its current effect: that
of a refunded charge is 0. Lines (`LINE#`) list movements newest first, without the stored answers.

See docs/spec/backend.md: Identity and security.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from lunalux_core.backend.money.billing import Currency
from lunalux_core.backend.running.backend_settings import TableNames
from lunalux_core.backend.running.clock import iso, newest_first
from lunalux_core.backend.storage.foreign_values import LARGEST, optional_text, text, whole
from lunalux_core.backend.storage.table import (
    Absent,
    AnyOf,
    Condition,
    Exists,
    Ge,
    Item,
    Key,
    Le,
    Operation,
    Put,
    Store,
    Update,
    When,
)
from lunalux_core.errors import SessionError

MovementKind = Literal["init", "charge", "coupon", "invitee", "milestone", "admin"]
MovementStatus = Literal["RESERVED", "SETTLED", "REFUNDED"]
COIN: Mapping[Currency, str] = {"star": "starCoin", "luna": "lunaCoin"}
USED: Mapping[Currency, str] = {"star": "totalStarCoinUsed", "luna": "totalLunaCoinUsed"}
GAIN: Mapping[Currency, str] = {"star": "totalStarCoinGain", "luna": "totalLunaCoinGain"}
MOVE, LINE, OPEN = "MOVE#", "LINE#", "OPEN#"
ERASE = "ERASE"
"""The sort key of the row that says that an account is being erased."""
ERASED = "erased"
"""Stands in the session row of an account that was."""
OWN_MARK = "/"
"""Part of the ids of the service's own movements (`coupon/…`, `admin/…`) but not allowed in idempotency keys,
so that no request can use such an id first. `init` is documented without it; it exists from the start."""


@dataclass(frozen=True, slots=True)
class Movement:
    """One line of the wallet's history. `amount` is signed; `created_at` is ISO 8601, UTC."""

    id: str
    kind: str
    currency: Currency | None
    amount: int
    status: str
    created_at: str
    model_id: str | None = None
    character_id: str | None = None


OPEN_SHARDS = 16
"""Index partitions for open rows; each allows 1,000 writes per second, and a reply makes two."""


def open_marks(user_id: str, now_ms: int) -> dict[str, str]:
    """The index attributes by which the sweeper finds rows that a crash left unfinished."""
    shard = zlib.crc32(user_id.encode("utf-8", "replace")) % OPEN_SHARDS
    return {"OPEN_PK": open_pk(shard), "OPEN_SK": f"TS#{now_ms:013d}"}


def open_pk(shard: int) -> str:
    return f"OPEN#{shard:02d}"


def user_pk(user_id: str) -> str:
    return f"USER#{user_id}"


def erasing(user_id: str, email: str, now_ms: int) -> dict[str, Any]:
    """The mark by which the sweep finishes an erasure, with the address to forget where there is one."""
    return {
        "PK": user_pk(user_id),
        "SK": ERASE,
        "userId": user_id,
        "email": email,
        "createdAt": iso(now_ms),
        **open_marks(user_id, now_ms),
    }


async def refuse_erased(store: Store, tables: TableNames, user_id: str, now_ms: int) -> None:
    """To be asked once rows of an account were made. Another instance may take the session of one that was
    erased for valid for some seconds more; what it made then is left to the sweep.

    Raises:
        SessionError: UNAUTHORIZED, the account was erased.
    """
    session = await store.get(tables.user, Key(user_pk(user_id), "SESSION"))
    if session is not None and ERASED in session:
        await store.write(Put(tables.ledger, erasing(user_id, "", now_ms), when=None))
        raise SessionError("UNAUTHORIZED", "Sign-in is needed.", "Sign in and try again.")


def wallet_key(user_id: str) -> Key:
    return Key(user_pk(user_id), "WALLET")


def ledger_key(user_id: str) -> Key:
    return Key(user_pk(user_id), "LEDGER_SUMMARY")


def move_key(user_id: str, operation: str) -> Key:
    return Key(user_pk(user_id), f"{MOVE}{operation}")


def movement_of(row: Item) -> Movement:
    """The movement that a MOVE# or LINE# row describes."""
    return Movement(
        id=text(row.get("opId")) or str(row["SK"]).rpartition("#")[2],
        kind=text(row.get("kind"), "charge"),
        currency=row["currency"] if row.get("currency") in ("star", "luna") else None,
        amount=whole(row.get("amount")),
        status=text(row.get("status"), "SETTLED"),
        created_at=text(row.get("createdAt")),
        model_id=optional_text(row.get("modelId")),
        character_id=optional_text(row.get("characterId")),
    )


def move_row(user_id: str, movement: Movement, **more: Any) -> dict[str, Any]:
    """The MOVE# row of a movement, with the attributes in `more`."""
    return _row(move_key(user_id, movement.id), movement) | more


def line_row(user_id: str, movement: Movement, now_ms: int) -> dict[str, Any]:
    """The LINE# row of a movement that took effect at `now_ms`."""
    return _row(Key(user_pk(user_id), f"{LINE}{newest_first(now_ms)}#{movement.id}"), movement)


def _row(key: Key, movement: Movement) -> dict[str, Any]:
    row = {
        "PK": key.pk,
        "SK": key.sk,
        "opId": movement.id,
        "kind": movement.kind,
        "currency": movement.currency,
        "amount": movement.amount,
        "status": movement.status,
        "createdAt": movement.created_at,
        "modelId": movement.model_id,
        "characterId": movement.character_id,
    }
    return {name: value for name, value in row.items() if value is not None}


def gain(
    tables: TableNames,
    user_id: str,
    *,
    operation: str,
    kind: MovementKind,
    currency: Currency,
    amount: int,
    now_ms: int,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> list[Operation]:
    """Add coins to an existing wallet, or take them for a negative `amount`, once for each `operation`.

    Gives four writes, in this order: movement, wallet, ledger, line. The first fails if the operation was
    done before, the second if there is no wallet or the balance is too low, the third if there is no ledger.
    Wallet and ledger fail, too, where the coins given would be more than they hold (`Ledgers.refused`).

    Args:
        more: attributes to store with the movement.
    """
    moment = iso(now_ms)
    movement = Movement(operation, kind, currency, amount, "SETTLED", moment)
    return [
        Put(tables.ledger, move_row(user_id, movement, **more), when=Absent()),
        *balance_change(tables, user_id, currency, amount, moment),
        Put(tables.ledger, line_row(user_id, movement, now_ms), when=None),
    ]


def balance_change(
    tables: TableNames, user_id: str, currency: Currency, amount: int, moment: str, *, undo: bool = False
) -> list[Operation]:
    """The writes to wallet and ledger summary for `amount` coins; with `undo` they reduce the coins used
    instead of increasing the gain."""
    # The balance is checked by a condition of the write, because another request may spend it after a read.
    covered: When = Ge(COIN[currency], -amount)
    summed: When = Exists()
    # A refund reduces the coins used instead of adding to the gain; balance = gain − used holds either way.
    total = GAIN[currency] if amount >= 0 and not undo else USED[currency]
    if amount >= 0:
        # What is given back has room: it is part of a gain that was within the bound.
        covered = Exists() if undo else _room(COIN[currency], amount)
        summed = Exists() if undo else _room(total, amount)
    stamp = {"updatedAt": moment}
    return [
        Update(tables.wallet, wallet_key(user_id), set=stamp, incr={COIN[currency]: amount}, when=covered),
        Update(
            tables.ledger,
            ledger_key(user_id),
            set=stamp,
            incr={total: -amount if undo or amount < 0 else amount},
            when=summed,
        ),
    ]


def _room(name: str, amount: int) -> list[Condition]:
    """Beyond the bound a number is read as another one, and coins would be lost. A missing number is 0."""
    if amount > LARGEST:
        return [Exists(), Absent()]  # never
    return [Exists(), AnyOf(Absent(name), Le(name, LARGEST - amount))]
