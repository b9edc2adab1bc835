"""Clients that hold connections and ask for nothing, against the real server: they end, others are served."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from api_support import PASSWORD, good

from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.embedded import open_embedded
from lunalux_core.backend.web.app import create_app
from lunalux_core.backend.web.connections import Allowance, Connections
from lunalux_tui.cli.serve import _server, listen

Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """A server whose patience is short, in this process."""
    settings = BackendSettings(
        request_timeout_s=4, header_timeout_s=1, max_connections=40, metrics=True, shutdown_grace_s=1
    )
    services = await open_embedded(tmp_path, settings, served=True)
    listening = listen("127.0.0.1", 0, 1)
    server = _server(create_app(services), settings)
    running = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.wait({running}, timeout=20)
        await services.aclose()


async def ended(wire: Wire, seconds: float = 60) -> bytes:
    """What the server said until it closed the connection."""
    return await asyncio.wait_for(wire[0].read(), seconds)


async def test_a_head_that_never_ends_is_closed(port: int) -> None:
    wires = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
    for _, writer in wires[:15]:
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    assert set(await asyncio.gather(*map(ended, wires))) == {b""}


async def test_where_all_connections_are_taken_the_next_request_is_served(port: int) -> None:
    wires = [await asyncio.open_connection("127.0.0.1", port) for _ in range(120)]
    for _, writer in wires:
        writer.write(b"GET /health HTTP/1.1\r\n")
    async with httpx.AsyncClient(timeout=60) as http:
        for _ in range(5):
            assert (await http.get(f"http://127.0.0.1:{port}/health", timeout=60)).status_code == 200
    for _, writer in wires:
        writer.close()


@pytest.mark.parametrize("path", ["/api/official-model/submit", "/api/auth/signin"])
async def test_a_body_that_never_ends_is_refused(port: int, path: str) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        body = {"email": "ada@example.org", "password": PASSWORD}
        good(await http.post("/api/auth/signup", json=body))
        signed = good(await http.post("/api/auth/signin", json=body))
    headers = {
        "Host": "x",
        "Content-Type": "application/json",
        "Content-Length": "1000",
        "x-user-id": signed["userId"],
        "x-session-token": signed["sessionToken"],
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    wire = await asyncio.open_connection("127.0.0.1", port)
    wire[1].write(f"POST {path} HTTP/1.1\r\n{head}\r\n{{".encode())
    answer = await asyncio.wait_for(wire[0].readuntil(b"}"), 60)
    told = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert told["success"] is False and told["code"] in ("INVALID_REQUEST", "STORE_UNAVAILABLE")
    wire[1].close()


async def test_addresses_with_a_slash_too_much_are_not_redirected(port: int) -> None:
    async with httpx.AsyncClient(timeout=60) as http:
        answer = await http.get(f"http://127.0.0.1:{port}/health/", headers={"host": "evil.example"})
    assert answer.status_code == 404 and "location" not in answer.headers


async def test_invented_methods_make_no_series(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        for number in range(30):
            await http.request(f"ODD{number}", "/health")
        text = (await http.get("/metrics")).text
    assert 'method="OTHER"' in text and "ODD" not in text


class Cycle:
    response_complete = False


class Line:
    """A connection as uvicorn's protocols show it."""

    def __init__(self, address: str, cycle: Cycle | None = None) -> None:
        self.client = (address, 1)
        self.cycle = cycle
        self.transport = self
        self.closed = ""

    def is_closing(self) -> bool:
        return bool(self.closed)

    def close(self) -> None:
        self.closed = "closed"

    def abort(self) -> None:
        self.closed = "cut"


def test_an_address_has_a_share_and_a_trusted_proxy_the_whole() -> None:
    now = 0.0
    connections = Connections(Allowance(100, 3, 10, "127.0.0.1, 10.0.0.0/8"), lambda: now)
    mine = [Line("203.0.113.5", Cycle() if number == 0 else None) for number in range(5)]
    proxied = [Line("10.1.2.3") for _ in range(5)]
    for line in (*mine, *proxied):
        connections.came(line)
        now += 1
        if line.closed:
            connections.went(line)
    assert [line.closed for line in mine] == [
        "",
        "cut",
        "cut",
        "",
        "",
    ]  # never the one that is being answered
    assert not any(line.closed for line in proxied)
    now += 8
    connections.look()
    assert [line.closed for line in mine] == ["", "cut", "cut", "closed", "closed"]
    now += 31
    connections.look()
    assert mine[3].closed == "closed"
    now += 31
    connections.look()
    assert mine[3].closed == "cut" and mine[0].closed == ""
