"""What Lunalux adds to the first token of a model on a server of one's own.

    python benchmarks/direct_token.py -n 200

A model server on loopback answers at once. The same request is made with a bare HTTP client, and by the
client of Lunalux, in turns, each over a connection that is open. What is added is the difference of medians.
Ends with 1 above 2 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from contextlib import aclosing

import httpx

from lunalux_core.llm.model import Message, ModelRequest, ModelSpec
from lunalux_core.llm.servers.openai import OpenAIModel
from lunalux_core.llm.servers.pool import HttpPool

MOST_ADDED_MS = 2.0
WORDS = "Good evening, keeper. What did the sea bring today?"
_PIECE = {"choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]}
_LAST = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


async def _speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection of a model server that streams without any delay."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
            writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
            for event in (*([_PIECE] * 10), _LAST):
                _chunk(writer, b"data: " + json.dumps(event).encode() + b"\n\n")
            _chunk(writer, b"data: [DONE]\n\n")
            _chunk(writer, b"")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        writer.close()


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


async def _directly(client: httpx.AsyncClient, url: str) -> float:
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": WORDS}]}
    begun = time.perf_counter()
    first = 0.0
    async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if not first and line.startswith("data: {"):
                json.loads(line[6:])
                first = time.perf_counter() - begun
    return first


async def _through_us(model: OpenAIModel) -> float:
    begun = time.perf_counter()
    first = 0.0
    async with aclosing(model.stream(ModelRequest((Message("user", WORDS),)))) as deltas:
        async for delta in deltas:
            if not first and delta.text:
                first = time.perf_counter() - begun
    return first


async def measure(times: int) -> tuple[float, float]:
    """Milliseconds to the first token, directly and through us: medians."""
    server = await asyncio.start_server(_speak, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    pool = HttpPool()
    model = OpenAIModel(ModelSpec("x", "openai", "m", url), pool=pool)
    direct: list[float] = []
    ours: list[float] = []
    async with httpx.AsyncClient(trust_env=False) as client:
        for turn in range(times + 5):
            pair = (await _directly(client, url), await _through_us(model))
            if turn >= 5:  # the first ones open connections
                direct.append(pair[0])
                ours.append(pair[1])
    await pool.aclose()
    server.close()
    return statistics.median(direct) * 1000, statistics.median(ours) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-n", type=int, default=200, help="requests of each kind")
    direct, ours = asyncio.run(measure(parser.parse_args().n))
    added = ours - direct
    print(f"directly {direct:.2f} ms, through us {ours:.2f} ms: {added:+.2f} ms (at most {MOST_ADDED_MS:g})")
    return added > MOST_ADDED_MS


if __name__ == "__main__":
    sys.exit(main())
