"""Commands on lists and objects, which are JSON texts."""

from __future__ import annotations

from typing import Any

from lunalux_core.stscript.closure import Closure
from lunalux_core.stscript.commands.declaration import Command, Invocation
from lunalux_core.stscript.faults import Fault
from lunalux_core.stscript.script_values import (
    dump_json,
    is_false,
    names_of,
    number_text,
    order_of,
    parse_json,
    to_text,
    units,
)


def _no_closure(call: Invocation) -> None:
    if isinstance(call.value, Closure | list):
        raise Fault("SCRIPT_BAD_ARGUMENT", argument="the argument", value=call.text)


def _len(call: Invocation) -> str:
    """Letters of a text or a number, items of a list, members of an object."""
    try:
        value = parse_json(call.value)
    except ValueError:
        value = call.value
    if value is None:
        raise Fault("SCRIPT_BAD_ARGUMENT", argument="the argument", value="null")
    if isinstance(value, list | dict):
        return str(len(value))
    if isinstance(value, float):
        return str(len(number_text(value)))
    return str(units(value)) if isinstance(value, str) else "0"


def _sort(call: Invocation) -> str:
    """A list by value; the names of an object, by name or (keysort=false) by value."""
    _no_closure(call)
    try:
        value = parse_json(call.value)
    except ValueError:
        return call.text
    if value is None:
        raise Fault("SCRIPT_BAD_ARGUMENT", argument="the argument", value="null")
    if isinstance(value, list):
        value = sorted(value, key=order_of)
    elif isinstance(value, dict):
        names = names_of(value)
        by_value = is_false(call.argument("keysort"))
        value = sorted(names, key=(lambda name: order_of(value[name])) if by_value else order_of)
    return dump_json(value)


def _wrap(call: Invocation) -> str:
    _no_closure(call)
    if call.value == "":
        return "[]"
    try:
        value = parse_json(call.value)
    except ValueError:
        return dump_json([call.value])
    if isinstance(value, list):
        return call.text
    as_it_is = isinstance(value, dict) or is_false(call.argument("stringify"))
    return dump_json([value if as_it_is else call.value])


def _unwrap(call: Invocation) -> str:
    _no_closure(call)
    try:
        value = parse_json(call.value)
    except ValueError:
        return call.text
    if not isinstance(value, list):
        return call.text
    first = value[0] if value else None
    if first is None:
        return ""
    return dump_json(first) if isinstance(first, list | dict) else to_text(first)


# Of our own


def _items(call: Invocation) -> list[Any] | None:
    try:
        value = parse_json(call.value)
    except ValueError:
        return None
    return value if isinstance(value, list) else None


def _join(call: Invocation) -> str:
    """The items of a JSON list as one text, `glue=` between them (", " unless given)."""
    items = _items(call)
    if items is None:
        return call.text
    glue = call.argument("glue")
    glue = ", " if glue is None else glue
    words = [dump_json(item) if isinstance(item, list | dict) else to_text(item) for item in items]
    # Measured first: a long glue between many items makes far more text than there was.
    call.make(sum(map(len, words)) + len(glue) * len(words))
    return glue.join(words)


def _split(call: Invocation) -> str:
    """A text as a JSON list, parted at `find=` ("," unless given); parts lose the space around them."""
    at = call.argument("find")
    if at == "":
        return dump_json(list(call.text))
    parts = call.text.split("," if at is None else at)
    return dump_json([part.strip() for part in parts] if not is_false(call.argument("trim")) else parts)


COMMANDS = (
    Command("len", _len, ("length",)),
    Command("sort", _sort),
    Command("array-wrap", _wrap, ("list-wrap",)),
    Command("array-unwrap", _unwrap, ("list-unwrap",)),
    Command("join", _join, ours=True),
    Command("split", _split, ours=True),
)
