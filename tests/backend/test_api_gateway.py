"""The billed gateway over HTTP: prices, codes, streams, retries, and who is never charged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_support import Api, Person, backend, bad, events, good
from llm_stub import ModelServer, model_server
from pydantic import ValidationError

from lunalux_core.backend.accounts.sessions import Session
from lunalux_core.backend.money.billing import ModelConfig
from lunalux_core.backend.money.gateway import Gateway, GatewayRequest, request_hash
from lunalux_core.backend.money.money import Action
from lunalux_core.backend.running.backend_settings import BackendSettings, ProviderSettings, RankingSettings
from lunalux_core.backend.storage.table import Key, Update
from lunalux_core.backend.web import limits, streaming
from lunalux_core.backend.web.app import create_app
from lunalux_core.backend.web.routes.gateway import _named
from lunalux_core.backend.web.streaming import EventStream
from lunalux_core.wire import auth, characters, official, users
from lunalux_core.wire.official import SubmitRequest

FREE, STAR, LUNA = "001", "002", "003"
MODELS = ("fine", "paused", "pondering", "endless")


def row(model_id: str, name: str, kind: str = "openai", **changes: Any) -> ModelConfig:
    values = {"free_level": -1, "allow_star": True, "allow_luna": False, "star_cost": 7, "luna_cost": -1}
    return ModelConfig(model_id, name, kind, name, sort_order=50, **{**values, **changes})


@pytest.fixture
async def llm() -> AsyncIterator[ModelServer]:
    async with model_server() as server:
        yield server


@pytest.fixture
async def api(tmp_path: Path, llm: ModelServer) -> AsyncIterator[Api]:
    settings = BackendSettings(
        providers=ProviderSettings(openai_key="sk-server-0123456789", openai_base_url=llm.url, timeout_s=1),
        ranking=RankingSettings(dialogue_heat=(3, 5, 7)),
    )
    async with backend(tmp_path, settings) as api:
        for name in (*MODELS, "broken", "silent", "slow", "cut", "empty"):
            await api.services.models.put(row(name, name))
        yield api


async def test_free_then_star_then_luna(api: Api) -> None:
    ada = await api.person()
    free = good(await ada.submit(modelId=FREE))
    assert free["billing"] == {"method": "free", "cost": 0, "modelId": FREE}
    star = good(await ada.submit(modelId=LUNA))
    assert star["billing"] == {"method": "star", "cost": 8, "modelId": LUNA}
    assert star["wallet"] == {"userId": ada.user_id, "luxLevel": 0, "starCoin": 92, "lunaCoin": 100}
    await api.services.wallets.adjust(ada.user_id, "star", -90)
    luna = good(await ada.submit(modelId=LUNA))
    assert luna["billing"] == {"method": "luna", "cost": 3, "modelId": LUNA}
    assert luna["ledgerSummary"]["totalLunaCoinUsed"] == 3
    assert luna["wallet"] == await ada.wallet()


async def test_poor_and_coinless_models_are_402(api: Api) -> None:
    ada = await api.person()
    await api.services.wallets.adjust(ada.user_id, "star", -96)
    bad(await ada.submit(modelId=STAR), 402, "INSUFFICIENT_FUNDS")
    await api.services.models.put(row("never", "never", "practice", allow_star=False))
    bad(await ada.submit(modelId="never"), 402, "PAYMENT_NOT_SUPPORTED")
    streamed = await ada.post(
        "/api/official-model/submit",
        {"modelId": STAR, "userMessage": "Hi."},
        accept="text/event-stream",
    )
    bad(streamed, 402, "INSUFFICIENT_FUNDS")
    assert (await ada.wallet())["starCoin"] == 4


async def test_refusals_before_anything_is_paid(api: Api) -> None:
    ada, bob = await api.person(), await api.person("bob")
    bad(await ada.submit(userId=""), 400, "USER_ID_REQUIRED")
    bad(await ada.submit(userId=None), 400, "USER_ID_REQUIRED")
    bad(await ada.submit(userId=bob.user_id), 403, "USER_MISMATCH")
    bad(await ada.submit(modelId=" "), 400, "MODEL_ID_REQUIRED")
    bad(await ada.submit(modelId="404"), 404, "MODEL_NOT_FOUND")
    bad(await ada.submit(userMessage=""), 400, "INVALID_REQUEST")
    bad(await ada.submit(language="fr"), 400, "INVALID_REQUEST")
    bad(await ada.submit(temperature="hot"), 400, "INVALID_REQUEST")
    await api.services.models.put(row("gem", "gem", "gemini"))
    bad(await ada.submit(modelId="gem"), 500, "LLM_CONFIG_INVALID")
    await api.services.models.put(row("small", "small", "practice", max_input_chars=10))
    bad(await ada.submit(modelId="small"), 413, "TOO_LARGE")
    assert (await ada.wallet())["starCoin"] == (await bob.wallet())["starCoin"] == 100
    eve = await api.person("eve", init=False)
    bad(await eve.submit(modelId=STAR), 404, "WALLET_NOT_FOUND")


async def test_the_row_alone_says_what_is_called(api: Api, llm: ModelServer) -> None:
    """A canary named in the body sees no request; the server's key goes to its own server."""
    ada = await api.person()
    async with model_server() as canary:
        answer = good(
            await ada.submit(
                modelId="fine",
                baseUrl=canary.url,
                modelName="gpt-expensive",
                llmType="gemini",
                raw={"model": "gpt-expensive"},
                maxTokens=10_000_000,
                temperature=0.5,
            )
        )
        assert canary.asked == []
    (asked,) = llm.asked
    assert answer["content"] == "Good evening."
    assert asked.body["model"] == "fine" and asked.body["temperature"] == 0.5
    assert asked.body.get("max_tokens", asked.body.get("max_completion_tokens")) == 8192
    assert asked.headers["authorization"] == "Bearer sk-server-0123456789"
    assert answer["usage"] == {"promptTokens": 11, "completionTokens": 3, "estimated": False}


async def test_messages_replace_the_two_texts(api: Api, llm: ModelServer) -> None:
    ada = await api.person()
    messages = [{"role": "system", "content": "Be Mira."}, {"role": "user", "content": "Evening."}]
    good(await ada.submit(modelId="fine", messages=messages, systemMessage="ignored"))
    assert [(m["role"], m["content"]) for m in llm.asked[0].body["messages"]] == [
        ("system", "Be Mira."),
        ("user", "Evening."),
    ]


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("broken", 502, "LLM_FAILED"),
        ("cut", 502, "LLM_FAILED"),
        ("empty", 502, "LLM_FAILED"),
        ("silent", 504, "LLM_TIMEOUT"),
        ("slow", 504, "LLM_TIMEOUT"),
    ],
)
async def test_a_model_that_fails_costs_nothing(
    api: Api, model: str, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    ada = await api.person()
    refused = bad(await ada.submit(modelId=model), status, code)
    assert "secret-account-name" not in refused["message"]
    assert (await ada.wallet())["starCoin"] == 100
    assert good(await ada.get("/api/ledger/summary/me"))["ledger"]["totalStarCoinUsed"] == 0


async def stream(ada: Person, **body: Any) -> httpx.Response:
    document = {"userId": ada.user_id, "modelId": "fine", "userMessage": "Hi.", **body}
    return await ada.post("/api/official-model/submit", document, accept="text/event-stream")


@pytest.mark.parametrize(
    ("lines", "aloud"),
    [
        (["TEXT/EVENT-STREAM"], True),
        (["application/json", "text/event-stream"], True),
        (["application/json, text/event-stream; q=0.5"], True),
        (["text/event-stream;q=0"], False),
        (["text/event-stream ; Q=0.000, application/json"], False),
        (["text/event-stream-not"], False),
        (["*/*"], False),
        ([], False),
    ],
)
async def test_who_gets_a_stream_is_said_by_accept(api: Api, lines: list[str], aloud: bool) -> None:
    ada = await api.person()
    body = {"userId": ada.user_id, "modelId": "fine", "userMessage": "Hi."}
    headers = [*ada.headers.items(), *(("accept", line) for line in lines)]
    request = api.http.build_request("POST", "/api/official-model/submit", json=body)
    del request.headers["accept"]
    request.headers = httpx.Headers([*request.headers.multi_items(), *headers])
    answer = await api.http.send(request)
    assert answer.status_code == 200, answer.text
    kind = "text/event-stream" if aloud else "application/json"
    assert answer.headers["content-type"].startswith(kind)


async def test_null_is_as_good_as_nothing(api: Api) -> None:
    ada = await api.person()
    nothing = dict.fromkeys(("systemMessage", "language", "messages", "characterId", "topK", "expectedCost"))
    assert good(await ada.submit(modelId="fine", **nothing))["content"] == "Good evening."
    more = {"lang": None, "limit": None, "exclusiveStartKey": None}
    good(await ada.post("/api/character/time-more", more))


def test_every_optional_member_of_a_request_may_be_null() -> None:
    kinds = [
        kind
        for module in (auth, characters, official, users)
        for name, kind in vars(module).items()
        if name.endswith("Request")
    ]
    assert len(kinds) > 15
    for kind in kinds:
        optional = {field.alias for field in kind.model_fields.values() if not field.is_required()}
        try:
            kind.model_validate(dict.fromkeys(optional))
        except ValidationError as error:
            wrong = {str(problem["loc"][0]) for problem in error.errors()}
            assert not wrong & optional, (kind.__name__, wrong & optional)


async def test_a_stream_is_deltas_and_one_done(api: Api) -> None:
    ada = await api.person()
    response = await stream(ada)
    assert response.headers["content-type"].startswith("text/event-stream")
    found = events(response.text)
    assert {name for name, _ in found[:-1]} == {"delta"}
    assert "".join(data["text"] for _, data in found[:-1]) == "Good evening."
    name, done = found[-1]
    assert name == "done" and done["success"] is True
    assert done["content"] == "Good evening."
    assert done["billing"] == {"method": "star", "cost": 7, "modelId": "fine"}
    assert done["wallet"]["starCoin"] == 93


async def test_thinking_streams_apart(api: Api) -> None:
    ada = await api.person()
    found = events((await stream(ada, modelId=FREE)).text)
    kinds = [name for name, _ in found]
    assert kinds.count("done") == 1 and kinds[-1] == "done" and kinds[0] == "thinking"
    thought = "".join(data["text"] for name, data in found if name == "thinking")
    said = "".join(data["text"] for name, data in found if name == "delta")
    assert (found[-1][1]["thinking"], found[-1][1]["content"]) == (thought, said)


@pytest.mark.parametrize(
    ("model", "code"), [("broken", "LLM_FAILED"), ("cut", "LLM_FAILED"), ("slow", "LLM_TIMEOUT")]
)
async def test_a_stream_that_fails_ends_in_one_error_and_costs_nothing(
    api: Api, model: str, code: str
) -> None:
    ada = await api.person()
    response = await stream(ada, modelId=model)
    assert response.status_code == 200
    name, data = events(response.text)[-1]
    assert (name, data["code"], data["success"]) == ("error", code, False)
    assert (await ada.wallet())["starCoin"] == 100


async def test_the_same_key_pays_once_and_replays_the_answer(api: Api, llm: ModelServer) -> None:
    ada = await api.person()
    first = good(await ada.submit(modelId="fine", key="k-1"))
    good(await ada.submit(modelId=STAR, key="k-2"))
    again = good(await ada.submit(modelId="fine", key="k-1"))
    assert again["content"] == first["content"] and again["billing"] == first["billing"]
    assert again["wallet"] == await ada.wallet()
    assert (await ada.wallet())["starCoin"] == 100 - 7 - 5
    assert len(llm.asked) == 1
    bad(await ada.submit(modelId="fine", key="k-1", userMessage="Other."), 422, "IDEMPOTENCY_MISMATCH")
    streamed = await ada.post(
        "/api/official-model/submit",
        {"userId": ada.user_id, "modelId": "fine", "userMessage": "Hello there."},
        **{"accept": "text/event-stream", "idempotency-key": "k-1"},
    )
    assert [name for name, _ in events(streamed.text)] == ["done"]
    bad(await ada.submit(key="no spaces allowed"), 400, "INVALID_REQUEST")


GONE = "gone"


@pytest.mark.parametrize(
    "change",
    [
        GONE,
        {"max_input_chars": 2},
        {"kind": "gemini"},
        {"star_cost": 9999},
        {"allow_star": False},
        {"free_level": 0},
    ],
)
async def test_what_was_paid_is_replayed_whatever_became_of_its_model(api: Api, change: Any) -> None:
    ada, bob = await api.person(), await api.person("bob")
    paid = good(await ada.submit(modelId=STAR, key="k"))
    if change == GONE:
        await api.services.models.delete(STAR)
    else:
        await api.services.models.put(row(STAR, "practice", **{"kind": "practice", **change}))
    again = good(await ada.submit(modelId=STAR, key="k"))
    assert (again["content"], again["billing"]) == (paid["content"], paid["billing"])
    body = {"userId": ada.user_id, "modelId": STAR, "userMessage": "Hello there."}
    aloud = {"accept": "text/event-stream", "idempotency-key": "k"}
    streamed = events((await ada.post("/api/official-model/submit", body, **aloud)).text)
    assert [(name, data["content"]) for name, data in streamed] == [("done", paid["content"])]
    assert (await ada.wallet())["starCoin"] == 95
    assert await api.services.sweeper.check(ada.user_id) == []
    # Nothing of it is anybody else's, or another request's.
    bad(await ada.submit(modelId=STAR, key="k", userMessage="Other."), 422, "IDEMPOTENCY_MISMATCH")
    if change == GONE:
        bad(await bob.submit(modelId=STAR, key="k"), 404, "MODEL_NOT_FOUND")
        bad(await ada.submit(modelId=STAR, key="another"), 404, "MODEL_NOT_FOUND")
        bad(await ada.submit(modelId=STAR, key="init"), 400, "INVALID_REQUEST")
        bad(await ada.submit(modelId=STAR, key="k", userId=bob.user_id), 403, "USER_MISMATCH")
        api.clock.forward(25 * 3600)
        bad(await (await api.sign_in(ada.email)).submit(modelId=STAR, key="k"), 422, "IDEMPOTENCY_MISMATCH")


async def test_what_is_under_way_is_in_progress_whatever_became_of_its_model(
    api: Api, llm: ModelServer
) -> None:
    ada = await api.person()
    first = asyncio.ensure_future(ada.submit(modelId="silent", key="k"))
    await llm.arrived.wait()
    await api.services.models.delete("silent")
    bad(await ada.submit(modelId="silent", key="k"), 409, "OPERATION_IN_PROGRESS")
    bad(await first, 504, "LLM_TIMEOUT")
    bad(await ada.submit(modelId="silent", key="k"), 404, "MODEL_NOT_FOUND")
    # Of a process that died meanwhile the coins are given back, and there is nothing to replay.
    body = SubmitRequest(user_id=ada.user_id, model_id="fine", user_message="Hello there.")
    config = await api.services.models.require("fine")
    await api.services.money.reserve(Action(ada.user_id, "dead", request_hash(body)), config)
    await api.services.models.delete("fine")
    bad(await ada.submit(modelId="fine", key="dead"), 409, "OPERATION_IN_PROGRESS")
    api.clock.forward(3600)
    bad(await ada.submit(modelId="fine", key="dead"), 404, "MODEL_NOT_FOUND")
    assert (await ada.wallet())["starCoin"] == 100


async def test_what_was_paid_is_replayed_whatever_limit_holds(tmp_path: Path) -> None:
    async with backend(tmp_path, served=True) as api:
        ada = await api.person()
        paid = good(await ada.submit(modelId=STAR, key="k"))
        while not await api.services.limiter.take(limits.PAID_REPLY, ada.user_id):
            pass
        for _ in range(20):
            api.services.called_off.count(limits.CALLED_OFF, ada.user_id)
        assert good(await ada.submit(modelId=STAR, key="k"))["content"] == paid["content"]
        bad(await ada.submit(modelId=STAR, key="other"), 429, "RATE_LIMITED")
        assert (await ada.wallet())["starCoin"] == 95


async def test_a_key_is_its_owners_alone(api: Api) -> None:
    ada, bob = await api.person(), await api.person("bob")
    good(await ada.submit(modelId=STAR, key="shared"))
    good(await bob.submit(modelId=STAR, key="shared"))
    assert (await bob.wallet())["starCoin"] == 95


async def test_a_second_request_meanwhile_is_in_progress(api: Api, llm: ModelServer) -> None:
    ada = await api.person()
    first = asyncio.ensure_future(ada.submit(modelId="silent", key="k"))
    await llm.arrived.wait()
    refused = await ada.submit(modelId="silent", key="k")
    bad(refused, 409, "OPERATION_IN_PROGRESS")
    assert refused.headers["retry-after"]
    bad(await first, 504, "LLM_TIMEOUT")
    assert (await ada.wallet())["starCoin"] == 100


async def _hang_up(ada: Person, model: str, key: str, *, after: str) -> None:
    """Read a stream until `after` came by, then leave."""
    body = {"userId": ada.user_id, "modelId": model, "userMessage": "Hi."}
    headers = {**ada.headers, "accept": "text/event-stream", "idempotency-key": key}
    async with ada.http.stream("POST", "/api/official-model/submit", json=body, headers=headers) as response:
        async for text in response.aiter_text():
            if after in text:
                return


async def _settled(api: Api) -> None:
    """Wait for the replies that nobody reads any more."""
    for _ in range(500):
        if not len(api.services.unwatched):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a reply that nobody reads goes on for ever")


async def test_who_leaves_a_stream_after_its_first_word_gets_and_pays_the_whole(
    api: Api, llm: ModelServer
) -> None:
    """Else whole answers could be read for nothing: hang up at their last word, keep the coins."""
    ada = await api.person()
    await _hang_up(ada, "paused", "k", after="Good")
    for _ in range(500):  # until the server has noticed
        if len(api.services.unwatched):
            break
        await asyncio.sleep(0.01)
    assert (await ada.wallet())["starCoin"] == 93 and len(api.services.unwatched) == 1
    bad(await ada.submit(modelId="paused", userMessage="Hi.", key="k"), 409, "OPERATION_IN_PROGRESS")
    llm.go.set()
    await _settled(api)
    replay = good(await ada.submit(modelId="paused", userMessage="Hi.", key="k"))
    assert (replay["content"], replay["wallet"]["starCoin"]) == ("Good evening.", 93)
    assert len(llm.asked) == 1
    assert await api.services.sweeper.check(ada.user_id) == []


async def test_forty_hang_ups_at_the_last_word_are_forty_replies(api: Api) -> None:
    ada = await api.person()
    await api.services.wallets.adjust(ada.user_id, "star", 180)
    for number in range(40):
        await _hang_up(ada, "fine", f"k{number}", after="evening")
    await _settled(api)
    assert (await ada.wallet())["starCoin"] == 0
    history = good(await ada.get("/api/ledger/history/me", limit=100))["movements"]
    assert [m["status"] for m in history if m["kind"] == "charge"] == ["SETTLED"] * 40


async def test_who_leaves_before_any_word_is_refunded_and_sees_it_in_the_history(
    api: Api, llm: ModelServer
) -> None:
    ada = await api.person()
    body = {"userId": ada.user_id, "modelId": "silent", "userMessage": "Hi."}
    headers = {**ada.headers, "accept": "text/event-stream"}
    async with ada.http.stream("POST", "/api/official-model/submit", json=body, headers=headers):
        await llm.arrived.wait()
        assert (await ada.wallet())["starCoin"] == 93
    await asyncio.wait_for(llm.left.wait(), 60)
    assert (await ada.wallet())["starCoin"] == 100
    (line,) = [m for m in good(await ada.get("/api/ledger/history/me"))["movements"] if m["kind"] == "charge"]
    assert (line["status"], line["amount"], line["modelId"]) == ("REFUNDED", 0, "silent")
    assert await api.services.sweeper.check(ada.user_id) == []


async def send_and_leave(api: Api, ada: Person, key: str, accept: str) -> list[str]:
    """A whole request of somebody who has left by the time it is read; what was sent for nobody."""
    body = b'{"modelId": "002", "userMessage": "Hi."}'
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    headers = {**ada.headers, "accept": accept, "idempotency-key": key, "content-type": "application/json"}
    path = "/api/official-model/submit"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "client": ("127.0.0.1", 5),
        "server": ("lunalux.test", 80),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await create_app(api.services)(scope, receive, send)
    return sent


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
async def test_who_has_left_before_the_request_is_read_is_sent_nothing_and_pays_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    """Also where the model's first word is there at once."""
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "1000")
    ada, retry = await api.person(), {"idempotency-key": "k0"}
    for number in range(5):
        sent = await send_and_leave(api, ada, f"k{number}", accept)
        assert accept == "application/json" or sent == []
    await _settled(api)
    assert (await ada.wallet())["starCoin"] == 100
    history = good(await ada.get("/api/ledger/history/me"))["movements"]
    assert {m["status"] for m in history if m["kind"] == "charge"} <= {"REFUNDED"}
    assert await api.services.sweeper.check(ada.user_id) == []
    good(await ada.post("/api/official-model/submit", {"modelId": STAR, "userMessage": "Hi."}, **retry))
    assert (await ada.wallet())["starCoin"] == 95


async def test_a_sweep_beside_a_reply_that_nobody_reads_decides_once(api: Api, llm: ModelServer) -> None:
    """The sweep comes first, or the settling does: coins and answer agree either way."""
    ada = await api.person()
    await _hang_up(ada, "paused", "k", after="Good")
    api.clock.forward(3600)  # as if the model had taken longer than any call may
    llm.go.set()
    await asyncio.gather(_settled(api), *(api.services.sweeper.sweep() for _ in range(5)))
    row = await api.services.store.get("ledger_summary_table", (f"USER#{ada.user_id}", "MOVE#k"))
    assert row is not None
    assert (row["status"], (await ada.wallet())["starCoin"]) in {("SETTLED", 93), ("REFUNDED", 100)}
    assert ("response" in row) == (row["status"] == "SETTLED")
    assert await api.services.sweeper.check(ada.user_id) == []


async def test_closing_the_service_cuts_what_nobody_reads_and_gives_the_coins_back(
    api: Api, llm: ModelServer
) -> None:
    ada = await api.person()
    await _hang_up(ada, "paused", "k", after="Good")
    await api.services.unwatched.aclose()
    assert (await ada.wallet())["starCoin"] == 100
    assert await api.services.sweeper.check(ada.user_id) == []


async def test_a_reply_that_is_still_spoken_when_its_time_is_over_is_cut_and_paid(api: Api) -> None:
    """Else every reply that is longer than its time would be read for nothing."""
    ada = await api.person()
    result = events((await stream(ada, modelId="endless")).text)[-1]
    assert result[0] == "done" and result[1]["content"].startswith("on and on and ")
    assert (await ada.wallet())["starCoin"] == 93


async def test_replies_that_are_begun_and_called_off_are_counted(tmp_path: Path, llm: ModelServer) -> None:
    settings = BackendSettings(providers=ProviderSettings(openai_base_url=llm.url))
    async with backend(tmp_path, settings, served=True) as api:
        await api.services.models.put(row("silent", "silent"))
        ada, bob = await api.person(), await api.person("bob")
        for _ in range(20):
            llm.arrived.clear()
            call = asyncio.ensure_future(ada.submit(modelId="silent"))
            await llm.arrived.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        refused = await ada.submit(modelId=STAR)
        bad(refused, 429, "RATE_LIMITED")
        assert int(refused.headers["retry-after"]) > 60
        assert (await ada.wallet())["starCoin"] == 100
        good(await bob.submit(modelId=STAR))


async def test_paid_replies_have_a_rate_of_their_own(tmp_path: Path) -> None:
    async with backend(tmp_path, served=True) as api:
        ada = await api.person()
        await api.services.wallets.adjust(ada.user_id, "star", 1000)
        while not await api.services.limiter.take(limits.PAID_REPLY, ada.user_id):
            pass
        bad(await ada.submit(modelId=STAR), 429, "RATE_LIMITED")
        assert (await ada.wallet())["starCoin"] == 1100


async def test_a_silent_model_does_not_leave_the_stream_silent(
    api: Api, llm: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "QUIET_SECONDS", 0.1)
    ada = await api.person()
    body = {"userId": ada.user_id, "modelId": "pondering", "userMessage": "Hi."}
    headers = {**ada.headers, "accept": "text/event-stream"}
    text = ""
    async with ada.http.stream("POST", "/api/official-model/submit", json=body, headers=headers) as response:
        async for piece in response.aiter_text():
            text += piece
            if text.count(":") == 2:
                llm.go.set()
    blocks = text.strip().split("\n\n")
    signs = [block for block in blocks if block.startswith(":")]
    assert len(signs) >= 2 and all(block.count("\n") == 0 for block in signs)
    rest = events("\n\n".join(block for block in blocks if not block.startswith(":")))
    assert rest[-1][0] == "done" and rest[-1][1]["content"] == "Good evening."


async def test_a_reader_that_takes_nothing_has_left_and_pays(api: Api) -> None:
    """A stalled connection must not hold the reply up until the model's time is over and it costs nothing."""
    ada = await api.person()
    asked = GatewayRequest(
        Session(ada.user_id, "s", 1, ada.email),
        SubmitRequest(user_id=ada.user_id, model_id="fine", user_message="Hi."),
        "stalled",
        "local",
        True,
    )
    source = Gateway(api.services).reply(asked)
    await anext(source)
    answer = EventStream(_named(source), source, api.services.unwatched, quiet_s=0.1, stall_s=0.1)
    sent: list[bytes] = []

    async def receive() -> dict[str, str]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))
        if b"evening" in sent[-1]:
            await asyncio.Event().wait()

    await asyncio.wait_for(answer({"type": "http"}, receive, send), 60)
    assert b"evening" in sent[-1]
    assert (await ada.wallet())["starCoin"] == 93
    assert good(await ada.submit(modelId="fine", userMessage="Hi.", key="stalled"))["content"]


async def test_a_dearer_price_is_told_before_it_is_charged(api: Api) -> None:
    ada = await api.person()
    shown = {"method": "star", "star": 5}
    good(await ada.submit(modelId=STAR, expectedCost=shown))
    await api.services.models.put(row(STAR, "practice", "practice", star_cost=9))
    refused = await ada.submit(modelId=STAR, expectedCost=shown, key="dearer")
    assert (refused.status_code, refused.json()["code"]) == (409, "PRICE_CHANGED")
    assert refused.json()["config"]["starCost"] == 9 and refused.json()["config"]["modelId"] == STAR
    streamed = await ada.post(
        "/api/official-model/submit",
        {"modelId": STAR, "userMessage": "Hi.", "expectedCost": shown},
        accept="text/event-stream",
    )
    assert (streamed.status_code, streamed.json()["code"]) == (409, "PRICE_CHANGED")
    assert (await ada.wallet())["starCoin"] == 95
    agreed = good(await ada.submit(modelId=STAR, expectedCost={"method": "star", "star": 9}, key="dearer"))
    assert agreed["billing"]["cost"] == 9
    again = good(await ada.submit(modelId=STAR, expectedCost=shown, key="dearer"))  # paid: nothing to refuse
    assert again["content"] == agreed["content"] and again["wallet"]["starCoin"] == 86
    cheaper = good(await ada.submit(modelId=STAR, expectedCost={"star": 20}))
    assert cheaper["billing"]["cost"] == 9


@pytest.mark.parametrize(
    ("shown", "charged"),
    [
        ({"method": "free"}, False),
        ({"method": "free", "star": 8}, False),
        ({"method": "luna", "luna": 3}, False),
        ({"luna": 3}, False),
        ({"method": "luna", "luna": 3, "star": -1}, False),
        ({"star": 7, "luna": 3}, False),
        ({"method": "star"}, True),
        ({"method": "luna", "star": 8, "luna": 3}, True),
        ({}, True),
    ],
)
async def test_what_was_shown_decides_what_is_a_surprise(api: Api, shown: Any, charged: bool) -> None:
    ada = await api.person()
    answer = await ada.submit(modelId=LUNA, expectedCost=shown)  # 8 star, or 3 luna
    assert answer.status_code == (200 if charged else 409)
    assert (await ada.wallet())["starCoin"] == (92 if charged else 100)


async def test_a_new_price_list_has_a_new_version(api: Api) -> None:
    ada = await api.person()
    listed = good(await ada.get("/api/model-config/list"))
    version = listed["modelConfigVersion"]
    assert version and good(await ada.get("/api/model-config/list"))["modelConfigVersion"] == version
    assert good(await ada.get("/api/session/validate"))["modelConfigVersion"] == version
    assert good(await ada.submit())["modelConfigVersion"] == version
    await api.services.models.put(row(STAR, "practice", "practice", star_cost=9))
    told = good(await ada.submit())["modelConfigVersion"]
    assert told != version
    assert good(await ada.get("/api/session/validate"))["modelConfigVersion"] == told


async def test_a_row_of_the_price_list_comes_with_all_it_says(api: Api) -> None:
    ada = await api.person()
    more = {"vendorNote": "quick", "contextWindow": 8192, "tags": frozenset({"b", "a"}), "nested": {"x": [1]}}
    await api.services.store.write(Update("model_config_table", Key("MODEL#002", "MODEL"), set=more))
    api.services.models._kept = None
    (found,) = [c for c in good(await ada.get("/api/model-config/list"))["configs"] if c["modelId"] == "002"]
    assert found["vendorNote"] == "quick" and found["contextWindow"] == 8192
    assert found["tags"] == ["a", "b"] and found["nested"] == {"x": [1]} and "PK" not in found


async def test_a_client_that_leaves_a_json_call_is_refunded(api: Api, llm: ModelServer) -> None:
    ada = await api.person()
    call = asyncio.ensure_future(ada.submit(modelId="silent"))
    await llm.arrived.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(llm.left.wait(), 60)
    assert (await ada.wallet())["starCoin"] == 100


async def test_a_reply_that_was_complete_is_kept_though_the_client_left(api: Api) -> None:
    ada = await api.person()
    body = {"userId": ada.user_id, "modelId": "fine", "userMessage": "Hi."}
    headers = {**ada.headers, "accept": "text/event-stream", "idempotency-key": "k"}
    async with ada.http.stream("POST", "/api/official-model/submit", json=body, headers=headers) as response:
        async for text in response.aiter_text():
            if "done" in text:
                break
    replay = good(await ada.submit(modelId="fine", userMessage="Hi.", key="k"))
    assert replay["content"] == "Good evening." and replay["wallet"]["starCoin"] == 93


async def test_a_hundred_clients_share_fifty_replies(api: Api) -> None:
    ada = await api.person()
    await api.services.wallets.adjust(ada.user_id, "star", 150)
    answers = await asyncio.gather(*(ada.submit(modelId=STAR) for _ in range(100)))
    paid = [a for a in answers if a.status_code == 200]
    assert len(paid) == 50
    assert {a.json()["code"] for a in answers if a.status_code != 200} <= {
        "INSUFFICIENT_FUNDS",
        "BILLING_FAILED",
    }
    assert (await ada.wallet())["starCoin"] == 0
    assert await api.services.sweeper.check(ada.user_id) == []


async def test_the_dialogue_counts_for_its_character(api: Api) -> None:
    ada, bob = await api.person(), await api.person("bob")
    mira = await bob.publish()
    await api.services.wallets.adjust(ada.user_id, "star", -100)
    answer = good(await ada.submit(modelId=LUNA, characterId=mira))
    assert "deactivateBinding" not in answer
    card = await api.services.characters.require(mira)
    assert (card.dialogue_count, card.total_coin_used, card.heat) == (1, 3, 3 + 2 * 3)
    good(await bob.http.delete(f"/api/character/{mira}", headers=bob.headers))
    gone = good(await ada.submit(modelId=LUNA, characterId=mira))
    assert gone["deactivateBinding"] is True and gone["billing"]["cost"] == 3
    assert good(await ada.submit(characterId="no-such"))["deactivateBinding"] is True


async def test_a_card_that_is_hidden_for_a_look_stays_bound(api: Api) -> None:
    """`restore` brings it back for everybody; only what is deleted is not worth a binding any more."""
    ada, bob = await api.person(), await api.person("bob")
    mira = await bob.publish()
    await api.services.characters.set_status(mira, "hidden")
    assert "deactivateBinding" not in good(await ada.submit(characterId=mira))
    await api.services.characters.set_status(mira, "active")
    good(await ada.submit(characterId=mira))
    assert (await api.services.characters.require(mira)).dialogue_count == 1
    await api.services.characters.set_status(mira, "deleted")
    assert good(await ada.submit(characterId=mira))["deactivateBinding"] is True


async def test_free_replies_are_metered_for_strangers(tmp_path: Path) -> None:
    async with backend(tmp_path, served=True) as api:
        ada = await api.person()
        answers = await asyncio.gather(*(ada.submit() for _ in range(10)))
        assert sorted({a.status_code for a in answers}) == [200, 429]
        refused = next(a for a in answers if a.status_code == 429)
        assert bad(refused, 429, "RATE_LIMITED") and int(refused.headers["retry-after"]) >= 1
        paid = await asyncio.gather(*(ada.submit(modelId=STAR) for _ in range(10)))
        assert {a.status_code for a in paid} == {200}


async def test_only_token_counts_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lunalux.backend")
    settings = BackendSettings(providers=ProviderSettings(analyze_token=True))
    async with backend(tmp_path, settings) as api:
        ada = await api.person()
        answer = good(await ada.submit(userMessage="A secret sentence of mine.", raw="hidden raw"))
    (tokens,) = [r for r in caplog.records if r.getMessage() == "tokens"]
    assert tokens.__dict__["completion"] == answer["usage"]["completionTokens"]
    assert tokens.__dict__["total_tokens"] == tokens.__dict__["prompt"] + tokens.__dict__["completion"]
    for record in caplog.records:
        shown = str(record.__dict__)
        assert "secret sentence" not in shown and "hidden raw" not in shown and ada.token not in shown
