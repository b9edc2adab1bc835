"""Ledger summaries and the history of movements.

Coins are whole. Where another program left a fraction, or no number at all, `heal` rounds it once, as a
movement: from then on wallet, totals and the sum of the movements agree.

See docs/spec/backend.md: Tables, Transactions, Money rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lunalux_core.backend.money.billing import CURRENCIES, Currency
from lunalux_core.backend.repos.movements import (
    COIN,
    GAIN,
    LINE,
    MOVE,
    OPEN_SHARDS,
    USED,
    Movement,
    ledger_key,
    line_row,
    move_key,
    move_row,
    movement_of,
    open_pk,
    user_pk,
    wallet_key,
)
from lunalux_core.backend.running.backend_settings import TableNames
from lunalux_core.backend.running.clock import iso
from lunalux_core.backend.storage.foreign_values import LARGEST, is_number, is_whole, unchanged, whole
from lunalux_core.backend.storage.schema import OPEN_INDEX
from lunalux_core.backend.storage.table import (
    Absent,
    Check,
    Condition,
    ConditionFailed,
    Exists,
    Item,
    Operation,
    Put,
    Store,
    Unavailable,
    Update,
    rows_of,
)
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.ids import uuid4

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
        item = await self._store.get(self._tables.ledger, ledger_key(user_id))
        if item is None or is_odd(item, (*USED.values(), *GAIN.values())):
            await self.heal(user_id)
            return await self.get(user_id)
        return ledger_of(item)

    async def heal(self, user_id: str) -> None:
        """Make what an older account lacks: whole balances, the summary, and movements that explain them.

        Every write is conditioned on the balances as read, so no coin moves unseen between.
        """
        for _ in range(HEAL_TRIES):
            wallet = await self._store.get(self._tables.wallet, wallet_key(user_id))
            if wallet is None:
                return
            ledger = await self._store.get(self._tables.ledger, ledger_key(user_id))
            opening = await self._store.get(self._tables.ledger, move_key(user_id, OPENING["star"]))
            odd = is_odd(wallet, COIN.values()) or is_odd(ledger or {}, (*USED.values(), *GAIN.values()))
            if ledger is not None and opening is not None and not odd:
                return
            # First whole numbers, then what is missing: sums of fractions explain nothing.
            remedy = self._rounding if odd else self._remedy
            try:
                # Fails where a coin moved since the wallet was read; then all is read again.
                await self._store.transact(await remedy(user_id, wallet, ledger, opening))
            except ConditionFailed:
                continue
            if not odd:
                return
        raise Unavailable("The account's ledger changes too fast to be completed.")

    async def _rounding(
        self, user_id: str, wallet: Item, ledger: Item | None, opening: Item | None
    ) -> list[Operation]:
        """Whole coins in wallet and summary, and a movement of what that makes of what was explained so far.

        What is no number at all is as much as the summary says, else the movements.
        """
        odd = [
            c for c in CURRENCIES if is_odd(wallet, (COIN[c],)) or is_odd(ledger or {}, (USED[c], GAIN[c]))
        ]
        return await self._levelling(user_id, wallet, ledger, odd, "round", explained=opening is not None)

    async def refused(self, user_id: str, failed: ConditionFailed, wallet_at: int) -> None:
        """After a `gain` that wallet or ledger refused: mend the account, so that it can be tried again.

        Args:
            wallet_at: the place of the wallet's write in the transaction; the ledger's comes next.

        Raises:
            NotFound: WALLET_NOT_FOUND. InvalidInput: INVALID_REQUEST, more than an account holds.
        """
        of_wallet, old = failed.index == wallet_at, failed.old
        if of_wallet and old is None:
            raise no_wallet()
        if old is not None and not is_odd(
            old, COIN.values() if of_wallet else (*USED.values(), *GAIN.values())
        ):
            raise wallet_full()
        await self.heal(user_id)

    async def repair(self, user_id: str, currency: Currency) -> int | None:
        """Make ledger and movements say what the wallet holds, which is what its owner saw; a balance below
        zero becomes none. What that changes is a movement of its own, `repair/…`.

        Returns:
            The coins of that movement; None where the account moves too fast, or has no wallet.
        """
        await self.heal(user_id)
        for _ in range(HEAL_TRIES):
            wallet = await self._store.get(self._tables.wallet, wallet_key(user_id))
            ledger = await self._store.get(self._tables.ledger, ledger_key(user_id))
            if wallet is None or ledger is None:
                return None
            moved = (await self.movement_sums(user_id))[currency]
            writes = await self._levelling(user_id, wallet, ledger, [currency], "repair", explained=True)
            try:
                await self._store.transact(writes)
            except ConditionFailed:
                continue  # it moved meanwhile
            return max(0, whole(wallet.get(COIN[currency]))) - moved
        return None

    async def _levelling(
        self,
        user_id: str,
        wallet: Item,
        ledger: Item | None,
        currencies: Iterable[Currency],
        why: str,
        *,
        explained: bool,
    ) -> list[Operation]:
        """Wallet and summary of some coins made equal, and a movement `why/…` of what the movements lack.

        Args:
            explained: whether there are movements; without any, what opens the account explains it all.
        """
        now, moved = self._now_ms(), await self.movement_sums(user_id)
        stored = None if ledger is None else ledger_of(ledger)
        balances: dict[Currency, int] = {}
        totals: dict[str, int] = {}
        writes: list[Operation] = []
        for c in currencies:
            said = moved[c] if stored is None else stored.balance(c)
            balance = wallet.get(COIN[c], 0)
            balances[c] = max(
                0, said if is_number(balance) and abs(balance) > LARGEST else whole(balance, said)
            )
            if ledger is not None:
                used = max(0, whole(ledger.get(USED[c])))
                totals[USED[c]] = used if used + balances[c] <= LARGEST else 0
                totals[GAIN[c]] = totals[USED[c]] + balances[c]
            if explained:
                movement = Movement(
                    f"{why}/{c}/{uuid4()}", "admin", c, balances[c] - moved[c], "SETTLED", iso(now)
                )
                writes.append(Put(self._tables.ledger, move_row(user_id, movement), when=Absent()))
                writes.append(Put(self._tables.ledger, line_row(user_id, movement, now), when=None))
        coins = {COIN[c]: amount for c, amount in balances.items()}
        as_read: list[Condition] = [Exists(), *unchanged(wallet, *COIN.values(), "updatedAt")]
        writes.append(
            Update(
                self._tables.wallet, wallet_key(user_id), set={**coins, "updatedAt": iso(now)}, when=as_read
            )
        )
        if ledger is not None:
            unmoved: list[Condition] = [Exists(), *unchanged(ledger, *USED.values(), *GAIN.values())]
            key = ledger_key(user_id)
            writes.append(
                Update(self._tables.ledger, key, set={**totals, "updatedAt": iso(now)}, when=unmoved)
            )
        return writes

    async def _remedy(
        self, user_id: str, wallet: Item, ledger: Item | None, opening: Item | None
    ) -> list[Operation]:
        now = self._now_ms()
        unmoved: list[Condition] = [Exists(), *unchanged(wallet, *COIN.values())]
        writes: list[Operation] = [Check(self._tables.wallet, wallet_key(user_id), when=unmoved)]
        if ledger is None:
            balances = {c: whole(wallet.get(COIN[c])) for c in CURRENCIES}
            writes.append(Put(self._tables.ledger, new_ledger(user_id, balances, now), when=Absent()))
        if opening is None:
            moved = await self.movement_sums(user_id)
            missing = {c: whole(wallet.get(COIN[c])) - moved[c] for c in CURRENCIES}
            writes += opening_moves(self._tables, user_id, missing, now)
        return writes

    async def movement_sums(self, user_id: str) -> dict[Currency, int]:
        """The sum of all movements' amounts, by coin. Reads every movement: for operators and repairs."""
        sums: dict[Currency, int] = dict.fromkeys(CURRENCIES, 0)
        async for row in rows_of(self._store, self._tables.ledger, user_pk(user_id), prefix=MOVE):
            if row.get("currency") in CURRENCIES:
                sums[row["currency"]] += whole(row.get("amount"))
        return sums

    async def open_rows(self) -> list[Item]:
        """The keys of unfinished reservations and erasures, which the sweeper ends after a crash.

        Each row has `OPEN_SK` too: `TS#` and the milliseconds when it was opened. The oldest row comes first
        in each shard of the index.

        Raises:
            Invalid, StorageError: also where the table has no such index yet.
        """
        return [
            row
            for shard in range(OPEN_SHARDS)
            async for row in rows_of(self._store, self._tables.ledger, open_pk(shard), index=OPEN_INDEX)
        ]

    async def history(self, user_id: str, after: str | None = None, limit: int = 50) -> HistoryPage:
        """A page of the account's movements; `after` as an earlier page gave it.

        Raises:
            InvalidInput: INVALID_REQUEST, `after` is not of this listing.
        """
        start = None
        if after is not None:
            if not after.startswith(LINE) or len(after) > 256:
                raise InvalidInput("INVALID_REQUEST", "The history key is not valid; start anew.")
            # The partition is the caller's own, so that a forged cursor shows nobody else's movements.
            start = {"PK": user_pk(user_id), "SK": after}
        page = await self._store.query(
            self._tables.ledger, user_pk(user_id), prefix=LINE, after=start, limit=max(1, min(limit, 100))
        )
        movements = tuple(movement_of(row) for row in page.items)
        return HistoryPage(movements, page.after["SK"] if page.after else None)


def no_wallet() -> NotFound:
    return NotFound(
        "WALLET_NOT_FOUND", "This account has no wallet yet.", "Sign in again; that sets the account up."
    )


def wallet_full() -> InvalidInput:
    # No number that every client can hold: it would be rounded.
    return InvalidInput(
        "INVALID_REQUEST", f"A wallet holds at most {LARGEST} coins.", kind="wallet_full", most=LARGEST
    )


def ledger_of(item: Item) -> Ledger:
    def total(name: str) -> int:
        return whole(item.get(name))

    return Ledger(
        user_id=str(item["PK"]).removeprefix("USER#"),
        total_star_coin_used=total(USED["star"]),
        total_star_coin_gain=total(GAIN["star"]),
        total_luna_coin_used=total(USED["luna"]),
        total_luna_coin_gain=total(GAIN["luna"]),
    )


def is_odd(item: Item, names: Iterable[str]) -> bool:
    """Whether any of these attributes is there and is no whole number."""
    return any(name in item and not is_whole(item[name]) for name in names)


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
