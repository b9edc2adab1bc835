"""Items as JSON texts, for SQLite: the keys of an index stay readable to its JSON functions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from lunalux_core.backend.storage.table import Item, Operation, Put, Update

SET_MARK, MAP_MARK = "$set", "$map"


def encode(item: Item) -> str:
    """One line of JSON. Sets are marked; a map that looks like a mark is marked as a map."""
    return json.dumps(
        {name: _marked(value) for name, value in item.items()}, ensure_ascii=False, separators=(",", ":")
    )


def decode(text: str) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(text)
    if f'"{SET_MARK}"' not in text and f'"{MAP_MARK}"' not in text:
        return item
    return {name: _unmarked(value) for name, value in item.items()}


def fingerprint(operations: Sequence[Operation]) -> str:
    """What a transaction changes, as a hash: the same for the same changes in every process."""
    return hashlib.sha256("\n".join(map(_described, operations)).encode()).hexdigest()


def _described(operation: Operation) -> str:
    kind = type(operation).__name__
    if isinstance(operation, Put):
        return encode({"kind": kind, "table": operation.table, "item": operation.item})
    parts: dict[str, Any] = {"kind": kind, "table": operation.table, "key": list(operation.key)}
    if isinstance(operation, Update):
        for name in ("set", "set_default", "incr", "add_to_set"):
            parts[name] = dict(sorted(getattr(operation, name).items()))
        parts["remove"] = sorted(operation.remove)
    return encode(parts)


def _marked(value: Any) -> Any:
    if isinstance(value, frozenset):
        return {SET_MARK: sorted(value)}
    if isinstance(value, Mapping):
        marked = {name: _marked(inner) for name, inner in value.items()}
        return {MAP_MARK: marked} if len(value) == 1 and next(iter(value)) in (SET_MARK, MAP_MARK) else marked
    if isinstance(value, list | tuple):
        return [_marked(inner) for inner in value]
    return value


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        if len(value) == 1:
            ((name, inner),) = value.items()
            if name == SET_MARK:
                return frozenset(inner)
            if name == MAP_MARK:
                return {key: _unmarked(each) for key, each in inner.items()}
        return {name: _unmarked(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_unmarked(inner) for inner in value]
    return value
