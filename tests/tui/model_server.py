"""A model server on loopback that answers with the pieces it was given."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager


@asynccontextmanager
async def model_server(
    pieces: Sequence[str],
    *,
    cut: bool = False,
    delay: float = 0,
    finish: str | None = "stop",
    gate: asyncio.Event | None = None,
) -> AsyncIterator[str]:
    """Serve one streamed chat completion after another; yields the base URL.

    Args:
        pieces: the deltas of every reply.
        cut: promise more than comes, and close the connection after the pieces.
        delay: seconds before each piece.
        finish: why the reply ended; None sends neither a reason nor an end mark.
        gate: no piece comes before this is set.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if b"content-length" in line
                ),
                0,
            )
            await reader.readexactly(length)
            length_line = b"Content-Length: 1000000\r\n" if cut else b""
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + length_line)
            writer.write(b"Connection: close\r\n\r\n")
            if gate is not None:
                await gate.wait()
            for piece in pieces:
                await asyncio.sleep(delay)
                event = {"choices": [{"index": 0, "delta": {"content": piece}}]}
                writer.write(f"data: {json.dumps(event)}\n\n".encode())
                await writer.drain()
            if not cut and finish:
                end = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
                writer.write(f"data: {json.dumps(end)}\n\ndata: [DONE]\n\n".encode())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.close()
