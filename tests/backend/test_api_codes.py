"""Every answer that the API's description promises is reached, and none that it does not promise.

One tour of directed requests, on both storages. A code that nobody can meet any more, or that a route
answers with and does not tell, fails here.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_support import PASSWORD, URL, Api, Clock, Person, bad, card_png, good
from api_tour import FITTING, LIFE, Ask, Met, Recorder, Request, body, documented, protected, query
from llm_stub import model_server
from storage_engines import ministack, named, provision

from lunalux_core.backend.accounts.identity import LocalIdentity, normal_email
from lunalux_core.backend.money.billing import ModelConfig
from lunalux_core.backend.money.gateway import request_hash
from lunalux_core.backend.money.money import Action
from lunalux_core.backend.money.seed_models import SEED_MODELS
from lunalux_core.backend.running.backend_settings import BackendSettings, ProviderSettings
from lunalux_core.backend.running.services import Services, assemble
from lunalux_core.backend.running.signatures import Signer, digest
from lunalux_core.backend.storage.blobs import Blobs
from lunalux_core.backend.storage.dynamodb import DynamoStore
from lunalux_core.backend.storage.file_blobs import FileBlobs
from lunalux_core.backend.storage.foreign_values import LARGEST
from lunalux_core.backend.storage.provision import Provisioner
from lunalux_core.backend.storage.s3 import S3Blobs
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.sqlite import SqliteStore
from lunalux_core.backend.storage.table import Store, Unavailable
from lunalux_core.backend.web import limits
from lunalux_core.backend.web.app import create_app
from lunalux_core.client.asgi import StreamingASGITransport
from lunalux_core.ids import now_ms, short_id
from lunalux_core.wire.official import SubmitRequest

SUBMIT, BLOBS = "/api/official-model/submit", "/blobs/{key}"
ERASE = "/api/user/erase"
MOST_BODY, MOST_PROMPT, MOST_UPLOAD = 10_000, 20_000, 50_000
SETTINGS = BackendSettings(
    max_body_bytes=MOST_BODY,
    max_prompt_bytes=MOST_PROMPT,
    max_upload_bytes=MOST_UPLOAD,
    session_cache_s=0,
    invite_threshold=1,
    invite_milestone_star=5,
)
MODELS = (
    *SEED_MODELS,
    ModelConfig("broken", "Broken", "openai", "broken", -1, True, False, 7, -1, 4),
    ModelConfig("silent", "Silent", "openai", "silent", -1, True, False, 7, -1, 5),
    ModelConfig("keyless", "Keyless", "gemini", "gemini-x", -1, True, False, 7, -1, 6),
    ModelConfig("closed", "Closed", "practice", "practice", 2, False, False, -1, -1, 7),
)


class Switched:
    """A real store that can be taken away, and whose next transactions can be made to meet."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.away = False
        self.meeting: asyncio.Barrier | None = None

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._store, name)
        return self._switched(attribute) if inspect.iscoroutinefunction(attribute) else attribute

    def _switched(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def switched(*arguments: Any, **named: Any) -> Any:
            if self.away and call.__name__ != "aclose":
                raise Unavailable("The disk is gone.")
            if call.__name__ == "transact" and (meeting := self.meeting) is not None:
                await meeting.wait()
                self.meeting = None
            return await call(*arguments, **named)

        return switched


class RealTime(Clock):
    """For an emulator of S3, which checks signed addresses by its own clock. Codes end in it as well."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0
        self.stopped_at: int | None = None

    def __call__(self) -> int:
        return now_ms() + self.ahead if self.stopped_at is None else self.stopped_at

    def forward(self, seconds: float) -> None:
        self.ahead += int(seconds * 1000)


@dataclass
class Tour:
    """Two instances over one store: one whose accounts work at once, and one that asks for codes."""

    services: Services
    store: Switched
    clock: Clock
    api: Api
    careful: Api
    schema: dict[str, Any]
    recorders: list[Recorder]
    codes: list[str] = field(default_factory=list)

    @property
    def met(self) -> set[Met]:
        return set().union(*(recorder.met for recorder in self.recorders))


@contextmanager
def logged_codes(codes: list[str]) -> Iterator[None]:
    """The codes that a server without mail writes to its log."""

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            codes.extend(re.findall(r"code for \S+: (\d{6})", record.getMessage()))

    logger, collector = logging.getLogger("lunalux.backend"), Collector()
    before = logger.level, logger.disabled, logging.root.manager.disable
    logger.addHandler(collector)
    # Whatever a test before this one in the same process made of the log.
    logger.setLevel(logging.WARNING)
    logger.disabled = False
    logging.disable(logging.NOTSET)
    try:
        yield
    finally:
        logger.removeHandler(collector)
        logger.setLevel(before[0])
        logger.disabled = before[1]
        logging.disable(before[2])


@asynccontextmanager
async def open_tour(
    store: Store,
    blobs: Blobs,
    settings: BackendSettings,
    signer: Signer,
    clock: Clock,
    *,
    rank_on_request: bool,
) -> AsyncIterator[Tour]:
    switched = Switched(store)

    def identity(careful: bool) -> LocalIdentity:
        return LocalIdentity(
            switched,
            settings.tables.user,
            require_confirmation=careful,
            now_ms=clock,
        )

    services = assemble(
        settings,
        switched,
        blobs,
        identity(False),
        signer,
        rank_on_request=rank_on_request,
        shared_limits=not rank_on_request,
        now_ms=clock,
    )
    app = create_app(services)
    recorders = [Recorder(app), Recorder(create_app(replace(services, identity=identity(True))))]
    async with AsyncExitStack() as stack:
        stack.push_async_callback(services.aclose)
        ways = []
        for recorder in recorders:
            transport = StreamingASGITransport(recorder)
            ways.append(await stack.enter_async_context(httpx.AsyncClient(base_url=URL, transport=transport)))
        for config in MODELS:
            await services.models.put(config)
        one, other = (Api(services, http, clock) for http in ways)
        tour = Tour(services, switched, clock, one, other, app.openapi(), recorders)
        stack.enter_context(logged_codes(tour.codes))
        yield tour


@asynccontextmanager
async def embedded(folder: Path, settings: BackendSettings) -> AsyncIterator[Tour]:
    clock, signer = Clock(), Signer(["a secret of this test"])
    blobs = FileBlobs(folder / "blobs", signer, now_s=lambda: clock() // 1000)
    store = SqliteStore(folder / "backend.db", table_specs())
    async with open_tour(store, blobs, settings, signer, clock, rank_on_request=True) as tour:
        yield tour


@asynccontextmanager
async def on_aws(folder: Path, settings: BackendSettings) -> AsyncIterator[Tour]:
    clock, suffix = RealTime(), short_id()
    settings = replace(settings, tables=named(suffix), bucket=f"cards-{suffix}")
    with ministack(folder) as access:
        specs = table_specs(settings.tables, settings.indexes)
        await provision(access, specs)
        provisioner = Provisioner(access, specs, settings.bucket)
        await provisioner.apply()
        await provisioner.aclose()
        blobs = S3Blobs(access, settings.bucket, now_s=lambda: clock() // 1000)
        signer = Signer(["a secret of this test"])
        async with open_tour(
            DynamoStore(access, specs), blobs, settings, signer, clock, rank_on_request=False
        ) as tour:
            yield tour


ENGINES = [embedded, pytest.param(on_aws, marks=pytest.mark.slow)]


@pytest.mark.parametrize("engine", ENGINES)
async def test_every_documented_answer_is_reached_and_no_other(engine: Any, tmp_path: Path) -> None:
    async with model_server() as llm:
        providers = ProviderSettings(openai_key="the-servers-key", openai_base_url=llm.url, timeout_s=1)
        async with engine(tmp_path, replace(SETTINGS, providers=providers)) as tour:
            await stranger(tour)
            await accounts(tour)
            await careful_accounts(tour)
            await money(tour)
            await characters(tour)
            await (blobs_route(tour) if engine is embedded else no_blobs_route(tour))
            await malformed(tour)
            await store_away(tour)
            await too_many(tour)
            promised, met = documented(tour.schema), tour.met
    if engine is on_aws:  # objects are the bucket's business there
        promised = {answer for answer in promised if answer[1] != BLOBS or answer[3] == "NOT_FOUND"}
    else:
        promised -= {("put", BLOBS, 404, "NOT_FOUND")}
    assert met - promised == set(), "answered, but not documented"
    assert promised - met == set(), "documented, but never answered"


async def stranger(tour: Tour) -> None:
    """Nobody's, and a displaced device's, request to everything that wants a session."""
    old = await tour.api.person("displaced")
    await tour.api.sign_in(old.email)
    guarded = protected(tour.schema)
    assert set(guarded) | set(LIFE) == {
        (method, path)
        for path, operations in tour.schema["paths"].items()
        for method in operations
        if not path.startswith(("/blobs/", "/api/auth/"))
    } | {("post", "/api/auth/refresh")}
    for method, path in guarded:
        bad(await Ask(None, path, method).send(tour.api.http), 401, "UNAUTHORIZED")
        bad(await Ask(old, path, method).send(tour.api.http), 460, "SESSION_TAKEN_OVER")
    for _, path in LIFE:
        good(await tour.api.http.get(path))


async def accounts(tour: Tour) -> None:
    http, ada, bob = tour.api.http, await tour.api.person(), await tour.api.person("bob")
    eve = await tour.api.person("eve", init=False)
    for method, path in FITTING:
        if path != ERASE and not path.startswith(
            ("/api/character/", "/api/liked/add", "/api/coupon", "/api/auth/")
        ):
            good(await Ask(ada, path, method).send(http))
    signup, signin = "/api/auth/signup", "/api/auth/signin"
    taken = body(email="ada@example.org")
    bad(await Ask(None, signup, change=taken).send(http), 409, "EMAIL_TAKEN")
    bad(await Ask(None, signup, change=body(password="short")).send(http), 400, "WEAK_PASSWORD")
    bad(await Ask(None, signin, change=body(password="wrong password")).send(http), 401, "BAD_CREDENTIALS")
    gone = await tour.api.person("gone")
    bad(await Ask(gone, ERASE).send(http), 401, "BAD_CREDENTIALS")
    good(await Ask(gone, ERASE, change=body(password=PASSWORD)).send(http))
    bad(await Ask(gone, "/api/user/me", "get").send(http), 401, "UNAUTHORIZED")
    rename = "/api/user/username"
    bad(await Ask(bob, rename).send(http), 409, "USERNAME_TAKEN")
    bad(await Ask(bob, rename, change=body(username="x")).send(http), 400, "USERNAME_INVALID")
    bad(await Ask(eve, rename, change=body(username="Evening")).send(http), 404, "USER_NOT_FOUND")
    bad(await Ask(eve, "/api/user/me", "get").send(http), 404, "USER_NOT_FOUND")
    for method, path in (
        ("get", "/api/wallet/me"),
        ("get", "/api/ledger/summary/me"),
        ("post", "/api/invite/settle/me"),
    ):
        bad(await Ask(eve, path, method).send(http), 404, "WALLET_NOT_FOUND")
    host = await tour.api.person("host")
    code = (await tour.services.invites.require(host.user_id)).invite_code
    await tour.api.person("guest", referral=code)
    await tour.services.wallets.adjust(host.user_id, "star", LARGEST - 101)
    bad(await Ask(host, "/api/invite/settle/me").send(http), 400, "INVALID_REQUEST")
    redeem = "/api/coupon/redeem"
    bad(await Ask(ada, redeem).send(http), 400, "COUPON_INVALID_OR_USED")
    await tour.services.coupons.create("SOME-COUPON", "star", 5, 10)
    bad(await Ask(eve, redeem).send(http), 404, "WALLET_NOT_FOUND")
    good(await Ask(ada, redeem).send(http))
    fresh = good(await Ask(ada, "/api/auth/refresh").send(http))
    ada.token = fresh["sessionToken"]
    good(await Ask(ada, "/api/auth/signout").send(http))


async def careful_accounts(tour: Tour) -> None:
    """The same where addresses are confirmed by a code."""
    http, email = tour.careful.http, "carol@example.org"
    account = body(email=email, password=PASSWORD)

    async def confirm() -> httpx.Response:
        change = body(email=email, code=tour.codes[-1])
        return await Ask(None, "/api/auth/confirm", change=change).send(http)

    async def reset(**members: Any) -> httpx.Response:
        change = body(email=email, code=tour.codes[-1], **members)
        return await Ask(None, "/api/auth/reset", change=change).send(http)

    good(await Ask(None, "/api/auth/signup", change=account).send(http))
    bad(await Ask(None, "/api/auth/signin", change=account).send(http), 403, "USER_NOT_CONFIRMED")
    bad(await Ask(None, "/api/auth/confirm", change=body(email=email)).send(http), 400, "CODE_INVALID")
    tour.clock.forward(16 * 60)
    bad(await confirm(), 400, "CODE_EXPIRED")
    good(await Ask(None, "/api/auth/resend", change=body(email=email)).send(http))
    good(await confirm())
    good(await Ask(None, "/api/auth/signup", change=account).send(http))
    bad(await confirm(), 409, "EMAIL_TAKEN")
    good(await Ask(None, "/api/auth/forgot", change=body(email=email)).send(http))
    bad(await Ask(None, "/api/auth/reset", change=body(email=email)).send(http), 400, "CODE_INVALID")
    bad(await reset(password="short"), 400, "WEAK_PASSWORD")
    tour.clock.forward(16 * 60)
    bad(await reset(), 400, "CODE_EXPIRED")
    good(await Ask(None, "/api/auth/forgot", change=body(email=email)).send(http))
    good(await reset())
    good(await Ask(None, "/api/auth/signin", change=account).send(http))


async def money(tour: Tour) -> None:
    http, ada = tour.api.http, await tour.api.sign_in("ada@example.org")
    eve = await tour.api.sign_in("eve@example.org")
    for members, status, code in (
        ({"userId": ""}, 400, "USER_ID_REQUIRED"),
        ({"modelId": ""}, 400, "MODEL_ID_REQUIRED"),
        ({"userId": "somebody-else"}, 403, "USER_MISMATCH"),
        ({"modelId": "999"}, 404, "MODEL_NOT_FOUND"),
        ({"modelId": "closed"}, 402, "PAYMENT_NOT_SUPPORTED"),
        ({"modelId": "keyless"}, 500, "LLM_CONFIG_INVALID"),
        ({"modelId": "broken"}, 502, "LLM_FAILED"),
        ({"modelId": "silent"}, 504, "LLM_TIMEOUT"),
    ):
        bad(await Ask(ada, SUBMIT, change=body(**members)).send(http), status, code)
    bad(await Ask(eve, SUBMIT, change=body(modelId="002")).send(http), 404, "WALLET_NOT_FOUND")
    shown = {"modelId": "002", "userMessage": "Hi.", "expectedCost": {"method": "star", "star": 1}}
    bad(await ada.post(SUBMIT, shown), 409, "PRICE_CHANGED")
    key = {"idempotency-key": "the-key"}
    good(await ada.post(SUBMIT, {"modelId": "002", "userMessage": "One."}, **key))
    bad(
        await ada.post(SUBMIT, {"modelId": "002", "userMessage": "Another."}, **key),
        422,
        "IDEMPOTENCY_MISMATCH",
    )
    document = {"modelId": "002", "userMessage": "Still being answered."}
    under_way = Action(ada.user_id, "under-way", request_hash(SubmitRequest.model_validate(document)))
    await tour.services.money.reserve(under_way, await tour.services.models.require("002"))
    bad(await ada.post(SUBMIT, document, **{"idempotency-key": "under-way"}), 409, "OPERATION_IN_PROGRESS")
    await two_for_one(tour)


async def two_for_one(tour: Tour) -> None:
    """Two requests that both saw coins for one reply: one is paid, the other told that it lost."""
    poor = await tour.api.person("poor")
    await tour.services.wallets.adjust(poor.user_id, "star", -95)
    tour.store.meeting = asyncio.Barrier(2)
    answers = await asyncio.gather(*(poor.submit(modelId="002") for _ in range(2)))
    paid, refused = sorted(answers, key=lambda answer: answer.status_code)
    assert good(paid)["wallet"]["starCoin"] == 0
    bad(refused, 402, "BILLING_FAILED")
    bad(await poor.submit(modelId="002"), 402, "INSUFFICIENT_FUNDS")
    assert await tour.services.sweeper.check(poor.user_id) == []


async def characters(tour: Tour) -> None:
    http, ada = tour.api.http, await tour.api.sign_in("ada@example.org")
    bob = await tour.api.sign_in("bob@example.org")
    for method, path in FITTING:
        if path.startswith("/api/character/") and path.endswith(("-page", "-more", "list", "-upload")):
            good(await Ask(ada, path, method).send(http))
    too_large = (body, "post"), (query, "get")
    for change, method in too_large:
        ask = Ask(ada, "/api/character/presign-upload", method, change=change(size=MOST_UPLOAD + 1))
        bad(await ask.send(http), 413, "TOO_LARGE")

    async def upload(data: bytes) -> httpx.Response:
        files = {"file": ("a.png", data)}
        return await Ask(ada, "/api/character/upload-direct", change=lambda _: {"files": files}).send(http)

    def publish(key: str, **members: Any) -> Ask:
        return Ask(ada, "/api/character/finalize-publish", change=body(s3Key=key, **members))

    bad(await upload(b"no picture"), 400, "INVALID_CARD")
    bad(await publish("some/key.png").send(http), 404, "UPLOAD_NOT_FOUND")
    nameless = good(await upload(card_png("")))["key"]
    bad(await publish(nameless).send(http), 400, "INVALID_CARD")
    key = good(await upload(card_png()))["key"]
    bad(await publish(key, intro=" ").send(http), 400, "INTRO_REQUIRED")
    mira = good(await publish(key).send(http))["id"]
    assert [card["id"] for card in good(await ada.get("/api/character/mine"))["characters"]] == [mira]
    await single_character(tour, ada, bob, mira)


async def single_character(tour: Tour, ada: Person, bob: Person, mira: str) -> None:
    http, one = tour.api.http, "/api/character/{character_id}"
    for method, path in (
        ("get", "/api/character/presign-original"),
        ("get", "/api/character/download-original"),
        ("post", "/api/liked/add"),
        ("post", "/api/character/report"),
        ("patch", one),
        ("delete", one),
    ):
        bad(await Ask(ada, path, method).send(http), 404, "CHARACTER_NOT_FOUND")
    for path in ("/api/character/presign-original", "/api/character/download-original"):
        assert (await Ask(bob, path, "get", change=query(id=mira)).send(http)).status_code == 200
    for path in ("/api/liked/add", "/api/character/report"):
        good(await Ask(bob, path, change=body(characterId=mira)).send(http))
    bad(await Ask(bob, one, "patch", mira).send(http), 403, "FORBIDDEN")
    bad(await Ask(bob, one, "delete", mira).send(http), 403, "FORBIDDEN")
    bad(await Ask(ada, one, "patch", mira, body(intro=" ")).send(http), 400, "INTRO_REQUIRED")
    good(await Ask(ada, one, "patch", mira).send(http))
    bad(await Ask(ada, one, "patch", mira, body(version=0)).send(http), 409, "VERSION_CONFLICT")
    good(await Ask(ada, one, "delete", mira).send(http))


async def no_blobs_route(tour: Tour) -> None:
    for method in ("get", "put"):
        bad(await tour.api.http.request(method, "/blobs/some/object.png"), 404, "NOT_FOUND")


async def blobs_route(tour: Tour) -> None:
    """The file adapter's own addresses, and what they say where its folder fails."""
    http, blobs = tour.api.http, tour.services.blobs
    key, png = "some/object.png", {"content-type": "image/png"}
    put = (await blobs.presign_put(key, size=4, content_type="image/png", expires_in=60)).url
    get = (await blobs.presign_get(key, expires_in=60)).url
    bad(await http.get(get), 404, "NOT_FOUND")
    bad(await http.get(f"/blobs/{key}"), 403, "FORBIDDEN")
    bad(await http.put(f"/blobs/{key}", content=b"data"), 403, "FORBIDDEN")
    for method in ("get", "put"):
        bad(await http.request(method, f"/blobs/{key}", params={"t": "x" * 5000}), 400, "INVALID_REQUEST")

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MOST_UPLOAD // 1000 + 1):
            yield b"x" * 1000

    bad(await http.put(put, content=endless(), headers=png), 413, "TOO_LARGE")
    assert (await http.put(put, content=b"data", headers=png)).status_code == 200
    bad(await http.put(put, content=b"data", headers=png), 412, "OBJECT_EXISTS")
    response = await http.get(get)
    assert response.content == b"data"
    again = await http.get(get, headers={"if-none-match": response.headers["etag"]})
    assert again.status_code == 304 and not again.content
    beyond = (await blobs.presign_get("x" * 300, expires_in=60)).url  # no file system has such names
    bad(await http.get(beyond), 503, "STORE_UNAVAILABLE")
    onto = (await blobs.presign_put(f"{key}/below", size=4, content_type="image/png", expires_in=60)).url
    bad(await http.put(onto, content=b"data", headers=png), 503, "STORE_UNAVAILABLE")


def instead(content: bytes, headers: dict[str, str]) -> Callable[[Request], Request]:
    return lambda _: {"content": content, "headers": headers}


async def malformed(tour: Tour) -> None:
    """What is no JSON, of no known kind, or too much, to everything that reads something."""
    http, ada = tour.api.http, await tour.api.sign_in("ada@example.org")
    for (method, path), request in FITTING.items():
        if "json" not in request and "files" not in request:
            continue
        most = {SUBMIT: MOST_PROMPT}.get(path, MOST_BODY)
        headers = {"content-type": "application/json"}
        if "files" in request:
            most = MOST_UPLOAD + 64 * 1024
            headers = {"content-type": "multipart/form-data; boundary=x"}
        for content, status, code in ((b"{", 400, "INVALID_REQUEST"), (b"x" * (most + 1), 413, "TOO_LARGE")):
            bad(await Ask(ada, path, method, change=instead(content, headers)).send(http), status, code)
    for path, members in (
        ("/api/character/presign-upload", {"size": "many"}),
        ("/api/character/presign-original", {"id": "a b"}),
        ("/api/character/download-original", {"id": ""}),
        ("/api/ledger/history/me", {"limit": 0}),
        ("/api/character/hot-first-page", {"lang": "fr"}),
        ("/api/character/time-first-page", {"limit": "x"}),
        ("/api/character/list", {"lang": ""}),
    ):
        bad(await Ask(ada, path, "get", change=query(**members)).send(http), 400, "INVALID_REQUEST")
    bad(await Ask(ada, "/api/character/{character_id}", "delete", "a%20b").send(http), 400, "INVALID_REQUEST")


async def too_many(tour: Tour) -> None:
    """The real counts, used up; then the next request of each kind."""
    http, limiter, ada = tour.api.http, tour.services.limiter, await tour.api.sign_in("ada@example.org")
    # On a slow machine a request would be let pass again between the last one counted and the one asked here.
    if isinstance(limiter, limits.MemoryLimiter):
        now = limiter.clock()
        limiter.clock = lambda: now
    elif isinstance(tour.clock, RealTime):
        tour.clock.stopped_at = tour.clock()
    nobody = digest(normal_email("nobody@example.org"))[:32]
    address = "127.0.0.1"
    by_session = {
        "/api/user/username": limits.RENAME,
        ERASE: limits.SIGN_IN_EMAIL,
        "/api/coupon/redeem": limits.COUPON,
        SUBMIT: limits.FREE_REPLY,
        "/api/character/presign-upload": limits.UPLOAD,
        "/api/character/upload-direct": limits.UPLOAD,
        "/api/character/finalize-publish": limits.UPLOAD,
        "/api/character/presign-original": limits.DOWNLOAD,
        "/api/character/download-original": limits.DOWNLOAD,
        "/api/liked/add": limits.LIKE,
        "/api/character/report": limits.REPORT,
    }
    by_address = {
        "/api/auth/confirm": (limits.CODE, nobody),
        "/api/auth/reset": (limits.CODE, nobody),
        "/api/auth/resend": (limits.MAIL, nobody),
        "/api/auth/forgot": (limits.MAIL, nobody),
        "/api/auth/signin": (limits.SIGN_IN_ADDRESS, address),
        "/api/auth/signup": (limits.SIGN_UP, address),
    }
    counted = by_address | {path: (rule, ada.user_id) for path, rule in by_session.items()}
    for method, path in FITTING:
        if path in counted:
            rule, who = counted[path]
            while not await limiter.take(rule, who):
                pass
            response = await Ask(ada, path, method).send(http)
            bad(response, 429, "RATE_LIMITED")
            assert int(response.headers["retry-after"]) >= 1


async def store_away(tour: Tour) -> None:
    """Storage away: 503 with a time to come back, from everything that needs it (Bad input)."""
    ada = await tour.api.sign_in("ada@example.org")
    tour.store.away = True
    try:
        for method, path in [*FITTING, ("get", "/ready")]:
            if path == "/ready":
                response = await tour.api.http.get(path)
            else:
                response = await Ask(ada, path, method).send(tour.api.http)
            bad(response, 503, "STORE_UNAVAILABLE")
            assert int(response.headers["retry-after"]) >= 1
    finally:
        tour.store.away = False
    good(await tour.api.http.get("/health"))
    assert await tour.services.sweeper.check(ada.user_id) == []
