"""RangeHeat: the heat of the last while, by hourly buckets. Off unless both variables are set.

A window of less than an hour has buckets of a tenth of it, whose names go down to the second.

Each heat event adds to a side row `CHAR#id / HEAT#yyyymmddhh`, and notes under `RANGE#yyyymmddhh` that the
card had heat in that hour. A run sums up the cards noted in the newest hours, and those whose oldest hour
has just left the window. Both kinds of row expire by themselves.

See docs/spec/backend.md: Counters and ranking.
"""

from __future__ import annotations

from datetime import UTC, datetime

from lunalux_core.backend.storage.foreign import whole
from lunalux_core.backend.storage.table import (
    ConditionFailed,
    Exists,
    Invalid,
    Key,
    Put,
    Store,
    Update,
    rows_of,
)

HOUR = 3600
TENTHS = 10
MARGIN = 3


class RangeHeat:
    """The buckets of one character table. `window_s` counts in whole hours, from an hour on."""

    def __init__(self, store: Store, table: str, window_s: int) -> None:
        self._store, self._table = store, table
        self._bucket_s = HOUR if window_s >= HOUR else max(1, window_s // TENTHS)
        self._buckets = max(1, round(window_s / self._bucket_s))

    async def note(self, character_id: str, heat: int, now_ms: int) -> None:
        """Count `heat` points that a card has just gained."""
        hour = self._name(now_ms // 1000)
        expires = now_ms // 1000 + (self._buckets + MARGIN) * self._bucket_s + HOUR
        await self._store.write(
            Update(
                self._table,
                Key(f"CHAR#{character_id}", f"HEAT#{hour}"),
                incr={"heat": heat},
                set_default={"expiresAt": expires},
            )
        )
        await self._store.write(
            Put(self._table, {"PK": f"RANGE#{hour}", "SK": f"CHAR#{character_id}", "expiresAt": expires})
        )

    async def refresh(self, now_ms: int, last_ms: int) -> int:
        """Bring RangeHeat up to date since the run at `last_ms`; returns how many cards were written."""
        now_s, since_s = now_ms // 1000, last_ms // 1000
        # What was noted before that has expired.
        since_s = max(since_s, now_s - (self._buckets + MARGIN) * self._bucket_s)
        touched: set[str] = set()
        for start in range(since_s - since_s % self._bucket_s, now_s + 1, self._bucket_s):
            touched |= await self._noted(self._name(start))
            touched |= await self._noted(self._name(start - self._buckets * self._bucket_s))
        changed = [await self._sum_up(character_id, now_s) for character_id in sorted(touched)]
        return sum(changed)

    async def _noted(self, hour: str) -> set[str]:
        rows = rows_of(self._store, self._table, f"RANGE#{hour}")
        return {str(row["SK"]).removeprefix("CHAR#") async for row in rows}

    async def _sum_up(self, character_id: str, now_s: int) -> bool:
        first = self._name(now_s - (self._buckets - 1) * self._bucket_s)
        page = await self._store.query(
            self._table,
            f"CHAR#{character_id}",
            prefix="HEAT#",
            limit=self._buckets + MARGIN + 2,
            descending=True,
        )
        total = sum(whole(row.get("heat")) for row in page.items if str(row["SK"]) >= f"HEAT#{first}")
        for sk in ("PROFILE", "0"):
            try:
                await self._store.write(
                    Update(
                        self._table,
                        Key(f"CHAR#{character_id}", sk),
                        set={"RangeHeat": total},
                        when=Exists(),
                    )
                )
            except (ConditionFailed, Invalid):
                continue
            return True
        return False

    def _name(self, epoch_s: int) -> str:
        """The bucket that a moment falls into."""
        start = datetime.fromtimestamp(epoch_s - epoch_s % self._bucket_s, UTC)
        return start.strftime("%Y%m%d%H" if self._bucket_s == HOUR else "%Y%m%d%H%M%S")
