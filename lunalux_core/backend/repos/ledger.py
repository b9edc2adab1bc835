"""Ledger summaries and the history of movements (BACKEND 1.1; A1, M17)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lunalux_core.backend.billing import CURRENCIES, Currency
from lunalux_core.backend.clock import iso
from lunalux_core.backend.repos.movements import (
    COIN,
    GAIN,
    LINE,
    MOVE,
    USED,
    Movement,
    ledger_key,
    line_row,
    move_key,
    move_row,
    movement_of,
    user_pk,
    wallet_key,
)
from lunalux_core.backend.settings import TableNames
from lunalux_core.backend.storage.table import (
    Absent,
    Check,
    Condition,
    ConditionFailed,
    Eq,
    Exists,
    Item,
    Operation,
    Put,
    Store,
    Unavailable,
)
from lunalux_core.errors import InvalidInput

HEAL_TRIES = 8
OPENING: dict[Currency, str] = {"star": "init", "luna": "init/luna"}
"""Ids of the movements that open an account, one for each coin."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Totals since the account began; the initial coins count as gain."""

    user_id: str
    total_star_coin_used: int
    total_star_coin_gain: int
    total_luna_coin_used: int
    total_luna_coin_gain: int

    def balance(self, currency: Currency) -> int:
        if currency == "star":
            return self.total_star_coin_gain - self.total_star_coin_used
        return self.total_luna_coin_gain - self.total_luna_coin_used


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Movements, newest first; `after` is where to go on, None at the end."""

    movements: tuple[Movement, ...]
    after: str | None


class Ledgers:
    """The ledger table: summaries and movements."""

    def __init__(self, store: Store, tables: TableNames, now_ms: Callable[[], int]) -> None:
        self._store, self._tables, self._now_ms = store, tables, now_ms

    async def get(self, user_id: str) -> Ledger | None:
        item = await self._store.get(self._tables.ledger, ledger_key(user_id))
        return None if item is None else ledger_of(item)

    async def require(self, user_id: str) -> Ledger | None:
        """The summary, made from the wallet's balance where it is missing; None without a wallet."""
        ledger = await self.get(user_id)
        if ledger is None:
            await self.heal(user_id)
            ledger = await self.get(user_id)
        return ledger

    async def heal(self, user_id: str) -> None:
        """Make what an older account lacks: the summary, and movements that explain its balance (M17).

        Every write is conditioned on the balances as read, so no coin moves unseen between.
        """
        for _ in range(HEAL_TRIES):
            wallet = await self._store.get(self._tables.wallet, wallet_key(user_id))
            if wallet is None:
                return
            ledger = await self._store.get(self._tables.ledger, ledger_key(user_id))
            opening = await self._store.get(self._tables.ledger, move_key(user_id, OPENING["star"]))
            if ledger is not None and opening is not None:
                return
            try:
                await self._store.transact(await self._remedy(user_id, wallet, ledger, opening))
                return
            except ConditionFailed:
                continue
        raise Unavailable("The account's ledger changes too fast to be completed.")

    async def _remedy(
        self, user_id: str, wallet: Item, ledger: Item | None, opening: Item | None
    ) -> list[Operation]:
        now = self._now_ms()
        unmoved: list[Condition] = [Exists()]
        unmoved += [Eq(COIN[c], wallet[COIN[c]]) for c in CURRENCIES if COIN[c] in wallet]
        writes: list[Operation] = [Check(self._tables.wallet, wallet_key(user_id), when=unmoved)]
        if ledger is None:
            balances = {c: int(wallet.get(COIN[c], 0)) for c in CURRENCIES}
            writes.append(Put(self._tables.ledger, new_ledger(user_id, balances, now), when=Absent()))
        if opening is None:
            moved = await self.movement_sums(user_id)
            missing = {c: int(wallet.get(COIN[c], 0)) - moved[c] for c in CURRENCIES}
            writes += opening_moves(self._tables, user_id, missing, now)
        return writes

    async def movement_sums(self, user_id: str) -> dict[Currency, int]:
        """The sum of all movements' amounts, by coin. Reads every movement: for operators and repairs."""
        sums: dict[Currency, int] = dict.fromkeys(CURRENCIES, 0)
        after = None
        while True:
            page = await self._store.query(self._tables.ledger, user_pk(user_id), prefix=MOVE, after=after)
            for row in page.items:
                if row.get("currency") in CURRENCIES:
                    sums[row["currency"]] += int(row["amount"])
            after = page.after
            if after is None:
                return sums

    async def history(self, user_id: str, after: str | None = None, limit: int = 50) -> HistoryPage:
        """A page of the account's movements; `after` as an earlier page gave it.

        Raises:
            InvalidInput: INVALID_REQUEST, `after` is not of this listing.
        """
        start = None
        if after is not None:
            if not after.startswith(LINE) or len(after) > 256:
                raise InvalidInput("INVALID_REQUEST", "The history key is not valid; start anew.")
            start = {"PK": user_pk(user_id), "SK": after}
        page = await self._store.query(
            self._tables.ledger, user_pk(user_id), prefix=LINE, after=start, limit=max(1, min(limit, 100))
        )
        movements = tuple(movement_of(row) for row in page.items)
        return HistoryPage(movements, page.after["SK"] if page.after else None)


def ledger_of(item: Item) -> Ledger:
    def total(name: str) -> int:
        value = item.get(name, 0)
        return value if type(value) is int else 0

    return Ledger(
        user_id=str(item["PK"]).removeprefix("USER#"),
        total_star_coin_used=total(USED["star"]),
        total_star_coin_gain=total(GAIN["star"]),
        total_luna_coin_used=total(USED["luna"]),
        total_luna_coin_gain=total(GAIN["luna"]),
    )


def new_ledger(user_id: str, gains: dict[Currency, int], now_ms: int) -> dict[str, object]:
    """A summary whose gains are what the wallet holds."""
    key, moment = ledger_key(user_id), iso(now_ms)
    totals = dict.fromkeys(USED.values(), 0) | {GAIN[c]: amount for c, amount in gains.items()}
    return {
        "PK": key.pk,
        "SK": key.sk,
        "userId": user_id,
        **totals,
        "createdAt": moment,
        "updatedAt": moment,
    }


def opening_moves(
    tables: TableNames, user_id: str, amounts: dict[Currency, int], now_ms: int
) -> list[Operation]:
    """The movements that open an account, with their lines of history."""
    writes: list[Operation] = []
    for currency, amount in amounts.items():
        movement = Movement(OPENING[currency], "init", currency, amount, "SETTLED", iso(now_ms))
        writes.append(Put(tables.ledger, move_row(user_id, movement), when=Absent()))
        writes.append(Put(tables.ledger, line_row(user_id, movement, now_ms), when=None))
    return writes
