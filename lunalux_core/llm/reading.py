"""Read the body of one answer: deadlines on the outside, a tolerant pure reader (`Body`) inside.

What the body is, its first character says, not its content type, which several local servers get wrong:
`{` or `[` is a JSON document although a stream was asked for, `<` is a web page, all else is events.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import TYPE_CHECKING, Literal

from lunalux_core.errors import LunaluxError
from lunalux_core.llm.failures import Failures
from lunalux_core.llm.model import Delta
from lunalux_core.llm.reply import REPLY_LIMIT, ReplyDecoder, coalesced
from lunalux_core.llm.reports import html_text
from lunalux_core.llm.sse import EventParser, EventTooLong

if TYPE_CHECKING:
    import httpx

DRAIN_SECONDS = 0.2
"""After the end mark, how long to wait for the end of the body so that the connection can be reused."""

FINISH_SECONDS = 5
"""After a reason to finish, how long to wait for the token counts and the end mark."""

PAGE_BYTES = 20_000
BROKEN_EVENTS = 20
"""Broken events tolerated in one reply: a truncated one costs a word, twenty are no model server."""


class Body:
    """Bytes in, deltas out, without I/O. `take` may be called after an error: it has what came before."""

    def __init__(self, decoder: ReplyDecoder) -> None:
        self.done = False
        self._decoder = decoder
        self._parser = EventParser()
        self._kind: Literal["unknown", "events", "document", "page"] = "unknown"
        self._pieces: list[bytes] = []
        self._size = 0
        self._events = 0
        self._broken = 0
        self._deltas: list[Delta] = []

    @property
    def complete(self) -> bool:
        """Whether the server has said that the reply is over."""
        return self.done or self._decoder.finish is not None

    def take(self) -> list[Delta]:
        deltas, self._deltas = self._deltas, []
        return coalesced(deltas)

    def feed(self, chunk: bytes) -> None:
        """Raises ProviderError: MODEL_BAD_ANSWER, or what an event reports."""
        self._size += len(chunk)
        if self._kind == "unknown":
            begin = chunk.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
            if not begin:
                return
            self._kind = {b"{": "document", b"[": "document", b"<": "page"}.get(begin, "events")  # type: ignore[assignment]
        if self._kind == "events":
            try:
                self._read(self._parser.feed(chunk))
            except EventTooLong:
                raise self._decoder.failures.bad_answer("one event is too long") from None
            return
        self._pieces.append(chunk)
        if self._kind == "page" and self._size > PAGE_BYTES:
            self.close()
        if self._size > REPLY_LIMIT:
            raise self._decoder.failures.bad_answer("the reply does not end")

    def close(self) -> None:
        """The body is over. Raises like `feed`."""
        failures = self._decoder.failures
        whole = b"".join(self._pieces)
        if self._kind == "page":
            raise failures.bad_answer(html_text(whole.decode("utf-8", "replace")))
        if self._kind == "document":
            for item in _items(_parsed(whole.decode("utf-8-sig", "replace"))):
                self._deltas += self._decoder.feed(item)
                self._events += 1
        else:
            self._read(self._parser.close())
        self.flush()
        if self._size and not self._events and not self.done:
            raise failures.bad_answer("nothing in it is a reply")

    def flush(self) -> None:
        """Release what was held back to recognise a tag."""
        self._deltas += self._decoder.flush()

    def _read(self, events: Iterable[str]) -> None:
        for data in events:
            if self.done or data.strip() == "[DONE]":
                self.done = True
                continue
            event = _parsed(data)
            # Servers that forget the blank line between events have them joined here.
            items = _items(event) if event is not None else [_parsed(line) for line in data.splitlines()]
            for item in items:
                if item is None:
                    self._count_broken()
                    continue
                self._events += 1
                self._deltas += self._decoder.feed(item)

    def _count_broken(self) -> None:
        self._broken += 1
        if self._broken > BROKEN_EVENTS:
            raise self._decoder.failures.bad_answer("its events are not JSON")


def _parsed(data: str) -> object | None:
    try:
        parsed: object = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return parsed


def _items(parsed: object) -> list[object]:
    if parsed is None:
        return []
    return parsed if isinstance(parsed, list) else [parsed]


async def read_reply(
    response: httpx.Response,
    decoder: ReplyDecoder,
    deadline: float,
    between_tokens: float,
    first_token: float,
) -> AsyncGenerator[Delta, None]:
    """Yield the deltas of a 200 answer; `deadline` (loop time) is for the first token.

    Raises:
        NetworkError: MODEL_TIMEOUT, MODEL_STREAM_CUT, after all that came before has been yielded.
        ProviderError: likewise.
    """
    clock = asyncio.get_running_loop().time
    chunks = response.aiter_bytes()
    body = Body(decoder)
    allowed = first_token
    fault: LunaluxError | None = None
    chunk: bytes | None = b""
    while chunk is not None and fault is None:
        chunk, fault = await _next_chunk(chunks, deadline, allowed, body.complete, decoder.failures)
        try:
            if chunk:
                body.feed(chunk)
            elif fault:
                body.flush()
            elif chunk is None:
                body.close()
        except LunaluxError as error:
            fault = error
            body.flush()
        for delta in body.take():
            yield delta
            allowed, deadline = between_tokens, clock() + between_tokens
        if body.complete:
            deadline = min(deadline, clock() + (DRAIN_SECONDS if body.done else FINISH_SECONDS))
    if fault:
        raise fault
    yield decoder.end(body.complete)


async def _next_chunk(
    chunks: AsyncIterator[bytes], deadline: float, allowed: float, complete: bool, failures: Failures
) -> tuple[bytes | None, LunaluxError | None]:
    """(bytes, None), or (None, None) at the end, or (None, the fault).

    A fault after the server has said that the reply is over is an end like any other.
    """
    import httpx

    try:
        async with asyncio.timeout_at(deadline):
            return await anext(chunks, None), None
    except TimeoutError:
        return None, None if complete else failures.timed_out(allowed)
    except (httpx.TransportError, httpx.DecodingError) as error:
        return None, None if complete else failures.cut(type(error).__name__)
