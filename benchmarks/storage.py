"""What an official reply costs beside its model, and what the market costs with a million cards.

    python benchmarks/storage.py
    python benchmarks/storage.py --cards 1000000 --folder /var/tmp/storage

The unit is one plain transaction of three upserts in SQLite with synchronous=FULL, measured between the
others in the same run, so that the ratio holds on any disk. The whole embedded backend answers in process,
with the practice model, whose own time is taken off: once as a server hands a request to the application,
which is what the target is for, and once as the program's own client asks. Pages are compared with a request
that reads one item by its primary key. With the `dev` extra installed the same turn, page and like run on an
emulated DynamoDB and their requests are counted, with little and with much data. Ends with 1 when a target is
missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("LUNALUX_PRACTICE_RATE", "0")

from lunalux_core.backend.accounts.identity import LocalIdentity
from lunalux_core.backend.money.seed_models import SEED_MODELS, seed_models
from lunalux_core.backend.repos.models import item_of
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.clock import iso, newest_first
from lunalux_core.backend.running.embedded import DATABASE, open_embedded
from lunalux_core.backend.running.services import Services, assemble
from lunalux_core.backend.running.signatures import Signer
from lunalux_core.backend.storage.aws_calls import AwsAccess
from lunalux_core.backend.storage.dynamodb import DynamoStore
from lunalux_core.backend.storage.encoding import encode
from lunalux_core.backend.storage.provision import Provisioner
from lunalux_core.backend.storage.s3 import S3Blobs
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.table import Put, Store
from lunalux_core.backend.web.app import create_app
from lunalux_core.client.asgi import InProcessClient
from lunalux_core.llm.model import Message, ModelRequest, Sampling

ROUNDS = 150
MOST_PER_SUBMIT = 5.0
MOST_PER_PAGE = 20.0
CARDS = "character_table_EN"
RANKED = 300
SUBMIT = "/api/official-model/submit"
WORDS = "Good evening, keeper. What did the sea bring today?"


def plain_transaction(db: sqlite3.Connection, number: int) -> float:
    """Seconds of the unit: three rows in one durable transaction."""
    began = time.perf_counter()
    db.execute("BEGIN IMMEDIATE")
    for row in ("wallet", "ledger", "move"):
        db.execute(
            "INSERT INTO item VALUES (?, ?, ?) ON CONFLICT (pk, sk) DO UPDATE SET doc = excluded.doc",
            (
                "USER#a",
                f"{row}#{number if row == 'move' else 0}",
                json.dumps({"n": number, "pad": "x" * 200}),
            ),
        )
    db.execute("COMMIT")
    return time.perf_counter() - began


def open_plain(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE item (pk TEXT, sk TEXT, doc TEXT, PRIMARY KEY (pk, sk))")
    return db


async def timed(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


class Client:
    """One signed-in account at a backend in this process."""

    def __init__(self, services: Services) -> None:
        self._app = create_app(services)
        self.http = InProcessClient(self._app, "http://lunalux.local")
        self.headers: dict[str, str] = {}
        self.user_id = ""

    async def begin(self) -> None:
        account = {"email": "ada@example.org", "password": "four quiet unrelated words"}
        await self._post("/api/auth/signup", account)
        answer = await self._post("/api/auth/signin", account)
        self.user_id = answer["userId"]
        self.headers = {"x-user-id": self.user_id, "x-session-token": answer["sessionToken"]}
        await self._post("/api/user/init", {"email": account["email"]})

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = await self.http.post(path, json=body, headers=self.headers)
        answer.raise_for_status()
        return answer.json()

    async def submit(self, character_id: str | None = None) -> None:
        await self._post(SUBMIT, self._asking(character_id))

    def _asking(self, character_id: str | None = None) -> dict[str, Any]:
        body = {"userId": self.user_id, "modelId": "002", "userMessage": "Good evening, keeper."}
        return body | ({"characterId": character_id} if character_id else {})

    async def submit_alone(self) -> None:
        """The same request as a server hands it to the application: no client's work in it."""
        content = json.dumps(self._asking()).encode()
        headers = {"content-type": "application/json", "content-length": str(len(content)), **self.headers}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": SUBMIT,
            "raw_path": SUBMIT.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 0),
            "server": ("lunalux.local", 80),
        }
        asked, status = [{"type": "http.request", "body": content, "more_body": False}], 0

        async def receive() -> Any:
            return asked.pop() if asked else await asyncio.get_running_loop().create_future()

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)

        await self._app(scope, receive, send)
        assert status == 200

    async def page(self) -> int:
        answer = await self.http.get("/api/character/hot-first-page?lang=en", headers=self.headers)
        answer.raise_for_status()
        return len(answer.json()["characters"])

    async def one_row(self) -> None:
        """A request that reads one item by its key."""
        (await self.http.get("/api/user/me", headers=self.headers)).raise_for_status()

    async def like(self, character_id: str) -> None:
        await self._post("/api/liked/add", {"characterId": character_id})


def card(number: int, chance: random.Random) -> dict[str, Any]:
    heat, at = 50_000_000 // (number + 1), 1_700_000_000_000 + number
    name = f"{number:08d}-card"
    marks = {"DIRTY_PK": "DIRTY#HOT", "DIRTY_SK": f"TS#{at}#CHAR#{name}"} if number < RANKED else {}
    return marks | {
        "PK": f"CHAR#{name}",
        "SK": "PROFILE",
        "CharacterID": name,
        "CharacterName": f"Keeper {number}",
        "Language": "en",
        "HeatScore": heat,
        "ThumbnailURL": f"s3://character-cards/characters/thumbs/{name}.webp",
        "FullImageURL": f"s3://character-cards/characters/original/{name}.png",
        "Intro": "Keeps a lighthouse and counts the ships. " * 4,
        "Tags": frozenset(chance.sample(["sea", "calm", "night", "storm", "ships", "lamp"], 3)),
        "OwnerUserId": "owner",
        "CreatedAt": iso(at),
        "UpdatedAt": iso(at),
        "Metadata": {"TotalLunaCoinUsed": 0, "LikedCount": 0, "DownloadCount": 0, "DialogueCount": heat},
        "Status": "active",
        "Version": 1,
        "GSI_HOT_PK": "ALL#HOT",
        "GSI_HOT_SK": f"NEGHEAT#{999_999_999_999 - heat:012d}#CHAR#{name}",
        "GSI_TIME_PK": "ALL#TIME",
        "GSI_TIME_SK": f"NEGTIME#{newest_first(at)}#CHAR#{name}",
    }


def fill(path: Path, count: int) -> None:
    """Cards straight into the file: publishing a million of them is not what is measured."""
    chance = random.Random(1)
    db = sqlite3.connect(path, isolation_level=None, timeout=30)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    db.executemany(
        f'INSERT INTO "{CARDS}" (pk, sk, doc) VALUES (?, ?, ?)',
        ((row["PK"], row["SK"], encode(row)) for row in (card(number, chance) for number in range(count))),
    )
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


async def reply(services: Services) -> None:
    """The practice model alone, which is no cost of the service."""
    request = ModelRequest((Message("user", WORDS),), Sampling(), language="en")
    async for _ in services.official.model("practice", "practice", "002").stream(request):
        continue


async def embedded(folder: Path, cards: int) -> bool:
    settings = BackendSettings.from_env({})
    services = await open_embedded(folder / "backend", settings, seeded=False)
    await seed_models(services.store, settings.tables.model_config)
    fill(folder / "backend" / DATABASE, cards)
    await services.ranking.drain("en", "hot")
    client = Client(services)
    await client.begin()
    await services.wallets.adjust(client.user_id, "star", 1_000_000)
    db = open_plain(folder / "plain.db")
    units, submits, asked, models, reads, pages = [], [], [], [], [], []
    for number in range(ROUNDS):
        units.append(plain_transaction(db, number))
        submits.append(await timed(client.submit_alone))
        asked.append(await timed(client.submit))
        models.append(await timed(lambda: reply(services)))
    for _ in range(ROUNDS):
        reads.append(await timed(client.one_row))
        pages.append(await timed(client.page))
        services.listings.forget("en")
    warm = [await timed(client.page) for _ in range(ROUNDS)]
    shown = await client.page()
    await client.http.aclose()
    await services.aclose()
    unit, model = statistics.median(units), statistics.median(models)
    submit, whole = statistics.median(submits) - model, statistics.median(asked) - model
    read, page, kept = statistics.median(reads), statistics.median(pages), statistics.median(warm)
    print(f"three-item transaction, synchronous=FULL   {unit * 1e3:8.2f} ms   (the unit)")
    print(f"submit beside its model, whole service     {submit * 1e3:8.2f} ms   {submit / unit:6.2f} x")
    print(f"the same, asked by the program's client    {whole * 1e3:8.2f} ms   {whole / unit:6.2f} x")
    print(f"the practice model alone                   {model * 1e3:8.2f} ms")
    print(f"one item by its primary key                {read * 1e3:8.2f} ms   (the unit of pages)")
    print(f"hot first page of {shown:>3}, read anew          {page * 1e3:8.2f} ms   {page / read:6.2f} x")
    print(f"hot first page of {shown:>3}, kept by the server {kept * 1e3:8.2f} ms   {kept / read:6.2f} x")
    print(f"({cards:,} cards on the market; pages and items are asked for through the API alike)")
    return submit / unit <= MOST_PER_SUBMIT and page / read <= MOST_PER_PAGE


@contextmanager
def emulator(folder: Path) -> Iterator[AwsAccess]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environment = {
        **os.environ,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "LOG_LEVEL": "ERROR",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "ministack"],
        env=environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield AwsAccess("us-east-1", f"http://127.0.0.1:{port}", "test", "test")
    finally:
        process.terminate()
        process.wait(timeout=20)


async def requests_on_dynamodb(access: AwsAccess) -> bool:
    """Requests per turn, page and like with few cards and with many; they must be the same."""
    seen: Counter[str] = Counter()
    settings = BackendSettings.from_env({"SESSION_SECRET": "x" * 32, "LUNALUX_RATE_LIMITS": "false"})
    specs = table_specs()
    provisioner = Provisioner(access, specs, settings.bucket)
    await provisioner.apply()
    await provisioner.aclose()
    store: Store = DynamoStore(access, specs, counted=lambda name: seen.update([name]))
    clock = lambda: int(time.time() * 1000)  # noqa: E731
    identity = LocalIdentity(store, settings.tables.user, require_confirmation=False, now_ms=clock)
    signer = Signer(settings.session_secrets)
    services = assemble(
        settings,
        store,
        S3Blobs(access, settings.bucket),
        identity,
        signer,
        rank_on_request=False,
        now_ms=clock,
    )
    for config in SEED_MODELS:
        await store.write(Put(settings.tables.model_config, item_of(config)))
    client = Client(services)
    await client.begin()
    chance, same, before = random.Random(1), True, {}
    made = 0
    for count in (20, 1000):
        for number in range(made, count):
            await store.write(Put(CARDS, card(number, chance)))
        made = count
        await services.wallets.adjust(client.user_id, "star", 1000)
        for _ in range(5 if count == 20 else 60):
            await client.submit("00000001-card")
        costs = {}
        for name, work in (
            ("turn", lambda: client.submit("00000001-card")),
            ("page", client.page),
            ("like", lambda count=count: client.like(f"{count - 1:08d}-card")),
        ):
            services.listings.forget("en")
            seen.clear()
            await work()  # type: ignore[operator]
            costs[name] = dict(sorted(seen.items()))
        for name, cost in costs.items():
            print(f"requests per {name}, {count:>5,} cards: {sum(cost.values()):2}  {cost}")
        same = same and (not before or {n: sum(c.values()) for n, c in costs.items()} == before)
        before = {name: sum(cost.values()) for name, cost in costs.items()}
    await client.http.aclose()
    await services.aclose()
    return same


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cards", type=int, default=50_000, help="cards on the market")
    parser.add_argument("--folder", type=Path, help="where to put the files; a temporary folder if left out")
    parser.add_argument("--no-aws", action="store_true", help="leave the emulated DynamoDB out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place)
        good = asyncio.run(embedded(folder, options.cards))
        if not options.no_aws:
            with emulator(folder) as access:
                good = asyncio.run(requests_on_dynamodb(access)) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
