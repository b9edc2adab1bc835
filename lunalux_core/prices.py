"""What an official reply costs a person, and whether that is more than they agreed to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lunalux_core.errors import PaymentError


@dataclass(frozen=True, slots=True)
class Price:
    """A price as it is shown. None for a coin that is not taken; `free` at the person's own level."""

    free: bool
    star: int | None
    luna: int | None

    def __str__(self) -> str:
        if self.free:
            return "free"
        coins = [f"{n} {coin}" for n, coin in ((self.star, "star"), (self.luna, "luna")) if n is not None]
        return " or ".join(coins) or "not offered"

    def dearer_than(self, other: Price) -> bool:
        """Whether somebody who agreed to `other` would be surprised by this."""
        if self.free:
            return False
        if other.free:
            return True
        pairs = ((self.star, other.star), (self.luna, other.luna))
        return any(now is not None and (was is None or now > was) for now, was in pairs)


def price_of(row: Mapping[str, Any], lux_level: int) -> Price:
    """The price that a row of the list asks of somebody of this Lux level."""
    free_level = _number(row.get("freeLevel"))
    star, luna = _number(row.get("starCost")), _number(row.get("lunaCost"))
    return Price(
        free=0 <= free_level <= lux_level,
        star=star if row.get("allowStar") and star >= 0 else None,
        luna=luna if row.get("allowLuna") and luna >= 0 else None,
    )


def kept_price(price: Price) -> dict[str, Any]:
    """A price as a row of the cache holds it."""
    return {"free": price.free, "star": price.star, "luna": price.luna}


def read_price(value: Any) -> Price | None:
    """The price that a row of the cache holds, None where it is another thing."""
    if not isinstance(value, Mapping):
        return None
    star, luna = (_number(value[coin]) if value.get(coin) is not None else None for coin in ("star", "luna"))
    return Price(value.get("free") is True, star, luna)


def price_changed(name: str, model_id: str, was: Price, now: Price) -> PaymentError:
    """The error for a reply that costs more than was agreed to (PRICE_CHANGED)."""
    return PaymentError(
        "PRICE_CHANGED",
        f"{name} now costs more: {now}. You agreed to: {was}. Nothing was charged.",
        "Agree to it in the chat, or with `--accept-price`; or choose another model.",
        model=name,
        model_id=model_id,
        was=was,
        now=now,
    )


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else -1
