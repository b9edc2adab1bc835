"""Rows that other programs wrote: whatever they hold, the service answers as documented and goes on.

Every kind of row with an attribute that is missing, too much, of another type, fractional or oversized; all
routes that meet it, the ranking, the sweep and what operators run. Beside each of them stand an account and a
card that are whole, and to which nothing may happen. Kinds are found in the code by the words of their keys,
so that one which is added and not made odd here fails.
"""

from __future__ import annotations

import ast
import asyncio
import logging
import os
import random
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from api_support import PASSWORD, Api, Person, backend, card_png, good
from storage_engines import plant

from lunalux_core.backend.accounts.identity import LocalIdentity
from lunalux_core.backend.money.money import Action
from lunalux_core.backend.operators.rules import adoption
from lunalux_core.backend.repos.movements import erasing
from lunalux_core.backend.running import upkeep
from lunalux_core.backend.running.backend_settings import RankingSettings, TableNames
from lunalux_core.backend.storage.migrate import migrate_sk
from lunalux_core.backend.storage.table import Delete, Key, Put, Store
from lunalux_core.backend.web.refusals import STATUS
from lunalux_core.errors import LunaluxError

TABLES = TableNames()
RANKING = RankingSettings(
    like_heat=1,
    download_heat=1,
    dialogue_heat=(1, 1, 1),
    range_heat_window_s=3600,
    range_heat_interval_s=60,
)
BACKEND = Path(__file__).parents[2] / "lunalux_core" / "backend"
NO_KINDS = {
    *("ALL", "DIRTY", "TS"),  # keys of indexes, which are attributes of rows of other kinds
    "SEED",  # a mark that has a key and nothing else
}
Row = dict[str, Any]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with backend(tmp_path, ranking=RANKING, invited_reward_star=5, invite_threshold=2) as api:
        yield api


def store(api: Api) -> Store:
    return api.services.store


async def change(api: Api, table: str, pk: str, sk: str, **changes: Any) -> None:
    row = dict(await store(api).get(table, (pk, sk)) or {"PK": pk, "SK": sk})
    await plant(store(api), table, {name: v for name, v in (row | changes).items() if v is not None})


@pytest.mark.parametrize(
    ("said", "coins"), [(99.5, 100), (99.4, 99), ("42", 42), ("many", 100), ([1], 100), (2**60, 100)]
)
@pytest.mark.parametrize("with_ledger", [True, False])
async def test_a_fraction_of_a_coin_is_rounded_once_as_a_movement(
    api: Api, said: Any, coins: int, with_ledger: bool
) -> None:
    ada = await api.person()
    pk = f"USER#{ada.user_id}"
    await change(api, TABLES.wallet, pk, "WALLET", starCoin=said)
    if not with_ledger:
        for sk in ("LEDGER_SUMMARY", "MOVE#init", "MOVE#init/luna"):
            await api.services.store.write(Delete(TABLES.ledger, Key(pk, sk)))
        coins = 0 if said in ("many", [1], 2**60) else coins
    made = good(await ada.post("/api/user/init", {"email": ada.email}))
    assert (made["wallet"]["starCoin"], made["wallet"]["lunaCoin"]) == (coins, 100)
    assert (await ada.wallet())["starCoin"] == coins
    assert await api.services.sweeper.check(ada.user_id) == []
    again = good(await ada.post("/api/user/init", {"email": ada.email}))
    assert again["wallet"] == made["wallet"] and again["ledger"] == made["ledger"]
    lines = good(await ada.get("/api/ledger/history/me"))["movements"]
    assert sum(line["amount"] for line in lines if line.get("currency") == "star") == coins
    assert len([line for line in lines if line["id"].startswith("round/")]) == with_ledger
    if coins >= 5:
        good(await ada.submit(modelId="002"))
        assert (await ada.wallet())["starCoin"] == coins - 5
    assert await api.services.sweeper.check(ada.user_id) == []


@pytest.mark.parametrize(
    ("said", "liked"),
    [
        ('{"LikedCount": 4, "DownloadCount": 2, "TotalCoinUsed": 7}', 5),
        ({"LikedCount": "4", "Other": 1}, 5),
        ({"LikedCount": 3.5}, 5),
        ("no JSON at all", 1),
        (12.5, 1),
        (None, 1),
    ],
)
async def test_counters_in_any_form_are_counted_on(api: Api, said: Any, liked: int) -> None:
    ada, bob = await api.person(), await api.person("bob")
    mira = await bob.publish()
    api.services.characters._places.clear()
    await change(api, TABLES.character_en, f"CHAR#{mira}", "PROFILE", Metadata=said)
    good(await ada.post("/api/liked/add", {"characterId": mira}))
    good(await ada.get("/api/character/presign-original", id=mira))
    card = await api.services.characters.require(mira)
    assert (card.liked_count, card.heat) == (liked, 2)
    assert card.download_count == (3 if isinstance(said, str) and said.startswith("{") else 1)
    (shown,) = [
        c for c in good(await ada.get("/api/character/time-first-page"))["characters"] if c["id"] == mira
    ]
    assert shown["likedCount"] == liked


async def test_one_bad_card_stops_neither_ranking_nor_the_sweep_and_standing_still_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "SWEEP_SECONDS", 0.05)
    fast = RankingSettings(batch_window_ms_en=0, time_batch_window_ms_en=0)
    async with backend(tmp_path, ranking=fast, seeded=False) as api:
        ada = await api.person()
        mira = await ada.publish()
        for number, changes in enumerate(({"HeatScore": 12.5}, {"CharacterID": None, "HeatScore": None})):
            pk = f"CHAR#odd{number}"
            row = await store(api).get(TABLES.character_en, (f"CHAR#{mira}", "PROFILE")) or {}
            marks = {"DIRTY_PK": "DIRTY#HOT", "DIRTY_SK": f"TS#000000000000{number}#CHAR#odd{number}"}
            await plant(store(api), TABLES.character_en, {**row, **marks, **changes, "PK": pk})
        await plant(store(api), TABLES.character_en, {"PK": "TOP#HOT", "SK": "NEGHEAT#00", "Other": 1})
        await plant(store(api), TABLES.ledger, {"PK": "USER#x", "SK": "OPEN#x", "startedAt": "never"})
        await plant(store(api), TABLES.ledger, {"PK": "USER#x", "SK": "ERASE"})
        chores = asyncio.ensure_future(upkeep.run(api.services))
        try:
            for _ in range(200):
                await asyncio.sleep(0.02)
                page = await store(api).query(TABLES.character_en, "DIRTY#HOT", index="GSI_DIRTY_HOT")
                if not page.items and not await api.services.store.get(TABLES.ledger, ("USER#x", "OPEN#x")):
                    break
            else:
                raise AssertionError("a bad row holds the others up")
            assert not chores.done()
            api.services.listings.forget("en")
            listed = good(await ada.get("/api/character/hot-first-page"))["characters"]
            assert {card["id"] for card in listed} == {mira, "odd0", "odd1"}
            standing = good(await api.http.get("/ready"))["upkeep"]
            assert {name: one["state"] for name, one in standing.items()} == {"ranking": "ok", "sweep": "ok"}

            async def away(*_: object) -> None:
                raise RuntimeError("a fault of ours")

            monkeypatch.setattr(type(api.services.ranking), "look", away)
            chores.cancel()
            await asyncio.wait({chores})
            chores = asyncio.ensure_future(upkeep.run(api.services))
            await asyncio.sleep(0.1)
            api.clock.forward(600)
            late = good(await api.http.get("/ready"))["upkeep"]
            assert late["ranking"] == {"state": "late", "ageSeconds": 600, "trouble": "RuntimeError"}
            assert "ranking stands still" in caplog.text and not chores.done()
        finally:
            chores.cancel()
            await asyncio.wait({chores})


ODD: list[Any] = [
    *(None, True, 0, -1, 7, 12.5, -0.5, 1e30, 2**62, "", "x", "12", "12.5", "\x00", "é" * 40, "\ud800"),
    *([], [1, "a"], {}, {"a": 1.5}, {"LikedCount": "3"}, frozenset({"a", "b"}), "x" * 3000, "[" * 2000),
    *('{"LikedCount": 2}', "2026-01-01T00:00:00Z", "9999-99-99", "s3://b/../x", "CHAR#", "SETTLED", "z:!!"),
]


def mutant(chance: random.Random, row: Row) -> Row:
    """`row` with one to three odd attributes; its key stays."""
    made = dict(row)
    names = [name for name in row if name not in ("PK", "SK")]
    for _ in range(chance.choice((1, 1, 2, 3))):
        deed = chance.random()
        if deed < 0.3 and names:
            made.pop(chance.choice(names), None)
        elif deed < 0.4:
            made[chance.choice(("extra", "Extra", "claimedBy", "expiresAt", "shards"))] = chance.choice(ODD)
        elif names:
            made[chance.choice(names)] = chance.choice(ODD)
    return made


class Herd:
    """Accounts and cards whose rows are made odd, round after round, and the whole ones beside them."""

    def __init__(self, api: Api, chance: random.Random) -> None:
        self.api, self.chance = api, chance
        self.rows = 0
        self.words: set[str] = set()
        self.people: list[Person] = []
        self.cards: list[str] = []
        self.codes: list[str] = []

    async def born(self, people: int, cards: int) -> None:
        services = self.api.services
        self.ada = await self.api.person()
        self.good = await self.ada.publish(card_png("Good"))
        for number in range(cards):
            self.cards.append(await self.ada.publish(card_png(f"Card {number}")))
        for number in range(people):
            person = await self.api.person(f"p{number}")
            self.people.append(person)
            good(await person.post("/api/user/username", {"username": f"Person {number}"}))
            good(await person.post("/api/liked/add", {"characterId": self.good}))
            good(await person.submit(modelId="002", key="done", characterId=self.good))
            config = await services.models.require("002")
            await services.money.reserve(Action(person.user_id, "lost", "hash"), config)
            await person.upload(card_png("never"))
        for number in range(8):
            shards = 2 if number % 2 else None
            coupon = await services.coupons.create(f"CODE{number}", "star", 3, 1000, shards=shards)
            self.codes.append(coupon.code)
        await self.seldom()
        self.before = {
            table: [dict(row) async for row in services.store.scan_all(table)]
            for table in (getattr(TABLES, name) for name in TABLES.__slots__)
        }

    async def seldom(self) -> None:
        """Rows of the kinds that the others have not."""
        services, (first, second, *_) = self.api.services, self.people
        self.cards.append(await first.publish(card_png("Theirs")))
        self.code = good(await first.get("/api/invite/me"))["invite"]["inviteCode"]
        await self.api.person("guest", referral=self.code)
        other = self.cards[0]
        good(await second.post("/api/character/report", {"characterId": other, "reason": "A look."}))
        good(await second.get("/api/character/presign-original", id=other))
        good(await second.post("/api/liked/add", {"characterId": other}))
        good(await second.post("/api/coupon/redeem", {"coupon": self.codes[1]}))
        good(await self.api.http.post("/api/auth/forgot", json={"email": first.email}))
        clock = self.api.clock
        careful = LocalIdentity(services.store, TABLES.user, require_confirmation=True, now_ms=clock)
        await careful.sign_up("waiting@example.org", PASSWORD)
        gone = await self.api.person("gone")
        await services.store.write(Put(TABLES.ledger, erasing(gone.user_id, gone.email, self.api.clock())))
        self.api.clock.forward(60)
        for lang in ("en", "zh"):
            for sort in ("hot", "time"):
                await services.ranking.drain_if_due(lang, sort)  # type: ignore[arg-type]
        place = {"PK": "ADOPT", "SK": "CHECKPOINT", "table": TABLES.liked, "after": {"row": "1"}}
        await services.store.write(Put(TABLES.user, place))
        lease = {"PK": "LEASE#SWEEP", "SK": "LEASE", "owner": "somebody", "expiresAtMs": 1, "lastRunMs": 1}
        await services.store.write(Put(TABLES.ledger, lease))

    async def round(self) -> None:
        await self.plant()
        self.forget()
        for person in self.people:
            await self.visit(person)
        await self.operators()
        await self.whole()

    async def plant(self) -> None:
        """Every row but the whole ones', made odd; what the last round did to them is undone."""
        whole = {f"USER#{self.ada.user_id}", f"CHAR#{self.good}", f"EMAIL#{self.ada.email}", "SEED#1"}
        for table, rows in self.before.items():
            for row in rows:
                if row["PK"] in whole or self.good in row["SK"]:
                    continue
                if row.get("userId") == self.ada.user_id or row.get("CharacterID") == self.good:
                    continue
                if table == TABLES.model_config and row["modelId"] in ("001", "002"):
                    continue
                if table in (TABLES.character_en, TABLES.character_cn) and row["PK"].startswith("CHAR#"):
                    row = {**row, **self.marks(row)}
                await plant(store(self.api), table, mutant(self.chance, row))
                self.words.update(row[name].partition("#")[0] for name in ("PK", "SK"))
                self.rows += 1

    def marks(self, row: Row) -> Row:
        stamp = f"TS#0000000000001#{row['PK']}"
        time = {"DIRTY_TIME_PK": "DIRTY#TIME", "DIRTY_TIME_SK": stamp}
        return {"DIRTY_PK": "DIRTY#HOT", "DIRTY_SK": stamp, **time}

    def forget(self) -> None:
        """What the process keeps of rows for a while."""
        services = self.api.services
        services.models._kept = None
        services.characters._places.clear()
        services.sessions._cache.clear()
        for lang in ("en", "zh"):
            services.listings.forget(lang)

    async def visit(self, person: Person) -> None:
        card, code = self.chance.choice(self.cards), self.chance.choice(self.codes)
        answers = [
            await person.get("/api/session/validate"),
            await person.post("/api/user/init", {"email": person.email}),
            await person.get("/api/user/me"),
            await person.get("/api/wallet/me"),
            await person.get("/api/ledger/summary/me"),
            await person.get("/api/ledger/history/me"),
            await person.get("/api/invite/me"),
            await person.post("/api/invite/settle/me"),
            await person.get("/api/model-config/list"),
            await person.get(f"/api/character/{self.chance.choice(('hot', 'time'))}-first-page"),
            await person.post("/api/coupon/redeem", {"coupon": code}),
            await person.submit(modelId="002", key="done", characterId=self.good),
            await person.submit(modelId="002", characterId=card),
            await person.submit(modelId="003"),
            await person.post("/api/liked/add", {"characterId": card}),
            await person.get("/api/liked/me"),
            await person.get("/api/character/presign-original", id=card),
            await person.post("/api/user/username", {"username": f"Name {self.chance.randrange(10**6)}"}),
        ]
        if self.chance.random() < 0.1:
            body = {"email": person.email, "password": PASSWORD}
            answers.append(await self.api.http.post("/api/auth/signin", json=body))
            self.api.services.sessions._cache.clear()
            for path, email in (("reset", self.people[0].email), ("confirm", "waiting@example.org")):
                guess = {"email": email, "code": "123456", "password": PASSWORD}
                answers.append(await self.api.http.post(f"/api/auth/{path}", json=guess))
        for answer in answers:
            document = answer.json()
            told = STATUS.get(document.get("code", ""))
            assert answer.status_code == 200 or answer.status_code == told, answer.text
            fine = answer.status_code < 500 or document["code"] == "LLM_CONFIG_INVALID"
            assert fine, (answer.request.url.path, answer.text)

    async def operators(self) -> None:
        services = self.api.services
        for lang in ("en", "zh"):
            for sort in ("hot", "time"):
                await services.ranking.drain(lang, sort)  # type: ignore[arg-type]
        await services.sweep()
        await services.sweep_if_due(0)
        [discrepancy async for discrepancy in services.sweeper.reconcile()]
        await services.characters.reports()
        await services.ranking.adopt("en")
        if self.chance.random() < 0.3:
            await adoption(services).run(dry_run=self.chance.random() < 0.5, told=lambda change: None)
        await migrate_sk(services.store, TABLES.character_en)
        for person in self.people[:2]:
            for work in (
                services.wallets.adjust(person.user_id, "star", 1),
                services.wallets.set_level(person.user_id, 1),
                services.users.owner("Person 1"),
                services.characters.set_status(self.chance.choice(self.cards), "hidden"),
            ):
                try:
                    await work
                except LunaluxError as error:
                    assert error.code in STATUS, error.code

    async def whole(self) -> None:
        """The whole account and the whole card are as they were, and found."""
        assert await self.api.services.sweeper.check(self.ada.user_id) == []
        page = good(await self.ada.get("/api/character/time-first-page"))["characters"]
        assert self.good in {card["id"] for card in page}
        dirty = await store(self.api).query(TABLES.character_en, "DIRTY#HOT", index="GSI_DIRTY_HOT")
        assert f"CHAR#{self.good}" not in {row["PK"] for row in dirty.items}
        assert (await self.ada.wallet())["starCoin"] == 100


async def hunt(folder: Path, seed: int, rows: int) -> None:
    with without_log():
        words = await hunted(folder, seed, rows)
    assert words >= words_of_keys() - NO_KINDS


def words_of_keys() -> set[str]:
    """The first word of every key that is written down in the service's code: `USER` of `USER#{user_id}`, and
    `OWNER` of `Key(pk, "OWNER")` and of `{"SK": "OWNER"}`."""
    nodes = [node for path in BACKEND.rglob("*.py") for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    constants = {
        name.id: node.value
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for name in node.targets
        if isinstance(name, ast.Name)
    }
    texts: set[str] = set()
    for node in nodes:
        for key in keys_in(node):
            value = constants.get(key.id) if isinstance(key, ast.Name) else key
            if isinstance(value, ast.Constant) and (found := KEY.match(str(value.value))):
                texts.add(found[1])
    return texts


def keys_in(node: ast.AST) -> list[ast.expr]:
    """What stands for a key, or a part of one, at a place of the code."""
    if isinstance(node, ast.Call):
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        return node.args if called in ("Key", "_key", "_item") else []
    if isinstance(node, ast.Dict):
        said = zip(node.keys, node.values, strict=True)
        return [value for name, value in said if isinstance(name, ast.Constant) and name.value == "SK"]
    whole_word = isinstance(node, ast.Constant) and re.fullmatch(r"#?[A-Z_]{2,}#\S*", str(node.value))
    return [node] if whole_word and isinstance(node, ast.expr) else []


KEY = re.compile(r"#?([A-Z_]{2,})(#|$)")


@contextmanager
def without_log() -> Iterator[None]:
    """Without the log of refusals, of which there are as many as rows."""
    logger = logging.getLogger("lunalux.backend")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


async def hunted(folder: Path, seed: int, rows: int) -> set[str]:
    """One run; the words in the keys of the rows that were made odd."""
    async with backend(folder, ranking=RANKING, invited_reward_star=5, invite_threshold=2) as api:
        herd = Herd(api, random.Random(seed))
        await herd.born(people=6, cards=40)
        while herd.rows < rows:
            try:
                await herd.round()
            except BaseException as error:
                error.add_note(f"seed {seed}, after {herd.rows} rows")
                raise
        return herd.words


@pytest.mark.parametrize("seed", [1, 2])
async def test_odd_rows_of_every_kind(tmp_path: Path, seed: int) -> None:
    await hunt(tmp_path, seed, 400)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10, 14))
async def test_a_hundred_thousand_odd_rows(tmp_path: Path, seed: int) -> None:
    await hunt(tmp_path, seed, int(os.environ.get("ODD_ROWS", "100000")) // 4)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("each_store", ["dynamodb"], indirect=True)
@pytest.mark.usefixtures("each_store")
async def test_odd_rows_over_the_wire(tmp_path: Path) -> None:
    await hunt(tmp_path, 30, 100)
