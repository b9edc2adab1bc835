"""RangeHeat: the heat of the last while, by hourly buckets. Off unless both variables are set.

A window of less than an hour has buckets of a tenth of it, whose names go down to the second.

Each heat event adds to a side row `CHAR#id / HEAT#yyyymmddhh`, and notes under `RANGE#yyyymmddhh` that the
card had heat in that hour. A run sums up the cards noted in the newest hours, and those whose oldest hour
has just left the window. Both kinds of row expire by themselves. A card whose RangeHeat is not 0 stands under
`RANGE#WARM`, which does not expire: after a pause in which notes did, all of them are summed up.

See docs/spec/backend.md: Counters and ranking.
"""

from __future__ import annotations

from datetime import UTC, datetime

from lunalux_core.backend.storage.foreign_values import whole
from lunalux_core.backend.storage.table import (
    ConditionFailed,
    Delete,
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
WARM = "WARM"


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
        # So long after it left the window, a note may have expired.
        paused = not 0 <= now_s - since_s <= MARGIN * self._bucket_s
        touched: set[str] = set()
        # What was noted before that has expired.
        earliest_s = now_s - (self._buckets + MARGIN) * self._bucket_s
        since_s = earliest_s if since_s > now_s else max(since_s, earliest_s)
        for start in range(since_s - since_s % self._bucket_s, now_s + 1, self._bucket_s):
            touched |= await self._noted(self._name(start))
            touched |= await self._noted(self._name(start - self._buckets * self._bucket_s))
        warm = await self._noted(WARM) if touched or paused else set()
        if paused:
            touched |= warm
        changed = [await self._bring_up(card, now_s, card in warm) for card in sorted(touched)]
        return sum(changed)

    async def _noted(self, hour: str) -> set[str]:
        rows = rows_of(self._store, self._table, f"RANGE#{hour}")
        return {str(row["SK"]).removeprefix("CHAR#") async for row in rows}

    async def _bring_up(self, character_id: str, now_s: int, warm: bool) -> bool:
        """Write a card's RangeHeat; whether the card is there."""
        total = await self._sum_up(character_id, now_s)
        note = Key(f"RANGE#{WARM}", f"CHAR#{character_id}")
        # Noted before it is written and forgotten after: who dies between leaves a note too many.
        if total and not warm:
            await self._store.write(Put(self._table, {"PK": note.pk, "SK": note.sk}))
        written = await self._tell(character_id, total)
        if (total or warm) and not (total and written):
            await self._store.write(Delete(self._table, note))
        return written

    async def _sum_up(self, character_id: str, now_s: int) -> int:
        first = self._name(now_s - (self._buckets - 1) * self._bucket_s)
        page = await self._store.query(
            self._table,
            f"CHAR#{character_id}",
            prefix="HEAT#",
            limit=self._buckets + MARGIN + 2,
            descending=True,
        )
        return sum(whole(row.get("heat")) for row in page.items if str(row["SK"]) >= f"HEAT#{first}")

    async def _tell(self, character_id: str, total: int) -> bool:
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
