"""A server's list of models, whatever shape it has."""

from __future__ import annotations

from typing import Any

_LISTS = ("data", "models")
"""Keys of the list; some servers have both, one of them empty."""
_NAMES = ("id", "name", "model")
"""Keys of a model's name, the first of them that is there."""
_DEEPEST = 2


def listed_rows(document: object) -> list[dict[str, Any]] | None:
    """The rows of a list of models, those that are bare names as rows too; None where there is no list."""
    return _rows(document, 0)


def _rows(document: object, depth: int) -> list[dict[str, Any]] | None:
    if isinstance(document, list):
        named = ({_NAMES[0]: row} if isinstance(row, str) else row for row in document)
        return [row for row in named if isinstance(row, dict)]
    if not isinstance(document, dict) or depth > _DEEPEST:
        return None
    found: list[dict[str, Any]] | None = None
    for key in _LISTS:
        if key in document:
            rows = _rows(document[key], depth + 1)
            # Nothing in the place of a list is an empty one.
            found = rows or found or ([] if rows is not None or document[key] is None else None)
            if found:
                return found
    return found


def row_name(row: dict[str, Any]) -> str:
    """The name of a listed model, "" where it has none."""
    return next((name for key in _NAMES if isinstance(name := row.get(key), str) and name), "")


def rows_of(document: object) -> list[dict[str, Any]]:
    """The rows of a list of models; none where there is no list."""
    return listed_rows(document) or []


def named_row(document: object, model: str) -> dict[str, Any]:
    """The row of a model; of a list of one that one, since servers with one model take any name for it."""
    rows = rows_of(document)
    named = (row for row in rows if model in [row.get(key) for key in _NAMES])
    return next(named, rows[0] if len(rows) == 1 else {})
