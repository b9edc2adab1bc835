"""The policy in docs/operations.md grants each table what the service asks of it, as a whole day shows."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from api_support import URL, Api, backend, card_png, good

from lunalux_core.backend.operators.report import status
from lunalux_core.backend.operators.rules import adoption
from lunalux_core.backend.running.services import assemble
from lunalux_core.backend.running.signatures import Signer
from lunalux_core.backend.storage.migrate import migrate_sk
from lunalux_core.backend.storage.table import Check, Delete, Operation, Page, Put, Update
from lunalux_core.backend.web.app import create_app
from lunalux_core.client.asgi import StreamingASGITransport

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
ACTIONS = {Put: "PutItem", Update: "UpdateItem", Delete: "DeleteItem", Check: "ConditionCheckItem"}
Asked = set[tuple[str, str]]
SELDOM = {
    ("GetItem", "model_config_table"),  # here and below: parts of a group that most of its tables need
    ("PutItem", "model_config_table"),
    ("UpdateItem", "liked_table"),
    ("Query", "coupons_table"),
    ("DeleteItem", "user_wallet_table"),
    ("DeleteItem", "invite_profile_table"),
    ("BatchGetItem", "user_table"),
    ("ConditionCheckItem", "ledger_summary_table"),
    ("ConditionCheckItem", "user_wallet_table"),
}


class Watched:
    """A store that notes which action it would need on which table or index."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.asked: Asked = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def get(self, table: str, key: tuple[str, str], **options: Any) -> Any:
        self.asked.add(("GetItem", table))
        return await self._store.get(table, key, **options)

    async def get_many(self, table: str, keys: Sequence[tuple[str, str]]) -> Any:
        self.asked.add(("BatchGetItem", table))
        return await self._store.get_many(table, keys)

    async def write(self, operation: Operation) -> Any:
        self.asked.add((ACTIONS[type(operation)], operation.table))
        return await self._store.write(operation)

    async def transact(self, operations: Sequence[Operation], token: str | None = None) -> None:
        self.asked |= {(ACTIONS[type(operation)], operation.table) for operation in operations}
        await self._store.transact(operations, token)

    async def query(self, table: str, pk: str, **options: Any) -> Page:
        self.asked.add(("Query", f"{table}/index/*" if options.get("index") else table))
        page: Page = await self._store.query(table, pk, **options)
        return page

    def scan_all(self, table: str) -> Any:
        self.asked.add(("Scan", table))
        return self._store.scan_all(table)

    async def scan(self, table: str, **options: Any) -> Page:
        self.asked.add(("Scan", table))
        page: Page = await self._store.scan(table, **options)
        return page

    async def size(self, table: str) -> Any:
        self.asked.add(("DescribeTable", table))
        return await self._store.size(table)


def granted() -> Asked:
    text = PAGE.read_text("utf-8").partition("\n## Permissions\n")[2]
    statements = json.loads(re.findall(r"```json\n(\{.*?\n\})\n```", text, re.DOTALL)[0])["Statement"]
    return {
        (action.partition(":")[2], resource.partition(":table/")[2])
        for statement in statements
        for action in statement["Action"]
        for resource in statement["Resource"]
        if action.startswith("dynamodb:")
    }


async def test_a_day_of_the_service_needs_what_the_policy_grants_and_no_more(tmp_path: Path) -> None:
    async with backend(tmp_path, invite_threshold=1, invite_milestone_star=5, invited_reward_star=3) as plain:
        store = Watched(plain.services.store)
        settings = replace(plain.services.settings, rate_limits=True)
        services = assemble(
            settings,
            store,
            plain.services.blobs,
            type(plain.services.identity)(
                store, settings.tables.user, require_confirmation=True, now_ms=plain.clock
            ),
            Signer(("a secret for this test alone",)),
            rank_on_request=False,
            shared_limits=True,
            now_ms=plain.clock,
        )
        transport = StreamingASGITransport(create_app(services))
        async with httpx.AsyncClient(base_url=URL, transport=transport) as http:
            await _day(
                Api(plain.services, plain.http, plain.clock), replace(plain, services=services, http=http)
            )
        policy = granted()
        assert store.asked - policy == set()
        assert policy - store.asked <= SELDOM


async def _day(plain: Api, api: Api) -> None:
    """What people and operators do, each thing once; accounts are made where no code is asked for."""
    services = api.services
    await api.http.post("/api/auth/forgot", json={"email": "ada@example.org"})
    await api.http.post("/api/auth/signup", json={"email": "new@example.org", "password": "four quiet words"})
    first = await plain.person("ada", init=False)
    ada = await api.sign_in(first.email)
    code = good(await ada.post("/api/user/init", {"email": ada.email}))["invite"]["inviteCode"]
    await plain.person("bob", init=False)
    bob = await api.sign_in("bob@example.org")
    good(await bob.post("/api/user/init", {"email": bob.email, "referralCode": code}))
    good(await ada.post("/api/invite/settle/me"))
    for name in ("Ada", "Lovelace"):
        good(await ada.post("/api/user/username", {"username": name}))
    ids = [await ada.publish(card_png(), language=lang, name="Card") for lang in ("en", "zh")]
    for sort in ("hot", "time"):
        for lang in ("en", "zh"):
            await services.ranking.drain(lang, sort)  # type: ignore[arg-type]
            services.listings.forget(lang)  # type: ignore[arg-type]
            good(await bob.get(f"/api/character/{sort}-first-page", lang=lang))
    for identity in ids:
        good(await bob.post("/api/liked/add", {"characterId": identity}))
        good(await bob.get("/api/character/presign-original", id=identity))
        good(await bob.post("/api/character/report", {"characterId": identity, "reason": "A look, please."}))
        good(await bob.submit(modelId="002", characterId=identity))
    good(await bob.get("/api/liked/me"))
    good(await bob.submit())
    await services.coupons.create("ONCE-ONLY", "star", 5, None)
    await services.coupons.create("FOR-MANY", "luna", 5, 2)
    for coupon in ("ONCE-ONLY", "FOR-MANY"):
        good(await ada.post("/api/coupon/redeem", {"coupon": coupon}))
    for identity in ids:
        good(await ada.http.delete(f"/api/character/{identity}", headers=ada.headers))
    for sort in ("hot", "time"):
        for lang in ("en", "zh"):
            await services.ranking.drain(lang, sort)  # type: ignore[arg-type]
    await services.models.put((await services.models.list())[0])
    api.clock.forward(7 * 86_400)
    await adoption(services).run(dry_run=False, told=lambda change: None)
    assert (await status(services))["ok"]
    await services.sweep_if_due(0)
    await services.sweeper.sweep_open()
    await services.sweeper.sweep()
    assert [discrepancy async for discrepancy in services.sweeper.reconcile()] == []
    assert await services.characters.reports()
    for table in (services.settings.tables.character_en, services.settings.tables.character_cn):
        await migrate_sk(services.store, table)
    api.clock.forward(40 * 86_400)
    again = await plain.sign_in(ada.email)
    services.sessions._cache.clear()
    await replace(again, http=api.http).post("/api/auth/signout")
