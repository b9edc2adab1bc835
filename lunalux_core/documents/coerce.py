"""Tolerant reading of single JSON values.

Used when a document is looked at, never when it is stored: the document keeps what it came with.

See docs/spec/formats.md: Tolerant reading.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeGuard

from lunalux_core.text import well_formed


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a JSON value is a whole number; in Python True and False are ints too."""
    return isinstance(value, int) and not isinstance(value, bool)


def as_text(value: object) -> str:
    """Strings as they are, numbers written out, lists of strings as lines, everything else nothing."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        return "\n".join(as_text(item) for item in value if isinstance(item, str))
    return ""


def as_variable(value: object) -> str:
    """The text of a variable: objects and lists as JSON, truth values in words, null nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return well_formed(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    return as_text(value)


def as_texts(value: object) -> tuple[str, ...]:
    """A list of strings without its empty items; one string is a list of one."""
    items = value if isinstance(value, list) else [value]
    return tuple(text for item in items if (text := as_text(item)).strip())


def as_inner_texts(value: object) -> tuple[str, ...]:
    """`as_texts`, also of a list of objects that hold one text each, and of an object of them by number."""
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]
    names = ("text", "content", "message", "mes", "greeting", "name")
    plain = [
        next((item[name] for name in names if name in item), "") if isinstance(item, dict) else item
        for item in items
    ]
    return as_texts(plain)


def as_tags(value: object) -> tuple[str, ...]:
    """Tags, trimmed; one string is split at its commas, an object counts by its `name`."""
    if isinstance(value, str):
        # Chinese tags are parted by the comma of their own writing.
        value = value.replace("，", ",").split(",")
    if isinstance(value, list):
        value = [item.get("name") if isinstance(item, dict) else item for item in value]
    return tuple(text.strip() for text in as_texts(value))


def as_object(value: object) -> Mapping[str, Any]:
    """An object, or an empty one for null, a list or anything else."""
    return value if isinstance(value, dict) else {}


def as_number(value: object, default: float) -> float:
    """A number or a numeric string; an empty string, null and everything else are the default."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    try:
        number = float(value)
    except OverflowError:
        return default
    return number if abs(number) != float("inf") and number == number else default


def as_integer(value: object, default: int) -> int:
    """A whole number; a numeric string counts, a fraction is cut."""
    if is_integer(value):
        return value
    return int(as_number(value, default))


def as_optional_integer(value: object) -> int | None:
    """A whole number, or None where there is none."""
    number = as_number(value, float("nan")) if not isinstance(value, bool) else float("nan")
    return None if number != number else as_integer(value, 0)


def as_flag(value: object, default: bool = False) -> bool:
    """A truth value; "true", "false", 0 and 1 are accepted."""
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower(), default)
    if isinstance(value, bool | int | float):
        return bool(value)
    return default
