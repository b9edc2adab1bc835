"""The parts of a transaction that move coins: wallet, ledger summary, movement and line of history.

Whatever changes a balance writes all of them at once, so that I1 holds at every moment:
balance = gain − used = sum of the movements' amounts. A movement's `amount` is its effect as of now: a
charge that was given back has 0. Lines (`LINE#`) list movements newest first without the stored answers.

See docs/spec/backend.md: Identity and security.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from lunalux_core.backend.money.billing import Currency
from lunalux_core.backend.running.clock import iso, newest_first
from lunalux_core.backend.running.settings import TableNames
from lunalux_core.backend.storage.foreign import optional_text, text, whole
from lunalux_core.backend.storage.table import (
    Absent,
    Condition,
    Exists,
    Ge,
    Item,
    Key,
    Operation,
    Put,
    Store,
    Update,
)
from lunalux_core.errors import SessionError

Kind = Literal["init", "charge", "coupon", "invitee", "milestone", "admin"]
Status = Literal["RESERVED", "SETTLED", "REFUNDED"]
COIN: Mapping[Currency, str] = {"star": "starCoin", "luna": "lunaCoin"}
USED: Mapping[Currency, str] = {"star": "totalStarCoinUsed", "luna": "totalLunaCoinUsed"}
GAIN: Mapping[Currency, str] = {"star": "totalStarCoinGain", "luna": "totalLunaCoinGain"}
MOVE, LINE, OPEN = "MOVE#", "LINE#", "OPEN#"
ERASE = "ERASE"
"""The mark of an account that is being erased."""
ERASED = "erased"
"""Stands in the session row of an account that was."""
OWN_MARK = "/"
"""Stands in the ids of the service's own movements (`coupon/…`, `admin/…`) and in no idempotency key, so
that nobody can take such an id first. `init`, the one documented without it, is there from the start."""


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
"""Partitions of what is under way: a reply writes into one of them twice, and each takes 1,000 a second."""


def under_way(user_id: str, now_ms: int) -> dict[str, str]:
    """The attributes by which the sweep finds a row that a crash must not leave lying."""
    shard = zlib.crc32(user_id.encode("utf-8", "replace")) % OPEN_SHARDS
    return {"OPEN_PK": under_way_pk(shard), "OPEN_SK": f"TS#{now_ms:013d}"}


def under_way_pk(shard: int) -> str:
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
        **under_way(user_id, now_ms),
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
    """The movement in a MOVE# or LINE# row."""
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
    """The MOVE# item of a movement."""
    return _row(move_key(user_id, movement.id), movement) | more


def line_row(user_id: str, movement: Movement, now_ms: int) -> dict[str, Any]:
    """The LINE# item of a movement that took effect at `now_ms`."""
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
    kind: Kind,
    currency: Currency,
    amount: int,
    now_ms: int,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> list[Operation]:
    """Coins into (amount > 0) or out of (amount < 0) an existing wallet, once for each `operation`.

    Four operations, in this order: movement, wallet, ledger, line. The first fails where the operation was
    done before, the second without wallet or cover, the third without a ledger. `more` is kept with the
    movement.
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
    """Wallet and ledger summary for `amount` coins; `undo` takes back a use instead of counting a gain."""
    # The balance is checked in the write itself: between a read and the write, another request may have
    # spent it.
    covered: Condition = Exists() if amount >= 0 else Ge(COIN[currency], -amount)
    # Given back is no gain: the use is counted down, so that balance = gain − used holds.
    total = GAIN[currency] if amount >= 0 and not undo else USED[currency]
    stamp = {"updatedAt": moment}
    return [
        Update(tables.wallet, wallet_key(user_id), set=stamp, incr={COIN[currency]: amount}, when=covered),
        Update(
            tables.ledger,
            ledger_key(user_id),
            set=stamp,
            incr={total: -amount if undo or amount < 0 else amount},
            when=Exists(),
        ),
    ]
