"""Connections to model servers: one httpx client per base URL, and the limits of waiting.

httpx is imported on the first call: it costs 160 ms that start-up does not have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lunalux_core.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from lunalux_core.llm.servers.learnt_refusals import Knowledge
    from lunalux_core.llm.servers.network import Proxy
    from lunalux_core.llm.servers.prompt_cache import SentPrompts
    from lunalux_core.llm.token_counts import TokenCounts


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds of silence that are borne: while connecting, before the first word of a reply, between words.

    `first_token` is long because local servers load the model on the first request and read a long prompt for
    minutes without a byte.
    """

    connect: float = 15
    first_token: float = 900
    between_tokens: float = 300


@dataclass(frozen=True, slots=True)
class Retry:
    """`attempts` more tries; `base_delay` doubles each time; a longer demand than `max_wait` is an error."""

    attempts: int = 2
    base_delay: float = 0.5
    max_wait: float = 20


class HttpPool:
    """One httpx client per base URL, made on first use; share one pool and close it at the end.

    Args:
        learnt: where to keep what the servers teach between starts; None forgets it with the pool.
        tokens: the folder for what their tokenizers count, likewise.
    """

    def __init__(
        self,
        timeouts: Timeouts = Timeouts(),
        retry: Retry = Retry(),
        learnt: Path | None = None,
        tokens: Path | None = None,
    ) -> None:
        self.timeouts = timeouts
        self.retry = retry
        self._learnt = learnt
        self._tokens = tokens
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._proxies: dict[str, Proxy | None] = {}
        self._sent: dict[tuple[str, str], SentPrompts] = {}
        self._counts: dict[tuple[str, str], TokenCounts] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @cached_property
    def knowledge(self) -> Knowledge:
        """What the servers have taught."""
        from lunalux_core.llm.servers.learnt_refusals import Knowledge

        return Knowledge(self._learnt)

    def sent(self, base_url: str, model: str) -> SentPrompts:
        """The prompts that a model on a server was sent last."""
        from lunalux_core.llm.servers.prompt_cache import SentPrompts

        return self._sent.setdefault((base_url, model), SentPrompts())

    def counts(self, base_url: str, model: str) -> TokenCounts:
        """What the tokenizer of a model on a server has counted."""
        counts = self._counts.get((base_url, model))
        if counts is None:
            from lunalux_core.llm.token_counts import TokenCounts

            counts = self._counts[base_url, model] = TokenCounts()
            if self._tokens is not None:
                from lunalux_core.llm.kept_counts import KeptCounts

                counts.kept = KeptCounts(self._tokens, f"{base_url} {model}")
        return counts

    async def client(self, base_url: str) -> httpx.AsyncClient:
        """The client for `base_url`.

        Raises:
            InvalidInput: MODEL_PROXY_UNUSABLE, the environment names a proxy that cannot be used.
        """
        if base_url not in self._clients:
            from lunalux_core.llm.servers.network import proxy_for, usable

            proxy = self._proxies[base_url] = proxy_for(base_url)
            if proxy is not None and not usable(proxy):
                raise _unusable(proxy)
            # Reading the certificate store takes tens of milliseconds: not on the loop that draws.
            try:
                client = await asyncio.to_thread(_make_client, base_url, self.timeouts.connect, proxy)
            except (ImportError, ValueError):
                if proxy is None:
                    raise
                raise _unusable(proxy) from None
            # Two first calls may have made one each: all use the one that was there first.
            self._clients.setdefault(base_url, client)
        return self._clients[base_url]

    def beside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside everything else; it ends with the pool, and nobody waits for it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def proxy_of(self, base_url: str) -> Proxy | None:
        """The proxy that a server is reached through, None for none."""
        return self._proxies.get(base_url)

    async def aclose(self) -> None:
        """Close every connection, and stop what runs beside. The pool may be used again afterwards."""
        tasks, self._tasks = list(self._tasks), set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
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


def is_near(base_url: str) -> bool:
    """Whether an address is of this machine or of the network around it, where tokens cost no money."""
    host = (urlsplit(base_url).hostname or "").lower()
    if host == "localhost" or host.endswith((".local", ".lan", ".home", ".internal", ".localhost")):
        return True
    try:
        return ip_address(host).is_private
    except ValueError:
        return bool(host) and "." not in host


def _make_client(base_url: str, connect_seconds: float, proxy: Proxy | None) -> httpx.AsyncClient:
    import httpx

    from lunalux_core.llm.servers.network import certificates

    plain = base_url.startswith("http:") and proxy is None  # redirects leave no origin
    return httpx.AsyncClient(
        timeout=httpx.Timeout(None, connect=connect_seconds, write=60),
        limits=httpx.Limits(keepalive_expiry=60),
        proxy=proxy.url if proxy else None,
        # The proxy was chosen above by our own reading of the environment, which can say what is wrong with
        # it.
        trust_env=False,
        verify=False if plain else certificates(),
    )


def _unusable(proxy: Proxy) -> InvalidInput:
    return InvalidInput(
        "MODEL_PROXY_UNUSABLE",
        f"The proxy {proxy.place} named by {proxy.variable} cannot be used.",
        f"Correct {proxy.variable} (http://HOST:PORT or socks5://HOST:PORT), or name the server in NO_PROXY; "
        "a SOCKS proxy needs `pip install httpx[socks]`.",
        proxy=proxy.place,
        variable=proxy.variable,
    )
