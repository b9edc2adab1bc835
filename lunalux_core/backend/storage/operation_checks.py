"""What no store may be asked to do: operations are refused here, alike for every adapter.

The emulators and even the service differ in what they catch, so nothing is left to them.

See docs/spec/backend.md: Storage port, Engines for tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, assert_never

from lunalux_core.backend.storage.table import (
    ITEM_BYTES,
    TRANSACTION_LIMIT,
    Absent,
    All,
    AnyOf,
    Check,
    Condition,
    Eq,
    Exists,
    Ge,
    Invalid,
    Item,
    Key,
    Le,
    NotInSet,
    Operation,
    Put,
    TableSpec,
    Update,
    When,
)

MOST = 2**63
SURELY_SMALL = ITEM_BYTES // 8
"""Characters of an item of texts and numbers alone whose bytes need no counting."""
TRANSACTION_BYTES = 4 * 1024 * 1024
PK_BYTES, SK_BYTES = 2048, 1024
KEY_NAMES = ("PK", "SK")


def key_of(operation: Operation) -> Key:
    """The key of the item that an operation is about."""
    if isinstance(operation, Put):
        return Key(operation.item["PK"], operation.item["SK"])
    return Key(*operation.key)


def conditions(when: When) -> tuple[Condition, ...]:
    """`when` as conditions that must all hold."""
    if when is None:
        return ()
    return tuple(when) if isinstance(when, Sequence) else (when,)


def check_operation(operation: Operation, spec: TableSpec) -> None:
    """Raises Invalid for an operation that no state of the store could accept."""
    if isinstance(operation, Put):
        _check_item(operation.item, spec)
    else:
        check_key(operation.key)
    if isinstance(operation, Update):
        _check_update(operation, spec)
    elif isinstance(operation, Check) and not conditions(operation.when):
        raise Invalid("a check without a condition")
    for condition in conditions(operation.when):
        _check_condition(condition)


def check_transaction(operations: Sequence[Operation], specs: Mapping[str, TableSpec]) -> None:
    """Raises Invalid for a transaction that is empty, too long, too large or touches an item twice."""
    if not 0 < len(operations) <= TRANSACTION_LIMIT:
        raise Invalid(f"a transaction has 1 to {TRANSACTION_LIMIT} operations, not {len(operations)}")
    for operation in operations:
        check_operation(operation, spec_of(operation.table, specs))
    if len({(operation.table, key_of(operation)) for operation in operations}) < len(operations):
        raise Invalid("a transaction touches an item twice")
    items = [operation.item for operation in operations if isinstance(operation, Put)]
    if len(items) > TRANSACTION_BYTES // ITEM_BYTES and sum(map(item_size, items)) > TRANSACTION_BYTES:
        raise Invalid("a transaction is larger than 4 MB")


def spec_of(table: str, specs: Mapping[str, TableSpec]) -> TableSpec:
    try:
        return specs[table]
    except KeyError:
        raise Invalid(f"no table {table} was declared") from None


def check_key(key: tuple[str, str]) -> None:
    """Both halves are non-empty texts within DynamoDB's limits."""
    pk, sk = key
    for name, part, most in (("PK", pk, PK_BYTES), ("SK", sk, SK_BYTES)):
        if not isinstance(part, str) or not part:
            raise Invalid(f"{name} must be a text that is not empty")
        if _text_size(part) > most:
            raise Invalid(f"{name} is longer than {most} bytes")


def check_size(item: Item) -> None:
    """Raises Invalid above DynamoDB's cap of 400 KB."""
    if item_size(item) > ITEM_BYTES:
        raise Invalid("an item is larger than 400 KB")


def _check_item(item: Item, spec: TableSpec) -> None:
    check_key((item.get("PK", ""), item.get("SK", "")))
    characters = 0
    for name, value in item.items():
        check_value(value)
        if spec.indexes:
            _check_index_value(name, value, spec)
        # A rough count first: nearly all rows are far too small to be measured in full.
        size = len(value) if isinstance(value, str) else 16 if isinstance(value, int) else ITEM_BYTES
        characters += len(name) + size
    if characters > SURELY_SMALL:
        check_size(item)


def _check_index_value(name: str, value: Any, spec: TableSpec) -> None:
    """An attribute that is a key of an index must be a text, and not empty."""
    if isinstance(value, str) and value:
        return
    if any(name in (index.pk_attr, index.sk_attr) for index in spec.indexes):
        raise Invalid(f"{name} is a key of an index: it must be a text that is not empty")


def _check_update(update: Update, spec: TableSpec) -> None:
    paths = [*update.set, *update.set_default, *update.incr, *update.add_to_set, *update.remove]
    if not paths:
        raise Invalid("an update that changes nothing")
    _check_paths(paths)
    for path, value in (*update.set.items(), *update.set_default.items()):
        check_value(value)
        _check_index_value(path, value, spec)
    for path, number in update.incr.items():
        if type(number) is not int or abs(number) >= MOST:
            raise Invalid(f"{path} can only be increased by a whole number")
        _check_index_value(path, number, spec)
    for path, members in update.add_to_set.items():
        if not isinstance(members, frozenset):
            raise Invalid(f"{path} can only take a set of texts")
        check_value(members)


def _check_paths(paths: Sequence[str]) -> None:
    ordered = sorted(tuple(path.split(".")) for path in paths)
    for path in ordered:
        if not all(path) or path[0] in KEY_NAMES:
            raise Invalid(f"{'.'.join(path)!r} cannot be changed")
    for before, path in pairwise(ordered):
        # Sorted, so a path stands right before one that goes on from it.
        if path[: len(before)] == before:
            raise Invalid(f"two changes of {'.'.join(before)} overlap")


def _check_condition(condition: Condition) -> None:
    match condition:
        case All() | AnyOf():
            if not condition.conditions:
                raise Invalid("a group of no conditions")
            for inner in condition.conditions:
                _check_condition(inner)
        case Eq():
            check_value(condition.value)
        case Ge() | Le():
            if type(condition.value) is not int:
                raise Invalid(f"{condition.path} can only be compared with a whole number")
        case Exists() | Absent() | NotInSet():
            pass
        case _:
            assert_never(condition)


def check_value(value: Any) -> None:
    """Raises Invalid for what a store has no type for."""
    if isinstance(value, str):
        if not value.isascii():
            _text_size(value)
    elif value is None or isinstance(value, bool):
        return
    elif isinstance(value, int):
        if abs(value) >= MOST:
            raise Invalid("a number is out of range")
    elif isinstance(value, frozenset):
        if not value or not all(isinstance(member, str) for member in value):
            raise Invalid("a set holds texts, at least one")
        _check_values(value)
    elif isinstance(value, Mapping):
        if not all(isinstance(name, str) and name for name in value):
            raise Invalid("a map has names that are texts")
        _check_values(value)
        _check_values(value.values())
    elif isinstance(value, list | tuple):
        _check_values(value)
    else:
        raise Invalid(f"no store keeps a {type(value).__name__}")


def _check_values(values: Iterable[Any]) -> None:
    for value in values:
        check_value(value)


def item_size(item: Item) -> int:
    """Bytes as DynamoDB counts them: names, values, and a little for every map, list and element."""
    return sum(_text_size(name) + _size(value) for name, value in item.items())


def _size(value: Any) -> int:
    if isinstance(value, str):
        return _text_size(value)
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, int):
        # Two digits a byte, one byte more, and one for a minus.
        return (len(str(abs(value))) + 1) // 2 + 1 + (value < 0)
    if isinstance(value, Mapping):
        return 3 + sum(1 + _text_size(name) + _size(inner) for name, inner in value.items())
    if isinstance(value, frozenset):
        return sum(_text_size(member) for member in value)
    if isinstance(value, list | tuple):
        return 3 + sum(1 + _size(inner) for inner in value)
    return len(str(value))  # a number that only another program writes, such as a decimal


def _text_size(text: str) -> int:
    try:
        return len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise Invalid("a text holds half a surrogate pair") from None
