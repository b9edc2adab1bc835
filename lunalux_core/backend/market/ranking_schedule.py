"""When batches run: embedded, as requests come by; in `serve`, on a timer; always one instance at a time.

A lease row per table and order says who works and when the last run was. Losing the race for it is no
error, and doing work twice would do no harm.

See docs/spec/backend.md: Counters and ranking.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lunalux_core.backend.market.range_heat import RangeHeat
from lunalux_core.backend.market.ranking import ODD, Ranker, Scale
from lunalux_core.backend.market.ranking_keys import ORDERS, RankSort
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.logs import logger
from lunalux_core.backend.storage.lease import LAST_RUN, Lease, last_run
from lunalux_core.backend.storage.table import Invalid, Key, Store
from lunalux_core.errors import StorageError
from lunalux_core.language import Language

LEASE_MS = 60_000
RANGE = Key("LEASE#RANGE", "LEASE")
IDLE_MS = 60_000
"""How long an order is left alone at most while nobody looks at it and nothing changes."""
QUIET_NOTE_MS = 3600_000
"""How often at most a lease notes that there was nothing to rank."""
LANGS: tuple[Language, ...] = ("en", "zh")
SORTS: tuple[RankSort, ...] = ("hot", "time")


@dataclass(frozen=True, slots=True)
class _Job:
    """One table in one order. `window_ms` is the least time between two batches."""

    lang: Language
    sort: RankSort
    table: str
    ranker: Ranker
    lease: Lease
    window_ms: int


class Ranking:
    """All rankings of a server.

    Args:
        changed: called with language and sort whenever a batch changed an order.
    """

    def __init__(
        self,
        store: Store,
        settings: BackendSettings,
        now_ms: Callable[[], int],
        changed: Callable[[Language, RankSort], None] = lambda lang, sort: None,
    ) -> None:
        self._store, self._settings, self._now_ms = store, settings, now_ms
        self._changed = changed
        self._jobs = {
            (lang, sort): _job(store, settings, lang, sort, now_ms) for lang in LANGS for sort in SORTS
        }
        self._last_try: dict[tuple[Language, RankSort], int] = {}
        self._quiet: dict[tuple[Language, RankSort], int] = {}
        self._noted: dict[tuple[Language, RankSort], int] = {}
        ranking = settings.ranking
        self._range_heat: dict[Language, RangeHeat] = {}
        self._range_leases: dict[Language, Lease] = {}
        if ranking.range_heat_window_s and ranking.range_heat_interval_s:
            for lang in LANGS:
                table = self._jobs[lang, "hot"].table
                self._range_heat[lang] = RangeHeat(store, table, ranking.range_heat_window_s)
                self._range_leases[lang] = Lease(store, table, RANGE, now_ms, LEASE_MS)

    async def note_heat(self, lang: Language, character_id: str, heat: int) -> None:
        """Count heat for RangeHeat; does nothing where that is off. What it is counted for has happened, so
        no failure of this is anybody's."""
        if heat > 0 and (buckets := self._range_heat.get(lang)):
            try:
                await buckets.note(character_id, heat, self._now_ms())
            except (StorageError, Invalid) as error:
                logger.warning("heat of a while was not counted: %s", error, extra={"card": character_id})

    async def drain_if_due(self, lang: Language, sort: RankSort) -> None:
        """Run a batch if this process has not looked for a window's time. Failures wait for the next."""
        try:
            await self._drain_if_due(lang, sort, self._jobs[lang, sort].window_ms)
        except StorageError as error:
            logger.warning("ranking postponed: %s", error.message, extra={"lang": lang, "sort": sort})
        except ODD as error:
            logger.error("ranking failed", exc_info=error, extra={"lang": lang, "sort": sort})

    async def _drain_if_due(self, lang: Language, sort: RankSort, wait_ms: int) -> None:
        """Run a batch if this process has not looked for `wait_ms`."""
        now = self._now_ms()
        # What lies ahead was noted before the clock was set back.
        if 0 <= now - self._last_try.get((lang, sort), 0) < wait_ms:
            return
        self._last_try[lang, sort] = now
        wrote = await self.drain(lang, sort, for_ms=self._jobs[lang, sort].window_ms)
        self._quiet[lang, sort] = 0 if wrote else self._quiet.get((lang, sort), 0) + 1
        if sort == "hot":
            await self._refresh_range_heat(lang)

    async def drain(self, lang: Language, sort: RankSort, for_ms: int | None = None) -> int:
        """Rank until nothing is marked; returns how many marks were found. For one instance.

        Args:
            for_ms: end after this long at the latest, so that a market that is never quiet in one order
                leaves time for the others; the oldest marks come first, so none waits for ever.
        """
        job = self._jobs[lang, sort]
        if not await self._due(job) or not await job.lease.take():
            return 0
        total, limit, begun = 0, self._settings.ranking.batch_limit, time.monotonic()
        noted: dict[str, int] = {}
        try:
            while True:
                count = await job.ranker.batch(limit)
                total += count
                if count < limit or (for_ms is not None and (time.monotonic() - begun) * 1000 >= for_ms):
                    break
                # Taken anew after each batch: a long run keeps it, and whoever lost it stops.
                if not await job.lease.take():
                    break
            noted[LAST_RUN] = self._now_ms()
        finally:
            await job.lease.leave(noted)
        if total:
            self._changed(lang, sort)
        return total

    async def marks(self, lang: Language, sort: RankSort, limit: int) -> list[str]:
        """The sort keys of up to `limit` marks, the oldest first, each `TS#`, milliseconds, and the card.

        Raises:
            Invalid: the table has no index of marks.
        """
        rows = await self._jobs[lang, sort].ranker.marks(limit)
        return [str(row[ORDERS[sort].dirty_sk]) for row in rows]

    async def _due(self, job: _Job) -> bool:
        """Whether there is anything to rank. Asked by reading, so that a market in which nothing happens is
        not written to; now and then the lease notes all the same that somebody has looked."""
        if await job.ranker.marked():
            return True
        now = self._now_ms()
        if 0 <= now - self._noted.get((job.lang, job.sort), 0) < QUIET_NOTE_MS:
            return False
        self._noted[job.lang, job.sort] = now
        if not 0 <= now - last_run(await job.lease.row()) < QUIET_NOTE_MS and await job.lease.take():
            await job.lease.leave({LAST_RUN: self._now_ms()})
        return False

    def windows_s(self) -> list[float]:
        """The windows of all jobs, in seconds."""
        return [job.window_ms / 1000 for job in self._jobs.values()]

    def note_interest(self, lang: Language) -> None:
        """Somebody reads or changed the market of a language: check it at the shortest interval again."""
        for sort in SORTS:
            self._quiet[lang, sort] = 0

    def _patience(self, lang: Language, sort: RankSort) -> int:
        """Milliseconds until an order is checked again: its window, doubled each time nothing was found.

        Marks of this process reset it (`note_interest`), so only those of others wait longer, at most a
        minute.
        """
        window, quiet = self._jobs[lang, sort].window_ms, self._quiet.get((lang, sort), 0)
        # The shift is bounded, for `quiet` grows as long as nothing happens.
        return max(window, min(window << min(quiet, 20), IDLE_MS))

    async def look(self) -> None:
        """Run every batch that is due. One that fails keeps none of the others from running.

        Raises:
            Whatever the last one that failed raised.
        """
        trouble: Exception | None = None
        for lang, sort in self._jobs:
            try:
                await self._drain_if_due(lang, sort, self._patience(lang, sort))
            except (StorageError, *ODD) as error:
                if trouble is not None:
                    logger.error("ranking failed", exc_info=trouble)
                trouble = error
        if trouble is not None:
            raise trouble

    async def adopt(self, lang: Language, *, dry_run: bool = False) -> int:
        """Take over the top lists that another program kept; returns how many of their rows it was about."""
        rankers = [self._jobs[lang, sort].ranker for sort in SORTS]
        return sum([await ranker.adopt(dry_run=dry_run) for ranker in rankers])

    async def _refresh_range_heat(self, lang: Language) -> None:
        interval_s = self._settings.ranking.range_heat_interval_s
        buckets = self._range_heat.get(lang)
        if buckets is None or interval_s is None:
            return
        lease, now, noted = self._range_leases[lang], self._now_ms(), dict[str, int]()
        last = last_run(await lease.row())
        if 0 <= now - last < interval_s * 1000 or not await lease.take():
            return
        try:
            await buckets.refresh(now, last)
            noted[LAST_RUN] = now
        finally:
            await lease.leave(noted)


def lease_key(sort: RankSort) -> Key:
    """The row that says who ranks an order of its table, and when that was last done."""
    return Key(f"LEASE#{sort.upper()}", "LEASE")


def table_of(settings: BackendSettings, lang: Language) -> str:
    """The character table of a language."""
    return settings.tables.character_en if lang == "en" else settings.tables.character_cn


def _job(
    store: Store, settings: BackendSettings, lang: Language, sort: RankSort, now_ms: Callable[[], int]
) -> _Job:
    ranking, indexes = settings.ranking, settings.indexes
    hot = sort == "hot"
    scale = Scale(
        ranking.hot_top_buffer if hot else ranking.time_top_buffer, ranking.max_heat, ranking.shards
    )
    table = table_of(settings, lang)
    ranker = Ranker(
        store,
        table,
        ORDERS[sort],
        scale,
        index=indexes.hot if hot else indexes.time,
        dirty_index=indexes.dirty_hot if hot else indexes.dirty_time,
    )
    windows = {
        ("en", "hot"): ranking.batch_window_ms_en,
        ("zh", "hot"): ranking.batch_window_ms_cn,
        ("en", "time"): ranking.time_batch_window_ms_en,
        ("zh", "time"): ranking.time_batch_window_ms_cn,
    }
    lease = Lease(store, table, lease_key(sort), now_ms, LEASE_MS)
    return _Job(lang, sort, table, ranker, lease, windows[lang, sort])
