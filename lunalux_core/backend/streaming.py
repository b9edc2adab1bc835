"""Answers that outlive a request's body: noticing that the client left, and server-sent events.

Starlette's own streaming response learns of a departure from a failed `send`, which an in-process
transport never makes; here `http.disconnect` is awaited beside the work, whatever the transport.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")


class ClientGone(Exception):
    """The client went away; there is nobody left to answer."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event: its name, and JSON data."""

    name: str
    data: Mapping[str, Any]

    def encode(self) -> bytes:
        data = json.dumps(self.data, ensure_ascii=False, separators=(",", ":"))
        return f"event: {self.name}\ndata: {data}\n\n".encode("utf-8", "replace")


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled, and waited for, as soon as the client leaves.

    Raises:
        ClientGone: the client left first.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_departure(receive))
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone
    finally:
        watch.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
        for finished in (watch, task):
            if finished.done() and not finished.cancelled():
                finished.exception()  # seen, so that the loop does not report it as lost


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


class EventStream(Response):
    """A `text/event-stream` answer.

    The generators are closed when the stream ends, fails, or the client leaves. `source`, which `events`
    draws from, is named apart: a generator that was never begun closes nothing by itself.
    """

    def __init__(self, events: AsyncGenerator[ServerEvent, None], source: AsyncGenerator[Any, None]) -> None:
        super().__init__(
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
        del self.headers["content-length"]
        self._events, self._source = events, source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await while_connected(receive, self._send_all(send))
        except (ClientGone, OSError):
            return

    async def _send_all(self, send: Send) -> None:
        async with aclosing(self._source), aclosing(self._events):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for event in self._events:
                await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
