"""One call to a model server over HTTP: connect, wait, read events, try again, give up in good order.

Shared by the protocols. An `Exchange` says what to send and how to read it; `stream_reply` does the rest:

* waits for connecting, before the first word and between words; every byte is a sign of life;
* another attempt, at most two, only before the first token, only for faults that pass (429, 5xx, refused
  or broken connections);
* redirects that keep the method, on the same origin only: a key goes nowhere else;
* whatever text came before a fault is delivered before the error is raised;
* closing the iterator closes the connection at once, which is how a server learns to stop.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Protocol
from urllib.parse import urljoin

from lunalux_core.errors import LunaluxError
from lunalux_core.llm.model import Delta
from lunalux_core.llm.servers.network import diagnosis, same_origin, speaks_tls
from lunalux_core.llm.servers.pool import HttpPool, Retry, Timeouts
from lunalux_core.llm.servers.reply import REPLY_LIMIT, ReplyDecoder
from lunalux_core.llm.servers.reports import html_text, read_report
from lunalux_core.llm.servers.response_body import read_reply
from lunalux_core.llm.servers.server_failures import RETRIABLE, Failures

if TYPE_CHECKING:
    import httpx

ERROR_BODY_LIMIT = 64 * 1024
ERROR_BODY_SECONDS = 10
MOST_REDIRECTS = 5
MOST_AMENDMENTS = 12
"""Calls changed after a refusal, of one reply: more than there is to change."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it goes over the wire. Headers may hold a key, so they are not in `repr`."""

    url: str
    headers: Mapping[str, str]
    body: Mapping[str, object]

    def __repr__(self) -> str:
        return f"Call({self.url})"


class Exchange(Protocol):
    """A protocol's side of one call. A new decoder is asked for on every attempt."""

    failures: Failures

    def call(self) -> Call: ...

    def decoder(self) -> ReplyDecoder: ...

    def amend(self, status: int, body: bytes) -> bool:
        """The server refused: change the call if its words tell how it would be taken."""
        ...

    def proved(self) -> None:
        """The call was taken as it is now."""
        ...

    @property
    def waits(self) -> Timeouts | None:
        """The waits of this call, where they are not those of all."""
        ...


async def stream_reply(pool: HttpPool, base_url: str, exchange: Exchange) -> AsyncGenerator[Delta, None]:
    """Make the call, with retries before the first token, and yield its deltas.

    Raises:
        NetworkError: MODEL_UNREACHABLE, MODEL_TIMEOUT, MODEL_STREAM_CUT.
        ProviderError: the server refused, or its answer is of no use; codes in `server_failures`.
    """
    tries = amended = 0
    while True:
        begun = False
        try:
            async with aclosing(_attempt(pool, base_url, exchange)) as deltas:
                async for delta in deltas:
                    begun = begun or delta.progress is None
                    yield delta
            return
        except _AmendedCall as refused:
            amended += 1
            if amended > MOST_AMENDMENTS:
                raise refused.error from None
            continue
        except LunaluxError as error:
            wait = _wait_before(error, tries, pool.retry)
            # What has been shown cannot be taken back: from the first token on, a fault ends the reply.
            if begun or wait is None:
                raise
        tries += 1
        await asyncio.sleep(wait)


async def ask_json(
    pool: HttpPool, base_url: str, call: Call, failures: Failures, seconds: float, *, method: str = "GET"
) -> object:
    """A JSON document within `seconds` altogether. Raises like `stream_reply`; no second attempt."""
    body = await ask_bytes(pool, base_url, call, failures, seconds, method=method)
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        page = body.decode("utf-8", "replace")
        raise failures.bad_answer(html_text(page) if page.lstrip().startswith("<") else "") from None
    return document


async def ask_bytes(
    pool: HttpPool, base_url: str, call: Call, failures: Failures, seconds: float, *, method: str = "GET"
) -> bytes:
    """What the server answers within `seconds` altogether. Raises like `stream_reply`."""
    client = await pool.client(base_url)  # has imported httpx, beside the loop
    import httpx

    target = call.url
    headers, content = dict(call.headers), None
    if method == "POST":
        headers, content = _typed(headers), _encoded(call.body)
    try:
        async with asyncio.timeout(seconds):
            for _ in range(MOST_REDIRECTS):
                url = target
                async with client.stream(method, url, headers=headers, content=content) as response:
                    body = await read_all(response, REPLY_LIMIT)
                target = redirected(response)
                if not target or not same_origin(url, target) or (content and response.status_code < 307):
                    break
    except TimeoutError:
        raise failures.timed_out(seconds) from None
    except (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError) as error:
        raise await _connection_error(pool, base_url, failures, error) from None
    if not 200 <= response.status_code < 300:
        raise _refusal(failures, response, body[:ERROR_BODY_LIMIT])
    return body


class _AmendedCall(Exception):
    """The exchange changed its call after a refusal; send it again. `error` is that refusal."""

    def __init__(self, error: LunaluxError) -> None:
        super().__init__()
        self.error = error


def _wait_before(error: LunaluxError, tries: int, retry: Retry) -> float | None:
    """Seconds until the next attempt, None when there is none."""
    if error.code not in RETRIABLE or error.params.get("lasting") or tries >= retry.attempts:
        return None
    # Spread by a fifth, so that programs which were refused together do not come back together.
    least = retry.base_delay * float(2**tries) * random.uniform(0.8, 1.2)
    seconds = error.params.get("seconds")
    if isinstance(seconds, (int, float)):
        # A server that wants a longer wait than a person would sit through: the error is told at once, with
        # its time.
        return max(float(seconds), least) if seconds <= retry.max_wait else None
    return least


async def _attempt(pool: HttpPool, base_url: str, exchange: Exchange) -> AsyncGenerator[Delta, None]:
    call, failures, waits = exchange.call(), exchange.failures, exchange.waits or pool.timeouts
    response = await _sent(pool, base_url, call, failures, waits)
    try:
        if not 200 <= response.status_code < 300:
            await _refuse(exchange, response)
        proved = False
        async with aclosing(read_reply(response, exchange.decoder(), waits)) as deltas:
            async for delta in deltas:
                if not proved:
                    # At the first delta and not at the status: some servers refuse within a 200.
                    proved = True
                    exchange.proved()
                yield delta
    finally:
        await response.aclose()


async def _sent(
    pool: HttpPool, base_url: str, call: Call, failures: Failures, waits: Timeouts
) -> httpx.Response:
    """The answer's head, after redirects that keep the method. Raises NetworkError, ProviderError."""
    client = await pool.client(base_url)  # has imported httpx, beside the loop
    import httpx

    url, content = call.url, _encoded(call.body)
    for _ in range(MOST_REDIRECTS):
        try:
            request = client.build_request("POST", url, headers=_typed(call.headers), content=content)
            # The client has no read timeout of its own: the wait for the head of the answer ends here.
            async with asyncio.timeout(waits.first_token):
                response = await client.send(request, stream=True)
        except TimeoutError:
            raise failures.timed_out(waits.first_token) from None
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise await _connection_error(pool, base_url, failures, error) from None
        target = redirected(response)
        # Other redirects turn a POST into a GET, and another origin must not get the key.
        if not target or response.status_code not in {307, 308} or not same_origin(url, target):
            return response
        await response.aclose()
        url = target
    raise failures.redirected(url)


def redirected(response: httpx.Response) -> str:
    """The whole address that an answer points to, "" if it is no redirect."""
    target: str = response.headers.get("location", "")
    if not target or not 300 <= response.status_code < 400:
        return ""
    try:
        return urljoin(str(response.request.url), target)
    except ValueError:
        return ""


def _typed(headers: Mapping[str, str]) -> dict[str, str]:
    return {**headers, "Content-Type": "application/json"}


def _encoded(body: Mapping[str, object]) -> bytes:
    """UTF-8 without escapes, which is shorter for Chinese; half surrogates from broken cards become `?`."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


async def _refuse(exchange: Exchange, response: httpx.Response) -> NoReturn:
    """Raise the refusal, or `_AmendedCall` when the call can be sent again without what was refused."""
    import httpx

    body = b""
    try:
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            body = await read_all(response, ERROR_BODY_LIMIT)
    except (TimeoutError, httpx.TransportError, httpx.DecodingError):
        pass  # the status alone says enough
    error = _refusal(exchange.failures, response, body)
    if response.status_code >= 400 and exchange.amend(response.status_code, body):
        raise _AmendedCall(error)
    raise error


def _refusal(failures: Failures, response: httpx.Response, body: bytes) -> LunaluxError:
    status = response.status_code
    if target := redirected(response):
        return failures.redirected(target)
    # Neither an answer nor a refusal, for example a redirect without an address.
    if status < 400:
        return failures.bad_answer(f"HTTP status {status}")
    return failures.refusal(read_report(body, status, response.headers))


async def read_all(response: httpx.Response, limit: int) -> bytes:
    """At most `limit` bytes of a body, and a network read more."""
    pieces: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        pieces.append(chunk)
        size += len(chunk)
        if size > limit:
            break
    return b"".join(pieces)


async def _connection_error(
    pool: HttpPool, base_url: str, failures: Failures, error: Exception
) -> LunaluxError:
    """Before an answer has begun: nothing of the request was refused, it never got through."""
    import httpx

    proxy = pool.proxy_of(base_url)
    if isinstance(error, httpx.ConnectTimeout) and proxy is None:
        return failures.timed_out(pool.timeouts.connect)
    kind, name = diagnosis(error, proxy)
    if kind == "closed" and base_url.startswith("http:") and await speaks_tls(base_url):
        kind = "tls"
    return failures.unreachable(str(error) or type(error).__name__, kind, name)
