"""What a model's tokens cost: a person's numbers, else OpenRouter's list, else the list of `genai-prices`.

That list is three megabytes and takes a fifth of a second to load, so it is read in a thread, once for each
model, and what it said is kept. An unknown price is no price, never a guess.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from lunalux_core.llm.model import CURRENCY, MILLION, ModelSpec, Usage
from lunalux_core.llm.parameters import kind_of

PriceSource = Literal["person", "openrouter", "list"]

_OF_LIST = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "deepseek": "deepseek",
    "mistral": "mistral",
    "openrouter": "openrouter",
}
"""What the list calls the companies behind our kinds of server."""
_SAMPLE = 1000
"""Tokens that are priced to learn a price; some models are dearer from a long prompt on."""
_DEAREST = 1_000_000
"""US dollars for a million tokens; anything above is no price."""


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for a million tokens: of the prompt, of what of it came from a cache, of the reply."""

    read: float
    cached: float
    written: float
    source: PriceSource

    def as_json(self) -> dict[str, Any]:
        return {
            "input": self.read,
            "cached": self.cached,
            "output": self.written,
            "currency": CURRENCY,
            "source": self.source,
        }

    def cost(self, usage: Usage) -> dict[str, object]:
        """Amount, currency and source of one call."""
        reused = min(usage.cached_tokens, usage.prompt_tokens)
        amount = (usage.prompt_tokens - reused) * self.read + reused * self.cached
        amount += usage.completion_tokens * self.written
        return {"amount": round(amount / MILLION, 8), "currency": CURRENCY, "source": self.source}


def cost_of(usage: Usage, prices: Prices | None) -> dict[str, object] | None:
    """What a call cost: by the person's prices, else as the server told, else by a list; None where nobody
    knows."""
    if usage.cost is not None and (prices is None or prices.source != "person"):
        return {"amount": round(usage.cost, 8), "currency": CURRENCY, "source": "server"}
    return prices.cost(usage) if prices is not None else None


def openrouter_prices(row: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """The prices of a row of OpenRouter's list, which has them for one token, as text. A model that stands
    for several has none."""
    pricing = row.get("pricing")
    if not isinstance(pricing, dict):
        return None
    read, written = _number(pricing.get("prompt")), _number(pricing.get("completion"))
    if read is None or written is None:
        return None
    cached = _number(pricing.get("input_cache_read"))
    return read, read if cached is None else cached, written


def _number(value: object) -> float | None:
    """US dollars for a million tokens, of a price for one."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        price = float(value) * MILLION
    except (ValueError, OverflowError):
        return None
    return round(price, 8) if math.isfinite(price) and 0 <= price <= _DEAREST else None


class PriceList:
    """Prices of hosted models by name.

    Args:
        place: a file that keeps what the list said; None keeps nothing.
    """

    def __init__(self, place: Path | None = None) -> None:
        self._place = place
        self._prices: dict[str, Prices | None] | None = None

    async def find(self, spec: ModelSpec) -> Prices | None:
        """The price of a model; None for one that nobody lists, and for a server of the person's own."""
        address = _address(spec)
        if address is None:
            return None
        key = f"{address} {spec.model}"
        if self._prices is None:
            self._prices = await asyncio.to_thread(self._load)
        if key not in self._prices:
            # None is kept as well: what nobody lists need not be looked for again.
            self._prices[key] = await asyncio.to_thread(_listed, spec)
            await asyncio.to_thread(self._keep)
        return self._prices[key]

    def _load(self) -> dict[str, Prices | None]:
        """What was kept of this version of the list."""
        kept: object = None
        with suppress(OSError, ValueError, RecursionError):
            kept = json.loads(self._place.read_text("utf-8")) if self._place is not None else None
        if not isinstance(kept, dict) or kept.get("version") != _version():
            return {}
        rows = kept.get("prices")
        return {key: _read(row) for key, row in rows.items()} if isinstance(rows, dict) else {}

    def _keep(self) -> None:
        if self._place is None or self._prices is None:
            return
        rows = {
            key: [prices.read, prices.cached, prices.written] if prices is not None else None
            for key, prices in self._prices.items()
        }
        with suppress(OSError):  # it is asked again next time
            self._place.parent.mkdir(parents=True, exist_ok=True)
            self._place.write_text(json.dumps({"version": _version(), "prices": rows}), "utf-8")


def _read(row: object) -> Prices | None:
    if (
        not isinstance(row, list)
        or len(row) != 3
        or not all(isinstance(number, (int, float)) for number in row)
    ):
        return None
    read, cached, written = map(float, row)
    return Prices(read, cached, written, "list")


def _address(spec: ModelSpec) -> str | None:
    """Which company's list a model is on: our kind of server, else its address; None for one's own server."""
    kind = kind_of(spec.provider, spec.base_url)
    if kind in _OF_LIST:
        return kind
    host = urlsplit(spec.base_url).hostname or ""
    # A name without a dot, or a number, is a machine near by, and nobody lists its prices.
    is_address = kind == "generic" and "." in host and not host.replace(".", "").isdigit() and ":" not in host
    return spec.base_url if is_address else None


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("genai-prices")
    except PackageNotFoundError:
        return ""


def _listed(spec: ModelSpec) -> Prices | None:
    """What the list says; slow the first time."""
    try:
        from genai_prices import Usage as Tokens
        from genai_prices import calc_price
    except ImportError:
        return None
    kind = kind_of(spec.provider, spec.base_url)
    where: dict[str, Any] = {"provider_id": _OF_LIST[kind]} if kind in _OF_LIST else {}
    where = where or {"provider_api_url": spec.base_url}

    def price(**tokens: int) -> float:
        estimate = calc_price(Tokens(**tokens), model_ref=spec.model, **where)
        return round(float(estimate.total_price) * MILLION / _SAMPLE, 8)

    try:
        read, written = price(input_tokens=_SAMPLE), price(output_tokens=_SAMPLE)
        cached = price(input_tokens=_SAMPLE, cache_read_tokens=_SAMPLE)
    except (LookupError, ValueError):
        return None
    return Prices(read, cached, written, "list")
