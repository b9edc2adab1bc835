"""What operations mean, on plain dicts: conditions and changes as DynamoDB gives them.

The SQLite adapter runs these inside its transactions. Pure; operations were checked before
(`operation_checks`).

See docs/spec/backend.md: Storage port.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from lunalux_core.backend.storage.operation_checks import MOST, conditions
from lunalux_core.backend.storage.table import (
    Absent,
    All,
    AnyOf,
    Check,
    Condition,
    Delete,
    Eq,
    Exists,
    Ge,
    Invalid,
    Item,
    Le,
    NotInSet,
    Operation,
    Put,
    Update,
    When,
)

_MISSING: Any = object()


def holds(when: When, item: Item | None) -> bool:
    """Whether every condition is true of the item as it stands; None where there is no item."""
    return all(_holds(condition, item) for condition in conditions(when))


def outcome(operation: Operation, old: Item | None) -> Item | None:
    """The item after the operation, None if there is none then.

    Raises:
        Invalid: a missing parent map, a value of the wrong type.
    """
    match operation:
        case Put():
            return dict(operation.item)
        case Update():
            return _updated(operation, old)
        case Delete():
            return None
        case Check():
            return old
        case _:
            assert_never(operation)


def same(left: Any, right: Any) -> bool:
    """Equality that tells types apart, all the way down: 1 is not True, a list is not a set."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and bool(left == right)


def _holds(condition: Condition, item: Item | None) -> bool:
    if isinstance(condition, All):
        return all(_holds(inner, item) for inner in condition.conditions)
    if isinstance(condition, AnyOf):
        return any(_holds(inner, item) for inner in condition.conditions)
    value = _find(item, condition.path)
    match condition:
        case Exists():
            return value is not _MISSING
        case Absent():
            return value is _MISSING
        case Eq():
            return same(value, condition.value)
        case Ge():
            return _is_number(value) and bool(value >= condition.value)
        case Le():
            return _is_number(value) and bool(value <= condition.value)
        case NotInSet():
            # Also true of a missing set, as DynamoDB's NOT contains() is.
            return not (isinstance(value, frozenset) and condition.value in value)
        case _:
            assert_never(condition)


def _find(item: Item | None, path: str) -> Any:
    value: Any = item
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return _MISSING
        value = value[name]
    return value


def _updated(update: Update, old: Item | None) -> Item:
    # An update of what is not there makes the item. `operation_checks` refuses paths that overlap, so the
    # order of the changes below does not matter; DynamoDB does them all at once.
    new: dict[str, Any] = dict(old) if old is not None else {"PK": update.key[0], "SK": update.key[1]}
    for path, value in update.set.items():
        parent, name = _parent(new, path)
        parent[name] = value
    for path, value in update.set_default.items():
        parent, name = _parent(new, path)
        parent.setdefault(name, value)
    for path, amount in update.incr.items():
        parent, name = _parent(new, path)
        parent[name] = _sum(parent.get(name, 0), amount, path)
    for path, members in update.add_to_set.items():
        parent, name = _parent(new, path)
        before = parent.get(name, frozenset())
        if not isinstance(before, frozenset):
            raise Invalid(f"{path} is not a set")
        parent[name] = before | members
    for path in update.remove:
        parent, name = _parent(new, path)
        parent.pop(name, None)
    return new


def _parent(item: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """The map that holds the last name of `path`, copied on the way so that no other item shares it."""
    *way, name = path.split(".")
    place = item
    for step in way:
        inner = place.get(step)
        if not isinstance(inner, Mapping):
            raise Invalid(f"{path} has no map to stand in")
        copy = dict(inner)
        place[step] = copy
        place = copy
    return place, name


def _sum(before: Any, amount: int, path: str) -> int | float:
    """A fraction that another program wrote stays one, as in DynamoDB; this one writes none."""
    if not _is_number(before):
        raise Invalid(f"{path} is not a number")
    if abs(before + amount) >= MOST:
        raise Invalid(f"{path} would be out of range")
    total: int | float = before + amount
    return total


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
