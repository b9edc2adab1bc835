"""Moving over: tables as the service of before left them, odd rows among them, `adopt`, and every journey."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from api_support import Api, backend, bad, good
from storage_engines import open_store, plant

from lunalux_core.backend.operators.adoption import CHECKPOINT, Adoption, AdoptionChange, AdoptionReport
from lunalux_core.backend.operators.report import status
from lunalux_core.backend.operators.rules import adoption
from lunalux_core.backend.running.backend_settings import RankingSettings, TableNames
from lunalux_core.backend.running.services import Services
from lunalux_core.backend.storage.table import Put, Store, Unavailable
from lunalux_tui import i18n

EACH_STORE = True
TABLES = TableNames()
BORN = "2025-01-01T00:00:00.000Z"
Row = dict[str, Any]


@asynccontextmanager
async def service(folder: Path) -> AsyncIterator[Api]:
    """A service over the tables of this test, which are empty."""
    ranking = RankingSettings(like_heat=1, hot_top_buffer=3, hot_top_limit=3)
    async with backend(folder, seeded=False, ranking=ranking) as api:
        yield api


def account(
    user_id: str, name: str | None, star: Any, luna: Any, *, ledger: Row | None = None
) -> list[tuple[str, Row]]:
    """An account's rows as the service of before wrote them."""
    pk = f"USER#{user_id}"
    made = {"createdAt": BORN, "updatedAt": BORN}
    profile: Row = {
        "PK": pk,
        "SK": "PROFILE",
        "userId": user_id,
        "email": f"{user_id}@old.org",
        "createdAt": BORN,
    }
    rows: list[tuple[str, Row]] = []
    if name is not None:
        profile |= {"username": name, "usernameLower": name.lower()}
        owner = {"username": name, "usernameLower": name.lower(), "userId": user_id}
        rows.append((TABLES.user, {"PK": f"USERNAME#{name.lower()}", "SK": "OWNER", **owner}))
    wallet = {"userId": user_id, "luxLevel": 0, "starCoin": star, "lunaCoin": luna, **made}
    totals = {
        "totalStarCoinUsed": 0,
        "totalStarCoinGain": star,
        "totalLunaCoinUsed": 0,
        "totalLunaCoinGain": luna,
    }
    summary = {"userId": user_id, **totals, **(ledger or {}), **made}
    code = f"CODE{user_id.upper()}"
    invite = {"userId": user_id, "inviteCode": code, "totalInvites": 0, "unissuedRewardCount": 0, **made}
    return [
        *rows,
        (TABLES.user, profile),
        (TABLES.wallet, {"PK": pk, "SK": "WALLET", **wallet}),
        (TABLES.ledger, {"PK": pk, "SK": "LEDGER_SUMMARY", **summary}),
        (TABLES.invite, {"PK": pk, "SK": "INVITE_PROFILE", **invite}),
        (TABLES.invite, {"PK": f"INVITE_CODE#{code}", "SK": "OWNER", "userId": user_id, "inviteCode": code}),
    ]


def card(number: int, **changes: Any) -> list[tuple[str, Row]]:
    """A card and its row in the hot list, under the legacy sort key."""
    name, heat = f"old{number}", changes.get("HeatScore", number)
    sort_key = f"NEGHEAT#{999_999_999_999 - int(heat):012d}#CHAR#{name}"
    public: Row = {
        "CharacterID": name,
        "CharacterName": f"Old {number}",
        "Language": "en",
        "HeatScore": heat,
        "ThumbnailURL": f"s3://character-cards/characters/thumbs/{name}.webp",
        "FullImageURL": f"s3://character-cards/characters/original/{name}.png",
        "UpdatedAt": BORN,
        "CreatedAt": BORN,
        "Metadata": {"TotalCoinUsed": 3, "LikedCount": 2, "DownloadCount": 1, "DialogueCount": 4},
        **changes,
    }
    keys = {"GSI_HOT_PK": "ALL#HOT", "GSI_HOT_SK": sort_key}
    return [
        (TABLES.character_en, {"PK": f"CHAR#{name}", "SK": "0", **public, **keys}),
        (TABLES.character_en, {"PK": "TOP#HOT", "SK": sort_key, **public}),
    ]


def old_tables() -> list[tuple[str, Row]]:
    rows = [
        *account("ada", "Ada", 120, 90),
        *account("bob", "Straße", 99.5, 100),
        *account("eve", None, 90, 100, ledger={"totalStarCoinGain": 100, "totalStarCoinUsed": 5}),
        *account("kim", "Kim", 40, 7)[:2],  # no wallet, no ledger: never came in
        (
            TABLES.ledger,
            {
                "PK": "USER#lost",
                "SK": "LEDGER_SUMMARY",
                "userId": "lost",
                "totalStarCoinUsed": 10,
                "totalStarCoinGain": 60,
                "totalLunaCoinUsed": 0,
                "totalLunaCoinGain": 5,
                "createdAt": BORN,
                "updatedAt": BORN,
            },
        ),
        (TABLES.user, {"PK": "USERNAME#former", "SK": "OWNER", "username": "former", "userId": "ada"}),
        (TABLES.user, {"PK": "USERNAME#ghost", "SK": "OWNER", "username": "ghost", "userId": "nobody"}),
        *card(1),
        *card(2, HeatScore=12.6),
        *card(3, Metadata='{"LikedCount": 8, "DownloadCount": 2, "DialogueCount": 1}'),
        *card(4),
        *card(5),
        (TABLES.character_en, {"PK": "TOP#HOT", "SK": f"NEGHEAT#{5:012d}#CHAR#gone", "CharacterID": "gone"}),
        (TABLES.coupons, coupon("PLAIN", amount=10)),
        (TABLES.coupons, coupon("With Space", amount=20, remainingClaims=3)),
        (TABLES.coupons, coupon("FULL１", amount="30")),
        (TABLES.coupons, coupon("HALF", amount=2.5)),
        (TABLES.coupons, coupon("HAD", amount=5, remainingClaims=9, claimedBy=frozenset({"ada"}))),
        (
            TABLES.liked,
            {"PK": "USER#ada", "SK": "LIKED#old1", "userId": "ada", "characterId": "old1"},
        ),
        (TABLES.model_config, model("001", freeLevel="0")),
        (TABLES.model_config, model("002", freeLevel=-1, allowStar="true", starCost="5")),
        (
            TABLES.model_config,
            {"PK": "MODEL#009", "SK": "MODEL", "modelId": "009", "displayname": "Half"},
        ),
        (TABLES.model_config, model("001", freeLevel=0) | {"PK": "MODEL#200"}),
    ]
    return [*rows, *[(TABLES.wallet, {**rows[2][1], "PK": "USER#lux", "userId": "lux", "luxLevel": 7})]]


def coupon(code: str, **changes: Any) -> Row:
    return {"PK": f"COUPON#{code}", "SK": "COUPON", "coupon": code, "rewardType": 0, **changes}


def model(model_id: str, **changes: Any) -> Row:
    names = {"displayname": f"Model {model_id}", "modelType": "practice", "modelName": "practice"}
    return {"PK": f"MODEL#{model_id}", "SK": "MODEL", "modelId": model_id, "sortOrder": 1, **names, **changes}


async def fill(store: Store) -> None:
    for table, row in old_tables():
        await plant(store, table, row)


async def snapshot(store: Store) -> dict[tuple[str, str, str], Any]:
    """Every row but the leases, which only say when work was done."""
    names = [getattr(TABLES, name) for name in TABLES.__slots__]
    return {
        (name, row["PK"], row["SK"]): row
        for name in names
        async for row in store.scan_all(name)
        if not str(row["PK"]).startswith("LEASE")
    }


async def run(services: Services, **options: Any) -> tuple[AdoptionReport, list[AdoptionChange]]:
    told: list[AdoptionChange] = []
    adopted = await adoption(services).run(**{"dry_run": False, **options}, told=told.append)
    return adopted, told


async def test_what_a_dry_run_says_is_what_is_done_and_the_second_run_changes_nothing(tmp_path: Path) -> None:
    async with service(tmp_path) as api:
        store = api.services.store
        await fill(store)
        before = await snapshot(store)
        planned, said = await run(api.services, dry_run=True)
        assert await snapshot(store) == before
        adopted, done = await run(api.services)
        assert sum(planned.rows.values()) == len(before)
        assert all(count >= planned.rows[table] for table, count in adopted.rows.items())
        ranked = [change for change in done if change.action == "rank"]
        assert [change for change in done if change not in ranked] == said
        after = await snapshot(store)
        again, told = await run(api.services)
        assert {change.action for change in told} <= {"look"}
        assert [change.row for change in told] == [change.row for change in said if change.action == "look"]
        assert await snapshot(store) == after and not again.resumed
        looks = {change.row for change in told}
        models = {"MODEL#009 MODEL", "MODEL#200 MODEL"}
        assert looks == {"USERNAME#ghost OWNER", "USER#eve WALLET", "COUPON#HALF COUPON", *models}


async def test_every_change_is_told_in_chinese_too(tmp_path: Path) -> None:
    async with service(tmp_path) as api:
        await fill(api.services.store)
        said = [
            change.detail
            for change in [*(await run(api.services, dry_run=True))[1], *(await run(api.services))[1]]
        ]
    i18n.use("zh")
    english = re.compile("[a-z]+ [a-z]+ [a-z]+")
    told = [i18n.note(detail) for detail in said]
    assert len(said) > 30 and not [
        words for words in told if english.search(words.replace("lunalux admin", ""))
    ]
    assert "补全账目：没有账本；没有能说明余额的记录" in "\n".join(told)


async def test_after_moving_over_every_journey_goes_on_and_nothing_is_doubled_or_lost(tmp_path: Path) -> None:
    async with service(tmp_path) as api:
        store, services = api.services.store, api.services
        await fill(store)
        await run(services)
        made = await api.person("new")
        page = good(await made.get("/api/character/hot-first-page"))["characters"]
        assert [one["id"] for one in page] == ["old2", "old5", "old4"]
        tops = [row["SK"] for row in (await store.query(TABLES.character_en, "TOP#HOT")).items]
        assert len(tops) == 3 and not any("gone" in sort_key for sort_key in tops)
        assert {row["SK"] for key, row in (await snapshot(store)).items() if key[1].startswith("CHAR#")} == {
            "PROFILE"
        }
        for number, (liked, heat) in {1: (2, 1), 2: (2, 13), 3: (8, 3)}.items():
            found = await services.characters.require(f"old{number}")
            assert (found.liked_count, found.heat) == (liked, heat)
        good(await made.post("/api/liked/add", {"characterId": "old3"}))
        assert (await services.characters.require("old3")).liked_count == 9
        for user_id, star, luna in (("ada", 120, 90), ("bob", 100, 100), ("lost", 50, 5)):
            wallet = await services.wallets.require(user_id)
            assert (wallet.star_coin, wallet.luna_coin) == (star, luna)
            assert await services.sweeper.check(user_id) == []
        assert (await services.wallets.require("lux")).lux_level == 2
        taken = await made.post("/api/user/username", {"username": "Strasse"})
        bad(taken, 409, "USERNAME_TAKEN")
        bad(await made.post("/api/user/username", {"username": "aԁa"}), 409, "USERNAME_TAKEN")
        good(await made.post("/api/user/username", {"username": "former"}))
        star = 100
        for typed, amount in (("PLAIN", 10), ("with space".title(), 20), ("full1".upper(), 30), ("HAD", 5)):
            assert good(await made.post("/api/coupon/redeem", {"coupon": typed}))["amount"] == amount
            bad(await made.post("/api/coupon/redeem", {"coupon": typed}), 400, "COUPON_INVALID_OR_USED")
            star += amount
        with pytest.raises(Exception, match="not valid"):
            await services.coupons.redeem("ada", "HAD")
        assert (await made.wallet())["starCoin"] == star
        configs = good(await made.get("/api/model-config/list"))["configs"]
        assert {row["modelId"]: (row["freeLevel"], row["starCost"]) for row in configs} == {
            "001": (0, -1),
            "002": (-1, 5),
        }
        assert good(await made.submit(modelId="002"))["billing"] == {
            "method": "star",
            "cost": 5,
            "modelId": "002",
        }
        drift = [found async for found in services.sweeper.reconcile()]
        assert [(found.user_id, found.balance, found.ledger) for found in drift] == [("eve", 90, 95)]
        assert await services.ledgers.repair("eve", "star") == 0
        assert [found async for found in services.sweeper.reconcile()] == []
        assert (await services.wallets.require("eve")).star_coin == 90


async def test_a_run_that_is_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    async with service(tmp_path) as api:
        store = api.services.store
        for number in range(250):
            for table, row in account(f"u{number:03d}", f"Name {number}", 100, 100):
                await plant(store, table, row)
        seen: list[AdoptionChange] = []

        def stop(change: AdoptionChange) -> None:
            seen.append(change)
            if change.table == TABLES.wallet and len([c for c in seen if c.table == TABLES.wallet]) > 120:
                raise Unavailable("The storage is away.")

        with pytest.raises(Unavailable):
            await adoption(api.services).run(dry_run=False, told=stop)
        place = await store.get(TABLES.user, CHECKPOINT)
        assert place is not None and place["table"] == TABLES.wallet and place["after"]
        assert (await status(api.services))["adoption"] == {"table": TABLES.wallet}
        adopted, rest = await run(api.services)
        assert adopted.resumed and TABLES.user not in adopted.rows and adopted.rows[TABLES.wallet] < 250
        assert len([c for c in rest if c.table == TABLES.wallet]) < 250
        assert await store.get(TABLES.user, CHECKPOINT) is None
        for number in range(0, 250, 50):
            assert await api.services.sweeper.check(f"u{number:03d}") == []
        assert {change.action for change in (await run(api.services))[1]} == set()


async def test_who_claims_while_a_coupon_moves_claims_once(tmp_path: Path) -> None:
    async with service(tmp_path) as api:
        services = api.services
        await plant(services.store, TABLES.coupons, coupon("Odd One", amount=7, remainingClaims=5))
        ada, bob = await api.person("ada"), await api.person("bob")
        good(await ada.post("/api/coupon/redeem", {"coupon": "Odd One"}))
        rules = adoption(services)._rules[TABLES.coupons]
        row = await services.store.get(TABLES.coupons, ("COUPON#Odd One", "COUPON"))
        assert row is not None
        (move,) = await rules.deeds(row)
        good(await bob.post("/api/coupon/redeem", {"coupon": "Odd One"}))  # after the row was read
        assert move.do is not None
        made = await Adoption._do(TABLES.coupons, "Odd One", move, dry_run=False)
        assert made.action == "look"
        await run(services)
        for person in (ada, bob):
            answer = await person.post("/api/coupon/redeem", {"coupon": "OddOne"})
            bad(answer, 400, "COUPON_INVALID_OR_USED")
            assert (await person.wallet())["starCoin"] == 107
        issued = await services.coupons.issued("OddOne")
        assert (issued.left, issued.claimed) == (3, 2)
        assert await services.coupons.revoke("OddOne")
        eve = await api.person("eve")
        bad(await eve.post("/api/coupon/redeem", {"coupon": "OddOne"}), 400, "COUPON_INVALID_OR_USED")
        await services.coupons.create("OddOne", "star", 9, 5)
        bad(await ada.post("/api/coupon/redeem", {"coupon": "OddOne"}), 400, "COUPON_INVALID_OR_USED")


async def test_a_scan_in_pages_sees_every_row_once(tmp_path: Path) -> None:
    store = open_store(tmp_path / "tables.db")
    keys = {(f"S#{number}", "A") for number in range(57)}
    for pk, sk in keys:
        await store.write(Put(TABLES.liked, {"PK": pk, "SK": sk, "n": 1}))
    seen: list[tuple[str, str]] = []
    after = None
    while True:
        page = await store.scan(TABLES.liked, after=after, limit=10)
        assert len(page.items) <= 10
        seen += [(row["PK"], row["SK"]) for row in page.items]
        after = page.after
        if after is None:
            break
    assert sorted(seen) == sorted(keys)
    await store.aclose()
