"""Items as JSON texts, for SQLite: the keys of an index stay readable to its JSON functions.

A set is a map with the one name `$set`. A map that only looks like a mark has its name's `$` doubled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from lunalux_core.backend.storage.table import Item, Operation, Put, Update

SET_MARK = "$set"
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encode(item: Item) -> str:
    """One line of JSON."""
    try:
        text = _dumps(item)
    except TypeError:  # there is a set in it
        return _dumps(_marked(item))
    # Only a name that begins with `$` could be mistaken for a mark.
    return _dumps(_marked(item)) if '{"$' in text else text


def decode(text: str) -> dict[str, Any]:
    # Looked for in the text, because the JSON reader takes halves of pairs without a word.
    if "\\ud" in text or "\\uD" in text:
        text = _paired(text)
    item: dict[str, Any] = json.loads(text, object_hook=_unmarked) if '{"$' in text else json.loads(text)
    return item


def _paired(text: str) -> str:
    """The document without halves of surrogate pairs, which another program may have escaped: no text of ours
    could carry them on."""
    plain = json.dumps(json.loads(text), ensure_ascii=False)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


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
        alone = len(value) == 1 and next(iter(value)).startswith("$")
        return {f"${name}" if alone else name: _marked(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(inner) for inner in value]
    return value


def _unmarked(value: dict[str, Any]) -> Any:
    if len(value) != 1:
        return value
    ((name, inner),) = value.items()
    if name == SET_MARK:
        return frozenset(inner)
    return {name[1:]: inner} if name.startswith("$$") else value
