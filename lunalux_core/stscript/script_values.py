"""Values as JavaScript has them, which scripts were written for: text, numbers, JSON.

A value is a str, a float, a bool, None (JSON's null), `UNDEFINED`, a list or a dict of such, or a closure.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any, NoReturn

from lunalux_core.macros.grammar import SPACES

MAX_DEPTH = 200
"""JSON nested deeper is read as plain text."""
MAX_ITEMS = 100_000
"""Items a list may have."""


class Undefined:
    """JavaScript's undefined: there is no such member."""

    def __repr__(self) -> str:
        return "undefined"

    def __bool__(self) -> bool:
        return False


UNDEFINED = Undefined()

_NUMBER = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|Infinity)|0[xX][\da-fA-F]+|0[bB][01]+|0[oO][0-7]+", re.A
)
_FLOAT = re.compile(r"[+-]?(?:Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)", re.A)
# At most ten digits, as the largest index of a JavaScript array has.
_INDEX = re.compile(r"0|[1-9]\d{0,9}", re.A)
_SURROGATE = re.compile("[\ud800-\udfff]")


def to_number(value: object) -> float:
    """``Number(value)``; NaN for what is no number."""
    if isinstance(value, str):
        return _text_number(value.strip(SPACES))
    if isinstance(value, bool | int | float):
        return float(value)
    if value is None:
        return 0.0
    return to_number(to_text(value)) if isinstance(value, list) else math.nan


def _text_number(text: str) -> float:
    if not text:
        return 0.0
    if not _NUMBER.fullmatch(text):
        return math.nan
    base = {"0x": 16, "0b": 2, "0o": 8}.get(text[:2].lower())
    if base is None:
        return float(text)
    try:
        return float(int(text[2:], base))
    except (OverflowError, ValueError):
        return math.inf


def number_text(number: float) -> str:
    """``String(number)``: the shortest form that reads back as the same number."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    size = abs(number)
    if size < 1e21 and number == int(number):
        # Beyond 2**53 an int has digits that the float does not hold; JavaScript writes zeros there.
        return str(int(number)) if size < 2**53 else format(Decimal(repr(number)), "f").removesuffix(".0")
    if 1e-6 <= size < 1e21:
        return format(Decimal(repr(number)), "f")
    mantissa, _, exponent = repr(number).partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"


def to_text(value: object) -> str:
    """``String(value)``."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(float(value))
    if isinstance(value, list):
        return ",".join("" if item is None or item is UNDEFINED else to_text(item) for item in value)
    if isinstance(value, dict):
        return "[object Object]"
    return "null" if value is None else str(value) if value is not UNDEFINED else "undefined"


def is_true(text: object) -> bool:
    return isinstance(text, str) and text.strip(SPACES).lower() in ("on", "true", "1")


def is_false(text: object) -> bool:
    return isinstance(text, str) and text.strip(SPACES).lower() in ("off", "false", "0")


def truthy(value: object) -> bool:
    """What an ``if`` of JavaScript takes as true."""
    if isinstance(value, float):
        return value != 0 and not math.isnan(value)
    return True if isinstance(value, list | dict) else bool(value)


# JSON


def parse_json(text: object) -> Any:
    """``JSON.parse(text)``. Raises ValueError for what is no JSON, or is nested too deep."""
    if not isinstance(text, str):
        text = to_text(text)
    try:
        # JavaScript knows one kind of number, and no NaN in JSON.
        value = json.loads(text, parse_int=float, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("too deep") from None
    _check_depth(value)
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _check_depth(value: object) -> None:
    # Level by level: a recursion would itself run too deep.
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for each in level
            if isinstance(each, list | dict)
            for item in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise ValueError("too deep")


def dump_json(value: object) -> str:
    """``JSON.stringify(value)``."""
    pieces: list[str] = []
    _dump(value, pieces)
    return "".join(pieces)


def _dump(value: object, into: list[str]) -> None:
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        # JSON.stringify escapes halves of surrogate pairs.
        into.append(_SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text))
    elif isinstance(value, bool):
        into.append("true" if value else "false")
    elif isinstance(value, int | float):
        into.append(number_text(float(value)) if math.isfinite(value) else "null")
    elif isinstance(value, list):
        _dump_items(value, into)
    elif isinstance(value, dict):
        _dump_members(value, into)
    else:
        into.append("null")


def _dump_items(items: list[Any], into: list[str]) -> None:
    for count, item in enumerate(items):
        into.append("," if count else "[")
        _dump(item, into)
    into.append("]" if items else "[]")


def _dump_members(members: dict[str, Any], into: list[str]) -> None:
    start = "{"
    for name in names_of(members):
        if members[name] is UNDEFINED:
            continue
        into.append(start + json.dumps(name, ensure_ascii=False) + ":")
        _dump(members[name], into)
        start = ","
    into.append("}" if start == "," else "{}")


def names_of(members: dict[str, Any]) -> list[str]:
    """``Object.keys``: names that are whole numbers come first, in order of size."""
    numbers = [name for name in members if _INDEX.fullmatch(name)]
    if not numbers:
        return list(members)
    return [*sorted(numbers, key=int), *(name for name in members if not _INDEX.fullmatch(name))]


def type_name(value: object) -> str:
    """``typeof value``."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "undefined" if value is UNDEFINED else "object"


def member(value: object, index: object) -> Any:
    """``value[index]`` as scripts read it: a text that is a number counts as one.

    Raises ValueError for a member of nothing.
    """
    if value is None or value is UNDEFINED:
        raise ValueError("nothing has no members")
    name = _name(index)
    if isinstance(value, dict):
        return value.get(name, UNDEFINED)
    if not isinstance(value, list | str):
        return UNDEFINED
    if name == "length":
        return float(len(value) if isinstance(value, list) else units(value))
    if not _INDEX.fullmatch(name):
        return UNDEFINED
    position = int(name)
    if isinstance(value, list):
        return value[position] if position < len(value) else UNDEFINED
    return slice_units(value, position, position + 1) or UNDEFINED


def set_member(value: object, index: object, item: object) -> None:
    """``value[index] = item``. Raises ValueError where JavaScript refuses, OverflowError for a huge list."""
    name = _name(index)
    if isinstance(value, dict):
        value[name] = item
        return
    if not isinstance(value, list):
        raise ValueError("only lists and objects have members that can be set")
    if not _INDEX.fullmatch(name):
        return  # such a member of a list is not written to JSON
    position = int(name)
    if position >= MAX_ITEMS:
        raise OverflowError(name)
    # JavaScript leaves a gap, which is null in JSON.
    value.extend([None] * (position + 1 - len(value)))
    value[position] = item


def _name(index: object) -> str:
    number = to_number(index)
    return to_text(index) if math.isnan(number) else number_text(number)


def convert(value: object, kind: object) -> Any:
    """A value as the type that `as=` names; unknown types change nothing."""
    if not isinstance(kind, str) or not isinstance(value, str | float | bool):
        return value
    match kind.strip(SPACES).lower():
        case "string" | "str":
            return to_text(value)
        case "null":
            return None
        case "undefined" | "none":
            return UNDEFINED
        case "number":
            return to_number(value)
        case "int":
            return _leading_number(value, whole=True)
        case "float":
            return _leading_number(value, whole=False)
        case "boolean" | "bool":
            return is_true(value)
        case "list" | "array":
            return as_list(value)
        case "object" | "dict" | "dictionary":
            return _as_object(value)
    return value


def _leading_number(value: object, *, whole: bool) -> float:
    text = to_text(value).lstrip(SPACES)
    match = re.match(r"[+-]?\d+", text, re.A) if whole else _FLOAT.match(text)
    return float(match[0]) if match else math.nan


def as_list(value: object) -> list[Any]:
    """The list that a JSON text holds, else an empty one."""
    try:
        parsed = parse_json(value)
    except ValueError:
        return []
    return parsed if isinstance(parsed, list) else []


def _as_object(value: object) -> Any:
    try:
        parsed = parse_json(value)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, list | dict) or parsed is None else {}


# Text is counted in UTF-16 units


def units(text: str) -> int:
    """``text.length``."""
    return len(text) if _narrow(text) else len(text) + sum(letter > "\uffff" for letter in text)


def slice_units(text: str, start: float, end: float | None = None) -> str:
    """``text.slice(start, end)``; a letter that is cut in two leaves its half."""
    first, last = _whole(start), None if end is None else _whole(end)
    if _narrow(text):
        return text[first:last]
    raw = text.encode("utf-16-le", "surrogatepass")
    size = len(raw) // 2
    low, high, _ = slice(first, last).indices(size)
    return raw[2 * low : 2 * max(low, high)].decode("utf-16-le", "surrogatepass")


def _whole(number: float) -> int:
    if math.isnan(number):
        return 0
    return int(max(-1e15, min(1e15, number)))


def _narrow(text: str) -> bool:
    return text.isascii() or max(text) <= "\uffff"


def order_of(value: object) -> tuple[str, Any]:
    """A key that sorts as the `sort` of scripts: by type first, then by value."""
    kind = type_name(value)
    if kind == "number" or kind == "boolean":
        return kind, value
    # JavaScript compares texts by their 16-bit units; the bytes of these, the high one first, sort alike.
    return kind, to_text(value).encode("utf-16-be", "surrogatepass")
