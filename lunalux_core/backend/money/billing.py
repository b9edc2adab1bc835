"""What an official reply costs, and from which coins it is paid: a pure decision.

The order is free → star → luna. Only a row of the price list and the wallet take part; nothing that a
client says does.

See docs/spec/backend.md: HTTP API, Money rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lunalux_core.errors import BackendError, PaymentError

Currency = Literal["star", "luna"]
Method = Literal["free", "star", "luna"]
CURRENCIES: tuple[Currency, ...] = ("star", "luna")


@dataclass(frozen=True, slots=True)
class Wallet:
    """Coins in hand, whole and never negative. `lux_level` is 0, 1 or 2."""

    user_id: str
    lux_level: int
    star_coin: int
    luna_coin: int

    def balance(self, currency: Currency) -> int:
        return self.star_coin if currency == "star" else self.luna_coin


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A row of the price list. A cost of -1 means that the coin is not taken; `free_level` -1 never,
    0 for everybody, n from Lux level n. The two caps bound one call, None where the row has none.
    `extra` is what else the row says, for clients that know it."""

    model_id: str
    displayname: str
    model_type: str
    model_name: str
    free_level: int
    allow_star: bool
    allow_luna: bool
    star_cost: int
    luna_cost: int
    sort_order: int
    max_input_chars: int | None = None
    max_output_tokens: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def cost(self, currency: Currency) -> int | None:
        """The price in a coin, None where the coin is not taken."""
        allowed, cost = (
            (self.allow_star, self.star_cost) if currency == "star" else (self.allow_luna, self.luna_cost)
        )
        return cost if allowed and cost >= 0 else None


@dataclass(frozen=True, slots=True)
class Approval:
    """How a reply is paid; `cost` is 0 where `method` is "free"."""

    method: Method
    cost: int

    @property
    def currency(self) -> Currency | None:
        return None if self.method == "free" else self.method


@dataclass(frozen=True, slots=True)
class ShownPrice:
    """What a person saw before asking: how it would be paid, and the price in each coin. None: not shown."""

    method: Method | None = None
    star: int | None = None
    luna: int | None = None

    def covers(self, approval: Approval) -> bool:
        """Whether `approval` costs no more than was shown, in a coin that was shown."""
        currency = approval.currency
        if currency is None or approval.cost == 0:
            return True
        shown = {"star": self.star, "luna": self.luna}
        price = shown[currency]
        # A price below 0 says that the coin is not taken, so it is no price that was shown.
        if price is not None and price >= 0:
            return approval.cost <= price and self.method != "free"
        if self.method is not None:
            return self.method == currency
        # A client that shows no prices at all takes them as they are.
        return all(other is None for other in shown.values())


def price_changed(config: ModelConfig) -> BackendError:
    """The price is higher than the person was shown; nothing was charged."""
    return BackendError(
        "PRICE_CHANGED",
        f"The price of {config.displayname} has changed; nothing was charged.",
        "Look at the new price and ask again.",
        model=config.displayname,
    )


def approve(config: ModelConfig, wallet: Wallet) -> Approval:
    """The first way to pay that is open and covered.

    Raises:
        PaymentError: PAYMENT_NOT_SUPPORTED, no coin is taken; INSUFFICIENT_FUNDS, too few are there.
    """
    # -1 means never; without the 0 it would be free for everybody.
    if 0 <= config.free_level <= wallet.lux_level:
        return Approval("free", 0)
    prices: list[tuple[Currency, int]] = [
        (currency, cost) for currency in CURRENCIES if (cost := config.cost(currency)) is not None
    ]
    for currency, cost in prices:
        if wallet.balance(currency) >= cost:
            return Approval(currency, cost)
    if not prices:
        raise PaymentError(
            "PAYMENT_NOT_SUPPORTED",
            f"{config.displayname} cannot be paid with coins.",
            "Choose another model, or raise the account's Lux level.",
            model=config.displayname,
        )
    raise PaymentError(
        "INSUFFICIENT_FUNDS",
        f"There are not enough coins for {config.displayname}.",
        "Redeem a coupon, or choose a model that costs less.",
        model=config.displayname,
        **dict(prices),
    )


def race_lost(config: ModelConfig) -> PaymentError:
    """The coins that were there a moment ago were spent by another request meanwhile."""
    return PaymentError(
        "BILLING_FAILED",
        f"The coins for {config.displayname} were spent by another request meanwhile.",
        "Try again when you have enough coins.",
        model=config.displayname,
    )
