"""Work that one instance at a time does: a row says who is at it, until when, and when it was last done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType

from lunalux_core.backend.storage.foreign_values import unchanged, whole
from lunalux_core.backend.storage.table import (
    Absent,
    AnyOf,
    Condition,
    ConditionFailed,
    Eq,
    Item,
    Key,
    Le,
    Store,
    Update,
)
from lunalux_core.ids import uuid4

LAST_RUN = "lastRunMs"
CLOCKS_APART_MS = 600_000
"""How far the clocks of two instances may be from each other."""
NOTHING: Mapping[str, int] = MappingProxyType({})


class Lease:
    """One holder's hold on a row. Doing work twice must do no harm: a lease can run out under its holder.

    A hold that ends later than any of ours is nobody's: whoever took it had a wrong clock, or something else
    wrote the row. It is taken over, or nobody would work until then.

    Args:
        hold_ms: how long others wait for a holder that died.
    """

    def __init__(self, store: Store, table: str, key: Key, now_ms: Callable[[], int], hold_ms: int) -> None:
        self._store, self._table, self._key = store, table, key
        self._now_ms, self._hold_ms, self._owner = now_ms, hold_ms, uuid4()

    async def row(self) -> Item:
        """The row as it stands; empty where nobody ever worked."""
        return await self._store.get(self._table, self._key) or {}

    async def take(self) -> bool:
        """Begin, or go on for another `hold_ms`; False while another holds it."""
        now = self._now_ms()
        free = AnyOf(Absent(), Absent("owner"), Eq("owner", self._owner), Le("expiresAtMs", now))
        if await self._hold(now, free):
            return True
        row = await self.row()
        ends = whole(row.get("expiresAtMs"))
        if now < ends <= now + self._hold_ms + CLOCKS_APART_MS:
            return False
        # Only the row that was read: of two instances that find it, one takes it.
        return await self._hold(now, unchanged(row, "owner", "expiresAtMs"))

    async def _hold(self, now: int, when: Condition | list[Condition]) -> bool:
        holding = {"owner": self._owner, "expiresAtMs": now + self._hold_ms}
        try:
            await self._store.write(Update(self._table, self._key, set=holding, when=when))
        except ConditionFailed:
            return False
        return True

    async def leave(self, noted: Mapping[str, int] = NOTHING) -> None:
        """Give it back with what is to be noted; nothing is where it ran out meanwhile."""
        mine, gone = Eq("owner", self._owner), ("owner", "expiresAtMs")
        with suppress(ConditionFailed):
            await self._store.write(Update(self._table, self._key, set=noted, remove=gone, when=mine))


def last_run(row: Item | None) -> int:
    """When work of a lease last came to its end, in milliseconds; 0 for never."""
    return whole((row or {}).get(LAST_RUN))
