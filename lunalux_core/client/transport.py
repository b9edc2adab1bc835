"""Where the backend is: at a URL, or in this process.

The embedded backend is imported on the first call that needs it, never before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING

from lunalux_core.errors import InvalidInput
from lunalux_core.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from lunalux_core.backend.services import Services

EMBEDDED_URL = "http://embedded.lunalux"
Close = Callable[[], Awaitable[None]]


async def connect(settings: Settings) -> tuple[httpx.AsyncClient, Close]:
    """An HTTP client for the backend of these settings, and what closes it.

    Raises:
        InvalidInput: API_URL_INVALID. StorageError: the embedded backend's folder cannot be used.
    """
    import httpx

    from lunalux_core.client.backend import TIMEOUT

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
    from lunalux_core.backend.app import create_app
    from lunalux_core.client.asgi import InProcessClient

    client = InProcessClient(create_app(services), EMBEDDED_URL)

    async def close() -> None:
        await client.aclose()
        await services.aclose()

    return client, close


async def _services(settings: Settings) -> Services:
    """The backend of this program, over files or over the person's own AWS account (SPEC 2, LUNALUX_STORAGE).

    A folder named by LUNALUX_DATA_DIR goes before the one of this home.
    """
    import asyncio

    # FastAPI and what hangs on it take half a second to import; meanwhile the program goes on drawing.
    await asyncio.to_thread(import_module, "lunalux_core.backend.app")
    from lunalux_core.backend.settings import BackendSettings

    known = BackendSettings.from_env()
    _log_to(settings.paths.logs, known.log_level)
    folder = known.data_dir or settings.paths.backend
    if settings.storage == "aws":
        from lunalux_core.backend.aws import open_aws

        return open_aws(known, data_dir=folder, eager=True)
    from lunalux_core.backend.embedded import open_embedded

    return await open_embedded(folder, known)


def _log_to(folder: Path, level: str) -> None:
    """Let the backend in this program write its log to a file: the terminal belongs to the person."""
    from contextlib import suppress
    from logging.handlers import RotatingFileHandler

    from lunalux_core.backend.logs import JsonFormatter, logger

    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    file = folder / "backend.log"
    handler = RotatingFileHandler(file, maxBytes=1_000_000, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(JsonFormatter())
    handler.handleError = lambda record: None  # type: ignore[method-assign]  # a folder that refuses stops nothing
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
