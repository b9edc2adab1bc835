"""A region that answers slowly, a bucket that is full or forbidden, a clock that is five minutes off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_support import PASSWORD, URL, Api, Clock, Person, bad, card_png, good
from served_engines import provisioned, served
from wire_proxy import WireProxy

from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.embedded import open_embedded
from lunalux_core.backend.web.app import create_app
from lunalux_core.client.asgi import StreamingASGITransport

LIMIT_S = 4
SLOW = {"REQUEST_TIMEOUT_SECONDS": str(LIMIT_S), "SESSION_CACHE_SECONDS": "0"}


async def patiently(ask: Callable[[], Awaitable[httpx.Response]]) -> dict[str, Any]:
    """The answer of a server that has only just begun, on a machine that may be busy."""
    answer = await ask()
    for _ in range(20):
        if answer.status_code != 503:
            break
        await asyncio.sleep(1)
        answer = await ask()
    return answer.json() if answer.status_code == 409 else good(answer)  # made by a try that was not told


@asynccontextmanager
async def behind_a_wire(folder: Path, **variables: str) -> AsyncIterator[tuple[WireProxy, Person]]:
    """A server on DynamoDB and S3 behind a proxy, and somebody who is signed in at it."""
    with provisioned(folder) as storage:
        port = int(storage["AWS_ENDPOINT_URL"].rpartition(":")[2])
        async with WireProxy(port, seed=1).running() as wire:
            assert isinstance(wire, WireProxy)
            start = served(folder, **(storage | {"AWS_ENDPOINT_URL": wire.url} | variables))
            server = await asyncio.to_thread(start.__enter__)
            try:
                async with httpx.AsyncClient(base_url=server.url, timeout=120) as http:
                    account = {"email": "ada@example.org", "password": PASSWORD}
                    await patiently(lambda: http.post("/api/auth/signup", json=account))
                    said = await patiently(lambda: http.post("/api/auth/signin", json=account))
                    ada = Person(http, said["userId"], said["sessionToken"], account["email"])
                    await patiently(lambda: ada.post("/api/user/init"))
                    yield wire, ada
            finally:
                await asyncio.to_thread(start.__exit__, None, None, None)


@pytest.mark.slow
async def test_a_region_that_answers_slowly_is_waited_for_or_told_in_time_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    async with behind_a_wire(tmp_path, **SLOW) as (wire, ada):
        await patiently(lambda: ada.submit(modelId="002", key="before"))
        wire.slow_s = 1.0  # slow, but within every limit
        assert (await ada.wallet())["starCoin"] == 95
        good(await ada.submit(modelId="002", key="slowly"))
        wire.slow_s = LIMIT_S + 2.0  # slower than a request may take
        began = time.monotonic()
        answers = await asyncio.gather(
            ada.get("/api/wallet/me"),
            ada.get("/api/character/hot-first-page", lang="en"),
            ada.http.get("/health"),
            ada.submit(modelId="002", key="patiently"),  # a reply is paid and waits as long as it must
        )
        for answer in answers[:2]:
            bad(answer, 503, "STORE_UNAVAILABLE")
            assert int(answer.headers["retry-after"]) >= 1
        assert answers[2].status_code == 200 and answers[3].status_code in (200, 503)
        assert time.monotonic() - began < 90
        wire.slow_s = 0.0
        await asyncio.sleep(LIMIT_S + 3)  # what was under way comes in
        again = good(await ada.submit(modelId="002", key="patiently"))
        assert again["wallet"]["starCoin"] == 85
        assert good(await ada.submit(modelId="002", key="before"))["wallet"]["starCoin"] == 85
        assert good(await ada.get("/ready"))["success"] is True


@pytest.mark.slow
@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (507, "StorageFull")])
async def test_a_bucket_that_is_full_or_forbidden_loses_no_card_and_no_chat(
    tmp_path: Path, status: int, code: str
) -> None:
    async with behind_a_wire(tmp_path) as (wire, ada):
        key = await ada.upload(card_png())
        wire.bucket = (status, code)
        files = {"file": ("card.png", card_png(), "image/png")}
        direct = await ada.http.post("/api/character/upload-direct", files=files, headers=ada.headers)
        bad(direct, 503, "STORE_UNAVAILABLE")
        wish = {"s3Key": key, "language": "en", "intro": "An intro."}
        bad(await ada.post("/api/character/finalize-publish", wish), 503, "STORE_UNAVAILABLE")
        # What needs no bucket goes on.
        good(await ada.submit(modelId="002"))
        assert good(await ada.get("/api/character/time-first-page", lang="en"))["characters"] == []
        wire.bucket = None
        made = good(await ada.post("/api/character/finalize-publish", wish))["id"]
        for _ in range(60):  # a page may be some seconds old
            cards = good(await ada.get("/api/character/time-first-page", lang="en"))["characters"]
            if cards:
                break
            await asyncio.sleep(0.5)
        (card,) = cards
        assert card["id"] == made and (await ada.http.get(card["thumbnailUrl"])).status_code == 200


@asynccontextmanager
async def instance(folder: Path, ahead_s: float) -> AsyncIterator[Api]:
    """A server over the files of another one, whose clock is off."""
    clock = Clock()
    clock.forward(ahead_s)
    settings = replace(BackendSettings.from_env({}), session_cache_s=0, rate_limits=False)
    services = await open_embedded(folder / "backend", settings, now_ms=clock)
    try:
        transport = StreamingASGITransport(create_app(services))
        async with httpx.AsyncClient(base_url=URL, transport=transport) as http:
            yield Api(services, http, clock)
    finally:
        await services.aclose()


@pytest.mark.parametrize("ahead_s", [300, -300])
async def test_instances_whose_clocks_are_five_minutes_apart_serve_each_other_s_people(
    tmp_path: Path, ahead_s: float
) -> None:
    async with instance(tmp_path, 0) as right, instance(tmp_path, ahead_s) as off:
        ada = await right.person()
        there = Person(off.http, ada.user_id, ada.token, ada.email)
        assert (await there.wallet())["starCoin"] == 100
        bob = await off.person("bob")
        good(await Person(right.http, bob.user_id, bob.token, bob.email).get("/api/session/validate"))
        good(await ada.submit(modelId="002", key="one"))
        again = good(await there.submit(modelId="002", key="one"))
        assert again["wallet"]["starCoin"] == 95  # the stored answer, once
        mira = await there.publish()
        listed = good(await ada.get("/api/character/time-first-page", lang="en"))["characters"]
        assert mira in {card["id"] for card in listed}
        page = good(await there.get("/api/character/hot-first-page", lang="en", limit=3))
        if page.get("nextKey"):
            more = {"lang": "en", "exclusiveStartKey": page["nextKey"]}
            good(await ada.post("/api/character/hot-more", more))
        for api in (off, right):
            await api.services.sweep()
        assert (await ada.wallet())["starCoin"] == 95
        for user in (ada.user_id, bob.user_id):
            assert await right.services.sweeper.check(user) == []
