"""Changing named places of a JSON document and nothing else.

See docs/spec/formats.md: Tolerant reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from lunalux_core.cards.envelope import MIRROR_ALIASES, V1_FIELDS, as_v2, data_of

Path = tuple[str | int, ...]


class Removal(Enum):
    """The type of `REMOVED`."""

    REMOVED = "removed"


REMOVED: Final = Removal.REMOVED
"""As the new value of a path: the key is taken out."""


def apply_edits(document: Mapping[str, Any], edits: Mapping[str | Path, Any]) -> dict[str, Any]:
    """A copy of a card document with new values at the given paths.

    A path is written with dots (``data.extensions.world``) or, where a key itself holds a dot or a list is
    meant, as a tuple of keys and indexes. SillyTavern's copy at top level follows where the card has one.
    A flat V1 card stays flat while only its six fields change and becomes V2 otherwise.
    """
    changed = dict(document)
    for written, value in edits.items():
        path: Path = tuple(written.split(".")) if isinstance(written, str) else tuple(written)
        if path[0] == "data" and data_of(changed) is None:
            if path[1:] and path[1] in V1_FIELDS and not changed.get("spec"):
                changed = _put(changed, path[1:], value)
                continue
            changed = as_v2(changed)
        changed = _put(changed, path, value)
        if path[0] == "data" and (copy := _mirror_of(path[1:])) in changed and copy != "data":
            changed = _put(changed, (copy, *path[2:]) if copy == path[1] else (copy,), value)
    return changed


def _mirror_of(path: Path) -> str:
    """The top-level name of a path below `data`."""
    names = tuple(str(key) for key in path)
    if names in MIRROR_ALIASES:
        return MIRROR_ALIASES[names]
    return names[0] if names else "data"


def _put(node: Any, path: Path, value: Any) -> Any:
    """A copy of `node` along `path` only. What cannot hold the next key is replaced by an object."""
    key, rest = path[0], path[1:]
    if isinstance(node, list) and isinstance(key, int) and -len(node) <= key < len(node):
        items = list(node)
        if not rest and value is REMOVED:
            del items[key]
        else:
            items[key] = _put(items[key], rest, value) if rest else value
        return items
    fields = dict(node) if isinstance(node, dict) else {}
    name = str(key)
    if rest:
        fields[name] = _put(fields.get(name), rest, value)
    elif value is REMOVED:
        fields.pop(name, None)
    else:
        fields[name] = value
    return fields
