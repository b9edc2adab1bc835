"""A model server on loopback whose model's name says how it behaves; remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Asked:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class ModelServer:
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    """The model `paused` waits for it after its first word."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client closed the connection before its reply was complete."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}
            body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))) or b"{}")
            method, path, _ = head[0].split(" ")
            if method == "POST":  # not whoever looks for model servers on this machine, as other tests do
                self.asked.append(Asked(path, headers, body))
                self.arrived.set()
            await self.answer(str(body.get("model", "")), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
        finally:
            writer.close()

    async def answer(self, model: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if model == "broken":
            body = b'{"error": {"message": "secret-account-name is overloaded"}}'
            writer.write(b"HTTP/1.1 500 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
            return
        if model == "silent":
            await self.wait_for_leaving(reader)
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        words = [] if model == "empty" else ["Good ", "evening", "."]
        if model == "pondering":
            await self.go.wait()
        if model == "endless":
            words = ["on and "] * 10_000
        for word in words:
            chunk = {"choices": [{"index": 0, "delta": {"content": word}}]}
            writer.write(f"data: {json.dumps(chunk)}\n\n".encode())
            await writer.drain()
            self.begun.set()
            if model == "endless":
                await asyncio.sleep(0.05)
            if model == "slow":
                await self.wait_for_leaving(reader)
                return
            if model == "cut":
                return
            if model == "paused":
                await self.go.wait()
        usage = {"prompt_tokens": 11, "completion_tokens": 3}
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage}
        writer.write(f"data: {json.dumps(last)}\n\ndata: [DONE]\n\n".encode())
        await writer.drain()

    async def wait_for_leaving(self, reader: asyncio.StreamReader) -> None:
        if await reader.read(1) == b"":
            self.left.set()


@asynccontextmanager
async def model_server() -> AsyncIterator[ModelServer]:
    stub = ModelServer()
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield stub
    finally:
        server.close()
