"""How far the prompt is the one before it, what broke off there, and what the server had in its cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lunalux_core.text import clean_line
from lunalux_tui.chat.inspector.items import Item
from lunalux_tui.i18n import in_a_list, t
from lunalux_tui.theme.styles import ACCENT, BOLD, ERROR, MUTED, STRIKE, Run

Record = Mapping[str, Any]
NATURAL = frozenset({"same", "grown"})
"""Causes that are as it should be."""


def beginning(record: Record, slot_name: Callable[[str, Record], str]) -> Iterator[Item]:
    """One row; older records say nothing of it."""
    told = record.get("beginning")
    if not isinstance(told, Mapping) or not told.get("tokens"):
        return
    title = t("inspector.beginning.title")
    lines = list(_cached(told))
    runs: list[Run] = [(title, ACCENT | BOLD), ("", 0)]
    cause = told["cause"]
    if cause is None:
        detail = t("inspector.beginning.first")
    else:
        shared, tokens = f"{told['shared_tokens']:,}", f"{told['tokens']:,}"
        same = t("inspector.beginning.same", shared=shared, tokens=tokens)
        why = t(f"inspector.beginning.cause.{cause}")
        named = in_a_list(clean_line(name, 60) for name in told["names"])
        if cause not in NATURAL and (
            part := named or (slot_name(told["slot"], record) if told["slot"] else "")
        ):
            why = f"{why}: {part}"
        detail = why
        lines = [same, why, *lines]
    runs += [(line, 0) for line in ([detail, *lines] if cause is None else lines)]
    if cause not in (None, "same"):
        runs += [("", 0), (t("inspector.beginning.before"), MUTED), (told["before"], ERROR | STRIKE)]
        runs += [("", 0), (t("inspector.beginning.now"), MUTED), (told["now"], ACCENT)]
    percent = told.get("shared_tokens", 0) * 100 // told["tokens"]
    text = "\n".join(run for run, _ in runs)
    yield Item(title, detail, "" if cause is None else f"{percent} %", text=text, told=lambda: runs)


def _cached(told: Mapping[str, Any]) -> Iterator[str]:
    if told.get("prompt_tokens"):
        cached, prompt = f"{told['cached_tokens']:,}", f"{told['prompt_tokens']:,}"
        yield t("inspector.beginning.cached", cached=cached, prompt=prompt)
