"""A model server for tests: real HTTP on a free loopback port, each answer scripted by the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from lunalux_core.errors import LunaluxError
from lunalux_core.llm.model import ChatModel, Delta, Message, ModelRequest
from lunalux_core.llm.servers.pool import HttpPool, Retry, Timeouts

Answer = Callable[[web.Request, "Seen"], Awaitable[web.StreamResponse]]


def pool(first_token: float = 5, between_tokens: float = 5) -> HttpPool:
    """Connections with short waits, so that a test of a fault takes no longer than it must."""
    return HttpPool(Timeouts(5, first_token, between_tokens), Retry(attempts=2, base_delay=0.01, max_wait=5))


_REPLIES = ("completions", "/messages", "/api/chat", "GenerateContent", "generateContent")
"""How the addresses end that give replies."""


@dataclass
class Seen:
    """One request as the server saw it; `left` is set when the client has gone before the end."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    port: int
    left: asyncio.Event = field(default_factory=asyncio.Event)


class ModelServer:
    """Answers requests in turn; the last answer is repeated.

    Args:
        unknown: it answers 404 to what is no request for a reply, as a plain server does when a client asks
            what it is, and does not count it.
    """

    def __init__(self, *, unknown: bool = False) -> None:
        self.unknown = unknown
        self.seen: list[Seen] = []
        self.answers: list[Answer] = []
        self.port = 0
        self.arrived = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def will(self, *answers: Answer) -> None:
        self.answers = list(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        if self.unknown and not (request.method == "POST" and request.path.endswith(_REPLIES)):
            raise web.HTTPNotFound
        assert request.transport is not None
        seen = Seen(
            request.method,
            request.path,
            dict(request.query),
            {name.lower(): value for name, value in request.headers.items()},
            json.loads(raw) if raw else None,
            request.transport.get_extra_info("peername")[1],
        )
        self.seen.append(seen)
        self.arrived.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        try:
            return await answer(request, seen)
        except (ConnectionResetError, asyncio.CancelledError):
            seen.left.set()
            raise


@asynccontextmanager
async def model_server(*, unknown: bool = False) -> AsyncIterator[ModelServer]:
    server = ModelServer(unknown=unknown)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{rest:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


def document(body: Any, status: int = 200, **headers: str) -> Answer:
    """A JSON answer."""

    async def answer(request: web.Request, seen: Seen) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body, status=status, headers=named)

    return answer


def page(html: str, status: int = 200) -> Answer:
    async def answer(request: web.Request, seen: Seen) -> web.StreamResponse:
        return web.Response(text=html, status=status, content_type="text/html")

    return answer


def raw(*pieces: bytes, content_type: str = "text/event-stream", then: str = "end") -> Answer:
    """Bytes as they are; `then` is `end`, `abort` (the connection breaks) or `hang` (nothing more)."""

    async def answer(request: web.Request, seen: Seen) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0)
        if then == "abort":
            await asyncio.sleep(0.05)
            assert request.transport is not None
            request.transport.abort()
        elif then == "hang":
            await asyncio.Event().wait()  # until the client leaves
        else:
            await response.write_eof()
        return response

    return answer


def event(body: Any) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def chunk(text: str = "", finish: str | None = None, **delta: Any) -> bytes:
    """One event of an OpenAI stream."""
    part = {**({"content": text} if text else {}), **delta}
    return event({"choices": [{"index": 0, "delta": part, "finish_reason": finish}]})


DONE = b"data: [DONE]\n\n"


def stream(*texts: str, then: str = "end") -> Answer:
    """A whole OpenAI reply of these pieces."""
    return raw(*(chunk(text) for text in texts), chunk(finish="stop"), DONE, then=then)


@dataclass
class Heard:
    """What a client got: texts joined, the last delta, and the error that ended it, if one did."""

    text: str = ""
    thinking: str = ""
    last: Delta = field(default_factory=Delta)
    error: LunaluxError | None = None

    @property
    def code(self) -> str:
        return self.error.code if self.error else ""


async def listen(model: ChatModel, request: ModelRequest | None = None) -> Heard:
    """Run one call to its end, whatever the end is."""
    last, error = Delta(), None
    text: list[str] = []
    thinking: list[str] = []
    try:
        async for delta in model.stream(request or ModelRequest((Message("user", "Hello"),))):
            if delta.turned:
                thinking.clear()
            text.append(delta.text)
            thinking.append(delta.thinking)
            last = delta
    except LunaluxError as raised:
        error = raised
    return Heard("".join(text), "".join(thinking), last, error)
