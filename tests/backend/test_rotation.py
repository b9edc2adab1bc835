"""Secrets change while people are signed in: instance by instance, the old and the new one valid together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
from api_support import URL, Api, Clock, backend, bad, good
from llm_stub import model_server

from lunalux_core.backend.money.billing import ModelConfig
from lunalux_core.backend.running.backend_settings import BackendSettings, ProviderSettings
from lunalux_core.backend.running.embedded import open_embedded
from lunalux_core.backend.web.app import create_app
from lunalux_core.client.asgi import StreamingASGITransport

OLD, NEW = "the-old-secret-012345", "the-new-secret-012345"


@asynccontextmanager
async def instance(
    folder: Path, secrets: str, providers: ProviderSettings | None = None
) -> AsyncIterator[Api]:
    """One server of several over the same storage, with the secrets as its variables say."""
    settings = BackendSettings.from_env({"SESSION_SECRETS": secrets, "SESSION_CACHE_SECONDS": "0"})
    settings = replace(settings, providers=providers or settings.providers)
    clock = Clock()
    services = await open_embedded(folder / "backend", settings, seeded=False, now_ms=clock)
    try:
        transport = StreamingASGITransport(create_app(services))
        async with httpx.AsyncClient(base_url=URL, transport=transport) as http:
            yield Api(services, http, clock)
    finally:
        await services.aclose()


async def test_the_session_secret_is_changed_in_three_rounds_and_nobody_is_signed_out(tmp_path: Path) -> None:
    """First all learn to accept the new one, then all sign with it, then the old one goes."""
    async with instance(tmp_path, OLD) as before:
        ada = await before.person()
        await ada.publish()
        listed = good(await ada.get("/api/character/hot-first-page", lang="en"))
        picture = listed["characters"][0]["thumbnailUrl"]
    people = {"ada": ada.headers}
    rounds = ((OLD, f"{OLD},{NEW}"), (f"{OLD},{NEW}", f"{NEW},{OLD}"), (f"{NEW},{OLD}", f"{NEW},{OLD}"))
    for number, (still, already) in enumerate(rounds):
        async with AsyncExitStack() as stack:
            both = [await stack.enter_async_context(instance(tmp_path, names)) for names in (still, already)]
            # Whoever signs in at either is served by the other one.
            for place, server in enumerate(both):
                person = await server.person(f"p{number}-{place}")
                people[person.email] = person.headers
            for headers in people.values():
                for server in both:
                    good(await server.http.get("/api/session/validate", headers=headers))
            for server in both:
                assert (await server.http.get(picture)).status_code == 200
    async with instance(tmp_path, f"{NEW},{OLD}") as server:
        renewed = good(await server.http.post("/api/auth/refresh", headers=people["ada"]))
        ada_now = {**people["ada"], "x-session-token": renewed["sessionToken"]}
    async with instance(tmp_path, NEW) as after:
        good(await after.http.get("/api/session/validate", headers=ada_now))
        # Who was never renewed while both were valid has to sign in again, and loses nothing else.
        bad(await after.http.get("/api/session/validate", headers=people["ada"]), 401, "UNAUTHORIZED")
        again = await after.sign_in(ada.email)
        assert (await again.wallet())["starCoin"] == 100


async def test_a_secret_that_was_swapped_at_once_signs_everybody_out_and_harms_nothing(
    tmp_path: Path,
) -> None:
    """What the page warns of: a control, and the way out of a leak."""
    async with instance(tmp_path, OLD) as before:
        ada = await before.person()
    async with instance(tmp_path, NEW) as after:
        bad(await after.http.get("/api/session/validate", headers=ada.headers), 401, "UNAUTHORIZED")
        assert (await (await after.sign_in(ada.email)).wallet())["starCoin"] == 100


async def test_the_providers_key_is_changed_instance_by_instance(tmp_path: Path) -> None:
    async with model_server() as stub, AsyncExitStack() as stack:
        keys = ("sk-old-key", "sk-new-key")
        both = [
            await stack.enter_async_context(
                instance(tmp_path, OLD, ProviderSettings(openai_key=key, openai_base_url=stub.url))
            )
            for key in keys
        ]
        ada = await both[0].person()
        await both[0].services.models.put(
            ModelConfig("011", "Fine", "openai", "fine", -1, True, False, 5, -1, 9)
        )
        both[1].services.models._kept = None
        answers = await asyncio.gather(
            *(
                server.http.post(
                    "/api/official-model/submit",
                    json={"modelId": "011", "userMessage": "Hello."},
                    headers={**ada.headers, "idempotency-key": f"k{number}"},
                )
                for number, server in enumerate(both * 2)
            )
        )
        assert [good(answer)["content"] for answer in answers] == ["Good evening."] * 4
        sent = {asked.headers["authorization"] for asked in stub.asked}
        assert sent == {f"Bearer {key}" for key in keys}
        assert (await ada.wallet())["starCoin"] == 80
        assert await both[1].services.sweeper.check(ada.user_id) == []


async def test_one_backend_has_the_secret_it_had(tmp_path: Path) -> None:
    """Without a variable the secret is made once and kept beside the data: restarts sign nobody out."""
    async with backend(tmp_path) as first:
        ada = await first.person()
    async with backend(tmp_path) as second:
        good(await second.http.get("/api/session/validate", headers=ada.headers))
