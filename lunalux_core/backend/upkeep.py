"""What `lunalux serve` does beside answering: ranks on a timer, and sweeps once an hour."""

from __future__ import annotations

import asyncio

from lunalux_core.backend.logs import logger
from lunalux_core.backend.services import Services
from lunalux_core.backend.storage.sqlite import SqliteStore
from lunalux_core.errors import StorageError

SWEEP_SECONDS = 3600


async def run(services: Services) -> None:
    """Keep the service in order until cancelled. Several instances may do so at once."""
    async with asyncio.TaskGroup() as group:
        group.create_task(services.ranking.run())
        group.create_task(_sweep(services))


async def _sweep(services: Services) -> None:
    while True:
        try:
            swept = await services.sweeper.sweep()
            if isinstance(services.store, SqliteStore):
                await services.store.purge(services.now_ms() // 1000)
            logger.info(
                "swept",
                extra={"refunded": swept.refunded, "counted": swept.counted, "dropped": swept.forgotten},
            )
        except StorageError as error:
            logger.warning("sweep postponed: %s", error.message)
        await asyncio.sleep(SWEEP_SECONDS)
