"""Every answer has the envelope and a request id: wrong input, storage away, slow work, faults of ours."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import sqlite3
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_support import Api, backend, bad, card_png, good

from lunalux_core.backend.running import logs
from lunalux_core.backend.storage.table import Item, Unavailable
from lunalux_core.backend.web.app import create_app
from lunalux_core.backend.web.refusals import STATUS
from lunalux_core.client.asgi import StreamingASGITransport

ROUTES = {
    ("POST", "/api/auth/signup"), ("POST", "/api/auth/confirm"), ("POST", "/api/auth/resend"),
    ("POST", "/api/auth/signin"), ("POST", "/api/auth/signout"), ("POST", "/api/auth/forgot"),
    ("POST", "/api/auth/reset"), ("POST", "/api/auth/refresh"), ("GET", "/api/session/validate"),
    ("POST", "/api/user/init"), ("GET", "/api/user/me"), ("POST", "/api/user/username"),
    ("GET", "/api/wallet/me"), ("GET", "/api/ledger/summary/me"), ("GET", "/api/invite/me"),
    ("POST", "/api/invite/settle/me"), ("GET", "/api/model-config/list"), ("POST", "/api/coupon/redeem"),
    ("POST", "/api/official-model/submit"), ("POST", "/api/character/presign-upload"),
    ("GET", "/api/character/presign-upload"), ("POST", "/api/character/upload-direct"),
    ("POST", "/api/character/finalize-publish"), ("GET", "/api/character/hot-first-page"),
    ("GET", "/api/character/time-first-page"), ("POST", "/api/character/hot-more"),
    ("POST", "/api/character/time-more"), ("GET", "/api/character/list"), ("GET", "/api/character/mine"),
    ("GET", "/api/character/presign-original"), ("GET", "/api/character/download-original"),
    ("POST", "/api/liked/add"), ("GET", "/api/liked/me"), ("DELETE", "/api/character/{character_id}"),
    ("POST", "/api/character/report"), ("PATCH", "/api/character/{character_id}"),
}  # fmt: skip


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with backend(tmp_path, seeded=False) as api:
        yield api


def client_of(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url="http://lunalux.test", transport=StreamingASGITransport(app))


def schema_of(api: Api) -> dict[str, Any]:
    schema: dict[str, Any] = create_app(api.services).openapi()
    return schema


async def test_every_documented_route_is_described_with_examples_and_true_codes(api: Api) -> None:
    schema = schema_of(api)
    found = {(m.upper(), path) for path, ops in schema["paths"].items() for m in ops}
    assert found >= ROUTES
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/api/") and path != "/api/character/download-original":
                answer = operation["responses"]["200"]["content"]["application/json"]
                assert answer.get("example"), (method, path)
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            assert body is None or body.get("example"), (method, path)
            for status, response in operation["responses"].items():
                examples = response.get("content", {}).get("application/json", {}).get("examples", {})
                for code in examples:
                    assert STATUS[code] == int(status), (method, path, code)
    assert "HTTPValidationError" not in json.dumps(schema)
    served = await api.http.get("/openapi.json")
    assert served.json()["paths"].keys() == schema["paths"].keys()


async def test_unknown_addresses_and_methods(api: Api) -> None:
    bad(await api.http.get("/nowhere"), 404, "NOT_FOUND")
    wrong = await api.http.delete("/api/auth/signin")
    bad(wrong, 405, "METHOD_NOT_ALLOWED")
    assert wrong.headers["allow"] == "POST"
    for path, methods in (
        ("presign-upload", "GET, POST"),
        ("report", "POST"),
        ("some-id", "DELETE, PATCH"),
    ):
        wrong = await api.http.options(f"/api/character/{path}")
        bad(wrong, 405, "METHOD_NOT_ALLOWED")
        assert wrong.headers["allow"] == methods
    bad(await api.http.get("/metrics"), 404, "NOT_FOUND")
    good(await api.http.get("/health"))
    good(await api.http.get("/ready"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"email": "\\ud800@x", "password": "12345678"}',
        b"[" * 100_000,
    ],
)
async def test_bodies_that_are_no_json_object(api: Api, content: bytes) -> None:
    response = await api.http.post(
        "/api/auth/signin", content=content, headers={"content-type": "application/json"}
    )
    bad(response, 400, "INVALID_REQUEST")


async def test_a_refusal_never_repeats_what_was_sent(api: Api) -> None:
    body = {"email": "no address", "password": "my secret password"}
    refused = bad(await api.http.post("/api/auth/signin", json=body), 400, "INVALID_REQUEST")
    assert "secret" not in refused["message"] and "email" in refused["message"]


async def test_bodies_beyond_the_limit_are_413_announced_or_not(api: Api) -> None:
    big = b'{"email": "' + b"x" * 2_000_000 + b'"}'
    headers = {"content-type": "application/json"}
    bad(await api.http.post("/api/auth/signin", content=big, headers=headers), 413, "TOO_LARGE")

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(big), 65_536):
            yield big[at : at + 65_536]

    bad(await api.http.post("/api/auth/signin", content=pieces(), headers=headers), 413, "TOO_LARGE")
    ada = await api.person()
    bad(await ada.submit(userMessage="x" * 5_000_000), 413, "TOO_LARGE")


async def test_request_ids_are_kept_or_made(api: Api) -> None:
    assert (await api.http.get("/health", headers={"x-request-id": "mine-1"})).headers[
        "x-request-id"
    ] == "mine-1"
    for strange in ("a b", "x" * 100, "<script>"):
        made = (await api.http.get("/health", headers={"x-request-id": strange})).headers["x-request-id"]
        assert made != strange and len(made) == 36


class Away:
    """A store that does not answer, from the moment it is told so."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.gone = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def get(self, table: str, key: tuple[str, str], *, consistent: bool = True) -> Item | None:
        if self.gone:
            raise Unavailable("The disk /var/lib/lunalux is full.")
        item: Mapping[str, Any] | None = await self._store.get(table, key, consistent=consistent)
        return item


async def test_a_store_that_does_not_answer_is_503_with_a_time_to_come_back(api: Api) -> None:
    away = Away(api.services.store)
    users = api.services.users
    users._store = away
    ada = await api.person()
    away.gone = True
    try:
        response = await ada.get("/api/user/me")
    finally:
        away.gone = False
    bad(response, 503, "STORE_UNAVAILABLE")
    assert int(response.headers["retry-after"]) >= 1
    good(await ada.get("/api/user/me"))


async def test_a_damaged_file_is_503_and_readiness_says_so(tmp_path: Path) -> None:
    async with backend(tmp_path, seeded=False) as api:
        ada = await api.person()
        with sqlite3.connect(tmp_path / "backend" / "backend.db") as db:
            db.execute("DROP TABLE user_wallet_table")
        bad(await ada.get("/api/wallet/me"), 503, "STORE_UNAVAILABLE")


async def test_slow_work_is_told_and_ended(api: Api) -> None:
    ended = asyncio.Event()

    class Slow(Away):
        async def get(self, table: str, key: tuple[str, str], *, consistent: bool = True) -> Item | None:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                ended.set()
                raise
            return None

    settings = replace(api.services.settings, request_timeout_s=0.5)
    services = replace(api.services, settings=settings, store=Slow(api.services.store))
    async with client_of(create_app(services)) as http:
        bad(await http.get("/ready"), 503, "STORE_UNAVAILABLE")
    await asyncio.wait_for(ended.wait(), 60)


async def test_a_fault_of_ours_is_an_envelope_and_a_trace_in_the_log_only(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Away):
        async def get(self, table: str, key: tuple[str, str], *, consistent: bool = True) -> Item | None:
            raise ZeroDivisionError("a detail of the inside")

    services = replace(api.services, store=Broken(api.services.store))
    async with client_of(create_app(services)) as http:
        refused = bad(await http.get("/ready"), 500, "INTERNAL_ERROR")
    assert "inside" not in str(refused)
    assert any(record.exc_info for record in caplog.records)


async def test_foreign_pages_are_allowed_only_where_configured(tmp_path: Path) -> None:
    async with backend(tmp_path, seeded=False, cors_origins=("https://app.example.org",)) as api:
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "x-user-id"}
        yes = await api.http.options(
            "/api/auth/signin", headers={"origin": "https://app.example.org", **asked}
        )
        assert yes.headers["access-control-allow-origin"] == "https://app.example.org"
        no = await api.http.options(
            "/api/auth/signin", headers={"origin": "https://evil.example.org", **asked}
        )
        assert "access-control-allow-origin" not in no.headers


async def test_metrics_count_routes_not_people(tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client")
    async with backend(tmp_path, seeded=False, metrics=True) as api:
        ada = await api.person()
        bad(await ada.get("/api/character/presign-original", id="unknown-id"), 404, "CHARACTER_NOT_FOUND")
        text = (await api.http.get("/metrics")).text
        assert (
            'lunalux_requests_total{method="GET",route="/api/character/presign-original",status="404"} 1.0'
            in text
        )
        assert ada.user_id not in text and "unknown-id" not in text


async def test_load_balancers_may_ask_for_the_head_alone(api: Api) -> None:
    for path in ("/health", "/ready"):
        answer = await api.http.head(path)
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"


async def test_the_scheme_of_the_metrics_token_is_of_any_case(tmp_path: Path) -> None:
    async with backend(tmp_path, metrics=True, metrics_token="Tok", seeded=False) as api:
        for given, status in (
            *(("Bearer Tok", 200), ("bearer Tok", 200), ("BEARER  Tok", 200)),
            *(("Bearer tok", 404), ("Basic Tok", 404), ("Tok", 404), ("", 404), ("Bearer", 404)),
        ):
            answer = await api.http.get("/metrics", headers={"authorization": given})
            assert answer.status_code == status, given


ACTING = "\x00\x07\x1b\x7f\x85\x9b\u061c\u200b\u200e\u2028\u2029\u202e\u2066\ufeff\ud800"


async def test_the_log_is_json_lines_without_secrets() -> None:
    out = io.StringIO()
    handler = logs.configure("INFO", out)
    try:
        mark = logs.request_id.set("r-1")
        logs.logger.info(
            "called with %s", "Bearer abcdefgh12345678", extra={"password": "hunter2", "route": "/x"}
        )
        logs.logger.warning("at https://b.example/o?X-Amz-Signature=deadbeef&t=eyJhIjoxfQ.c2lnbmF0dXJl")
        logs.logger.warning("key sk-proj-0123456789abcdef and AIzaSyA0123456789abcdefghijklmnop")
        logs.logger.warning(ACTING, extra={"path": ACTING})
        logs.logger.warning("no user 'carol/s@intranet' (<carol@x.org>), see @dataclass, a @ b")
        try:
            raise ValueError("token eyJ1IjoiMSJ9.c2lnbmF0dXJl")
        except ValueError:
            logs.logger.error("failed", exc_info=True)
        logs.request_id.reset(mark)
    finally:
        logs.logger.removeHandler(handler)
        logs.logger.propagate = True
        logs.logger.setLevel(logging.NOTSET)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["level"] for line in lines] == ["INFO", *["WARNING"] * 4, "ERROR"]
    assert lines[3]["message"] == lines[3]["path"] == ACTING
    assert not set(ACTING) & set(out.getvalue())
    assert lines[4]["message"] == "no user 'c…@intranet' (<c…@x.org>), see @dataclass, a @ b"
    assert lines[0]["requestId"] == "r-1" and lines[0]["route"] == "/x"
    for secret in ("abcdefgh12345678", "hunter2", "deadbeef", "c2lnbmF0dXJl", "0123456789abcdef"):
        assert secret not in out.getvalue()


async def test_every_code_of_the_table_is_reached_by_some_test(api: Api) -> None:
    """The table and the tests beside this one name the same codes, so none is promised and never tried."""
    tried = "".join(p.read_text("utf-8") for p in Path(__file__).parent.glob("test_*.py"))
    codes = set(re.findall(r"\b[A-Z][A-Z_]{4,}\b", tried.replace("STATUS", "")))
    assert set(STATUS) <= codes


async def test_two_backends_live_in_one_process(tmp_path: Path) -> None:
    async with backend(tmp_path / "a", seeded=False) as one, backend(tmp_path / "b", seeded=False) as two:
        ada = await one.person()
        bad(await two.http.get("/api/wallet/me", headers=ada.headers), 401, "UNAUTHORIZED")
        await two.person()
        await ada.publish(card_png())
        assert good(await ada.get("/api/character/list"))["characters"]


async def test_the_folder_is_private_and_holds_nothing_readable(tmp_path: Path) -> None:
    async with backend(tmp_path) as api:
        await api.person()
    for path in (tmp_path / "backend").rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, path
