"""Reading the library's cells tolerantly: a damaged cell affects nothing but itself.

A library lives for years, is restored from backups and written by other versions and other programs. A cell
that does not hold what its column is for reads as empty, or as near to it as its words allow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lunalux_core.ids import LATEST_MS

UNREADABLE = "unreadable"
"""Where the text of an object that cannot be read is kept, so that writing it back loses nothing."""


def plain_text(cell: object) -> str:
    """A text as it is; bytes as far as they are text."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    return "" if cell is None else str(cell)


def whole_number(cell: object) -> int:
    """A number of 0 and more, 0 for anything else."""
    return max(cell, 0) if isinstance(cell, int) else 0


def moment_in(cell: object) -> int:
    """Milliseconds since 1970 that can be shown as a date, 0 for anything else."""
    return cell if isinstance(cell, int) and 0 <= cell < LATEST_MS else 0


def object_in(cell: object, *, keep: bool = False) -> Mapping[str, Any]:
    """A JSON object; with `keep` one that cannot be read is kept as it is, under `UNREADABLE`."""
    if cell == "{}":  # most cells of most messages
        return {}
    value = value_in(cell)
    if isinstance(value, dict):
        return value
    return {UNREADABLE: plain_text(cell)} if keep and cell else {}


def numbers_in(cell: object) -> Mapping[str, int]:
    """The whole numbers of a JSON object."""
    return {name: value for name, value in object_in(cell).items() if isinstance(value, int)}


def texts_in(cell: object) -> tuple[str, ...]:
    """The texts of a JSON list."""
    if cell == "[]":
        return ()
    value = value_in(cell)
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def object_or_list(cell: object) -> Any:
    """A JSON document, None for one that cannot be read."""
    value = value_in(cell)
    return value if isinstance(value, dict | list) else None


def json_cell(value: object) -> str:
    """A value as the JSON of a cell."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def value_in(cell: object) -> Any:
    """A JSON value, None for one that cannot be read."""
    try:
        return json.loads(cell) if isinstance(cell, str | bytes) else None
    except (ValueError, RecursionError):
        return None
