"""What a reply and all replies of its conversation used: tokens, time, and money where it is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lunalux_core.library.conversations import Message
from lunalux_core.library.spending import Spending
from lunalux_tui.chat.inspector.items import Item
from lunalux_tui.i18n import t
from lunalux_tui.parts.amounts import money
from lunalux_tui.theme.styles import ACCENT, BOLD, Run


def took(reply: Message | None, spending: Spending | None) -> Iterator[Item]:
    """One row for both; none where nothing came."""
    if reply is None or reply.usage is None or spending is None:
        return
    title = t("inspector.took.title")
    amount = _amount(reply.extra.get("cost"))
    runs: list[Run] = [(title, ACCENT | BOLD), ("", 0)]
    runs += [(line, 0) for line in _of_reply(reply, amount)]
    runs += [("", 0), (t("inspector.took.chat"), ACCENT | BOLD), ("", 0)]
    runs += [(line, 0) for line in _of_chat(spending)]
    text = "\n".join(line for line, _ in runs)
    yield Item(title, amount or t("inspector.took.no_price"), text=text, told=lambda: runs)


def _of_reply(reply: Message, amount: str) -> Iterator[str]:
    usage = reply.usage or {}
    yield from _tokens(usage)
    if usage.get("estimated"):
        yield t("inspector.took.estimated")
    speed = reply.extra.get("speed")
    if isinstance(speed, dict):
        first, rate = speed.get("first_token_s"), speed.get("tokens_per_s")
        if isinstance(first, (int, float)) and isinstance(rate, (int, float)):
            yield t("inspector.took.speed", first=f"{first:.2f}", rate=f"{rate:.1f}")
    cost = reply.extra.get("cost")
    source = cost.get("source") if isinstance(cost, dict) else None
    if amount and source in ("person", "server", "openrouter", "list"):
        yield t("inspector.took.money", amount=amount, source=t(f"inspector.took.by.{source}"))


def _of_chat(spending: Spending) -> Iterator[str]:
    yield t("inspector.took.replies", n=spending.replies)
    yield from _tokens(spending.as_json())
    for currency, amount in spending.amounts.items():
        yield money({"amount": amount, "currency": currency})
    if spending.unpriced:
        yield t("inspector.took.unpriced", n=spending.unpriced)


def _tokens(counts: Mapping[str, Any]) -> Iterator[str]:
    for name in ("prompt_tokens", "cached_tokens", "completion_tokens", "thinking_tokens"):
        yield t(f"inspector.took.{name}", n=f"{counts.get(name, 0):,}")


def _amount(cost: object) -> str:
    return money(cost) if isinstance(cost, dict) else ""
