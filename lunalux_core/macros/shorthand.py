"""Operators of the variable shorthand ``{{.name operator value}}`` and ``{{$name …}}``.

The value is a function, because ``||`` and ``??`` must not evaluate it unless it is needed: it may hold
macros that change something.

See docs/spec/formats.md: Macro syntax.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lunalux_core.macros.variables import Scope, format_number, to_number

Value = Callable[[], str]
Operation = Callable[[Scope, str, Value], str]


def is_false(value: str) -> bool:
    """Empty, ``false``, ``0``, ``off`` and ``no`` do not hold, everything else does."""
    return value.strip().lower() in ("", "false", "0", "off", "no")


def _set(scope: Scope, name: str, value: Value) -> str:
    scope.set(name, value())
    return ""


def _add(scope: Scope, name: str, value: Value) -> str:
    scope.add(name, value())
    return ""


def _subtract(scope: Scope, name: str, value: Value) -> str:
    number = to_number(value())
    # What is no number is not appended either, as `add` would.
    if number is not None:
        scope.add(name, format_number(-number))
    return ""


def _or(scope: Scope, name: str, value: Value) -> str:
    current = scope.get(name)
    return value() if is_false(current) else current


def _if_missing(scope: Scope, name: str, value: Value) -> str:
    return scope.get(name) if scope.has(name) else value()


def _or_set(scope: Scope, name: str, value: Value) -> str:
    return _put(scope, name, value()) if is_false(scope.get(name)) else scope.get(name)


def _set_if_missing(scope: Scope, name: str, value: Value) -> str:
    return scope.get(name) if scope.has(name) else _put(scope, name, value())


def _put(scope: Scope, name: str, value: str) -> str:
    """Sets and shows the value as it was written: ``007`` is read as 7 only by the next look at it."""
    scope.set(name, value)
    return value


def _truth(result: bool) -> str:
    return "true" if result else "false"


def _compared(holds: Callable[[float, float], bool]) -> Operation:
    """Numbers only: a comparison with anything else does not hold."""

    def compare(scope: Scope, name: str, value: Value) -> str:
        left, right = to_number(scope.get(name)), to_number(value())
        return _truth(left is not None and right is not None and holds(left, right))

    return compare


OPERATIONS: Mapping[str, Operation] = {
    "": lambda scope, name, _: scope.get(name),
    "++": lambda scope, name, _: scope.step(name, 1),
    "--": lambda scope, name, _: scope.step(name, -1),
    "=": _set,
    "+=": _add,
    "-=": _subtract,
    "||": _or,
    "??": _if_missing,
    "||=": _or_set,
    "??=": _set_if_missing,
    "==": lambda scope, name, value: _truth(scope.get(name) == value()),
    "!=": lambda scope, name, value: _truth(scope.get(name) != value()),
    ">": _compared(lambda left, right: left > right),
    ">=": _compared(lambda left, right: left >= right),
    "<": _compared(lambda left, right: left < right),
    "<=": _compared(lambda left, right: left <= right),
}
