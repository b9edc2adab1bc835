"""A value of a worldbook entry as it is typed: a number within bounds, a text, or a list of texts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from lunalux_tui.i18n import t
from lunalux_tui.parts.ask_dialog import AskDialog

if TYPE_CHECKING:
    from lunalux_tui.create.sections.worldbook_entry import Setting


@dataclass(frozen=True, slots=True)
class EntryValue:
    """The answer; None is a value too: as in the settings."""

    value: Any


def entry_value_dialog(setting: Setting, written: str) -> AskDialog[EntryValue]:
    """Asks for a value; answers it in its own type, or None."""
    words = f"create.entry.{setting.name}"
    key = f"create.entry.allowed.{setting.kind.replace(' ', '_')}"
    allowed = t(key, low=setting.low, high=setting.high)
    return AskDialog(
        t(f"{words}.label"),
        value=written,
        hint=t(f"{words}.help"),
        read=partial(read_value, setting),
        allowed=lambda fine: allowed,
    )


def read_value(setting: Setting, text: str) -> EntryValue | None:
    """What is written, or None where it is not allowed."""
    match setting.kind:
        case "text":
            return EntryValue(text)
        case "texts":
            parts = text.replace("，", ",").split(",")
            return EntryValue(tuple(part.strip() for part in parts if part.strip()))
        case "optional number" if not text:
            return EntryValue(None)
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number) or not setting.low <= number <= setting.high or not number.is_integer():
        return None
    return EntryValue(int(number))
