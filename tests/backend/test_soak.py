"""A service that is worked hard: random journeys, a rough storage, processes that die, a clock that jumps.

Runs `LUNALUX_SOAK_SECONDS` (75; an hour on demand: 3600) with the seed `LUNALUX_TEST_SEED`; with `pytest -s`
the figures of docs/scale.md are printed. Several people do whatever comes into their heads over HTTP; the
storage refuses some calls and loses the answers of others; beside it processes on the same files do all of it
at once and are killed; the clock jumps by minutes and hours, both ways. Who is refused for the moment waits
as long as the answer says and asks again. Afterwards the books agree, what was delivered is settled, and no
task, file or connection is left over.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from api_support import PASSWORD, URL, card_png
from doomed import forks
from service_doomed import CARD, SETTINGS, open_service
from test_service_crash import DOOMED, Said, delivered_is_settled, run, settle_everything

from lunalux_core.backend.accounts.identity import LocalIdentity
from lunalux_core.backend.repos.characters import NewCard
from lunalux_core.backend.running import logs
from lunalux_core.backend.running.services import Services, assemble
from lunalux_core.backend.running.signatures import Signer
from lunalux_core.backend.storage.file_blobs import FileBlobs
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.sqlite import SqliteStore
from lunalux_core.backend.storage.table import Operation, Unavailable
from lunalux_core.backend.web.app import create_app
from lunalux_core.client.asgi import StreamingASGITransport
from lunalux_core.ids import now_ms, uuid4

SECONDS = float(os.environ.get("LUNALUX_SOAK_SECONDS", "75"))
# What comes after the soak is judged row by row, which takes as long again where the rows are many.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900 + 2 * SECONDS)]
SEED = int(os.environ.get("LUNALUX_TEST_SEED", "16"))
PEOPLE = 8
HOUR_MS = 3_600_000
FAREST_MS = 10 * HOUR_MS
"""How far the clock may be from the real one: less than a day, for which answers are kept."""
GROWTH_MB = 15
GROWTH_OF_BLOCKS = 1.15
REFUSALS = {400, 402, 404, 409, 429, 460, 401, 503}
FOR_NOW = {429, 503}
TRIES = 3
"""How often somebody asks at most who is refused for the moment."""


class RoughStore:
    """A store that refuses a call now and then, answers late, or loses the answer of what it did."""

    def __init__(self, store: Any, chance: random.Random) -> None:
        self._store, self._chance = store, chance
        self.rough = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def _harm(self) -> bool:
        """Whether the answer is to be lost. Raises Unavailable for a call that is refused."""
        drawn = self._chance.random() if self.rough else 1.0
        if drawn < 0.01:
            raise Unavailable("The storage is too busy.")
        if drawn < 0.03:
            await asyncio.sleep(self._chance.uniform(0, 0.05))
        return drawn > 0.99 and self.rough

    async def get(self, *arguments: Any, **options: Any) -> Any:
        await self._harm()
        return await self._store.get(*arguments, **options)

    async def query(self, *arguments: Any, **options: Any) -> Any:
        await self._harm()
        return await self._store.query(*arguments, **options)

    async def write(self, operation: Any) -> Any:
        lost = await self._harm()
        answer = await self._store.write(operation)
        if lost:
            raise Unavailable("The storage does not answer.", maybe_applied=True)
        return answer

    async def transact(self, operations: Sequence[Operation], token: str | None = None) -> None:
        lost = await self._harm()
        await self._store.transact(operations, token)
        if lost:
            raise Unavailable("The storage does not answer.", maybe_applied=True)


class JumpingClock:
    """The real clock and a lead, which jumps."""

    def __init__(self) -> None:
        self.lead_ms = 0

    def __call__(self) -> int:
        return now_ms() + self.lead_ms

    def jump(self, chance: random.Random) -> None:
        by = chance.choice((-300_000, 300_000, -60_000, 60_000, HOUR_MS))
        self.lead_ms = max(-300_000, min(FAREST_MS, self.lead_ms + by))


def rough_service(folder: Path, chance: random.Random, clock: JumpingClock) -> Services:
    """The service of `service_doomed` in this process, with a rough storage and a clock that jumps."""
    signer = Signer(["a secret of this test"])
    store: Any = RoughStore(SqliteStore(folder / "backend.db", table_specs()), chance)
    blobs = FileBlobs(folder / "blobs", signer, now_s=lambda: clock() // 1000)
    identity = LocalIdentity(store, SETTINGS.tables.user, require_confirmation=False, now_ms=clock)
    return assemble(SETTINGS, store, blobs, identity, signer, rank_on_request=True, now_ms=clock)


class Told:
    """What was delivered, line by line, in a file: a list of it would be memory that grows."""

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, path.open("w", encoding="utf-8")
        self.count = 0

    def add(self, words: Sequence[str]) -> None:
        self._file.write(" ".join(words) + "\n")
        self.count += 1

    def close(self) -> None:
        self._file.close()

    def lines(self) -> Iterator[list[str]]:
        """All of it, after `close`."""
        with self._path.open(encoding="utf-8") as file:
            yield from (line.split() for line in file)


class Person:
    """Somebody who does one thing after another, and remembers what was delivered."""

    def __init__(self, soak: Soak, number: int) -> None:
        self.soak, self.number = soak, number
        self.chance = random.Random(f"{SEED}-{number}")
        self.account = {"email": f"soak{number}@example.org", "password": PASSWORD}
        self.headers: dict[str, str] = {}

    async def live(self) -> None:
        await self.ask("POST", "/api/auth/signup", self.account)
        # Names are changed and passwords typed seldom, and a limit holds who does it often.
        deeds: dict[Callable[[], Coroutine[Any, Any, None]], float] = {
            self.reply: 4,
            self.stream: 3,
            self.leave: 1,
            self.retry: 2,
            self.redeem: 1,
            self.coupon: 1,
            self.look: 4,
            self.like: 2,
            self.publish: 1,
            self.rename: 0.3,
            self.sign_in: 0.2,
        }
        while self.soak.left() > 0:
            if not self.headers:
                await self.sign_in()
            else:
                (deed,) = self.chance.choices(list(deeds), list(deeds.values()))
                await deed()
                self.soak.done["journeys"] += 1
            await asyncio.sleep(self.chance.uniform(0, 0.05))

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """The answer, or the last one where the service is too busy, or this person too quick, to the end."""
        sent = {**self.headers, **headers}
        for _ in range(TRIES):
            answer = await self.soak.http.request(method, path, json=body, headers=sent)
            self.note(path, answer)
            if answer.status_code not in FOR_NOW or not await self.wait(answer):
                break
        return answer

    def note(self, path: str, answer: httpx.Response) -> None:
        status = answer.status_code
        if status in (401, 460):
            self.headers = {}
        assert status == 200 or status in REFUSALS, (path, answer.text)
        self.soak.done[f"{path.split('?')[0]} {status}"] += 1
        if status != 200:
            self.soak.refused[f"{status} {answer.json()['code']}"] += 1

    async def wait(self, answer: httpx.Response) -> bool:
        """As long as the answer says, and somewhat longer; whether there is time left for another try."""
        seconds = int(answer.headers["retry-after"]) * self.chance.uniform(1, 1.3)
        await asyncio.sleep(max(0.0, min(seconds, self.soak.left())))
        return self.soak.left() > 0

    async def sign_in(self) -> None:
        self.headers = {}
        answer = await self.ask("POST", "/api/auth/signin", self.account)
        if answer.status_code == 200:
            said = answer.json()
            self.headers = {"x-user-id": said["userId"], "x-session-token": said["sessionToken"]}
            code = {"referralCode": self.soak.code} if self.number % 2 else {}
            await self.ask("POST", "/api/user/init", code)
        elif answer.status_code == 401:  # the account may not have been made
            await self.ask("POST", "/api/auth/signup", self.account)

    def _wish(self) -> dict[str, Any]:
        model = self.chance.choice(("001", "002", "003"))
        card = {"characterId": CARD} if self.chance.random() < 0.5 else {}
        return {"modelId": model, "userMessage": "Hello.", **card}

    async def _submit(self, wish: dict[str, Any], key: str) -> None:
        user = self.headers.get("x-user-id", "")
        answer = await self.ask("POST", "/api/official-model/submit", wish, **{"idempotency-key": key})
        if answer.status_code == 200:
            self.soak.told.add(["charge", user, key])

    async def reply(self) -> None:
        await self._submit(self._wish(), uuid4())

    async def retry(self) -> None:
        """The same wish at once and again, as a client with a bad line sends it."""
        wish, key = self._wish(), uuid4()
        await asyncio.gather(*(self._submit(wish, key) for _ in range(3)))

    async def stream(self, leave: bool = False) -> None:
        user, key = self.headers["x-user-id"], uuid4()
        headers = {**self.headers, "accept": "text/event-stream", "idempotency-key": key}
        path = "/api/official-model/submit"
        async with self.soak.http.stream("POST", path, json=self._wish(), headers=headers) as answer:
            if answer.status_code != 200:
                await answer.aread()
                self.note(path, answer)
                if answer.status_code in FOR_NOW:
                    await self.wait(answer)
                return
            self.soak.done["streams 200"] += 1
            async for text in answer.aiter_text():
                if leave:
                    return
                if "event: done" in text:
                    self.soak.told.add(["charge", user, key])
                    self.soak.done["streamed"] += 1

    async def leave(self) -> None:
        await self.stream(leave=True)

    async def redeem(self) -> None:
        key = {"idempotency-key": uuid4()}
        await self.ask("POST", "/api/coupon/redeem", {"coupon": self.chance.choice(("MANY", "NONE"))}, **key)

    async def coupon(self) -> None:
        code = f"S{uuid4()}"
        try:
            await self.soak.services.coupons.create(code, "star", 13, 2)
        except Unavailable:
            return
        await asyncio.gather(*(self.ask("POST", "/api/coupon/redeem", {"coupon": code}) for _ in range(2)))

    async def look(self) -> None:
        paths = ("wallet/me", "ledger/history/me", "invite/me", "liked/me", "model-config/list", "user/me")
        await self.ask("GET", f"/api/{self.chance.choice(paths)}")
        order = self.chance.choice(("hot", "time"))
        await self.ask("GET", f"/api/character/{order}-first-page?lang=en")

    async def like(self) -> None:
        await self.ask("POST", "/api/liked/add", {"characterId": CARD})

    async def rename(self) -> None:
        await self.ask("POST", "/api/user/username", {"username": f"Keeper {self.chance.randrange(12)}"})

    async def publish(self) -> None:
        data = card_png(f"Card {self.number}")
        signed = await self.ask(
            "POST", "/api/character/presign-upload", {"filename": "c.png", "size": len(data)}
        )
        if signed.status_code != 200:
            return
        said = signed.json()
        put = await self.soak.http.put(said["url"], content=data, headers=said["headers"])
        if put.status_code == 200:
            body = {"s3Key": said["key"], "language": "en", "intro": "An intro."}
            await self.ask("POST", "/api/character/finalize-publish", body)


class Soak:
    """The service, its clients, and what they were told."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.chance = folder, random.Random(SEED)
        self.clock = JumpingClock()
        self.services = rough_service(folder, self.chance, self.clock)
        self.until = time.monotonic() + SECONDS
        self.jumps = 0
        self.told = Told(folder / "told")
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.memory: list[float] = []
        self.blocks: list[int] = []
        self.code = ""
        transport = StreamingASGITransport(create_app(self.services))
        self.http = httpx.AsyncClient(base_url=URL, transport=transport, timeout=60)

    def left(self) -> float:
        """Seconds that the soak goes on."""
        return self.until - time.monotonic()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(PEOPLE):
                group.create_task(Person(self, number).live())
            group.create_task(self.upkeep())
            group.create_task(self.deaths())

    async def upkeep(self) -> None:
        """The clock jumps, the sweep and the ranking come by, memory is noted."""
        while self.left() > 0:
            self.clock.jump(self.chance)
            self.jumps += 1
            for work in (self.services.sweeper.sweep(), self.services.invites.settle("ada")):
                try:
                    await work
                except Unavailable:
                    self.done["postponed"] += 1
            self.memory.append(own_megabytes())
            if self.jumps % 10 == 1:
                gc.collect()
                self.blocks.append(sys.getallocatedblocks())
            await asyncio.sleep(1)

    async def deaths(self) -> None:
        """Other processes on the same files, killed in the middle of everything."""
        for seed in range(10**6):
            if self.left() <= 0:
                return
            life = partial(forks(DOOMED).kill, str(self.folder), "busy", str(2000 + seed))
            for line in await asyncio.to_thread(life, after=self.chance.uniform(0.2, 3)):
                self.told.add(line.split())
            self.done["killed"] += 1

    def quarters(self) -> list[float]:
        """The least megabytes of memory in each quarter of the time; each password that is checked takes tens
        of them for a moment."""
        size = max(1, len(self.memory) // 4)
        parts = [self.memory[start : start + size] for start in range(0, 4 * size, size)]
        return [round(min(part), 1) for part in parts if part]

    def figures(self, gifts: int) -> dict[str, Any]:
        answers: Counter[str] = Counter()
        for what, count in self.done.items():
            if " " in what:
                answers[what.rpartition(" ")[2]] += count
        return {
            "seconds": SECONDS,
            "seed": SEED,
            "journeys": self.done["journeys"],
            "answers by status": dict(sorted(answers.items())),
            "streamed": self.done["streamed"],
            "refusals by kind": dict(self.refused.most_common()),
            "processes killed": self.done["killed"],
            "clock jumps": self.jumps,
            "delivered": self.told.count,
            "free because the clock jumped": gifts,
            "megabytes by quarter": self.quarters(),
            "thousands of blocks": [count // 1000 for count in self.blocks],
            "megabytes of the database": round((self.folder / "backend.db").stat().st_size / 1e6, 1),
        }


def own_megabytes() -> float:
    """Memory of this process without the pages of files that it has mapped: those are as many as the database
    has, up to a bound, for each connection to it, and the system takes them back when it likes."""
    info = psutil.Process().memory_info()
    return float(info.rss - getattr(info, "shared", 0)) / 1e6


async def given_away(services: Services, said: Said) -> Said:
    """Replies whose coins went back while they were spoken, because the clock jumped an hour ahead: they are
    had, and free. Nobody else's may be."""
    ledger, gifts = SETTINGS.tables.ledger, []
    for line in said:
        if line[0] == "charge":
            row = await services.store.get(ledger, (f"USER#{line[1]}", f"MOVE#{line[2]}"))
            if row is not None and row["status"] == "REFUNDED" and row["amount"] == 0:
                gifts.append(line)
    return gifts


async def test_after_a_soak_the_books_agree_and_nothing_is_left_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "2000")
    # pytest keeps every line of the log until the end, with the frames of what was refused.
    monkeypatch.setattr(logs.logger, "propagate", False)
    monkeypatch.setattr(logs.logger, "handlers", [logging.NullHandler()])
    await asyncio.to_thread(run, tmp_path, "set_up")
    prepared = open_service(tmp_path)
    await prepared.characters.publish(
        NewCard(CARD, "Mira", "en", "s3://b/t", "s3://b/o", "An intro.", (), "bob")
    )
    code = (await prepared.invites.require("ada")).invite_code
    await prepared.aclose()
    tasks, files = asyncio.all_tasks(), psutil.Process().num_fds()
    soak = Soak(tmp_path)
    soak.code = code
    try:
        await soak.run()
    finally:
        await soak.http.aclose()
        await soak.services.aclose()
        soak.told.close()
    said = list(soak.told.lines())
    later = open_service(tmp_path, now=lambda: soak.clock() + HOUR_MS)
    try:
        await settle_everything(later)
        gifts = await given_away(later, said)
        await delivered_is_settled(later, [line for line in said if line not in gifts])
        assert len(gifts) <= len(said) / 5, soak.done
    finally:
        await later.aclose()
    gc.collect()
    left = {task for task in asyncio.all_tasks() - tasks if not task.done()}
    opened = psutil.Process().num_fds() - files
    figures = soak.figures(len(gifts)) | {"tasks left": len(left), "files left": opened}
    sys.stdout.write(json.dumps(figures) + "\n")
    assert not left
    assert opened <= 2
    # On a busy machine little is done, but never nothing.
    assert "charge" in {line[0] for line in said} and soak.done["killed"] >= 1, soak.done
    assert soak.done["/api/official-model/submit 200"] >= 5 and len(soak.done) >= 10, soak.done
    warm = soak.blocks[len(soak.blocks) // 4]
    assert soak.blocks[-1] < GROWTH_OF_BLOCKS * warm, soak.blocks
    quarters = soak.quarters()
    assert quarters[-1] - quarters[min(1, len(quarters) - 1)] < GROWTH_MB, soak.memory
