"""Many values for one statement. SQLite bounds their number, so they are asked for in parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

# Before version 3.32 SQLite takes at most 999 values.
_AT_ONCE = 500

T = TypeVar("T")


def in_parts(values: Sequence[T]) -> Iterator[tuple[str, list[T]]]:
    """The values in parts, each with the marks that stand for it: `… IN (?,?,?)`."""
    for start in range(0, len(values), _AT_ONCE):
        some = list(values[start : start + _AT_ONCE])
        yield ",".join("?" * len(some)), some
