"""The books agree over random lives of two accounts."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from money_world import EITHER, FREE, HOLD_MS, STAR, TABLES, World

from lunalux_core.backend.money.billing import CURRENCIES, Currency, ModelConfig
from lunalux_core.backend.money.money import Action, Replay, Reservation
from lunalux_core.backend.repos.coupons import Coupons
from lunalux_core.backend.repos.invites import Rewards
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.sqlite import SqliteStore
from lunalux_core.errors import BackendError, PaymentError

T = TypeVar("T")
USERS = st.sampled_from(["ada", "bob"])
MODELS = st.sampled_from([FREE, STAR, EITHER])
COINS: st.SearchStrategy[Currency] = st.sampled_from(CURRENCIES)
CODES = st.sampled_from(["ONE", "TWO", "MANY"])


class Lives(RuleBasedStateMachine):
    """What two accounts do. `coins` is what they would say they own, counted beside the store."""

    reservations: Bundle[Reservation] = Bundle("reservations")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.store = SqliteStore(Path(self.folder.name) / "service.db", table_specs())
        self.w = World(self.store, Rewards(invitee_star=7, threshold=1, milestone_star=11))
        self.coupons = Coupons(self.store, TABLES, self.w.ledgers, self.w.now)
        self.coins = {user: {"star": 100, "luna": 100} for user in ("ada", "bob")}
        self.open: dict[str, Reservation] = {}
        self.answered: dict[tuple[str, str], dict[str, Any]] = {}
        self.claimed: set[tuple[str, str]] = set()
        self.invited = False
        self.actions = 0
        for user in self.coins:
            self.run(self.w.account(user))
        self.run(self.coupons.create("ONE", "star", 13))
        self.run(self.coupons.create("TWO", "luna", 17))
        self.run(self.coupons.create("MANY", "star", 3, 2))

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(what)

    def teardown(self) -> None:
        self.run(self.store.aclose())
        self.loop.close()
        self.folder.cleanup()

    @rule(target=reservations, user=USERS, config=MODELS)
    def reserve(self, user: str, config: ModelConfig) -> Any:
        self.actions += 1
        try:
            made = self.run(self.w.money.reserve(Action(user, f"op{self.actions}", "h"), config))
        except PaymentError as error:
            assert error.code == "INSUFFICIENT_FUNDS"
            prices = {currency: config.cost(currency) for currency in CURRENCIES}
            assert all(price is None or self.coins[user][c] < price for c, price in prices.items())
            return multiple()
        assert isinstance(made, Reservation)
        self.open[made.action.operation] = made
        self.move(made, -made.approval.cost)
        return made

    def move(self, made: Reservation, amount: int) -> None:
        if made.approval.currency is not None:
            self.coins[made.action.user_id][made.approval.currency] += amount

    @rule(made=consumes(reservations), length=st.integers(0, 90_000))
    def settle(self, made: Reservation, length: int) -> None:
        answer = {"content": "a" * length}
        in_time = self.open.pop(made.action.operation, None) is not None
        assert self.run(self.w.money.settle(made, answer)) is in_time
        if in_time:
            self.answered[made.action.user_id, made.action.operation] = answer

    @rule(made=consumes(reservations))
    def refund(self, made: Reservation) -> None:
        in_time = self.open.pop(made.action.operation, None) is not None
        assert self.run(self.w.money.refund(made)) is in_time
        if in_time:
            self.move(made, made.approval.cost)

    @rule()
    def everything_under_way_crashes(self) -> None:
        self.w.clock += HOLD_MS
        swept = sum(self.run(self.w.money.sweep_user(user)) for user in self.coins)
        assert swept == len(self.open)
        for made in self.open.values():
            self.move(made, made.approval.cost)
        self.open.clear()

    @rule(user=USERS, currency=COINS, amount=st.integers(-120, 60).filter(bool))
    def adjust(self, user: str, currency: Currency, amount: int) -> None:
        try:
            self.run(self.w.wallets.adjust(user, currency, amount))
        except PaymentError as error:
            assert error.code == "INSUFFICIENT_FUNDS" and self.coins[user][currency] + amount < 0
            return
        self.coins[user][currency] += amount

    @rule(user=USERS, code=CODES)
    def redeem(self, user: str, code: str) -> None:
        others = {claimer for claimer, claimed in self.claimed if claimed == code}
        key = f"{user} wants {code}"  # the same for every try
        try:
            got = self.run(self.coupons.redeem(user, code, key))
        except BackendError as error:
            assert error.code == "COUPON_INVALID_OR_USED"
            assert code != "MANY" and others and user not in others
            return
        if user not in others:
            assert code == "MANY" or not others
            self.claimed.add((user, code))
            with pytest.raises(BackendError, match="not valid"):
                self.run(self.coupons.redeem(user, code, "another wish"))
            self.coins[user][got.currency] += got.amount

    @rule()
    def invite(self) -> None:
        code = self.run(self.w.invites.require("ada")).invite_code
        self.run(self.w.account("bob", code))
        if not self.invited:
            self.invited = True
            self.coins["bob"]["star"] += 7

    @rule()
    def milestone(self) -> None:
        times = self.run(self.w.invites.settle("ada")).times
        assert times <= self.invited
        self.coins["ada"]["star"] += 11 * times

    @rule(user=USERS)
    def replay(self, user: str) -> None:
        """I3: what was settled can be had again, and costs nothing."""
        for (owner, operation), answer in list(self.answered.items())[-3:]:
            if owner == user:
                again = self.run(self.w.money.reserve(Action(user, operation, "h"), STAR))
                assert again == Replay(answer)

    @invariant()
    def the_books_agree(self) -> None:
        for user, coins in self.coins.items():
            assert self.run(self.w.balances(user)) == coins
            self.run(self.w.check(user))
        assert sum(self.run(self.w.open_rows(user)) for user in self.coins) == len(self.open)


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
