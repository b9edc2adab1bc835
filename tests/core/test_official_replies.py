"""Replies that are paid for, against the real backend over TCP: whatever breaks, nobody pays twice."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fault_proxy import FaultProxy
from served_backend import Served, device, serve

from lunalux_core.character_api.completion_routes import create_app
from lunalux_core.client.backend_exchange import BackendExchange
from lunalux_core.client.gateway_endpoints import GatewayEndpoints
from lunalux_core.dialogue.turn import Billed, TurnCompleted, TurnEvent, TurnOptions
from lunalux_core.errors import LunaluxError, NetworkError, PaymentError
from lunalux_core.ids import uuid4
from lunalux_core.library.conversations import Message
from lunalux_core.runtime import Runtime
from lunalux_core.wire.official import SubmitRequest

PASSWORD = "a long enough passphrase 7"
PAID = TurnOptions(model="official:002")
SUBMIT = "POST /api/official-model/submit"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def unhurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A backend whose model takes its time."""
    yield from serve(tmp_path_factory.mktemp("slow"), LUNALUX_PRACTICE_RATE="60")


@pytest.fixture
async def proxy(served: Served) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(served.port).running() as proxy:
        yield proxy


@pytest.fixture
async def here(tmp_path: Path, proxy: FaultProxy) -> AsyncIterator[Runtime]:
    async with device(tmp_path / "here", proxy.url) as runtime:
        await signed_up(runtime)
        yield runtime


async def signed_up(runtime: Runtime) -> str:
    """A new account on this device; its address."""
    await runtime.first_start()
    email = f"{uuid4()}@example.org"
    await runtime.account.sign_up(email, PASSWORD)
    return email


async def conversation(runtime: Runtime) -> str:
    character = (await runtime.library.characters.list())[0]
    return (await runtime.chat.open(character.id)).id


async def last(runtime: Runtime, place: str) -> Message:
    return (await runtime.library.conversations.page(place, limit=5))[-1]


def bills(events: list[TurnEvent]) -> list[tuple[str, int]]:
    return [(event.method, event.cost) for event in events if isinstance(event, Billed)]


async def stars(runtime: Runtime) -> int:
    """What the backend says, not what is known here."""
    wallet = (await runtime.client.wallet.balance()).wallet
    ledger = (await runtime.client.wallet.ledger()).ledger
    assert wallet.star_coin == ledger.total_star_coin_gain - ledger.total_star_coin_used
    return wallet.star_coin


async def test_an_answer_that_was_lost_is_replayed_though_the_prompt_would_be_another_now(
    here: Runtime, proxy: FaultProxy
) -> None:
    place = await conversation(here)
    proxy.fault, proxy.where = "drop-answer", "submit"
    with pytest.raises(NetworkError):
        async for _ in here.chat.send(place, "Hello", PAID):
            pass
    proxy.fault = ""
    failed = await last(here, place)
    assert failed.status == "failed"
    here.apply(replace(here.settings, temperature=0.123))
    events = [event async for event in here.chat.regenerate(failed.id, PAID)]
    assert bills(events) == [("star", 5)]
    reply = await last(here, place)
    assert (reply.id, reply.status) == (failed.id, "done") and reply.content
    assert here.account.state.star == await stars(here) == 95


async def test_a_program_started_later_gets_the_lost_answer_too(tmp_path: Path, proxy: FaultProxy) -> None:
    async with device(tmp_path / "one", proxy.url) as runtime:
        await signed_up(runtime)
        place = await conversation(runtime)
        proxy.fault, proxy.where = "drop-answer", "submit"
        with pytest.raises(NetworkError):
            async for _ in runtime.chat.send(place, "Hello", PAID):
                pass
    proxy.fault = ""
    async with device(tmp_path / "one", proxy.url) as runtime:
        runtime.apply(replace(runtime.settings, temperature=0.5))
        failed = await last(runtime, place)
        assert bills([event async for event in runtime.chat.regenerate(failed.id, PAID)]) == [("star", 5)]
        assert await stars(runtime) == 95


async def test_a_stream_cut_in_the_middle_is_paid_once(tmp_path: Path, unhurried: Served) -> None:
    async with (
        FaultProxy(unhurried.port).running() as proxy,
        device(tmp_path / "slow", proxy.url) as runtime,
    ):
        await signed_up(runtime)
        place = await conversation(runtime)
        proxy.fault, proxy.where = "cut", "submit"
        with pytest.raises(NetworkError):
            async for _ in runtime.chat.send(place, "Hello", PAID):
                pass
        proxy.fault = ""
        failed = await last(runtime, place)
        assert bills([event async for event in runtime.chat.regenerate(failed.id, PAID)]) == [("star", 5)]
        assert await stars(runtime) == runtime.account.state.star == 95


async def test_what_was_refunded_can_be_asked_anew_with_other_words(
    tmp_path: Path, unhurried: Served
) -> None:
    async with device(tmp_path / "stop", unhurried.url) as runtime:
        await signed_up(runtime)
        place = await conversation(runtime)
        stream = runtime.chat.send(place, "Hello", PAID)
        for _ in range(6):
            await anext(stream)
        await stream.aclose()
        stopped = await last(runtime, place)
        assert stopped.status == "stopped"
        events = [event async for event in runtime.chat.regenerate(stopped.id, PAID)]
        assert bills(events) == [("star", 5)]
        assert await stars(runtime) in {95, 90}, "the stopped one is paid back unless it was complete"
        ready = [event for event in events if isinstance(event, TurnCompleted)]
        assert ready and ready[0].message is not None and ready[0].message.content


async def test_continue_and_impersonate_are_replies_of_their_own(here: Runtime) -> None:
    place = await conversation(here)
    async for _ in here.chat.send(place, "Hello", PAID):
        pass
    before = (await last(here, place)).content
    assert bills([event async for event in here.chat.continue_(place, PAID)]) == [("star", 5)]
    after = (await last(here, place)).content
    assert after.startswith(before) and after != before
    assert bills([event async for event in here.chat.continue_(place, PAID)]) == [("star", 5)]
    assert bills([event async for event in here.chat.impersonate(place, PAID)]) == [("star", 5)]
    assert here.account.state.star == await stars(here) == 80


async def test_coins_spent_on_another_device_are_seen_when_a_reply_is_refused(
    here: Runtime, served: Served, proxy: FaultProxy
) -> None:
    place = await conversation(here)
    for coin in ("--star", "--luna"):
        served.admin("user", "credit", here.account.state.user_id, coin, "-98")
    assert (here.account.state.star, here.account.state.luna) == (100, 100)
    with pytest.raises(PaymentError) as caught:
        async for _ in here.chat.send(place, "Hello", PAID):
            pass
    assert caught.value.code == "INSUFFICIENT_FUNDS"
    assert (here.account.state.star, here.account.state.luna) == (2, 2)
    served.admin("user", "credit", here.account.state.user_id, "--star", "10")
    failed = await last(here, place)
    assert bills([event async for event in here.chat.regenerate(failed.id, PAID)]) == [("star", 5)]
    assert here.account.state.star == await stars(here) == 7


def price(home: Path, star: int) -> None:
    """The operator's price of the model that `PAID` names, in the backend of this home."""
    put = ["model", "put", "002", "--name", "Lamp", "--type", "practice", "--model", "practice"]
    subprocess.run(
        [sys.executable, "-m", "lunalux_tui", "admin", *put, "--free-level", "-1", "--star-cost", str(star)],
        env={**os.environ, "LUNALUX_HOME": str(home)},
        check=True,
        timeout=120,
        capture_output=True,
    )


async def paid(runtime: Runtime) -> list[tuple[str, int]]:
    await runtime.first_start()
    place = await conversation(runtime)
    return bills([event async for event in runtime.chat.send(place, "Hello", PAID)])


async def test_a_dearer_price_is_asked_about_before_it_is_paid_and_a_lower_one_is_not(tmp_path: Path) -> None:
    async with device(tmp_path) as runtime:
        assert await paid(runtime) == [("star", 5)]
    price(tmp_path, 9)
    async with device(tmp_path) as runtime:
        with pytest.raises(PaymentError) as told:
            await paid(runtime)
        assert told.value.code == "PRICE_CHANGED"
        assert (str(told.value.params["was"]), str(told.value.params["now"])) == ("5 star", "9 star")
        assert runtime.account.state.star == 95 and await stars(runtime) == 95
    async with device(tmp_path) as runtime:  # to be told once is not to have agreed
        with pytest.raises(PaymentError):
            await paid(runtime)
        await runtime.account.prices.agree("002")
        assert await paid(runtime) == [("star", 9)]
    price(tmp_path, 2)
    async with device(tmp_path) as runtime:
        assert await paid(runtime) == [("star", 2)]
        assert await stars(runtime) == 84


async def test_a_price_that_was_not_heard_of_is_refused_by_the_gateway(tmp_path: Path) -> None:
    async with device(tmp_path) as runtime:
        await runtime.account.ensure()
        cheap = tuple(
            {**row, "starCost": 3} if row["modelId"] == "002" else row for row in runtime.account.state.models
        )
        agreed = {**runtime.account.state.agreed, "002": {"free": False, "star": 3, "luna": None}}
        runtime.account.snapshot.state = replace(runtime.account.state, models=cheap, agreed=agreed)
        with pytest.raises(PaymentError) as told:
            await paid(runtime)
        assert told.value.code == "PRICE_CHANGED" and str(told.value.params["now"]) == "5 star"
        assert await stars(runtime) == 100
        assert [row["starCost"] for row in runtime.account.state.models if row["modelId"] == "002"] == [5]
        await runtime.account.prices.agree("002")
        assert await paid(runtime) == [("star", 5)]


async def test_prompts_that_wait_for_their_answer_end_with_their_day(tmp_path: Path) -> None:
    async with device(tmp_path) as runtime:
        await runtime.library.cache.put("asked:official:002:old", {"modelId": "002"}, -1)
        await runtime.library.cache.put("asked:official:002:bad", ["?"], 60_000)
        assert await paid(runtime) == [("star", 5)]
        assert await runtime.library.cache.get("asked:official:002:old") is None
        assert await runtime.library.cache.get("asked:official:002:bad") is not None


async def test_coins_of_a_reply_that_was_killed_come_back_without_a_server(tmp_path: Path) -> None:
    """What was reserved stays reserved when the program dies; the sweep of a later one gives it back."""
    script = (
        "import asyncio, os, sys\n"
        "from test_official_replies import conversation, PAID\n"
        "from lunalux_core.runtime import Runtime\n"
        "from lunalux_core.dialogue.turn import TextDelta\n"
        "async def main():\n"
        "    async with Runtime.open() as runtime:\n"
        "        await runtime.first_start()\n"
        "        async for event in runtime.chat.send(await conversation(runtime), 'Hello', PAID):\n"
        "            if isinstance(event, TextDelta):\n"
        "                os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    tests = Path(__file__).parent
    path = os.pathsep.join((str(tests), str(tests.parent), str(tests.parents[1])))
    environ = {**os.environ, "LUNALUX_HOME": str(tmp_path), "LUNALUX_PRACTICE_RATE": "20", "PYTHONPATH": path}
    result = subprocess.run([sys.executable, "-c", script], env=environ, timeout=120, check=False)
    assert result.returncode == -9
    async with device(tmp_path) as runtime:
        assert (await runtime.account.refresh()).star == 95
    swept = tmp_path / "data" / "backend" / "swept"
    assert swept.exists()
    swept.unlink()
    with sqlite3.connect(tmp_path / "data" / "backend" / "backend.db") as books:  # it was long ago
        aged = books.execute(
            "UPDATE ledger_summary_table SET doc = json_set(doc, '$.startedAt', 1000) WHERE sk LIKE 'OPEN#%'"
        )
        assert aged.rowcount == 1
    async with device(tmp_path) as runtime:
        await runtime.account.ensure()  # ends with the sweep that is due
    async with device(tmp_path) as runtime:
        assert (await runtime.account.refresh()).star == 100
        assert await stars(runtime) == 100


async def test_a_client_of_ours_that_repeats_a_call_under_its_key_pays_once(here: Runtime) -> None:
    """And only with a key: the same words without one, or other words under it, are another reply."""
    here.apply(replace(here.settings, model=PAID.model))
    name = (await here.library.characters.list())[0].name
    carrier = httpx.ASGITransport(create_app(here, "secret"))
    async with httpx.AsyncClient(transport=carrier, base_url="http://api") as client:

        async def ask(key: str = "", text: str = "It is {{time}}.", stream: bool = False) -> str:
            lines = [{"role": "user", "content": text}]
            answer = await client.post(
                "/v1/chat/completions",
                headers={"Authorization": "Bearer secret"} | ({"Idempotency-Key": key} if key else {}),
                json={"model": name, "stateless": True, "messages": lines, "stream": stream},
            )
            assert answer.status_code == 200, answer.text
            if not stream:
                return str(answer.json()["choices"][0]["message"]["content"])
            events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
            return "".join(event["choices"][0]["delta"].get("content") or "" for event in events)

        first = await ask("a")
        assert first and await stars(here) == 95
        here.apply(replace(here.settings, temperature=0.123))  # the prompt would be another one now
        assert await ask("a") == first == await ask("a", stream=True)
        assert await stars(here) == 95
        await ask("a", "Other words.")
        assert await stars(here) == 90
        await ask()
        await ask()
        assert await stars(here) == 80


async def test_a_call_whose_answer_was_lost_on_the_way_is_replayed_to_its_repeat(
    here: Runtime, proxy: FaultProxy
) -> None:
    here.apply(replace(here.settings, model=PAID.model))
    character = (await here.library.characters.list())[0]
    carrier = httpx.ASGITransport(create_app(here, "secret"))
    async with httpx.AsyncClient(transport=carrier, base_url="http://api") as client:
        proxy.fault, proxy.where = "drop-answer", "submit"
        body = {"model": character.name, "stateless": True, "messages": [{"role": "user", "content": "Hi"}]}
        headers = {"Authorization": "Bearer secret", "Idempotency-Key": "k"}
        assert (await client.post("/v1/chat/completions", headers=headers, json=body)).status_code >= 500
        proxy.fault = ""
        answer = await client.post("/v1/chat/completions", headers=headers, json=body)
    assert answer.status_code == 200 and await stars(here) == 95


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("text/event-stream", "event: delta\ndata: [1]\n\n", "BACKEND_CUT"),
        ("text/event-stream", 'event: delta\ndata: {"text": 5}\n\n', "BACKEND_CUT"),
        ("text/event-stream", 'event: thinking\ndata: {"said": "x"}\n\n', "BACKEND_CUT"),
        ("text/event-stream", "event: error\ndata: null\n\n", "BACKEND_CUT"),
        ("text/event-stream", 'event: done\ndata: {"content": [], "billing": 3}\n\n', "BACKEND_CUT"),
        ("text/event-stream", f"event: done\ndata: {DEEP}\n\n", "BACKEND_CUT"),
        ("application/json", '{"success": true, "content": 5}', "BACKEND_BAD_ANSWER"),
        ("application/json", DEEP, "BACKEND_BAD_ANSWER"),
        ("application/json", '{"success": false, "code": {"a": 1}, "message": "x"}', "BACKEND_BAD_ANSWER"),
    ],
)
async def test_an_answer_of_another_shape_is_told_and_no_crash(kind: str, body: str, code: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": kind}, text=body)

    async def connect() -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://backend.example")

    async def never(*_: object) -> bool:
        return False

    exchange = BackendExchange(connect, lambda: None, never, never)
    with pytest.raises(LunaluxError) as told:
        async for _ in GatewayEndpoints(exchange).submit_stream(
            SubmitRequest(model_id="002", messages=[]), "k"
        ):
            pass
    assert told.value.code == code
    await exchange.aclose()


def test_a_refusal_that_is_no_text_is_not_told() -> None:
    """A person reads a sentence of ours then, not how Python writes what came."""
    exchange = BackendExchange(*[lambda *_: None] * 4)  # type: ignore[arg-type]
    told = exchange.refused({"success": False, "code": "ODD", "message": {"a": [None]}}, None)
    assert told.message == "The server refused: ODD."
