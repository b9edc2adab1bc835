"""The arguments of commands on the app, read and refused alike everywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lunalux_core.stscript.faults import Fault

if TYPE_CHECKING:
    from lunalux_core.stscript.host import AppCall

_YES = frozenset({"true", "on", "1", "yes"})
_NO = frozenset({"false", "off", "0", "no", ""})


def bad(argument: str, value: str) -> Fault:
    """An argument that makes no sense."""
    return Fault("SCRIPT_BAD_ARGUMENT", argument=argument, value=value[:200] or '""')


def flag(call: AppCall, name: str, default: bool = False) -> bool:
    """A switch: true, on or 1; false, off or 0."""
    written = call.named.get(name)
    if written is None:
        return default
    key = written.strip().lower()
    if key not in _YES and key not in _NO:
        raise bad(f"{name}=", written)
    return key in _YES


def number(call: AppCall, name: str, default: int, *, low: int, high: int) -> int:
    """A whole number within bounds."""
    written = call.named.get(name)
    if written is None:
        return default
    return whole(written, f"{name}=", low=low, high=high)


def whole(written: str, argument: str, *, low: int, high: int) -> int:
    """A whole number that is written somewhere."""
    text = written.strip()
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 9 or not low <= int(text) <= high:
        raise bad(argument, written)
    return int(text)


def one_of(call: AppCall, name: str, choices: tuple[str, ...], default: str) -> str:
    """One of some words, any case."""
    written = call.named.get(name)
    if written is None:
        return default
    if (key := written.strip().lower()) not in choices:
        raise bad(f"{name}=", written)
    return key


def switched(call: AppCall, now: bool) -> bool:
    """What state= makes of a switch: on, off, or (toggle, the default) the other way."""
    state = one_of(call, "state", ("on", "off", "toggle"), "toggle")
    return not now if state == "toggle" else state == "on"


def listed(written: str) -> list[str]:
    """A JSON list of texts, or of objects with a text; [] for anything else."""
    try:
        items = json.loads(written)
    except (ValueError, RecursionError):
        return []
    if not isinstance(items, list):
        return []
    texts = [item.get("text") if isinstance(item, dict) else item for item in items]
    return [text for text in texts if isinstance(text, str) and text]
