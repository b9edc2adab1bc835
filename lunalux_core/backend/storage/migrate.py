"""The SK migration: old cards stand under SK "0" and move to `PROFILE` (`lunalux admin migrate-sk`).

Card by card, old row out and new row in at once, so it can be stopped and started at any point: whoever
reads looks under both keys meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lunalux_core.backend.storage.foreign_values import unchanged
from lunalux_core.backend.storage.table import (
    Absent,
    ConditionFailed,
    Delete,
    Exists,
    Item,
    Key,
    Put,
    Store,
)

OLD, NEW = "0", "PROFILE"
TRIES = 5


@dataclass(frozen=True, slots=True)
class Migration:
    """How many cards moved, and the keys of those that stand under both and need a person to look."""

    moved: int
    doubled: tuple[str, ...]


async def migrate_sk(store: Store, table: str, *, dry_run: bool = False) -> Migration:
    """Move every legacy card of a table; with `dry_run` only count them."""
    moved, doubled = 0, []
    async for item in store.scan_all(table):
        if item["SK"] != OLD or not str(item["PK"]).startswith("CHAR#"):
            continue
        if dry_run or await move(store, table, item):
            moved += 1
        else:
            doubled.append(str(item["PK"]))
    return Migration(moved, tuple(doubled))


async def move(store: Store, table: str, item: Item) -> bool:
    """Move one card; False where the new row exists already."""
    old = Key(item["PK"], OLD)
    current: Item | None = item
    for _ in range(TRIES):
        if current is None:
            return True  # moved by another run
        new = {**whole_row(current), "SK": NEW}
        # Nothing was counted on the card since it was read.
        as_read = [Exists(), *unchanged(current, *(name for name in current if name not in ("PK", "SK")))]
        try:
            await store.transact([Put(table, new, when=Absent()), Delete(table, old, when=as_read)])
            return True
        except ConditionFailed as failed:
            # Index 0 is the new row: the card stands under both keys.
            if failed.index == 0:
                return False
            # The old row changed since it was read: once more, with what stands there now.
            current = await store.get(table, old)
    return False


def whole_row(item: Item) -> dict[str, Any]:
    """A card's row without fractions."""
    return {name: _whole(value) for name, value in item.items()}


def _whole(value: Any) -> Any:
    """The port keeps whole numbers only; an old card's heat may have a fraction."""
    if isinstance(value, Decimal | float):
        return round(value)
    if isinstance(value, Mapping):
        return {name: _whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return value
