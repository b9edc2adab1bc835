"""Where the backend is: at a URL, or in this process.

The embedded backend is imported on the first call that needs it, never before.

See docs/spec/design.md: The command line.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from lunalux_core.config.settings import Settings
from lunalux_core.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from lunalux_core.backend.running.services import Services

EMBEDDED_URL = "http://embedded.lunalux"
SWEEP_SECONDS = 3600
SWEEP_AFTER_SECONDS = 5.0
LAST_SWEEP_SECONDS = 2.0
Close = Callable[[], Awaitable[None]]


async def connect(settings: Settings) -> tuple[httpx.AsyncClient, Close]:
    """An HTTP client for the backend of these settings, and what closes it.

    Raises:
        InvalidInput: API_URL_INVALID. StorageError: the embedded backend's folder cannot be used.
    """
    import httpx

    from lunalux_core.client.backend_exchange import TIMEOUT

    if settings.api_url:
        url = settings.api_url.rstrip("/")
        if not url.startswith(("http://", "https://")):
            raise InvalidInput(
                "API_URL_INVALID",
                f"The backend address {url!r} is not a URL.",
                "Set LUNALUX_API_URL to something like https://lunalux.example.org.",
                url=url,
            )
        client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT)
        return client, client.aclose
    services = await _services(settings)
    from lunalux_core.backend.web.app import create_app
    from lunalux_core.client.asgi import InProcessClient

    client = InProcessClient(create_app(services), EMBEDDED_URL)
    chores = _Chores(services, services.settings.data_dir or settings.paths.backend)

    async def close() -> None:
        await client.aclose()
        await chores.end()
        await services.aclose()

    return client, close


class _Chores:
    """What a server does once an hour, for the backend in this program: coins of replies that were killed
    go back, stored answers end with their day. Not at once, so that nothing the person waits for is slower;
    a program that ends before does it when it ends.
    """

    def __init__(self, services: Services, folder: Path) -> None:
        self._services = services
        self._mark = folder / "swept"
        self._running = asyncio.create_task(self._keep_on())

    async def _keep_on(self) -> None:
        await asyncio.sleep(SWEEP_AFTER_SECONDS)
        while True:
            await self._sweep()
            await asyncio.sleep(SWEEP_SECONDS / 4)

    async def end(self) -> None:
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SWEEP_SECONDS):
                await self._sweep()

    async def _sweep(self) -> None:
        """One round, unless this program or another one made it within the hour."""
        from lunalux_core.backend.running.logs import logger
        from lunalux_core.backend.storage.sqlite import SqliteStore
        from lunalux_core.backend.storage.traced import plain_store

        store = plain_store(self._services.store)
        if not isinstance(store, SqliteStore) or not self._due():
            return
        try:
            await self._services.sweeper.sweep()
            await store.purge(self._services.now_ms() // 1000)
            self._mark.touch()
        except Exception as error:  # whatever it meets, the program goes on, and the next round tries again
            logger.warning("sweep postponed: %s", error)

    def _due(self) -> bool:
        try:
            # A mark from the future, after a clock was set back, counts as old.
            return not 0 <= time.time() - self._mark.stat().st_mtime < SWEEP_SECONDS
        except OSError:
            return True


async def _services(settings: Settings) -> Services:
    """The backend of this program, over files or over the person's own AWS account.

    A folder named by LUNALUX_DATA_DIR goes before the one of this home.
    """
    # FastAPI and what hangs on it take half a second to import; meanwhile the program goes on drawing.
    await asyncio.to_thread(import_module, "lunalux_core.backend.web.app")
    from lunalux_core.backend.running.backend_settings import BackendSettings

    backend_settings = BackendSettings.from_env()
    _log_to(settings.paths.logs, backend_settings.log_level)
    folder = backend_settings.data_dir or settings.paths.backend
    if settings.storage == "aws":
        from lunalux_core.backend.running.aws import open_aws

        return open_aws(backend_settings, data_dir=folder, rank_on_request=True)
    from lunalux_core.backend.running.embedded import open_embedded

    return await open_embedded(folder, backend_settings)


def _log_to(folder: Path, level: str) -> None:
    """Let the backend in this program write its log to a file: the terminal belongs to the person."""
    from logging.handlers import RotatingFileHandler

    from lunalux_core.backend.running.logs import JsonFormatter, logger

    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    file = folder / "backend.log"
    handler = RotatingFileHandler(file, maxBytes=1_000_000, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(JsonFormatter())
    handler.handleError = lambda record: None  # type: ignore[method-assign]  # a folder that refuses stops nothing
    # In place of the former one: a second runtime must not write each line twice.
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
