"""Many people who stream at once: what the service adds to a model's words, what it holds, what it loses.

    python benchmarks/service_load.py
    python benchmarks/service_load.py --users 40 --pieces 10 --rough --json
    python benchmarks/service_load.py --plot docs/pictures/load.svg

A model server on loopback writes the time into each piece; each client subtracts it from the time at which
the piece arrives. Behind `lunalux serve --workers 2` stands the embedded storage; in the second round an
emulator of DynamoDB behind a proxy that spoils one call in a hundred (throttled, lost before or after it was
done), and a worker is killed every so often. A client whose reply breaks off asks again with the same key,
and where the request died with its worker, with a new one. At the end, an hour later by the clock: the sweep,
and then every reply that somebody has must be paid once, and no other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lunalux_core.backend.money.billing import ModelConfig
from lunalux_core.backend.running.aws import open_aws
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.embedded import open_embedded
from lunalux_core.backend.running.services import Services
from lunalux_core.backend.storage.aws_calls import AwsAccess
from lunalux_core.backend.storage.provision import Provisioner
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.ids import now_ms, uuid4

ROOT = Path(__file__).resolve().parents[1]
TESTS = (ROOT / "tests", ROOT / "tests" / "backend")
"""Where the emulator's start and the rough wire are kept."""
SECRET = "a secret of this benchmark alone"
SETTINGS = BackendSettings(session_secrets=(SECRET,), rate_limits=False)
ROUGH = {"throttle": 0.004, "busy": 0.001, "drop-request": 0.002, "drop-answer": 0.002, "in-doubt": 0.001}
"""One call in a hundred, in all."""
COST, WORTH, WARM = 5, 10_000, 8
HOUR_MS = 3_600_000
GIVE_UP_S = 180
"""How long a person asks for one reply before it is `given_up`."""
READ_BYTES = 2**20


@dataclass
class Heard:
    """What one client saw: milliseconds that the service added to each piece, and how its replies ended."""

    added: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    delivered: dict[str, str] = field(default_factory=dict)
    broken: int = 0
    anew: int = 0
    given_up: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of the service."""

    users: int
    replies: int
    pieces: int
    pause_s: float
    spread_s: float
    rough: bool
    kill_every_s: float
    workers: int
    seed: int


def words_of(load: Load) -> str:
    """The program of the model server: pieces that hold the time at which they were sent."""
    return f"""
import asyncio, json, time
async def serve(reader, writer):
    try:
        head = await reader.readuntil(b"\\r\\n\\r\\n")
        if not head.startswith(b"POST"):
            writer.write(b"HTTP/1.1 404 X\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\\r\\n")[0])
        await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\n")
        writer.write(b"Connection: close\\r\\n\\r\\n")
        for _ in range({load.pieces}):
            said = {{"choices": [{{"index": 0, "delta": {{"content": f"{{time.monotonic_ns()}} "}}}}]}}
            writer.write(b"data: " + json.dumps(said).encode() + b"\\n\\n")
            await writer.drain()
            await asyncio.sleep({load.pause_s})
        last = {{"choices": [{{"index": 0, "delta": {{}}, "finish_reason": "stop"}}]}}
        writer.write(b"data: " + json.dumps(last).encode() + b"\\n\\ndata: [DONE]\\n\\n")
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@contextmanager
def model_server(load: Load) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-c", words_of(load)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.wait()


@contextmanager
def server(load: Load, home: Path, variables: dict[str, str]) -> Iterator[tuple[str, int]]:
    """`lunalux serve` with its workers: its address, and the id of the process that watches over them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "lunalux_tui", "serve", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LUNALUX_HOME": str(home), **variables}
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--workers", str(load.workers)], env=environment, stdout=log, stderr=log
        )
    try:
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(60)


@asynccontextmanager
async def storage(load: Load, home: Path) -> AsyncIterator[tuple[dict[str, str], Any, Any]]:
    """A server's variables for its storage, what opens services over the same one beside it, and the proxy
    before it, if there is one."""
    if not load.rough:

        async def beside(later_ms: int = 0) -> Services:
            return await open_embedded(
                home / "backend", SETTINGS, seeded=False, now_ms=lambda: now_ms() + later_ms
            )

        yield {"LUNALUX_DATA_DIR": str(home / "backend")}, beside, None
        return
    sys.path[:0] = map(str, TESTS)
    from storage_engines import ministack
    from wire_proxy import WireProxy

    with ExitStack() as stack:
        access = stack.enter_context(ministack(home))
        provisioner = Provisioner(access, table_specs(), "")
        await provisioner.apply()
        await provisioner.aclose()

        async def over_the_wire(later_ms: int = 0) -> Services:
            plain = AwsAccess("us-east-1", access.endpoint, "test", "test")
            return open_aws(SETTINGS, access=plain, now_ms=lambda: now_ms() + later_ms)

        async with WireProxy(int(str(access.endpoint).rpartition(":")[2]), load.seed).running() as wire:
            assert isinstance(wire, WireProxy)
            keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
            yield {"LUNALUX_STORAGE": "aws", "AWS_ENDPOINT_URL": wire.url, **keys}, over_the_wire, wire


async def people(services: Services, load: Load) -> list[dict[str, str]]:
    """Accounts that are signed in and rich: the headers of each."""
    row = ModelConfig("002", "Muse", "openai", "muse", -1, True, False, COST, -1, 1)
    await services.models.put(row)
    headers = []
    for number in range(load.users):
        user, email = f"user-{number:05d}", f"user{number}@example.org"
        await services.users.init(user, email)
        await services.wallets.adjust(user, "star", WORTH)
        headers.append({"x-user-id": user, "x-session-token": await services.sessions.open(user, email)})
    return headers


async def reply(url: str, headers: dict[str, str], key: str, heard: Heard) -> tuple[str, str]:
    """One streamed reply: how it ended ("done", "broken" or a code), and its words."""
    body = json.dumps({"modelId": "002", "userMessage": "Good evening."}).encode()
    lines = {**headers, "host": "load", "accept": "text/event-stream", "idempotency-key": key}
    lines |= {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    parts = urlsplit(url)
    writer: asyncio.StreamWriter | None = None
    asked, event, text, fresh = time.monotonic_ns(), "", "", True
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=READ_BYTES)
        writer.write(f"POST /api/official-model/submit HTTP/1.1\r\n{head}\r\n".encode() + body)
        status = (await reader.readline()).split(b" ")[1:2]
        async for line in reader:
            if line.startswith(b"event: "):
                event = line[7:].strip().decode()
            elif line.startswith((b"data: ", b"{")):
                said = json.loads(line.removeprefix(b"data: "))
                if status != [b"200"] or event == "error":
                    return str(said["code"]), ""
                if event == "done":
                    return "done", str(said["content"])
                now = time.monotonic_ns()
                sent = int(said["text"].split()[-1])
                heard.added.append((now - sent) / 1e6)
                if fresh:
                    heard.first.append((sent - asked) / 1e6 + heard.added[-1])
                text, fresh = text + said["text"], False
    except (OSError, ValueError, KeyError):
        return "broken", text
    finally:
        if writer is not None:
            writer.close()
    return "broken", text


async def person(url: str, headers: dict[str, str], load: Load, heard: Heard, wait_s: float) -> None:
    """A person who reads on and on, and asks again for what breaks off."""
    await asyncio.sleep(wait_s)
    for _ in range(load.replies):
        key, deadline, ended = uuid4(), time.monotonic() + GIVE_UP_S, ""
        while ended != "done" and time.monotonic() < deadline:
            ended, words = await reply(url, headers, key, heard)
            if ended == "done":
                heard.delivered[key] = words
            elif ended == "OPERATION_IN_PROGRESS":  # it died with its worker, and its coins come back
                key = uuid4()
                heard.anew += 1
            else:
                heard.broken += 1
                await asyncio.sleep(1)
        heard.given_up += ended != "done"


async def killer(parent: int, load: Load, killed: list[int]) -> None:
    """Kills one worker every so often; the server starts another."""
    import psutil

    chance = random.Random(load.seed)
    while True:
        await asyncio.sleep(load.kill_every_s)
        workers = [one for one in psutil.Process(parent).children() if _is_worker(one)]
        if workers:
            victim = chance.choice(workers)
            os.kill(victim.pid, signal.SIGKILL)
            killed.append(victim.pid)


def _is_worker(process: Any) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except Exception:  # it ended meanwhile
        return False


async def memory(parent: int, most: list[float]) -> None:
    """Keeps the most memory that the workers had together, in MB."""
    while True:
        most.append(resident(parent))
        await asyncio.sleep(0.5)


def resident(parent: int) -> float:
    import psutil

    total = 0.0
    for process in psutil.Process(parent).children():
        try:
            total += process.memory_info().rss / 1e6 if _is_worker(process) else 0
        except psutil.Error:
            continue
    return total


async def ready(url: str) -> None:
    import httpx

    async with httpx.AsyncClient(timeout=30) as http:
        for _ in range(600):
            try:
                if (await http.get(f"{url}/ready")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)
    raise SystemExit("the server does not answer")


async def measure(load: Load) -> dict[str, Any]:
    """Run one load; the figures of it."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        variables, beside, wire = await stack.enter_async_context(storage(load, home))
        services = await beside()
        headers = await people(services, load)
        await services.aclose()
        model = stack.enter_context(model_server(load))
        variables |= {
            "SESSION_SECRET": SECRET,
            "OPENAI_BASE_URL": model,
            "LUNALUX_RATE_LIMITS": "0",
            "MAX_CONNECTIONS": "4000",
            "MAX_CONNECTIONS_PER_ADDRESS": "4000",
            "LOG_LEVEL": "WARNING",
        }
        address, parent = stack.enter_context(server(load, home, variables))
        await ready(address)
        heard = [Heard() for _ in headers]
        # A worker loads what a reply needs at its first one: that is nobody's.
        warm = zip(headers[:WARM], [replace(load, replies=1)] * WARM, heard, [0.0] * WARM, strict=False)
        await asyncio.gather(*(person(address, *one) for one in warm))
        for one in heard:
            one.added.clear()
            one.first.clear()
        idle = resident(parent)
        most, killed = [idle], list[int]()
        beside_it = [asyncio.create_task(memory(parent, most))]
        if wire is not None:
            wire.chances = ROUGH
            beside_it.append(asyncio.create_task(killer(parent, load, killed)))
        began = time.monotonic()
        waits = [load.spread_s * number / load.users for number in range(load.users)]
        await asyncio.gather(
            *(person(address, *one) for one in zip(headers, [load] * load.users, heard, waits, strict=True))
        )
        seconds = time.monotonic() - began
        for task in beside_it:
            task.cancel()
        if wire is not None:
            wire.chances = {}
        later = await beside(HOUR_MS)
        try:
            books = await settled(later, headers, heard)
        finally:
            await later.aclose()
    spoilt = {} if wire is None else dict(wire.done)
    return figures(load, heard, seconds, (idle, max(most)), len(killed), books) | {"spoilt": spoilt}


async def settled(services: Services, headers: list[dict[str, str]], heard: list[Heard]) -> dict[str, int]:
    """After the sweep: replies that were paid and had by nobody, had and not paid, and books that differ."""
    await services.sweeper.sweep()
    drift = [one async for one in services.sweeper.reconcile()]
    unpaid = unread = held = 0
    for header, one in zip(headers, heard, strict=True):
        paid, after = set(), None
        while True:
            page = await services.store.query(
                services.settings.tables.ledger, f"USER#{header['x-user-id']}", prefix="MOVE#", after=after
            )
            paid |= {
                row["opId"] for row in page.items if row["kind"] == "charge" and row["status"] == "SETTLED"
            }
            held += sum(row["status"] == "RESERVED" for row in page.items)
            after = page.after
            if after is None:
                break
        unpaid += len(set(one.delivered) - paid)
        unread += len(paid - set(one.delivered))
    return {"unpaid": unpaid, "paid_unread": unread, "reserved": held, "drift": len(drift)}


def figures(
    load: Load,
    heard: list[Heard],
    seconds: float,
    memory_mb: tuple[float, float],
    killed: int,
    books: dict[str, int],
) -> dict[str, Any]:
    added = sorted(value for one in heard for value in one.added)
    means = sorted(statistics.fmean(one.added) for one in heard if one.added)
    idle, most = memory_mb
    return {
        "users": load.users,
        "rough": load.rough,
        "seconds": round(seconds, 1),
        "replies": sum(len(one.delivered) for one in heard),
        "pieces": len(added),
        "added_ms": {f"p{share}": round(at(added, share), 2) for share in (50, 95, 99)},
        "first_piece_ms": {
            f"p{share}": round(at(sorted(v for one in heard for v in one.first), share), 1)
            for share in (50, 95, 99)
        },
        "fairness": round(at(means, 95) / at(means, 50), 2) if means else None,
        "memory_idle_mb": round(idle, 1),
        "memory_kb_per_user": round(max(0.0, most - idle) * 1000 / load.users, 1),
        "workers_killed": killed,
        "broken": sum(one.broken for one in heard),
        "asked_anew": sum(one.anew for one in heard),
        "given_up": sum(one.given_up for one in heard),
        **books,
        "curve": [round(at(added, share), 3) for share in range(100)] + [round(added[-1], 3)],
    }


def at(values: list[float], share: float) -> float:
    """The value that `share` per cent are not beyond."""
    return values[min(len(values) - 1, int(len(values) * share / 100))] if values else float("nan")


def plot(curves: dict[str, list[float]]) -> str:
    """Added milliseconds by per cent of the pieces, on a logarithmic scale, as SVG."""
    import math

    width, height, left, bottom = 640, 320, 60, 40
    floor, top = 0.1, max(10 ** math.ceil(math.log10(max(max(c) for c in curves.values()))), 10)
    span = math.log10(top / floor)

    def place(share: float, value: float) -> str:
        x = left + share / 100 * (width - left - 20)
        y = height - bottom - math.log10(max(value, floor) / floor) / span * (height - bottom - 20)
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12" role="img" aria-label="Milliseconds that the service adds to a piece of a reply">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for power in range(round(math.log10(floor)), round(math.log10(top)) + 1):
        x, y = place(0, 10.0**power).split(",")
        parts.append(f'<line x1="{x}" y1="{y}" x2="{width - 20}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{float(y) + 4}" text-anchor="end">{10.0**power:g} ms</text>')
    for share in (0, 25, 50, 75, 95, 100):
        x = place(share, floor).split(",")[0]
        parts.append(f'<text x="{x}" y="{height - bottom + 18}" text-anchor="middle">{share} %</text>')
    for number, (name, curve) in enumerate(curves.items()):
        colour = ("#2b6cb0", "#c05621", "#2f855a")[number % 3]
        points = " ".join(place(share, value) for share, value in enumerate(curve))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{left + 12}" y="{24 + 16 * number}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--users", type=int, default=500, help="who stream at once")
    parser.add_argument("--replies", type=int, default=2, help="of each, one after the other")
    parser.add_argument("--pieces", type=int, default=40, help="of a reply")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two of them")
    parser.add_argument("--spread", type=float, default=15, help="seconds until all have begun")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rough", action="store_true", help="faults and kills only")
    parser.add_argument("--calm", action="store_true", help="no faults and no kills only")
    parser.add_argument("--kill-every", type=float, default=20, help="seconds")
    parser.add_argument("--seed", type=int, default=16)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--plot", type=Path, help="write the curves as SVG")
    options = parser.parse_args()
    curves, good = {}, True
    for rough in (False, True):
        if (rough and options.calm) or (not rough and options.rough):
            continue
        load = Load(
            *(options.users, options.replies, options.pieces, options.pause, options.spread),
            *(rough, options.kill_every, options.workers, options.seed),
        )
        found = asyncio.run(measure(load))
        name = (
            "one storage call in a hundred spoilt, workers killed"
            if rough
            else "embedded storage, nothing spoilt"
        )
        curves[name] = found.pop("curve")
        good &= not any(found[fault] for fault in ("given_up", "unpaid", "paid_unread", "reserved", "drift"))
        if options.json:
            print(json.dumps(found))
        else:
            print(f"-- {name}")
            for figure, value in found.items():
                print(f"{figure:20}{value}")
    if options.plot:
        options.plot.write_text(plot(curves), "utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
