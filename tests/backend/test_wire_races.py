"""Three servers race over DynamoDB's wire while it throttles, delays, and loses answers of what it has done.

Clients do what ours does: they send a request again with the same key until somebody answers. Then, an hour
later and with the wire at rest, the books must agree: what was delivered is settled, what is settled can be
replayed, and nothing was had twice. The seed is printed by a failure (`done` counts the harm of each kind).
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_support import PASSWORD, card_png
from served_engines import provisioned, served
from storage_engines import ministack, moto
from wire_proxy import ROUGH, WireProxy

from lunalux_core.backend.running.aws import open_aws
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.services import Services
from lunalux_core.backend.storage.aws_calls import AwsAccess
from lunalux_core.ids import now_ms, uuid4

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("LUNALUX_TEST_SEED", "16"))
SERVERS, TRIES, LOOKS = 3, 20, 4
HOUR_MS = 3_600_000
SUBMIT = "/api/official-model/submit"
INVITEE, THRESHOLD, MILESTONE = 20, 2, 50
EMULATED = os.environ.get("LUNALUX_WIRE_EMULATOR", "ministack")
"""Or moto, which takes several minutes a race. dynalite knows no transactions, so no service runs on it."""
BUSY = {409: "OPERATION_IN_PROGRESS", 503: "STORE_UNAVAILABLE", 500: "INTERNAL_ERROR"}


@dataclass
class Person:
    """An account, and its requests: at whichever server, again and again until one answers."""

    region: Region
    email: str
    headers: dict[str, str]

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.region.ask(method, path, body, {**self.headers, **headers})

    async def good(self, method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        answer = await self.ask(method, path, body, **headers)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        document: dict[str, Any] = answer.json()
        return document

    @property
    def user_id(self) -> str:
        return self.headers["x-user-id"]


@dataclass
class Region:
    """Three servers behind one rough wire."""

    urls: Sequence[str]
    wire: WireProxy
    access: AwsAccess
    http: httpx.AsyncClient
    _turn: int = 0

    async def ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
        answer: httpx.Response | None = None
        looks = 0  # at an operation under way, which only a sweep may be able to end
        for _ in range(TRIES):
            self._turn += 1
            url = self.urls[self._turn % len(self.urls)] + path
            answer = await self.http.request(method, url, json=body, headers=headers)
            looks += answer.status_code == 409
            busy = answer.status_code in BUSY and BUSY[answer.status_code] == answer.json().get("code")
            if not busy or looks == LOOKS:
                return answer
            await asyncio.sleep(0.3)
        assert answer is not None
        return answer

    async def person(self, name: str, referral: str = "") -> Person:
        email = f"{name}@example.org"
        account = {"email": email, "password": PASSWORD}
        await self.ask("POST", "/api/auth/signup", account, {})
        person = await self.sign_in(email)
        await person.good("POST", "/api/user/init", {"referralCode": referral} if referral else {})
        return person

    async def sign_in(self, email: str) -> Person:
        answer = await self.ask("POST", "/api/auth/signin", {"email": email, "password": PASSWORD}, {})
        session = answer.json()
        assert answer.status_code == 200, session
        headers = {"x-user-id": session["userId"], "x-session-token": session["sessionToken"]}
        return Person(self, email, headers)

    async def people(self, count: int, name: str = "p") -> list[Person]:
        return [await self.person(f"{name}{number}") for number in range(count)]

    @asynccontextmanager
    async def roughly(self) -> AsyncIterator[None]:
        """While the wire does harm."""
        self.wire.chances = ROUGH
        try:
            yield
        finally:
            self.wire.chances = {}

    @asynccontextmanager
    async def later(self) -> AsyncIterator[Services]:
        """The service an hour later, over a wire at rest; what crashed is swept, and the books agree."""
        settings = BackendSettings(session_secrets=("one secret for all instances",), rate_limits=False)
        services = open_aws(settings, access=self.access, now_ms=lambda: now_ms() + HOUR_MS)
        try:
            await services.sweeper.sweep()
            assert [drift async for drift in services.sweeper.reconcile()] == [], self.wire.done
            yield services
        finally:
            await services.aclose()


@pytest.fixture
async def region(tmp_path: Path) -> AsyncIterator[Region]:
    emulator = {"ministack": ministack, "moto": moto}[EMULATED]
    with provisioned(tmp_path, emulator) as variables, ExitStack() as stack:
        address = variables["AWS_ENDPOINT_URL"]
        async with WireProxy(int(address.rpartition(":")[2]), SEED).running() as wire:
            assert isinstance(wire, WireProxy)
            wire.in_turn = EMULATED == "moto"
            rough = variables | {
                "AWS_ENDPOINT_URL": wire.url,
                "SESSION_CACHE_SECONDS": "0",
                "INVITED_USER_REWARD_STAR": str(INVITEE),
                "INVITE_REWARD_THRESHOLD": str(THRESHOLD),
                "INVITE_MILESTONE_REWARD_STAR": str(MILESTONE),
                "CHARACTER_LIKE_HEAT_ADD": "3",
                "LUX0_DIALOGUE_HEAT_ADD": "1",
                "BATCH_WINDOW_MS_EN": "300",
            }
            starts = [served(tmp_path / str(number), **rough) for number in range(SERVERS)]
            servers = [await asyncio.to_thread(stack.enter_context, start) for start in starts]
            async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=60)) as http:
                access = AwsAccess("us-east-1", address, "test", "test")
                yield Region([server.url for server in servers], wire, access, http)
            await asyncio.to_thread(stack.close)


async def all_of(*work: Awaitable[Any]) -> list[Any]:
    return list(await asyncio.gather(*work))


async def charges(services: Services, user_id: str) -> dict[str, dict[str, Any]]:
    """The movements of an account's replies by their keys."""
    page = await services.store.query(
        services.settings.tables.ledger, f"USER#{user_id}", prefix="MOVE#", limit=1000
    )
    return {row["opId"]: dict(row) for row in page.items if row["kind"] == "charge"}


async def test_one_wallet_many_replies_and_one_reply_asked_for_many_times(region: Region) -> None:
    ada = await region.person("ada")  # worth twenty replies
    keys = [uuid4() for _ in range(26)]
    document = {"modelId": "002", "userMessage": "Good evening."}

    async def reply(key: str) -> tuple[str, str, int]:
        answer = await ada.ask("POST", SUBMIT, document, **{"idempotency-key": key})
        body = answer.json()
        return key, body.get("content", body.get("code", "")), answer.status_code

    async with region.roughly():
        told = await all_of(*(reply(key) for key in [*keys, *keys[:6]]))
    delivered = {key: content for key, content, status in told if status == 200}
    for key, content, status in told:
        assert status != 200 or content == delivered[key]
    refused = {content for _, content, status in told if status != 200}
    assert refused <= {"INSUFFICIENT_FUNDS", "BILLING_FAILED", *BUSY.values()}, refused
    async with region.later() as services:
        rows = await charges(services, ada.user_id)
        settled = {key for key, row in rows.items() if row["status"] == "SETTLED"}
        assert set(delivered) <= settled and all("response" in rows[key] for key in settled)
        assert {row["status"] for row in rows.values()} <= {"SETTLED", "REFUNDED"}
        wallet = await services.wallets.require(ada.user_id)
        assert wallet.star_coin == 100 - 5 * len(settled) >= 0
    assert len(delivered) >= 15, "the wire was rough, not closed"
    done = region.wire.done
    assert min(done[harm] for harm in ("throttle", "busy", "drop-request", "drop-answer", "in-doubt")) > 0


async def test_a_coupon_of_five_claims_and_twelve_people(region: Region) -> None:
    people = await region.people(12)
    async with region.later() as services:
        await services.coupons.create("RACE", "star", 7, 5)
        await services.coupons.create("ONCE", "luna", 9)

    async def redeem(person: Person, code: str) -> int:
        key = {"idempotency-key": uuid4()}
        answers = await all_of(
            *(person.ask("POST", "/api/coupon/redeem", {"coupon": code}, **key) for _ in range(2))
        )
        return max(answer.status_code == 200 for answer in answers)

    async with region.roughly():
        claimed = await all_of(*(redeem(person, "RACE") for person in people))
        alone = await all_of(*(redeem(person, "ONCE") for person in people))
    assert (sum(claimed), sum(alone)) == (5, 1), region.wire.done
    async with region.later() as services:
        wallets = [await services.wallets.require(person.user_id) for person in people]
        assert [wallet.star_coin for wallet in wallets] == [100 + 7 * had for had in claimed]
        assert [wallet.luna_coin for wallet in wallets] == [100 + 9 * had for had in alone]
        assert (await services.coupons.issued("RACE")).left == 0


async def test_a_name_that_many_want_has_one_owner_and_a_renaming_leaves_none_behind(region: Region) -> None:
    people = await region.people(6)
    wanted = "Lighthouse"

    async def rename(person: Person, name: str) -> int:
        return (await person.ask("POST", "/api/user/username", {"username": name})).status_code

    async with region.roughly():
        told = await all_of(*(rename(person, wanted) for person in people))
        assert set(told) <= {200, 409, 503}
        for number in range(3):
            await all_of(*(rename(people[0], f"Keeper {number}{letter}") for letter in "abc"))
    async with region.later() as services:
        table = services.settings.tables.user
        rows = [row async for row in services.store.scan_all(table)]
        names = {
            row["PK"].removeprefix("USER#"): row.get("username") for row in rows if row["SK"] == "PROFILE"
        }
        owners = {
            row["username"]: row["userId"] for row in rows if row["SK"] == "OWNER" and "username" in row
        }
        assert owners == {name: user for user, name in names.items() if name}
        assert Counter(names.values())[wanted] <= 1


async def test_invitations_count_once_and_a_milestone_is_paid_once(region: Region) -> None:
    ada = await region.person("ada")
    code = (await ada.good("GET", "/api/invite/me"))["invite"]["inviteCode"]

    async def arrive(number: int) -> Person:
        email = f"guest{number}@example.org"
        await region.ask("POST", "/api/auth/signup", {"email": email, "password": PASSWORD}, {})
        guest = await region.sign_in(email)
        await all_of(*(guest.ask("POST", "/api/user/init", {"referralCode": code}) for _ in range(3)))
        return guest

    async with region.roughly():
        guests = await all_of(*(arrive(number) for number in range(4)))
    for guest in guests:
        await guest.good("POST", "/api/user/init", {"referralCode": code})
    async with region.roughly():
        await all_of(*(ada.ask("POST", "/api/invite/settle/me") for _ in range(6)))
    await ada.good("POST", "/api/invite/settle/me")
    async with region.later() as services:
        invite = await services.invites.require(ada.user_id)
        assert (invite.total_invites, invite.unissued_reward_count) == (4, 0)
        assert (await services.wallets.require(ada.user_id)).star_coin == 100 + MILESTONE * 4 // THRESHOLD
        for guest in guests:
            assert (await services.wallets.require(guest.user_id)).star_coin == 100 + INVITEE


async def test_the_last_sign_in_of_many_is_the_only_one_in_force(region: Region) -> None:
    ada = await region.person("ada")
    async with region.roughly():
        devices = await all_of(*(region.sign_in(ada.email) for _ in range(6)))
        told = await all_of(*(device.ask("GET", "/api/session/validate") for device in [ada, *devices]))
    assert [answer.status_code for answer in told].count(200) <= 1
    calm = await all_of(*(device.ask("GET", "/api/session/validate") for device in [ada, *devices]))
    assert sorted(answer.status_code for answer in calm) == [200] + [460] * 6


async def test_likes_downloads_replies_and_a_publication_are_counted_once_and_ranked(region: Region) -> None:
    people = await region.people(8)
    owner = people[0]

    async def publish(person: Person, name: str) -> str:
        data = card_png(name)
        sign = person.good("POST", "/api/character/presign-upload", {"filename": "c.png", "size": len(data)})
        signed = await sign
        put = await region.http.put(signed["url"], content=data, headers=signed["headers"])
        assert put.status_code == 200
        body = {"s3Key": signed["key"], "language": "en", "intro": "An intro."}
        async with region.roughly():
            answers = await all_of(
                *(person.ask("POST", "/api/character/finalize-publish", body) for _ in range(3))
            )
        made = {answer.json()["id"] for answer in answers if answer.status_code == 200}
        assert len(made) == 1, [answer.text for answer in answers]
        return str(made.pop())

    cards = [await publish(owner, f"Card {number}") for number in range(3)]
    likes = {cards[0]: 7, cards[1]: 4, cards[2]: 0}

    async def enjoy(person: Person, card: str) -> None:
        await all_of(*(person.good("POST", "/api/liked/add", {"characterId": card}) for _ in range(2)))
        await person.good("GET", f"/api/character/presign-original?id={card}")
        talk = {"modelId": "002", "userMessage": "Hello.", "characterId": card}
        await person.ask("POST", SUBMIT, talk, **{"idempotency-key": uuid4()})

    async with region.roughly():
        await all_of(*(enjoy(person, card) for card, n in likes.items() for person in people[1 : 1 + n]))
    async with region.later() as services:
        seen = [await services.characters.require(card) for card in cards]
        assert [card.liked_count for card in seen] == [7, 4, 0], region.wire.done
        assert [card.download_count for card in seen] == [7, 4, 0]
        settled = Counter[str]()
        for person in people:
            rows = (await charges(services, person.user_id)).values()
            settled.update(row["characterId"] for row in rows if row["status"] == "SETTLED")
        assert [card.dialogue_count for card in seen] == [settled[card] for card in cards]
        assert [card.heat for card in seen] == [3 * card.liked_count + card.dialogue_count for card in seen]
        await services.ranking.drain("en", "hot")
        page = await services.store.query("character_table_EN", "ALL#HOT", index="GSI_HOT")
        assert [row["PK"].removeprefix("CHAR#") for row in page.items] == cards


async def test_one_address_one_edit_and_one_end_of_an_account(region: Region) -> None:
    """An address that many sign up with is one account, of many edits of one version one holds, and what an
    account does while it is erased brings nothing of it back."""
    account = {"email": "ada@example.org"}
    passwords = [f"{PASSWORD} {number}" for number in range(6)]

    async def sign_up(password: str) -> None:
        await region.ask("POST", "/api/auth/signup", account | {"password": password}, {})

    async with region.roughly():
        await all_of(*(sign_up(password) for password in passwords))
    tried = {
        password: await region.ask("POST", "/api/auth/signin", account | {"password": password}, {})
        for password in passwords
    }
    taken = {password: answer.json() for password, answer in tried.items() if answer.status_code == 200}
    ((password, session),) = taken.items()
    ada = Person(
        region,
        account["email"],
        {"x-user-id": session["userId"], "x-session-token": session["sessionToken"]},
    )
    await ada.good("POST", "/api/user/init", {})
    bob = await region.person("bob")
    mine, theirs = await published(ada, "Mine"), await published(bob, "Theirs")
    async with region.later() as services:
        version = (await services.characters.require(mine)).version

    async def edit(number: int) -> int:
        changes = {"name": f"Name {number}", "version": version}
        return (await ada.ask("PATCH", f"/api/character/{mine}", changes)).status_code

    async with region.roughly():
        told = await all_of(*(edit(number) for number in range(6)))
        assert told.count(200) <= 1 and set(told) <= {200, 409, 503}
        async with region.later() as services:
            edited = await services.characters.require(mine)
            assert edited.version == version + 1 and edited.name.startswith("Name ")
        busy: list[Awaitable[Any]] = [
            *(ada.ask("POST", "/api/user/init", {"email": ada.email}) for _ in range(3)),
            *(ada.ask("POST", "/api/liked/add", {"characterId": theirs}) for _ in range(2)),
            ada.ask("POST", SUBMIT, {"modelId": "002", "userMessage": "Hello."}),
            ada.ask("POST", "/api/user/username", {"username": "Adalina"}),
            *(ada.ask("GET", f"/api/{what}/me") for what in ("invite", "wallet", "ledger/summary")),
        ]
        erased, *_ = await all_of(ada.ask("POST", "/api/user/erase", {"password": password}), *busy)
        assert erased.status_code in (200, 401), erased.text  # 401: the answer of what was done was lost
    async with region.later() as services:
        for sort in ("hot", "time"):  # the timer's batches take the card out of the lists
            await services.ranking.drain("en", sort)  # type: ignore[arg-type]
        tables = services.settings.tables
        rows = [
            row for name in tables.__slots__ async for row in services.store.scan_all(getattr(tables, name))
        ]
        words = (ada.email, "Adalina", "Name ")
        left = [
            (row["PK"], row["SK"], word)
            for row in rows
            for word in words
            if word in json.dumps(row, default=sorted)
        ]
        assert left == [], (erased.status_code, erased.text)
        assert await services.users.get(ada.user_id) is None
        card = await services.characters.find_any(mine)
        assert card is not None and card.status == "deleted"


async def published(person: Person, name: str) -> str:
    """A card that somebody puts on the market while the wire is at rest."""
    data = card_png(name)
    signed = await person.good(
        "POST", "/api/character/presign-upload", {"filename": "c.png", "size": len(data)}
    )
    put = await person.region.http.put(signed["url"], content=data, headers=signed["headers"])
    assert put.status_code == 200
    body = {"s3Key": signed["key"], "language": "en", "intro": "An intro."}
    return str((await person.good("POST", "/api/character/finalize-publish", body))["id"])


async def test_the_same_wire_doubles_what_is_written_without_a_condition(region: Region) -> None:
    """A control: increments that are sent again when their answer was lost, as botocore would."""
    from lunalux_core.backend.storage.dynamodb import DynamoStore
    from lunalux_core.backend.storage.schema import table_specs
    from lunalux_core.backend.storage.table import Key, Unavailable, Update

    store = DynamoStore(AwsAccess("us-east-1", region.wire.url, "test", "test"), table_specs())
    key = Key("USER#x", "COUNTED")
    async with region.roughly():
        for _ in range(120):
            for _ in range(TRIES):
                try:
                    await store.write(Update("liked_table", key, incr={"n": 1}))
                    break
                except Unavailable:
                    continue
    row = await store.get("liked_table", key)
    await store.aclose()
    assert row is not None and row["n"] > 120
