"""Values that something else wrote: AWS's console, the earlier service, a script. Pure.

Rows are shared with programs that keep fractions, numbers as texts, or nothing at all where we look for a
number. What can be understood is; nothing here ever raises.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeGuard

from lunalux_core.backend.storage.operation_checks import check_value
from lunalux_core.backend.storage.table import Absent, Condition, Eq, Exists, Ge, Invalid, Item, Le

LARGEST = 2**53 - 1
"""The largest whole number that every client can hold exactly."""
_NUMBERS = (int, float, Decimal)


def is_number(value: Any) -> bool:
    """A finite number; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        return False
    return isinstance(value, int) or math.isfinite(value)


def whole(value: Any, default: int = 0) -> int:
    """The number nearest to `value`, halves upwards, within ±(2^53 − 1); `default` for what is no number.

    A text that holds a number counts as that number.
    """
    if isinstance(value, str):
        value = _in_text(value)
    if not is_number(value):
        return default
    if isinstance(value, int):
        nearest = value
    elif abs(value) > LARGEST:
        nearest = LARGEST if value > 0 else -LARGEST
    else:
        # By the shortest decimal text of a float, so that it is rounded as it is written.
        nearest = math.floor(Decimal(str(value)) + Decimal("0.5"))
    return max(-LARGEST, min(nearest, LARGEST))


def _in_text(text: str) -> Any:
    # No number of ours is longer, and a long one costs time to read.
    if len(text) > 40:
        return None
    try:
        number = Decimal(text.strip())
    except ArithmeticError:
        return None
    return number if number.is_finite() else None


def is_whole(value: Any) -> TypeGuard[int]:
    """A number as the service itself writes them."""
    # Not isinstance: True is an int in Python.
    return type(value) is int and abs(value) <= LARGEST


def text(value: Any, default: str = "") -> str:
    """A text without halves of surrogate pairs; `default` for anything else."""
    if not isinstance(value, str):
        return default
    try:
        # Half of a surrogate pair can be neither stored nor sent.
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace").decode()
    return value


def optional_text(value: Any) -> str | None:
    return text(value) if isinstance(value, str) else None


def texts(value: Any) -> frozenset[str]:
    """The texts in a set or a list."""
    if not isinstance(value, frozenset | set | list | tuple):
        return frozenset()
    return frozenset(text(member) for member in value if isinstance(member, str) and member)


def mapping(value: Any) -> Mapping[str, Any]:
    """A map, also one that was written as JSON text; nothing for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, Mapping) else {}


def storable(value: Any) -> Any:
    """`value` as a store keeps it: whole numbers, no binary, no set of numbers; None for what has no such
    form."""
    if isinstance(value, str):
        return text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, _NUMBERS):
        return whole(value)
    if isinstance(value, frozenset | set):
        return texts(value) or None
    if isinstance(value, Mapping):
        return {
            text(name): storable(inner) for name, inner in value.items() if isinstance(name, str) and name
        }
    if isinstance(value, list | tuple):
        return [storable(inner) for inner in value]
    return None


def as_json(value: Any) -> Any:
    """`value` as JSON says it, fractions kept; None for what JSON has no word for."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, float | Decimal):
        return float(value) if is_number(value) and math.isfinite(float(value)) else None
    if isinstance(value, frozenset | set):
        return sorted(map(str, value))
    if isinstance(value, Mapping):
        return {str(name): as_json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]
    return None


def unchanged(item: Item | Mapping[str, Any], *paths: str) -> list[Condition]:
    """Conditions that attributes are as in `item`, for values of every kind.

    A fraction, which the port cannot name, is held between its whole neighbours; of what has no form in the
    port at all it is only asked that something is there.
    """
    conditions: list[Condition] = []
    for path in paths:
        if path not in item:
            conditions.append(Absent(path))
            continue
        value = item[path]
        if _keepable(value):
            conditions.append(Eq(path, value))
        elif is_number(value):
            conditions += [Ge(path, math.floor(value)), Le(path, math.ceil(value))]
        else:
            conditions.append(Exists(path))
    return conditions


def _keepable(value: Any) -> bool:
    try:
        check_value(value)
    except Invalid:
        return False
    return True
