"""What the record of a turn says about memories: which were used, which were left out, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lunalux_core.text import clean_line
from lunalux_tui.chat.inspector.items import Item
from lunalux_tui.i18n import in_a_list, t
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED, Run


def memory_items(record: Mapping[str, Any]) -> Iterator[Item]:
    """A row for each memory used, and for each reason why others were not; older records have none."""
    memory = record.get("memory")
    if not isinstance(memory, dict) or not memory:
        return
    for used in memory["used"]:
        yield _used(used)
    for left in memory["left_out"]:
        yield _left(left)


def _used(used: Mapping[str, Any]) -> Item:
    name = clean_line(used["name"], 80)
    why = t(f"inspector.memory.why.{used['why']}", words=clean_line(in_a_list(used["by"]), 80))
    place = t(f"inspector.memory.place.{used['place']}")
    told: list[Run] = [(name, ACCENT | BOLD), (why, 0), (place, MUTED)]
    right = f"{t('inspector.memory.kind.' + used['kind'])} · {used['tokens']:,}"
    return Item(name, f"{why} · {place}", right, "✓", told=lambda: told)


def _left(left: Mapping[str, Any]) -> Item:
    title = t("inspector.memory.left", n=left["count"])
    why = t(f"inspector.memory.out.{left['why']}")
    names = [clean_line(memory["name"], 80) for memory in left["memories"]]
    told: list[Run] = [(title, ACCENT | BOLD), (why, 0), ("", 0), *((name, MUTED) for name in names)]
    return Item(title, why, mark="·", text="\n".join(names), told=lambda: told)
