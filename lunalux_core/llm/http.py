"""One call to a model server over HTTP: connect, wait, read events, try again, give up in good order.

Shared by the protocols. An `Exchange` says what to send and how to read it; `stream_reply` does the rest:

* deadlines for connecting, for the first token and between tokens; keep-alive comments do not count;
* another attempt, at most two, only before the first token, only for faults that pass (429, 5xx, refused
  or broken connections);
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

from lunalux_core.errors import LunaluxError
from lunalux_core.llm.failures import RETRIABLE, Failures
from lunalux_core.llm.model import Delta
from lunalux_core.llm.pool import HttpPool, Retry, Timeouts
from lunalux_core.llm.reading import read_reply
from lunalux_core.llm.reply import REPLY_LIMIT, ReplyDecoder
from lunalux_core.llm.reports import html_text, read_report

if TYPE_CHECKING:
    import httpx

ERROR_BODY_LIMIT = 64 * 1024
ERROR_BODY_SECONDS = 10


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

    def amend(self, body: bytes) -> bool:
        """The server refused (400 or 422): change the call if it names a field we can do without."""
        ...


async def stream_reply(pool: HttpPool, base_url: str, exchange: Exchange) -> AsyncGenerator[Delta, None]:
    """Make the call, with retries before the first token, and yield its deltas.

    Raises:
        NetworkError: MODEL_UNREACHABLE, MODEL_TIMEOUT, MODEL_STREAM_CUT.
        ProviderError: the server refused, or its answer is of no use; codes in `failures`.
    """
    tries = 0
    while True:
        begun = False
        try:
            async with aclosing(_attempt(pool, base_url, exchange)) as deltas:
                async for delta in deltas:
                    begun = True
                    yield delta
            return
        except _Amended:
            continue
        except LunaluxError as error:
            wait = _wait_before(error, tries, pool.retry)
            if begun or wait is None:
                raise
        tries += 1
        await asyncio.sleep(wait)


async def get_json(
    pool: HttpPool, base_url: str, url: str, headers: Mapping[str, str], failures: Failures, seconds: float
) -> object:
    """GET a JSON document within `seconds` altogether. Raises like `stream_reply`; no second attempt."""
    client = await pool.client(base_url)  # has imported httpx, beside the loop
    import httpx

    try:
        async with asyncio.timeout(seconds), client.stream("GET", url, headers=dict(headers)) as response:
            body = await _read_all(response, REPLY_LIMIT)
            if response.status_code != 200:
                raise _refusal(failures, response, body[:ERROR_BODY_LIMIT])
    except TimeoutError:
        raise failures.timed_out(seconds) from None
    except (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError) as error:
        raise _connection_error(failures, error, pool.timeouts) from None
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        page = body.decode("utf-8", "replace")
        raise failures.bad_answer(html_text(page) if page.lstrip().startswith("<") else "") from None
    return document


class _Amended(Exception):
    """The exchange changed its call after a refusal; send it again."""


def _wait_before(error: LunaluxError, tries: int, retry: Retry) -> float | None:
    """Seconds until the next attempt, None when there is none."""
    if error.code not in RETRIABLE or tries >= retry.attempts:
        return None
    asked = error.params.get("seconds")
    if isinstance(asked, (int, float)):
        return float(asked) if asked <= retry.max_wait else None
    return retry.base_delay * float(2**tries) * random.uniform(0.8, 1.2)


async def _attempt(pool: HttpPool, base_url: str, exchange: Exchange) -> AsyncGenerator[Delta, None]:
    client = await pool.client(base_url)  # has imported httpx, beside the loop
    import httpx

    call, failures, limits = exchange.call(), exchange.failures, pool.timeouts
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limits.first_token
    try:
        request = client.build_request(
            "POST", call.url, headers=_typed(call.headers), content=_encoded(call.body)
        )
        async with asyncio.timeout_at(deadline):
            response = await client.send(request, stream=True)
    except TimeoutError:
        raise failures.timed_out(limits.first_token) from None
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise _connection_error(failures, error, limits) from None
    try:
        if response.status_code != 200:
            await _refuse(exchange, response, deadline)
        reading = read_reply(
            response, exchange.decoder(), deadline, limits.between_tokens, limits.first_token
        )
        async with aclosing(reading) as deltas:
            async for delta in deltas:
                yield delta
    finally:
        await response.aclose()


def _typed(headers: Mapping[str, str]) -> dict[str, str]:
    return {**headers, "Content-Type": "application/json"}


def _encoded(body: Mapping[str, object]) -> bytes:
    """UTF-8 without escapes, which is shorter for Chinese; half surrogates from broken cards become `?`."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


async def _refuse(exchange: Exchange, response: httpx.Response, deadline: float) -> NoReturn:
    """Raise the refusal, or `_Amended` when the call can be sent again without what was refused."""
    import httpx

    body = b""
    try:
        async with asyncio.timeout_at(min(deadline, asyncio.get_running_loop().time() + ERROR_BODY_SECONDS)):
            body = await _read_all(response, ERROR_BODY_LIMIT)
    except (TimeoutError, httpx.TransportError, httpx.DecodingError):
        pass  # the status alone says enough
    if response.status_code in {400, 422} and exchange.amend(body):
        raise _Amended
    raise _refusal(exchange.failures, response, body)


def _refusal(failures: Failures, response: httpx.Response, body: bytes) -> LunaluxError:
    status = response.status_code
    if status < 400:
        return failures.bad_answer(f"HTTP status {status}")
    return failures.refusal(read_report(body, status, response.headers))


async def _read_all(response: httpx.Response, limit: int) -> bytes:
    """At most `limit` bytes of a body, and a network read more."""
    pieces: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        pieces.append(chunk)
        size += len(chunk)
        if size > limit:
            break
    return b"".join(pieces)


def _connection_error(failures: Failures, error: Exception, limits: Timeouts) -> LunaluxError:
    """Before an answer has begun: nothing of the request was refused, it never got through."""
    import httpx

    if isinstance(error, httpx.ConnectTimeout):
        return failures.timed_out(limits.connect)
    return failures.unreachable(str(error) or type(error).__name__)
