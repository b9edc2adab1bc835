"""Read the body of one answer: deadlines on the outside, a tolerant pure reader (`Body`) inside.

What the body is, its first character says, not its content type, which several local servers get wrong:
`{` or `[` is a JSON document although a stream was asked for, `<` is a web page, all else is events.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import TYPE_CHECKING, Literal

from lunalux_core.errors import LunaluxError
from lunalux_core.llm.model import Delta
from lunalux_core.llm.servers.json_documents import JsonDocuments, is_end_mark, json_among, parsed_json
from lunalux_core.llm.servers.pool import Timeouts
from lunalux_core.llm.servers.reply import REPLY_LIMIT, ReplyDecoder, coalesced
from lunalux_core.llm.servers.reports import html_text
from lunalux_core.llm.servers.server_failures import Failures
from lunalux_core.llm.servers.sse import EventParser, EventTooLong

if TYPE_CHECKING:
    import httpx

DRAIN_SECONDS = 0.2
"""After the end mark, how long to wait for the end of the body so that the connection can be reused."""

FINISH_SECONDS = 5
"""After a reason to finish that came by itself, how long to wait for the token counts and the end mark."""

DOUBT_SECONDS = 45
"""The same after one that came along with text: some servers send one with every piece."""

HEAD_BYTES = 500
PAGE_BYTES = 20_000
BROKEN_EVENTS = 20
"""Broken events tolerated before a first good one: twenty are no model server."""

BODY_LIMIT = 512 * 1024 * 1024
"""Bytes of one body, comments included: what is longer never ends."""

_BOM = b"\xef\xbb\xbf"
_WORDS_BEGUN = re.compile(r'"(content|text|token|response)"\s*:\s*"[^"]')


class Body:
    """Bytes in, deltas out, without I/O. `take` may be called after an error: it has what came before."""

    def __init__(self, decoder: ReplyDecoder) -> None:
        self.done = False
        self._decoder = decoder
        self._parser = EventParser()
        self._kind: Literal["unknown", "events", "document", "lines", "page"] = "unknown"
        self._documents = JsonDocuments()
        self._pieces: list[bytes] = []
        self._head = b""
        self._size = 0
        self._held = 0
        self._events = 0
        self._broken = 0
        self._whole = False
        self._one_line = True
        self._deltas: list[Delta] = []

    @property
    def complete(self) -> bool:
        """Whether the server has said that the reply is over."""
        return self.done or self._whole or self._decoder.ended

    @property
    def patience(self) -> float:
        """How long to wait for what may still come, once the reply is complete; seconds."""
        if self.done:
            return DRAIN_SECONDS
        return FINISH_SECONDS if self._decoder.finished_alone else DOUBT_SECONDS

    def take(self) -> list[Delta]:
        deltas, self._deltas = self._deltas, []
        return coalesced(deltas)

    def feed(self, chunk: bytes) -> None:
        """Raises ProviderError: MODEL_BAD_ANSWER, or what an event reports."""
        self._size += len(chunk)
        if self._size > BODY_LIMIT:
            raise self._decoder.failures.bad_answer("the reply does not end")
        if self._kind == "unknown":
            self._head += chunk
            body = self._head.removeprefix(_BOM).lstrip()
            begin = body[:1]
            # Blanks, or the beginning of a byte order mark: what the body is cannot be told yet.
            if not begin or (len(self._head) < len(_BOM) and _BOM.startswith(self._head)):
                return
            chunk = body
            self._one_line = begin == b"{"
            self._kind = {b"{": "document", b"[": "document", b"<": "page"}.get(begin, "events")  # type: ignore[assignment]
        elif len(self._head) < HEAD_BYTES:
            self._head += chunk[:HEAD_BYTES]
        if self._kind == "events":
            try:
                self._read(self._parser.feed(chunk))
            except EventTooLong:
                raise self._decoder.failures.bad_answer("one event is too long") from None
            return
        if self._kind == "document":
            self._feed_document(chunk)
        else:
            self._pieces.append(chunk)
            self._held += len(chunk)
            if self._kind == "lines" and b"\n" in chunk:
                self._read_lines()
        if self._kind == "page" and self._size > PAGE_BYTES:
            self.close()
        if self._held + self._documents.held > REPLY_LIMIT:
            raise self._decoder.failures.bad_answer("the reply does not end")

    def close(self) -> None:
        """The body is over. Raises like `feed`."""
        failures = self._decoder.failures
        if self._kind == "page":
            raise failures.bad_answer(html_text(b"".join(self._pieces).decode("utf-8", "replace")))
        self._read_rest()
        self._whole = (
            self._documents.whole if self._kind == "document" else self._kind == "lines" and self._events == 1
        )
        self.flush()
        if self._size and not self._events and not self.done:
            raise failures.bad_answer(
                self._head.decode("utf-8", "replace").strip() or "nothing in it is a reply"
            )

    def interrupt(self) -> None:
        """The body has no end: what came of it counts. Raises like `feed`."""
        if self._kind != "page":
            self._read_rest()
        self.flush()

    def flush(self) -> None:
        """Release what was held back to recognise a tag."""
        self._deltas += self._decoder.flush()

    def _feed_document(self, chunk: bytes) -> None:
        """A body that begins like one document may be one JSON object a line: the first line tells."""
        if self._one_line and b"\n" in chunk:
            self._one_line = False
            line, _, rest = chunk.partition(b"\n")
            self._take_all(self._documents.feed(line))
            self._take_all(self._documents.close())
            if self._documents.whole and self._documents.taken == 1:
                self._kind = "lines"
                self._pieces, self._held = [rest], len(rest)
                self._read_lines()
                return
            chunk = b"\n" + rest
        self._take_all(self._documents.feed(chunk))

    def _read_lines(self) -> None:
        *lines, rest = b"".join(self._pieces).split(b"\n")
        self._pieces, self._held = [rest], len(rest)
        self._read(line.decode("utf-8-sig", "replace").strip() for line in lines)

    def _read_rest(self) -> None:
        """What waits for an end that will not come."""
        if self._kind == "lines":
            self._pieces.append(b"\n")
            self._read_lines()
        elif self._kind == "document":
            self._take_all(self._documents.close())
            self._deltas += self._decoder.feed(self._documents.unfinished())
            # Half a document is a reply only where it has some of its words.
            self._events += self._decoder.spoke
        else:
            self._read(self._parser.close())

    def _read(self, events: Iterable[str]) -> None:
        for data in events:
            text = data.strip()
            if self.done or text == "[DONE]":
                self.done = True
                continue
            if not text or text.startswith(":"):
                continue  # a comment that was sent as an event
            event = parsed_json(text)
            if isinstance(event, dict):
                self._take(event)
                continue
            for item in json_among(text) if event is None else _items(event):
                if isinstance(item, str) and is_end_mark(item):
                    self.done = True
                    break
                if item is None:
                    self._count_broken(text)
                else:
                    # Some gateways write their events as strings that hold JSON.
                    self._take((parsed_json(item) or item) if isinstance(item, str) else item)

    def _take_all(self, items: Iterable[object]) -> None:
        for item in items:
            self._take(item)

    def _take(self, item: object) -> None:
        self._events += 1
        self._deltas += self._decoder.feed(item)
        self.done = self.done or self._decoder.over

    def _count_broken(self, text: str) -> None:
        self._broken += 1
        # Words are lost with it where some had begun; after the reason to finish only counts are.
        if self._decoder.finish is None and _WORDS_BEGUN.search(text):
            self._decoder.gaps = True
        if self._broken > BROKEN_EVENTS and not self._events:
            raise self._decoder.failures.bad_answer("its events are not JSON")


def _items(parsed: object) -> list[object]:
    return parsed if isinstance(parsed, list) else [parsed]


async def read_reply(
    response: httpx.Response, decoder: ReplyDecoder, waits: Timeouts
) -> AsyncGenerator[Delta, None]:
    """Yield the deltas of a good answer. Every byte is a sign of life and begins the wait anew.

    Raises:
        NetworkError: MODEL_TIMEOUT, MODEL_STREAM_CUT, after all that came before has been yielded.
        ProviderError: likewise.
    """
    clock = asyncio.get_running_loop().time
    chunks = response.aiter_bytes()
    body = Body(decoder)
    allowed = waits.first_token
    deadline = clock() + allowed
    fault: LunaluxError | None = None
    chunk: bytes | None = b""
    while chunk is not None and fault is None:
        chunk, fault = await _next_chunk(chunks, deadline, allowed, body.complete, decoder.failures)
        try:
            if chunk:
                body.feed(chunk)
            elif fault:
                body.interrupt()
                # The end mark, or the reason to finish, was in what waited for the end of its event.
                fault = None if body.complete else fault
            elif chunk is None:
                body.close()
        except LunaluxError as error:
            fault = error
            body.flush()
        came = body.take()
        for delta in came:
            yield delta
            # Reports on the reading of the prompt are no words: the longer wait goes on.
            if delta.progress is None:
                allowed = waits.between_tokens
        now = clock()
        if not body.complete:
            deadline = now + allowed
        else:
            # Complete: what may still come (token counts, the end of the body) gets a short wait.
            end = now + min(allowed, body.patience)
            deadline = end if came else min(deadline, end)
    if fault:
        raise fault
    for delta in decoder.end(body.complete):
        yield delta


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
        # Some servers keep the connection open after the end mark.
        return None, None if complete else failures.timed_out(allowed)
    except (httpx.TransportError, httpx.DecodingError) as error:
        return None, None if complete else failures.cut(type(error).__name__)
