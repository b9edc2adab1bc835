"""What a reply cost: tokens times a person's own prices. Unknown prices are no money, never a guess."""

from __future__ import annotations

from lunalux_core.llm.model import Usage

MILLION = 1_000_000
CURRENCY = "USD"
"""What people's prices are counted in: the providers' lists are."""


def cost_of(usage: Usage, price: tuple[float, float, float] | None) -> dict[str, object] | None:
    """Amount, currency and source; None where no price is known. `price` as in `ModelOptions`."""
    if price is None:
        return None
    read, cached, written = price
    reused = min(usage.cached_tokens, usage.prompt_tokens)
    amount = (usage.prompt_tokens - reused) * read + reused * cached + usage.completion_tokens * written
    return {"amount": round(amount / MILLION, 8), "currency": CURRENCY, "source": "person"}
