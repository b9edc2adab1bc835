"""Long answers: noticing that the client left, and server-sent events.

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

from lunalux_core.backend.money.unwatched import Unwatched

T = TypeVar("T")
QUIET_SECONDS = 15.0
"""After so long without a byte the stream says that it lives: whoever stands between may cut idle lines."""
STALL_SECONDS = 30.0
"""A reader that takes nothing for so long has left, whatever its connection says."""
SIGN_OF_LIFE = b": still here\n\n"


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
    """The result of `work`, which is cancelled, and waited for, as soon as the client leaves; it is not begun
    for one that has left already.

    Raises:
        ClientGone: the client left first.
    """
    watch = asyncio.ensure_future(_departure(receive))
    try:
        await _still_there(watch)
    except BaseException:
        work.close()
        watch.cancel()
        _seen(watch)
        raise
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone
    finally:
        watch.cancel()
        await _ended(task)
        _seen(watch)


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _still_there(watch: asyncio.Future[None]) -> None:
    """Let `watch` see what the server knows by now, which takes it one turn of the loop.

    Raises:
        ClientGone: the client left.
    """
    await asyncio.sleep(0)
    if watch.done():
        raise ClientGone


async def _ended(task: asyncio.Future[Any]) -> None:
    """Cancel what still runs, and wait for its end."""
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))
    _seen(task)


def _seen(task: asyncio.Future[Any]) -> None:
    """An error that was looked at is not reported by the loop as lost."""
    if task.done() and not task.cancelled():
        task.exception()


class EventStream(Response):
    """A `text/event-stream` answer.

    A client that leaves before an event goes out ends the stream: its generators are closed. One that leaves
    afterwards, or takes nothing any more, gets what it asked for: the stream goes on unwatched, so that the
    generators reach their end. `source`, which `events` draws from, is named apart: a generator that was
    never begun closes nothing by itself.
    """

    def __init__(
        self,
        events: AsyncGenerator[ServerEvent, None],
        source: AsyncGenerator[Any, None],
        unwatched: Unwatched,
        *,
        quiet_s: float | None = None,
        stall_s: float = STALL_SECONDS,
    ) -> None:
        super().__init__(
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
        # Starlette has set the length of an empty body, and a server would cut the stream there.
        del self.headers["content-length"]
        self._events, self._source, self._unwatched = events, source, unwatched
        self._quiet_s, self._stall_s = quiet_s or QUIET_SECONDS, stall_s
        self._begun = False  # an event is going out
        self._ending = False  # the reader left before that, and the generators are being closed
        self._gone = False  # nobody reads any more
        self._stalled = False
        self._sending = False
        self._since = 0.0  # when the last send began or ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watch = asyncio.ensure_future(_departure(receive))
        task = asyncio.ensure_future(self._send_all(send, watch))
        pulse = asyncio.ensure_future(self._pulse(send, task))
        kept = False
        try:
            await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
            # What has begun is paid for: it goes on without a reader, so that a retry gets the stored
            # answer.
            kept = self._begun and not task.done()
            if kept:
                self._unwatched.keep(task)
                self._lose_reader(task)
            elif task.done() and not task.cancelled():
                task.result()
        except ClientGone:
            return
        finally:
            for beside in (watch, pulse):
                beside.cancel()
                beside.add_done_callback(_seen)
            if self._ending:
                # Cancelled again it would not wait until the coins are back.
                await asyncio.wait((task,))
                _seen(task)
            elif not kept:
                await _ended(task)

    def _lose_reader(self, task: asyncio.Task[None]) -> None:
        """From here on nothing is sent; a send under way is cancelled."""
        self._gone = True
        if self._sending:
            self._stalled = True
            task.cancel()

    async def _send_all(self, send: Send, watch: asyncio.Future[None]) -> None:
        async with aclosing(self._source), aclosing(self._events):
            await self._look(watch)  # for nobody the model is not called
            await self._send(
                send, {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            )
            async for event in self._events:
                # A first piece that comes in the moment in which the reader leaves has reached nobody.
                if not self._begun:
                    await self._look(watch)
                self._begun = True  # from here on: who takes the words but not the last byte has them too
                await self._send(
                    send, {"type": "http.response.body", "body": event.encode(), "more_body": True}
                )
            await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _look(self, watch: asyncio.Future[None]) -> None:
        try:
            await _still_there(watch)
        except ClientGone:
            self._ending = True
            raise

    async def _send(self, send: Send, message: Mapping[str, Any]) -> None:
        """Hand `message` to the reader, if there is one still; only the wait for it can be called off."""
        if self._gone:
            return
        now = asyncio.get_running_loop().time
        self._sending, self._since = True, now()
        try:
            await send(dict(message))
        except OSError:
            if not self._begun:
                raise ClientGone from None
            self._gone = True
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._stalled or task is None:
                raise
            self._stalled = False
            # The cancellation was ours, to end one `send`: the generators go on.
            task.uncancel()
        finally:
            self._sending, self._since = False, now()

    async def _pulse(self, send: Send, task: asyncio.Task[None]) -> None:
        """Send keep-alive comments while the model sends nothing, and notice a reader that takes nothing."""
        loop = asyncio.get_running_loop()
        while not self._gone:
            wait = self._stall_s if self._sending else self._quiet_s
            # Before the first send nothing is sent: the status line must come first.
            left = self._since + wait - loop.time() if self._since else wait
            if left > 0:
                await asyncio.sleep(left)
            elif not self._sending:
                self._since = loop.time()
                await send({"type": "http.response.body", "body": SIGN_OF_LIFE, "more_body": True})
            # Something was taken and now nothing is: the reader is dropped. Before the first event the
            # whole task ends instead, and the coins go back.
            elif self._begun:
                self._lose_reader(task)
            else:
                task.cancel()
                return
