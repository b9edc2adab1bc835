"""Connections to model servers: one httpx client per base URL, and the limits of waiting.

httpx is imported on the first call: it costs 160 ms that start-up does not have.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lunalux_core.errors import InvalidInput

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `first_token` is long because local servers load the model on the first request."""

    connect: float = 10
    first_token: float = 180
    between_tokens: float = 60


@dataclass(frozen=True, slots=True)
class Retry:
    """`attempts` more tries; `base_delay` doubles each time; a longer demand than `max_wait` is an error."""

    attempts: int = 2
    base_delay: float = 0.5
    max_wait: float = 20


class HttpPool:
    """One httpx client per base URL, made on first use; share one pool and close it at the end."""

    def __init__(self, timeouts: Timeouts = Timeouts(), retry: Retry = Retry()) -> None:
        self.timeouts = timeouts
        self.retry = retry
        self.refused_fields: dict[tuple[str, str], set[str]] = {}
        """Optional request fields that a (base URL, model) has refused, so they are not sent again."""
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def client(self, base_url: str) -> httpx.AsyncClient:
        """The client for `base_url`.

        Raises:
            InvalidInput: MODEL_PROXY_UNUSABLE, the environment names a proxy that cannot be used.
        """
        if base_url not in self._clients:
            # Reading the certificate store takes tens of milliseconds: not on the loop that draws.
            try:
                made = await asyncio.to_thread(_make_client, base_url, self.timeouts.connect)
            except (ImportError, ValueError):
                raise InvalidInput(
                    "MODEL_PROXY_UNUSABLE",
                    "The proxy named in the environment cannot be used.",
                    "Check HTTPS_PROXY and ALL_PROXY; a SOCKS proxy needs `pip install httpx[socks]`.",
                ) from None
            self._clients.setdefault(base_url, made)
        return self._clients[base_url]

    async def aclose(self) -> None:
        """Close every connection. The pool may be used again afterwards."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()


def checked_base_url(url: str, default: str) -> str:
    """`url` without a trailing slash, or `default` when empty.

    Raises:
        InvalidInput: MODEL_URL_INVALID, not an http(s) address.
    """
    url = url.strip().rstrip("/") or default
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise InvalidInput(
            "MODEL_URL_INVALID",
            "The base URL of the model is not a web address.",
            "It looks like https://api.example.com/v1 or http://127.0.0.1:11434/v1.",
        )
    return url


def checked_key(key: str) -> str:
    """`key` without blanks around it.

    Raises:
        InvalidInput: MODEL_KEY_INVALID, it cannot be part of an HTTP header.
    """
    key = key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidInput(
            "MODEL_KEY_INVALID",
            "The key of the model holds characters that no key has.",
            "Copy it again from the provider's page; it is one word of letters, digits and dashes.",
        )
    return key


def host_of(url: str) -> str:
    """Host and port for messages: never user, password, path or query."""
    parts = urlsplit(url)
    host = parts.hostname or url
    return f"{host}:{parts.port}" if parts.port else host


def _make_client(base_url: str, connect_seconds: float) -> httpx.AsyncClient:
    import httpx

    local = _is_loopback(urlsplit(base_url).hostname or "")
    return httpx.AsyncClient(
        timeout=httpx.Timeout(None, connect=connect_seconds, write=60),
        limits=httpx.Limits(keepalive_expiry=60),
        # A proxy cannot reach our own loopback, and no certificate is needed there over plain http.
        trust_env=not local,
        verify=not (local and base_url.startswith("http:")),
    )


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")
