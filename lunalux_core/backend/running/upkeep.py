"""What a server does beside answering: ranks on a timer, sweeps once an hour, keeps its price list fresh.

None of these can end another: whatever one of them meets is logged, and it tries again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from lunalux_core.backend.running.logs import logger
from lunalux_core.backend.running.services import Services
from lunalux_core.errors import StorageError

SWEEP_SECONDS = 3600
START_SECONDS = 60
"""Processes that begin within this time share one round of the sweep."""
PRICES_SECONDS = 60
RANKING_PATIENCE_S = 120
SWEEP_PATIENCE_S = 2 * SWEEP_SECONDS


async def run(services: Services) -> None:
    """Keep the service in order until cancelled. Several instances may do so at once."""
    windows = services.ranking.windows_s()
    services.chores.expect("ranking", RANKING_PATIENCE_S + 3 * max(windows))
    services.chores.expect("sweep", SWEEP_PATIENCE_S)
    async with asyncio.TaskGroup() as group:
        group.create_task(_every(services, "ranking", max(0.2, min(windows)), services.ranking.look))
        group.create_task(_every(services, "sweep", SWEEP_SECONDS, _Sweeps(services)))
        group.create_task(_every(services, "prices", PRICES_SECONDS, services.models.freshen))


class _Sweeps:
    """The rounds of the sweep: one an hour for all instances, and one where a process begins, for it may
    follow a crash that left coins reserved."""

    def __init__(self, services: Services) -> None:
        self._services, self._begun = services, False

    async def __call__(self) -> None:
        # A little less than the hour: a timer that is slightly fast must not lose its round.
        gap_s = SWEEP_SECONDS * 0.98 if self._begun else min(START_SECONDS, SWEEP_SECONDS)
        await self._services.sweep_if_due(gap_s)
        self._begun = True


async def _every(
    services: Services, name: str, seconds: float, work: Callable[[], Awaitable[object]]
) -> None:
    while True:
        try:
            await work()
        except StorageError as error:
            logger.warning("%s postponed: %s", name, error.message)
            services.chores.failed(name, error)
        except Exception as error:  # a fault of ours must not end what the service lives by
            logger.error("%s failed", name, exc_info=error)
            services.chores.failed(name, error)
        else:
            services.chores.went_well(name)
        services.chores.standing()
        _end_if_cancelled()
        await asyncio.sleep(seconds)


def _end_if_cancelled() -> None:
    """Work that is cancelled gives its lease back, and where the storage is away that failure takes the
    place of the cancellation: a server that is to stop would go on for ever."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
