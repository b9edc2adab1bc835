"""What the fake model servers share: real HTTP on a free loopback port, a window that is kept, a log.

Each server is one file, written from its documentation: which addresses it has, what it says there, and in
which words it refuses a prompt that is too long. A token is a word.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Route = Callable[[Any], Any]
"""A body (None for GET) to a document, or to a (status, document)."""


def words(text: str) -> int:
    return len(text.split())


@dataclass
class Fake:
    """One server. `asked` are the paths and bodies in order; `aborted` is set when a client goes early."""

    window: int = 4096
    model: str = "m"
    pieces: list[str] = field(default_factory=lambda: ["The lamp", " burns."])
    pause: float = 0
    asked: list[tuple[str, Any]] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    chat_paths = ("/v1/chat/completions",)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def chats(self) -> list[Any]:
        """The bodies of the chats, those that were refused too."""
        return [body for path, body in self.asked if path in self.chat_paths]

    def routes(self) -> dict[str, Route]:
        """Addresses beside the chat, as `METHOD /path`."""
        return {}

    def refusal(self, prompt: int, body: Any) -> tuple[int, Any] | None:
        """What is answered to a chat that does not fit, None for one that does."""
        return None

    def chunk(self, text: str) -> bytes:
        return event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})

    def before(self, body: Any) -> list[bytes]:
        """Events before the first word."""
        return []

    def end(self, prompt: int) -> bytes:
        usage = {"prompt_tokens": prompt, "completion_tokens": words("".join(self.pieces))}
        stop = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage})
        return stop + b"data: [DONE]\n\n"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw) if raw else None
        self.asked.append((request.path, body))
        if request.path in self.chat_paths:
            return await self._chat(request, body)
        query = f"?{request.query_string}" if request.query_string else ""
        known = self.routes()
        route = known.get(f"{request.method} {request.path}{query}") or known.get(
            f"{request.method} {request.path}"
        )
        if route is None:
            return web.json_response({"error": {"message": "File Not Found", "code": 404}}, status=404)
        made = route(body)
        if isinstance(made, Awaitable):
            made = await made
        status, document = made if isinstance(made, tuple) else (200, made)
        return web.json_response(document, status=status)

    def prompt_of(self, body: Any) -> str:
        return " ".join(str(one["content"]) for one in body.get("messages", [])) or str(
            body.get("prompt", "")
        )

    async def _chat(self, request: web.Request, body: Any) -> web.StreamResponse:
        prompt = words(self.prompt_of(body))
        refused = self.refusal(prompt, body)
        if refused is not None:
            return web.json_response(refused[1], status=refused[0])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            await response.prepare(request)
            for piece in (*self.before(body), *map(self.chunk, self.pieces), self.end(prompt)):
                await response.write(piece)
                await asyncio.sleep(self.pause)
            await response.write_eof()
        except (ConnectionResetError, asyncio.CancelledError):
            self.left.set()
            raise
        return response


def event(document: Any) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


@asynccontextmanager
async def running(*fakes: Fake) -> AsyncIterator[None]:
    """The fakes, each on a port of its own."""
    runners = []
    try:
        for fake in fakes:
            app = web.Application(client_max_size=64 * 1024 * 1024)
            app.router.add_route("*", "/{rest:.*}", fake.handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
            await runner.setup()
            runners.append(runner)
            await web.TCPSite(runner, "127.0.0.1", fake.port).start()
            fake.port = runner.addresses[0][1]
        yield
    finally:
        for runner in runners:
            await runner.cleanup()
