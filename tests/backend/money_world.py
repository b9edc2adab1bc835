"""A service's money on a real store, with a clock that tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from storage_engines import open_store

from lunalux_core.backend.money.billing import CURRENCIES, Currency, ModelConfig
from lunalux_core.backend.money.money import Action, Money, Replay, Reservation
from lunalux_core.backend.repos.invites import Invites, Rewards
from lunalux_core.backend.repos.ledger import Ledgers
from lunalux_core.backend.repos.movements import COIN, OPEN
from lunalux_core.backend.repos.users import NewAccount, Users
from lunalux_core.backend.repos.wallets import Wallets
from lunalux_core.backend.running.backend_settings import TableNames
from lunalux_core.backend.storage.table import Store

T0 = 1_770_000_000_000
TABLES = TableNames()
HOLD_MS = 10 * 60_000
"""Longer than any reservation is kept."""
FREE = ModelConfig("001", "Free", "practice", "p", 0, False, False, -1, -1, 1)
STAR = ModelConfig("002", "Star", "practice", "p", -1, True, False, 5, -1, 2)
EITHER = ModelConfig("003", "Either", "practice", "p", -1, True, True, 8, 3, 3)
UNPAYABLE = ModelConfig("004", "Closed", "practice", "p", 2, False, False, -1, -1, 4)


class World:
    """The repositories over one store. `step` is called between two writes of a charge."""

    def __init__(
        self, store: Store, rewards: Rewards = Rewards(), step: Callable[[str], None] = lambda name: None
    ) -> None:
        self.store, self.clock = store, T0
        now = self.now
        self.ledgers = Ledgers(store, TABLES, now)
        self.wallets = Wallets(store, TABLES, self.ledgers, now)
        self.invites = Invites(store, TABLES, self.ledgers, rewards, now)
        self.users = Users(store, TABLES, self.ledgers, self.invites, now)
        self.money = Money(store, TABLES, self.wallets, self.ledgers, now, step=step)

    def now(self) -> int:
        return self.clock

    async def account(self, user_id: str = "ada", referral: str | None = None) -> NewAccount:
        return await self.users.init(user_id, f"{user_id}@example.org", referral)

    async def spend(self, config: ModelConfig, operation: str, user_id: str = "ada") -> bool | Replay:
        """Reserve and settle one reply; whether it was charged, or the answer of the first time."""
        made = await self.money.reserve(Action(user_id, operation, "hash"), config)
        if isinstance(made, Replay):
            return made
        return await self.money.settle(made, {"content": operation})

    async def reserve(self, config: ModelConfig, operation: str, user_id: str = "ada") -> Reservation:
        made = await self.money.reserve(Action(user_id, operation, "hash"), config)
        assert isinstance(made, Reservation)
        return made

    async def balances(self, user_id: str = "ada") -> dict[Currency, int]:
        wallet = await self.wallets.require(user_id)
        return {currency: wallet.balance(currency) for currency in CURRENCIES}

    async def check(self, user_id: str = "ada") -> None:
        """I1 and I2: wallet, ledger summary and movements say the same, and nothing is owed."""
        wallet = await self.wallets.require(user_id)
        ledger = await self.ledgers.get(user_id)
        moved = await self.ledgers.movement_sums(user_id)
        assert ledger is not None
        for currency in CURRENCIES:
            assert wallet.balance(currency) == ledger.balance(currency) == moved[currency], COIN[currency]
            assert wallet.balance(currency) >= 0, COIN[currency]

    async def open_rows(self, user_id: str = "ada") -> int:
        page = await self.store.query(TABLES.ledger, f"USER#{user_id}", prefix=OPEN)
        return len(page.items)


@asynccontextmanager
async def world(
    folder: Path, rewards: Rewards = Rewards(), step: Callable[[str], None] = lambda name: None
) -> AsyncIterator[World]:
    store = open_store(folder / "service.db")
    try:
        yield World(store, rewards, step)
    finally:
        await store.aclose()
