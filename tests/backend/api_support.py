"""The whole backend in the process: the real app over real files, reached through an ASGI transport."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import storage_engines

from lunalux_core.backend.accounts.identity import LocalIdentity
from lunalux_core.backend.money.seed_models import seed_models
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.embedded import open_embedded
from lunalux_core.backend.running.services import Services, assemble
from lunalux_core.backend.running.signatures import Signer
from lunalux_core.backend.storage.file_blobs import FileBlobs
from lunalux_core.backend.web.app import create_app
from lunalux_core.client.asgi import StreamingASGITransport

URL = "http://lunalux.test"
PASSWORD = "four unrelated quiet words"


class Clock:
    """Wall clock in milliseconds, moved by hand."""

    def __init__(self) -> None:
        self.ms = 1_770_000_000_000

    def __call__(self) -> int:
        return self.ms

    def forward(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)


@dataclass
class Person:
    """A signed-in account on one device."""

    http: httpx.AsyncClient
    user_id: str
    token: str
    email: str
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        return {"x-user-id": self.user_id, "x-session-token": self.token, **self.extra}

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.http.get(path, params=query, headers=self.headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.http.post(
            path, json={} if body is None else body, headers={**self.headers, **headers}
        )

    async def wallet(self) -> dict[str, Any]:
        wallet: dict[str, Any] = good(await self.get("/api/wallet/me"))["wallet"]
        return wallet

    async def submit(self, **body: Any) -> httpx.Response:
        key = body.pop("key", None)
        headers = {"idempotency-key": key} if key else {}
        document = {"userId": self.user_id, "modelId": "001", "userMessage": "Hello there.", **body}
        return await self.post("/api/official-model/submit", document, **headers)

    async def upload(self, data: bytes) -> str:
        """Presign, then PUT; the key."""
        signed = good(
            await self.post("/api/character/presign-upload", {"filename": "card.png", "size": len(data)})
        )
        put = await self.http.put(signed["url"], content=data, headers=signed["headers"])
        assert put.status_code == 200, put.text
        return str(signed["key"])

    async def publish(self, data: bytes | None = None, **body: Any) -> str:
        key = await self.upload(card_png() if data is None else data)
        document = {"s3Key": key, "language": "en", "intro": "An intro.", **body}
        return str(good(await self.post("/api/character/finalize-publish", document))["id"])


@dataclass
class Api:
    services: Services
    http: httpx.AsyncClient
    clock: Clock

    async def sign_in(self, email: str) -> Person:
        """Another device of an existing account."""
        body = {"email": email, "password": PASSWORD}
        answer = good(await self.http.post("/api/auth/signin", json=body))
        return Person(self.http, answer["userId"], answer["sessionToken"], email)

    async def person(self, name: str = "ada", *, init: bool = True, referral: str | None = None) -> Person:
        """A new account, signed in and set up."""
        email = f"{name}@example.org"
        good(await self.http.post("/api/auth/signup", json={"email": email, "password": PASSWORD}))
        person = await self.sign_in(email)
        if init:
            body = {"email": email} | ({"referralCode": referral} if referral else {})
            good(await person.post("/api/user/init", body))
        return person


@asynccontextmanager
async def backend(
    folder: Path,
    settings: BackendSettings | None = None,
    *,
    served: bool = False,
    seeded: bool = True,
    **changes: Any,
) -> AsyncIterator[Api]:
    """The embedded backend over `folder`, with a clock that stands still; over the emulator's tables where
    one was chosen (`EACH_STORE`).
    """
    clock = Clock()
    settings = replace(settings or BackendSettings(), **changes)
    if storage_engines.chosen is None:
        services = await open_embedded(
            folder / "backend", settings, served=served, seeded=seeded, now_ms=clock
        )
    else:
        services = await _over_the_wire(folder / "backend", settings, clock, seeded=seeded)
    transport = StreamingASGITransport(create_app(services))
    try:
        async with httpx.AsyncClient(base_url=URL, transport=transport) as http:
            yield Api(services, http, clock)
    finally:
        await services.aclose()


async def _over_the_wire(folder: Path, settings: BackendSettings, clock: Clock, *, seeded: bool) -> Services:
    folder.mkdir(parents=True)
    settings = replace(settings, data_dir=folder, rate_limits=False)
    signer, store = Signer(("a secret of these tests alone",)), storage_engines.open_store(folder)
    blobs = FileBlobs(folder / "blobs", signer, public_url=settings.public_url, now_s=lambda: clock() // 1000)
    identity = LocalIdentity(store, settings.tables.user, require_confirmation=False, now_ms=clock)
    services = assemble(settings, store, blobs, identity, signer, rank_on_request=True, now_ms=clock)
    if seeded:
        await seed_models(store, settings.tables.model_config)
    return services


def good(response: httpx.Response) -> dict[str, Any]:
    """The body of a success."""
    document: dict[str, Any] = response.json()
    assert response.status_code == 200 and document["success"] is True, (response.status_code, document)
    assert response.headers["x-request-id"]
    return document


def bad(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The envelope of a refusal."""
    document: dict[str, Any] = response.json()
    assert (response.status_code, document.get("code")) == (status, code), (response.status_code, document)
    members = {"success", "code", "message"} | ({"config"} if code == "PRICE_CHANGED" else set())
    assert document["success"] is False and set(document) <= members
    assert response.headers["x-request-id"]
    return document


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def card_png(name: str = "Mira", *extra: bytes, width: int = 40, height: int = 60) -> bytes:
    """A PNG character card of a plain colour; `extra` chunks go before the pixels."""
    document = {
        "spec": "chara_card_v2",
        "spec_version": "2.0",
        "data": {"name": name, "description": "Keeps a lighthouse.", "first_mes": "The lamp is lit."},
    }
    text = b"chara\0" + base64.b64encode(json.dumps(document).encode())
    pixels = zlib.compress((b"\0" + b"\x30\x60\xa0" * width) * height)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            *extra,
            chunk(b"tEXt", text) if name else b"",
            chunk(b"IDAT", pixels),
            chunk(b"IEND", b""),
        )
    )


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Server-sent events in their order."""
    found = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((lines["event"], json.loads(lines["data"])))
    return found
