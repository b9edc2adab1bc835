"""Servers for text completion as their documentation describes them: llama.cpp, KoboldCpp, and the common
protocol. Each streams the pieces it was given, after checking nothing: tests look at what was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

Kind = Literal["llamacpp", "koboldcpp", "generic"]

CHATML = "<|im_start|>{role}\n{content}<|im_end|>\n"


@dataclass
class TextServer:
    """`asked` are the bodies of completions by path; `left` is set once a client goes before the end."""

    kind: Kind
    pieces: list[str] = field(default_factory=lambda: ["The lamp", " burns."])
    finish: str = "stop"
    refuse: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    turn_format: str = CHATML
    chat_template: str = ""
    model_card: dict[str, Any] = field(default_factory=dict)
    pause: float = 0
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        raw = await request.read()
        body = json.loads(raw) if raw else {}
        if path == "/api/extra/version" and self.kind == "koboldcpp":
            return web.json_response({"result": "KoboldCpp", "version": "1.99"})
        if path == "/props" and self.kind != "generic":
            return web.json_response(
                {"default_generation_settings": {"n_ctx": 4096}, "chat_template": self.chat_template}
            )
        if path == "/v1/model" and self.model_card:
            return web.json_response(self.model_card)
        if path == "/apply-template" and self.kind == "llamacpp":
            turns = "".join(self.turn_format.format(**message) for message in body["messages"])
            begun = self.turn_format.partition("{content}")[0].format(role="assistant")
            return web.json_response({"prompt": turns + begun})
        served = {"llamacpp": "/completion", "koboldcpp": "/api/extra/generate/stream", "generic": ""}
        if path not in (served[self.kind], "/v1/completions", "/v1/chat/completions"):
            return web.json_response({"error": "not found"}, status=404)
        self.asked.append((path, body))
        if self.refuse:
            status, answer = self.refuse.pop(0)
            return web.json_response(answer, status=status)
        try:
            return await self._stream(request, path)
        except (ConnectionResetError, asyncio.CancelledError):
            self.left.set()
            raise

    async def _stream(self, request: web.Request, path: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in self.pieces:
            await response.write(self._event(path, piece))
            await asyncio.sleep(self.pause)
        await response.write(self._end(path))
        await response.write_eof()
        return response

    def _event(self, path: str, piece: str) -> bytes:
        if path == "/completion":
            return _event({"index": 0, "content": piece, "tokens": [1], "stop": False})
        if path == "/api/extra/generate/stream":
            return b"event: message\n" + _event({"token": piece, "finish_reason": None})
        if path == "/v1/completions":
            return _event({"choices": [{"index": 0, "text": piece, "finish_reason": None}]})
        return _event({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})

    def _end(self, path: str) -> bytes:
        if path == "/completion":
            how = {"stop": "eos", "length": "limit"}[self.finish]
            counts = {"tokens_predicted": 5, "tokens_evaluated": 40}
            return _event({"content": "", "stop": True, "stop_type": how, **counts})
        if path == "/api/extra/generate/stream":
            return b"event: message\n" + _event({"token": "", "finish_reason": self.finish})
        key = "text" if path == "/v1/completions" else "delta"
        choice = {"index": 0, key: "" if key == "text" else {}, "finish_reason": self.finish}
        counts = {"prompt_tokens": 40, "completion_tokens": 5}
        return _event({"choices": [choice], "usage": counts}) + b"data: [DONE]\n\n"


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


@asynccontextmanager
async def text_server(kind: Kind, **values: Any) -> AsyncIterator[TextServer]:
    server = TextServer(kind, **values)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{rest:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", server.port)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()
