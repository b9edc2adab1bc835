"""A reverse proxy on loopback that counts what passes and can do harm to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Literal

Fault = Literal["", "refuse", "500", "html", "slow", "cut", "drop-answer"]


class FaultProxy:
    """Forwards to `port`. `fault` applies to requests whose path holds `where`.

    refuse: closes the connection unread · 500: an envelope of ours · html: another server's page ·
    slow: answers after ten minutes · cut: breaks off in the middle of the body · drop-answer: the server
    gets the request, the client gets no answer.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self.port = 0
        self.count: Counter[str] = Counter()
        self.targets: list[str] = []
        self.fault: Fault = ""
        self.where = ""
        self.before: Callable[[str], Awaitable[None]] | None = None
        """Called with the target of each request before it is handed on."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FaultProxy]:
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            path = target.partition("?")[0]
            fault = self._fault_of(head, path)
            if fault != "refuse":
                # Whoever looks for model servers asks every port of this computer, other tests' apps, too.
                if path != "/v1/models":
                    self.count[f"{method} {path}"] += 1
                    self.targets.append(target)
                if b"\r\nexpect: 100-continue" in head.lower():
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = await reader.readexactly(_length(head))
                if self.before is not None:
                    await self.before(target)
                await self._answer(fault, head, body, writer)
        writer.close()

    def _fault_of(self, head: bytes, path: str) -> str:
        """What is done to a request, by its head and the path of its target."""
        return self.fault if self.where in path else ""

    async def _answer(self, fault: str, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        if fault == "500":
            writer.write(_response(b'{"success": false, "code": "INTERNAL_ERROR"}', b"application/json"))
        elif fault == "html":
            writer.write(_response(b"<html>Bad gateway</html>", b"text/html"))
        elif fault == "slow":
            await asyncio.sleep(600)
        else:
            await self._forward(fault, head, body, writer)
        await writer.drain()

    async def _forward(self, fault: str, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        upstream, sending = await asyncio.open_connection("127.0.0.1", self._upstream)
        ours = (b"connection:", b"expect:")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(ours)]
        sending.write(b"\r\n".join([*lines[:-2], b"Connection: close", b"", b""]) + body)
        await sending.drain()
        passed = 0
        while chunk := await upstream.read(1000 if fault == "cut" else 65536):
            if fault == "drop-answer":
                continue
            writer.write(chunk)
            await writer.drain()
            passed += len(chunk)
            if fault == "cut" and passed > 300:
                break
        sending.close()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _response(body: bytes, kind: bytes) -> bytes:
    size = str(len(body)).encode()
    return (
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: " + kind + b"\r\nContent-Length: " + size)
        + b"\r\nConnection: close\r\n\r\n"
        + body
    )
