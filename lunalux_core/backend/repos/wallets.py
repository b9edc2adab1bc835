"""Wallets: coins in hand. They change by movements only; nothing here sets a balance.

See docs/spec/backend.md: Money rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lunalux_core.backend.money.billing import Currency, Wallet
from lunalux_core.backend.repos.ledger import Ledgers, is_odd, no_wallet, wallet_full
from lunalux_core.backend.repos.movements import COIN, gain, wallet_key
from lunalux_core.backend.running.backend_settings import TableNames
from lunalux_core.backend.running.clock import iso
from lunalux_core.backend.storage.foreign_values import LARGEST
from lunalux_core.backend.storage.table import ConditionFailed, Exists, Item, Store, Update
from lunalux_core.errors import InvalidInput, PaymentError
from lunalux_core.ids import uuid4

LEVELS = (0, 1, 2)


class Wallets:
    """The wallet table."""

    def __init__(self, store: Store, tables: TableNames, ledgers: Ledgers, now_ms: Callable[[], int]) -> None:
        self._store, self._tables, self._ledgers, self._now_ms = store, tables, ledgers, now_ms

    async def get(self, user_id: str) -> Wallet | None:
        """The wallet; coins that another program left as fractions are rounded first, once and for all."""
        item = await self._store.get(self._tables.wallet, wallet_key(user_id))
        if item is not None and is_odd(item, COIN.values()):
            await self._ledgers.heal(user_id)
            item = await self._store.get(self._tables.wallet, wallet_key(user_id))
        return None if item is None else wallet_of(item)

    async def require(self, user_id: str) -> Wallet:
        """The wallet.

        Raises:
            NotFound: WALLET_NOT_FOUND.
        """
        wallet = await self.get(user_id)
        if wallet is None:
            raise no_wallet()
        return wallet

    async def adjust(
        self, user_id: str, currency: Currency, amount: int, *, operation: str | None = None
    ) -> Wallet:
        """Give (amount > 0) or take (amount < 0) coins for an operator, as a movement.

        Args:
            operation: name of the change; the same name is applied once. A new one if None.

        Raises:
            InvalidInput: the amount is 0, or more than a wallet holds. NotFound: WALLET_NOT_FOUND.
            PaymentError: INSUFFICIENT_FUNDS.
        """
        if amount == 0:
            raise InvalidInput("INVALID_REQUEST", "An adjustment of 0 coins changes nothing.")
        wallet = await self.require(user_id)
        # Only what no wallet ever covers: whether this one does is for the write to say, to which a change
        # that was made before comes first.
        if abs(amount) > LARGEST:
            check_adjustment(wallet, currency, amount)
        writes = gain(
            self._tables,
            user_id,
            operation=f"admin/{operation or uuid4()}",
            kind="admin",
            currency=currency,
            amount=amount,
            now_ms=self._now_ms(),
        )
        await self._ledgers.require(user_id)
        try:
            await self._store.transact(writes)
        except ConditionFailed as failed:
            # 0 is the movement: it stands already, so the change was made before.
            if failed.index != 0 and failed.old is None:
                raise no_wallet() from None
            if failed.index != 0:
                raise (wallet_full() if amount > 0 else _too_poor(-amount)) from None
        return await self.require(user_id)

    async def set_level(self, user_id: str, level: int) -> Wallet:
        """Set the Lux level, 0 to 2.

        Raises:
            InvalidInput: another level. NotFound: WALLET_NOT_FOUND.
        """
        if level not in LEVELS:
            raise InvalidInput("INVALID_REQUEST", "The Lux level is 0, 1 or 2.", level=level)
        changes = {"luxLevel": level, "updatedAt": iso(self._now_ms())}
        try:
            item = await self._store.write(
                Update(self._tables.wallet, wallet_key(user_id), set=changes, when=Exists())
            )
        except ConditionFailed:
            raise no_wallet() from None
        assert item is not None
        return wallet_of(item)


def check_adjustment(wallet: Wallet, currency: Currency, amount: int) -> None:
    """Whether a wallet can be given, or spare, an amount.

    Raises:
        PaymentError: INSUFFICIENT_FUNDS. InvalidInput: INVALID_REQUEST, more than a wallet holds.
    """
    balance = wallet.balance(currency)
    if balance + amount < 0:
        raise _too_poor(-amount)
    if balance + amount > LARGEST:
        raise wallet_full()


def _too_poor(coins: int) -> PaymentError:
    return PaymentError(
        "INSUFFICIENT_FUNDS", f"The wallet holds fewer than {coins} coins.", kind="adjust", coins=coins
    )


def wallet_of(item: Item) -> Wallet:
    """The wallet in an item. A balance that is no whole number counts as none: it can buy nothing."""
    return Wallet(
        user_id=str(item["PK"]).removeprefix("USER#"),
        lux_level=min(max(_whole(item, "luxLevel"), LEVELS[0]), LEVELS[-1]),
        star_coin=_whole(item, COIN["star"]),
        luna_coin=_whole(item, COIN["luna"]),
    )


def _whole(item: Mapping[str, Any], name: str) -> int:
    value = item.get(name, 0)
    return value if type(value) is int else 0
