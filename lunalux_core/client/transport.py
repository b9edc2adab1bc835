"""Where the backend is: at a URL, or in this process.

The embedded backend is imported on the first call that needs it, never before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from lunalux_core.errors import InvalidInput
from lunalux_core.settings import Settings

if TYPE_CHECKING:
    import httpx

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
    services, app = await _embedded(settings)
    from lunalux_core.client.asgi import StreamingASGITransport

    client = httpx.AsyncClient(base_url=EMBEDDED_URL, transport=StreamingASGITransport(app), timeout=TIMEOUT)

    async def close() -> None:
        await client.aclose()
        await services.aclose()

    return client, close
