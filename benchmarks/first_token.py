"""What the gateway adds to the first token: the same model asked directly, and through the backend.

    python benchmarks/first_token.py -n 100

A model server on loopback answers with its first token at once. It is asked by the OpenAI client of Lunalux
directly, through the backend inside the process, and through `lunalux serve` in a process of its own, in
turns; what the gateway adds is the difference of the lower quartiles, since whatever else the machine does
only ever adds. Ends with 1 above 5 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from lunalux_core.backend.money.billing import ModelConfig
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.embedded import open_embedded
from lunalux_core.backend.running.services import Services
from lunalux_core.backend.web.app import create_app
from lunalux_core.client.asgi import InProcessClient
from lunalux_core.client.backend_client import BackendClient
from lunalux_core.client.backend_exchange import BackendExchange
from lunalux_core.client.session_key import SessionKey
from lunalux_core.ids import uuid4
from lunalux_core.llm.model import Message, ModelRequest, ModelSpec
from lunalux_core.llm.servers.openai import OpenAIModel
from lunalux_core.wire.official import SubmitRequest

MOST_ADDED_MS = 5.0
MODEL_ID, MODEL_NAME = "900", "instant"
TOKENS = 20
EMAIL, PASSWORD = "ada@example.org", "four quiet unrelated words"
WORDS = "Good evening, keeper. What did the sea bring today?"


async def _speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection of a model server that streams without any delay."""
    while head := await reader.readuntil(b"\r\n\r\n"):
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(TOKENS):
            delta = json.dumps({"choices": [{"delta": {"content": "word "}}]})
            _chunk(writer, f"data: {delta}\n\n".encode())
            await writer.drain()
        stop = json.dumps({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        _chunk(writer, f"data: {stop}\n\ndata: [DONE]\n\n".encode())
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


async def _speak_until_gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await _speak(reader, writer)
    except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
        writer.close()


async def first_token_direct(model: OpenAIModel) -> float:
    began = time.perf_counter()
    took = 0.0
    async with aclosing(model.stream(ModelRequest((Message("user", WORDS),)))) as deltas:
        async for delta in deltas:
            if delta.text and not took:
                took = time.perf_counter() - began
    return took


async def first_token_by(client: BackendClient) -> float:
    body = SubmitRequest(model_id=MODEL_ID, user_message=WORDS)
    began = time.perf_counter()
    took = 0.0
    async with aclosing(client.gateway.submit_stream(body, uuid4())) as events:
        async for name, _ in events:
            if name == "delta" and not took:
                took = time.perf_counter() - began
    return took


async def signed_in(http: httpx.AsyncClient) -> BackendClient:
    """A client of the backend behind `http`, with an account of its own."""
    held: list[SessionKey] = []

    async def connect() -> httpx.AsyncClient:
        return http

    async def refused(_key: SessionKey, _code: str) -> bool:
        return False

    async def renewed(key: SessionKey) -> None:
        held[:] = [key]

    client = BackendClient(BackendExchange(connect, lambda: held[0] if held else None, refused, renewed))
    await client.accounts.sign_up(EMAIL, PASSWORD)
    answer = await client.accounts.sign_in(EMAIL, PASSWORD)
    held[:] = [SessionKey(answer.user_id, answer.session_token)]
    await client.accounts.init(EMAIL)
    return client


async def open_embedded_with(folder: Path, settings: BackendSettings) -> Services:
    services = await open_embedded(folder, settings, seeded=False)
    row = ModelConfig(MODEL_ID, "Instant", "openai", MODEL_NAME, 0, False, False, -1, -1, 0)
    await services.models.put(row)
    return services


@asynccontextmanager
async def served(folder: Path, base_url: str) -> AsyncIterator[str]:
    """`lunalux serve` over the folder; its address."""
    settings = replace(BackendSettings.from_env({}), data_dir=folder / "served" / "backend")
    await (await open_embedded_with(folder / "served" / "backend", settings)).aclose()
    environment = {
        **os.environ,
        "LUNALUX_HOME": str(folder / "served"),
        "LUNALUX_DATA_DIR": str(folder / "served" / "backend"),
        "OPENAI_BASE_URL": base_url,
        "LUNALUX_RATE_LIMITS": "0",
    }
    command = [sys.executable, "-m", "lunalux_tui", "serve", "--port", "0"]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        yield str(json.loads(await process.stderr.readline())["url"])
    finally:
        process.terminate()
        await process.communicate()


async def measure(folder: Path, rounds: int) -> bool:
    server = await asyncio.start_server(_speak_until_gone, "127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    direct = OpenAIModel(ModelSpec("direct", "openai", MODEL_NAME, base_url))
    settings = BackendSettings.from_env({"OPENAI_BASE_URL": base_url, "LUNALUX_RATE_LIMITS": "0"})
    services = await open_embedded_with(folder / "embedded", settings)
    async with served(folder, base_url) as address:
        inside = await signed_in(InProcessClient(create_app(services), "http://lunalux.local"))
        over_tcp = await signed_in(httpx.AsyncClient(base_url=address, timeout=30))
        times: dict[str, list[float]] = {"direct": [], "inside": [], "served": []}
        for number in range(rounds + 5):
            taken = {
                "direct": await first_token_direct(direct),
                "inside": await first_token_by(inside),
                "served": await first_token_by(over_tcp),
            }
            if number >= 5:  # the first ones open connections
                for name, seconds in taken.items():
                    times[name].append(seconds * 1e3)
        await inside.aclose()
        await over_tcp.aclose()
    await services.aclose()
    server.close()
    quick = {name: statistics.quantiles(values, n=4)[0] for name, values in times.items()}
    print(f"first token, model asked directly       {quick['direct']:7.2f} ms")
    worst = 0.0
    for name, words in (("inside", "backend in the process"), ("served", "`lunalux serve` over TCP")):
        added = quick[name] - quick["direct"]
        worst = max(worst, added)
        ratio = quick[name] / quick["direct"]
        print(f"first token, {words:<26} {quick[name]:7.2f} ms   {added:+6.2f} ms   {ratio:5.2f} x")
    return worst <= MOST_ADDED_MS


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-n", type=int, default=100, help="rounds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        return 0 if asyncio.run(measure(Path(place), options.n)) else 1


if __name__ == "__main__":
    sys.exit(main())
