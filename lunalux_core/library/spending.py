"""What the replies of a conversation took: tokens, and money where it is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lunalux_core.database import Connection
from lunalux_core.library.cells import object_in

_COUNTS = ("prompt_tokens", "cached_tokens", "completion_tokens", "thinking_tokens")


@dataclass(frozen=True, slots=True)
class Spending:
    """Of all replies that are kept, on every branch; those that were deleted are not in it.

    `amounts` are sums by currency; `unpriced` counts the replies whose price nobody knows, `estimated` those
    whose tokens were not told by their server.
    """

    replies: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    thinking_tokens: int = 0
    amounts: Mapping[str, float] = field(default_factory=dict)
    unpriced: int = 0
    estimated: int = 0

    def as_json(self) -> dict[str, Any]:
        """For the command line."""
        costs = [{"amount": amount, "currency": currency} for currency, amount in self.amounts.items()]
        return {
            "replies": self.replies,
            **{name: getattr(self, name) for name in _COUNTS},
            "cost": costs,
            "unpriced": self.unpriced,
            "estimated": self.estimated,
        }


def load_spending(connection: Connection, conversation_id: str) -> Spending:
    """See `Spending`."""
    counts = dict.fromkeys(_COUNTS, 0)
    amounts: dict[str, float] = {}
    replies = unpriced = estimated = 0
    rows = connection.execute(
        "SELECT usage, extra FROM messages WHERE conversation_id = ? AND usage IS NOT NULL",
        (conversation_id,),
    )
    for row in rows:
        usage = object_in(row["usage"])
        replies += 1
        estimated += usage.get("estimated") is True
        for name in _COUNTS:
            count = usage.get(name)
            counts[name] += count if isinstance(count, int) and count > 0 else 0
        cost = _cost(row["extra"])
        if cost is None:
            unpriced += 1
        else:
            currency, amount = cost
            # Sums of binary fractions drift by less than any price has digits.
            amounts[currency] = round(amounts.get(currency, 0) + amount, 8)
    return Spending(replies, **counts, amounts=amounts, unpriced=unpriced, estimated=estimated)


def _cost(extra: str) -> tuple[str, float] | None:
    """Currency and amount in a message's `extra`, where it has them."""
    # Most replies have no price, and their JSON need not be read to know it.
    if '"cost"' not in extra:
        return None
    cost = object_in(extra).get("cost")
    if not isinstance(cost, dict):
        return None
    amount, currency = cost.get("amount"), cost.get("currency")
    if not isinstance(amount, (int, float)) or not math.isfinite(amount) or not isinstance(currency, str):
        return None
    return currency, float(amount)
