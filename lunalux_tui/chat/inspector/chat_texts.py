"""What a chat itself brought into a prompt: its texts in the place of the card's, and those of scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lunalux_core.text import clean_line
from lunalux_tui.chat.inspector.items import Item
from lunalux_tui.i18n import in_a_list, t
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED, Run


def chat_texts(record: Mapping[str, Any]) -> Iterator[Item]:
    """One row for each kind that there is; older records have neither."""
    if overrides := record.get("overrides"):
        title = t("inspector.overrides.title")
        names = in_a_list(t(f"overrides.{name}") for name in overrides)
        told: list[Run] = [(title, ACCENT | BOLD), ("", 0), (t("inspector.overrides.told", names=names), 0)]
        yield Item(title, names, str(len(overrides)), text=names, told=lambda: told)
    if injections := record.get("injections"):
        yield _injections(injections)


def _injections(injections: list[Mapping[str, Any]]) -> Item:
    title = t("inspector.injections.title")
    runs: list[Run] = [(title, ACCENT | BOLD)]
    for injection in injections:
        place = t(
            f"inspector.injections.{injection['position']}", n=injection["depth"], role=injection["role"]
        )
        more = [t("inspector.injections.scanned")] if injection["scan"] else []
        more += [t("inspector.injections.once")] if injection["ephemeral"] else []
        runs += [
            ("", 0),
            (f"{injection['id']} · {', '.join((place, *more))}", MUTED),
            (injection["content"], 0),
        ]
    text = "\n".join(run for run, _ in runs)
    names = in_a_list(clean_line(injection["id"], 40) for injection in injections)
    return Item(title, names, str(len(injections)), text=text, told=lambda: runs)
