"""The in-process transport streams, cancels and fails as a socket would."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from lunalux_core.client.asgi import StreamingASGITransport


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=StreamingASGITransport(app), base_url="http://in.process", timeout=60)


async def start(send: Any, status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"x-a", b"1")]})


async def test_chunks_arrive_while_the_app_is_still_at_work() -> None:
    more = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await more.wait()
        await send({"type": "http.response.body", "body": b"two", "more_body": False})

    async with client(app) as http, http.stream("GET", "/x?q=1") as response:
        chunks = response.aiter_raw()
        assert await anext(chunks) == b"one"
        more.set()
        assert await anext(chunks) == b"two"
        assert response.headers["x-a"] == "1"


async def test_leaving_tells_the_app_and_waits_for_it() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] == "http.request":
            if not seen:
                seen.append("request")
                await start(send)
                await send({"type": "http.response.body", "body": b"one", "more_body": True})
        seen.append("disconnect")

    async with client(app) as http:
        async with http.stream("POST", "/", content=b"body") as response:
            assert await anext(response.aiter_raw()) == b"one"
        assert seen == ["request", "disconnect"]


async def test_an_app_that_never_looks_up_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lunalux_core.client.asgi.CLOSE_SECONDS", 0.05)
    ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await start(send)
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with client(app) as http:
        async with http.stream("GET", "/"):
            pass
        await asyncio.wait_for(ended.wait(), 60)


async def test_cancelling_the_caller_cancels_the_app() -> None:
    ended = asyncio.Event()
    begun = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        begun.set()
        await receive()  # there is nothing more to come but the end
        if (await receive())["type"] == "http.disconnect":
            ended.set()

    async with client(app) as http:
        asking = asyncio.ensure_future(http.get("/"))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(ended.wait(), 60)


async def test_a_crash_is_a_broken_connection() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/early":
            raise RuntimeError("boom")
        await start(send)
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        raise RuntimeError("boom")

    async with client(app) as http:
        with pytest.raises(httpx.TransportError):
            await http.get("/early")
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/late")


async def test_a_reader_that_is_slow_holds_the_app_back() -> None:
    sent = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await start(send)
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
            sent += 1
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async with client(app) as http, http.stream("GET", "/") as response:
        await asyncio.sleep(0.05)
        assert sent < 200
        assert len(await response.aread()) == 1_000_000


async def test_the_request_body_is_streamed_too() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        size = 0
        while (message := await receive())["more_body"]:
            size += len(message["body"])
        await start(send)
        await send({"type": "http.response.body", "body": str(size).encode(), "more_body": False})

    async def body() -> Any:
        for _ in range(3):
            yield b"abc"

    async with client(app) as http:
        assert (await http.post("/", content=body())).text == "9"
