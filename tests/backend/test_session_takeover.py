"""Sessions over HTTP: protected routes refuse the unknown with 401 and the displaced with 460."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_support import PASSWORD, Api, Person, backend, bad, good

from lunalux_core.backend.accounts.identity import ProvedAccount
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.embedded import open_embedded
from lunalux_core.backend.running.signatures import Signer
from lunalux_core.backend.web.app import create_app
from lunalux_core.client.asgi import StreamingASGITransport

OPEN = ("/api/auth/", "/blobs/", "/health", "/ready", "/metrics")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with backend(tmp_path, seeded=False) as api:
        yield api


def protected(api: Api) -> list[tuple[str, str]]:
    """Method and path of every route that needs a session, from the API's own description."""
    schema = create_app(api.services).openapi()
    return [
        (method, path.replace("{character_id}", "some-id"))
        for path, operations in schema["paths"].items()
        for method in operations
        if not path.startswith(OPEN)
    ]


FITTING: dict[str, Any] = {
    "email": "ada@example.org",
    "username": "Somebody",
    "password": "not the one",
    "coupon": "X",
    "characterId": "some-id",
    "reason": "Because.",
    "filename": "a.png",
    "size": 10,
    "s3Key": "a/b.png",
    "language": "en",
    "intro": "An intro.",
}


async def call(http: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    if path.endswith("upload-direct"):
        return await http.post(path, files={"file": ("a.png", b"x")}, headers=headers)
    if method in {"post", "patch"}:
        return await http.request(method, path, json=FITTING, headers=headers)
    return await http.request(method, path, params={"id": "some-id", **FITTING}, headers=headers)


async def test_every_protected_route_wants_a_session(api: Api) -> None:
    ada, bob = await api.person(), await api.person("bob")
    routes = protected(api)
    assert len(routes) >= 28
    forged = Signer(["not the server's secret"]).sign(
        "session", {"u": ada.user_id, "s": "x", "e": 99, "x": 2**40}
    )
    strangers = [
        {},
        {"x-user-id": ada.user_id},
        {"x-session-token": ada.token},
        {"x-user-id": ada.user_id, "x-session-token": bob.token},
        {"x-user-id": ada.user_id, "x-session-token": forged},
        {"x-user-id": ada.user_id, "x-session-token": ada.token[:-2]},
    ]
    for method, path in routes:
        for headers in strangers:
            bad(await call(api.http, method, path, headers), 401, "UNAUTHORIZED")


async def test_every_protected_route_tells_the_displaced_device(api: Api) -> None:
    old = await api.person()
    new = await api.sign_in(old.email)
    for method, path in protected(api):
        bad(await call(api.http, method, path, old.headers), 460, "SESSION_TAKEN_OVER")
    assert good(await new.get("/api/session/validate"))["userId"] == new.user_id
    good(await old.post("/api/auth/signout"))
    good(await new.get("/api/session/validate"))


async def test_sessions_end(api: Api) -> None:
    ada = await api.person()
    good(await ada.post("/api/auth/signout"))
    bad(await ada.get("/api/session/validate"), 401, "UNAUTHORIZED")
    good(await ada.post("/api/auth/signout"))
    ada = await api.sign_in(ada.email)
    api.clock.forward(31 * 86_400)
    bad(await ada.get("/api/session/validate"), 401, "UNAUTHORIZED")


async def test_refresh_prolongs_and_replaces(api: Api) -> None:
    ada = await api.person()
    api.clock.forward(29 * 86_400)
    fresh = good(await ada.post("/api/auth/refresh"))
    assert fresh["userId"] == ada.user_id
    later = Person(api.http, ada.user_id, fresh["sessionToken"], ada.email)
    bad(await ada.get("/api/session/validate"), 401, "UNAUTHORIZED")
    api.clock.forward(29 * 86_400)
    good(await later.get("/api/session/validate"))


@asynccontextmanager
async def instance(api: Api, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Another instance over the same folder, which remembers sessions for as long as any may."""
    other = await open_embedded(tmp_path / "backend", BackendSettings(), seeded=False, now_ms=api.clock)
    try:
        transport = StreamingASGITransport(create_app(other))
        async with httpx.AsyncClient(base_url="http://other.test", transport=transport) as http:
            yield http
    finally:
        await other.aclose()


@pytest.mark.parametrize(
    ("ended", "status", "code"),
    [
        ("signed out", 401, "UNAUTHORIZED"),
        ("password reset", 401, "UNAUTHORIZED"),
        ("replaced", 401, "UNAUTHORIZED"),
        ("erased", 401, "UNAUTHORIZED"),
        ("taken over", 460, "SESSION_TAKEN_OVER"),
    ],
)
async def test_no_other_instance_refreshes_what_has_ended(
    api: Api, tmp_path: Path, ended: str, status: int, code: str
) -> None:
    """The other instance still remembers the session, so only the row can refuse."""
    async with instance(api, tmp_path) as http:
        ada = await api.person()
        there = replace(ada, http=http)
        good(await there.get("/api/session/validate"))
        heir = None
        if ended == "signed out":
            good(await ada.post("/api/auth/signout"))
        elif ended == "password reset":
            await api.services.sessions.revoke(ada.user_id)
        elif ended == "replaced":
            heir = replace(ada, token=good(await ada.post("/api/auth/refresh"))["sessionToken"])
        elif ended == "erased":
            good(await ada.post("/api/user/erase", {"password": PASSWORD}))
        else:
            heir = await api.sign_in(ada.email)
        good(await there.get("/api/session/validate"))  # remembered: without this it would show nothing
        bad(await there.post("/api/auth/refresh"), status, code)
        bad(await there.get("/api/session/validate"), status, code)
        if heir is not None:
            good(await heir.get("/api/session/validate"))
            good(await replace(heir, http=http).get("/api/session/validate"))


async def test_of_refreshes_at_once_one_is_right_and_its_token_holds(api: Api) -> None:
    ada = await api.person()
    answers = await asyncio.gather(*(ada.post("/api/auth/refresh") for _ in range(4)))
    fresh = [good(answer) for answer in answers if answer.status_code == 200]
    for answer in answers:
        if answer.status_code != 200:
            bad(answer, 401, "UNAUTHORIZED")  # never 460, on which a client forgets who is signed in
    assert len(fresh) == 1
    good(await replace(ada, token=fresh[0]["sessionToken"]).get("/api/session/validate"))


async def test_no_refresh_outlives_a_sign_out_that_ran_beside_it(api: Api) -> None:
    for first in (0, 1):
        for n in range(3):
            ada = await api.person(f"ada{first}{n}")
            paths = ("/api/auth/refresh", "/api/auth/signout")
            answers = await asyncio.gather(*(ada.post(path) for path in (paths if first else paths[::-1])))
            refreshed = answers[0 if first else 1].json().get("sessionToken", ada.token)
            bad(await replace(ada, token=refreshed).get("/api/session/validate"), 401, "UNAUTHORIZED")
            bad(await ada.get("/api/session/validate"), 401, "UNAUTHORIZED")


async def test_another_instance_over_the_same_data(api: Api, tmp_path: Path) -> None:
    """The second instance is another process in life; here it shares nothing but the folder."""
    settings = BackendSettings(session_cache_s=0)
    other = await open_embedded(tmp_path / "backend", settings, seeded=False, now_ms=api.clock)
    try:
        transport = StreamingASGITransport(create_app(other))
        async with httpx.AsyncClient(base_url="http://other.test", transport=transport) as http:
            old = await api.person()
            there = replace(old, http=http)
            good(await there.get("/api/session/validate"))
            new = await api.sign_in(old.email)
            bad(await there.get("/api/session/validate"), 460, "SESSION_TAKEN_OVER")
            good(await replace(new, http=http).get("/api/session/validate"))
    finally:
        await other.aclose()


async def test_a_restart_keeps_sessions_and_a_lost_store_adopts_none(tmp_path: Path) -> None:
    async with backend(tmp_path, seeded=False) as api:
        ada = await api.person()
    async with backend(tmp_path, seeded=False) as api:
        good(await replace(ada, http=api.http).get("/api/session/validate"))
    for file in (tmp_path / "backend").glob("backend.db*"):
        file.unlink()
    async with backend(tmp_path, seeded=False) as api:
        bad(await replace(ada, http=api.http).get("/api/session/validate"), 401, "UNAUTHORIZED")


class Resetting:
    """An identity beside which a new password is set, between the proof of the old one and its session."""

    def __init__(self, plain: Any, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
        self._plain, self._http, self._caplog = plain, http, caplog

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    async def sign_in(self, email: str, password: str) -> ProvedAccount:
        account: ProvedAccount = await self._plain.sign_in(email, password)
        good(await self._http.post("/api/auth/forgot", json={"email": email}))
        code = re.findall(r"code for \S+: (\d{6})", self._caplog.text)[-1]
        body = {"email": email, "code": code, "password": "another quiet password"}
        good(await self._http.post("/api/auth/reset", json=body))
        return account


async def test_a_password_that_is_reset_meanwhile_opens_no_session(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "lunalux.backend")
    ada = await api.person()
    services = replace(api.services, identity=Resetting(api.services.identity, api.http, caplog))
    transport = StreamingASGITransport(create_app(services))
    async with httpx.AsyncClient(base_url="http://lunalux.test", transport=transport) as http:
        refused = await http.post("/api/auth/signin", json={"email": ada.email, "password": PASSWORD})
    bad(refused, 401, "BAD_CREDENTIALS")
    row = await api.services.sessions.current(ada.user_id)
    assert row is not None and "tokenHash" not in row
    body = {"email": ada.email, "password": "another quiet password"}
    good(await api.http.post("/api/auth/signin", json=body))


class Proving:
    """An identity whose cookie proves one account, as a Cognito ID token does; the rest is local."""

    def __init__(self, plain: Any, account: ProvedAccount) -> None:
        self._plain, self._account = plain, account

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    async def prove(self, cookie: str) -> ProvedAccount | None:
        return self._account if cookie == "genuine" else None


async def test_only_a_lost_session_is_repaired_and_only_for_its_account(api: Api) -> None:
    ada, bob = await api.person(), await api.person("bob")
    proving = Proving(api.services.identity, ProvedAccount(ada.user_id, ada.email))
    services = replace(api.services, identity=proving)
    transport = StreamingASGITransport(create_app(services))

    async with httpx.AsyncClient(base_url="http://lunalux.test", transport=transport) as http:

        async def me(person: Person, cookie: str, token: str = "") -> httpx.Response:
            headers = {"x-user-id": person.user_id, "x-session-token": token, "cookie": cookie}
            return await http.get("/api/user/me", headers=headers)

        genuine, forged = "lunalux_identity=genuine", "lunalux_identity=forged"
        bad(await me(ada, genuine), 401, "UNAUTHORIZED")  # a session exists: nothing was lost
        await api.sign_in(ada.email)
        bad(await me(ada, genuine, ada.token), 460, "SESSION_TAKEN_OVER")  # the displaced one stays out
        from lunalux_core.backend.storage.table import Delete, Key

        await api.services.store.write(Delete("user_table", Key(f"USER#{ada.user_id}", "SESSION")))
        await api.services.store.write(Delete("user_table", Key(f"USER#{bob.user_id}", "SESSION")))
        services.sessions._cache.clear()
        bad(await me(ada, forged), 401, "UNAUTHORIZED")
        bad(await me(bob, genuine), 401, "UNAUTHORIZED")
        without_header = await http.get("/api/user/me", headers={"cookie": genuine})
        bad(without_header, 401, "UNAUTHORIZED")
        repaired = await me(ada, genuine, ada.token)
        assert good(repaired)["user"]["id"] == ada.user_id
        fresh = Person(http, ada.user_id, repaired.headers["x-session-token"], ada.email)
        good(await fresh.get("/api/session/validate"))
        bad(await me(ada, genuine), 401, "UNAUTHORIZED")  # once
