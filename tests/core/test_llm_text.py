"""What is read of a server that is given one text: the same as of one that is given messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from llm_server import DONE, Answer, Heard, ModelServer, document, event, listen, model_server, pool, raw

from lunalux_core.llm.model import CompletionText, Message, ModelOptions, ModelRequest, ModelSpec, Sampling
from lunalux_core.llm.servers.pool import HttpPool
from lunalux_core.llm.servers.text_completion import TextCompletionModel

SAID = "The rain has stopped."


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server(unknown=True) as running:
        yield running


def model(server: ModelServer, connections: HttpPool, provider: Any = "openai", **options: Any) -> Any:
    spec = ModelSpec("x", provider, "m", f"{server.url}/v1", options=ModelOptions(**options), mode="text")
    return TextCompletionModel(spec, "", connections)


async def go_on(model: TextCompletionModel, **sampling: Any) -> Heard:
    completion = CompletionText("It rained.")
    return await listen(
        model, ModelRequest((Message("user", ""),), Sampling(**sampling), completion=completion)
    )


def choice(text: object = "", finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "text": text, "finish_reason": finish, **more}]}


def stream(*events: object) -> Answer:
    return raw(*map(event, events), DONE)


ENDS = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "filtered",
    "tool_calls": "tool",
    "abort": "cut",
}


@pytest.mark.parametrize("word", ENDS)
async def test_why_a_text_ended_is_told(server: ModelServer, connections: HttpPool, word: str) -> None:
    server.will(stream(choice(SAID), choice("", word)))
    heard = await go_on(model(server, connections))
    assert (heard.text, heard.last.finish) == (SAID, ENDS[word])


READ: dict[str, Answer] = {
    "an empty error along with each": stream(
        {"error": {"code": 0, "message": ""}, **choice(SAID)}, choice("", "stop")
    ),
    "nulls": stream(choice(None), {"choices": None, "usage": None}, choice(SAID), choice(None, "stop")),
    "a second choice nobody asked for": stream(
        {"choices": [{"index": 1, "text": "No."}]}, choice(SAID), choice("", "stop")
    ),
    "in chat's chunks": stream(
        {"choices": [{"index": 0, "delta": {"content": SAID}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ),
    "in an envelope": stream({"data": choice(SAID, "stop")}),
    "as a list": stream(choice(["The rain ", "has stopped."]), choice("", "stop")),
    "as a whole": document({"object": "text_completion", **choice(SAID, "stop")}),
}


@pytest.mark.parametrize("name", READ)
async def test_a_text_is_read_in_every_dialect(server: ModelServer, connections: HttpPool, name: str) -> None:
    server.will(READ[name])
    heard = await go_on(model(server, connections))
    assert (heard.text, heard.last.finish, heard.error) == (SAID, "stop", None)


async def test_thoughts_beside_a_text_are_thoughts(server: ModelServer, connections: HttpPool) -> None:
    server.will(stream(choice("", reasoning_content="She is late."), choice(SAID, "stop")))
    assert (await go_on(model(server, connections))).thinking == "She is late."
    server.will(stream(choice(f"<<She is late.>>{SAID}", "stop")))
    heard = await go_on(model(server, connections, thinking_marks=("<<", ">>")))
    assert (heard.thinking, heard.text) == ("She is late.", SAID)


REFUSALS: dict[str, tuple[dict[str, Any], str, str]] = {
    "an object": ({"object": "error", "message": "CUDA out of memory"}, "MODEL_SERVER_ERROR", "CUDA"),
    "a status inside": (
        {"base_resp": {"status_code": 1004, "status_msg": "login fail"}},
        "MODEL_KEY_REJECTED",
        "login fail",
    ),
    "code and message": ({"code": 402, "msg": "余额不足"}, "MODEL_QUOTA", "余额不足"),
    "a detail": ({"detail": "no lamp"}, "MODEL_REFUSED", "no lamp"),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_in_a_good_answer_is_told_and_the_text_kept(
    server: ModelServer, connections: HttpPool, name: str
) -> None:
    body, code, words = REFUSALS[name]
    for answer, text in ((document(body), ""), (stream(choice("The rain"), body), "The rain")):
        server.will(answer)
        heard = await go_on(model(server, connections))
        assert (heard.code, heard.text) == (code, text)
        assert heard.error is not None and words in heard.error.message


WHOLE: list[tuple[str, str, dict[str, Any]]] = [
    ("openai", "/v1/completions", choice(SAID, "stop")),
    ("koboldcpp", "/api/v1/generate", {"results": [{"text": SAID, "finish_reason": "stop"}]}),
    ("llamacpp", "/completion", {"content": SAID, "stop": True, "stop_type": "eos", "tokens_predicted": 5}),
]


@pytest.mark.parametrize(("provider", "path", "answer"), WHOLE)
async def test_a_text_in_one_piece(
    connections: HttpPool, provider: str, path: str, answer: dict[str, Any]
) -> None:
    """With streaming switched off, in the server's own protocol."""
    async with model_server() as server:
        server.will(document({}), document({}), document(answer)) if provider == "openai" else server.will(
            document(answer)
        )
        heard = await go_on(model(server, connections, provider, stream=False))
        (asked,) = [seen for seen in server.seen if seen.path == path]
    assert (heard.text, heard.last.finish) == (SAID, "stop")
    assert asked.body.get("stream") in {None, False} and "stream_options" not in asked.body


async def test_the_wait_of_the_model_counts(server: ModelServer) -> None:
    patient = pool(first_token=60)
    server.will(raw(b": alive\n\n", then="hang"))
    heard = await go_on(model(server, patient, timeout=0.3))
    assert heard.code == "MODEL_TIMEOUT" and heard.error is not None and heard.error.params["seconds"] == 0.3
    await patient.aclose()


@pytest.mark.parametrize(
    ("words", "field", "sent"),
    [
        ("Streaming is not supported for this model", "stream", [True, False, False]),
        ("max_tokens must be at most 256", "max_tokens", [1024, 256, 256]),
        ("top_a: extra fields not permitted", "top_a", [0.2, None, None]),
    ],
)
async def test_a_refusal_of_a_text_teaches_once(
    server: ModelServer, connections: HttpPool, words: str, field: str, sent: list[Any]
) -> None:
    server.will(document({"error": {"message": words}}, 400), document(choice(SAID, "stop")))
    asked = model(server, connections)
    for _ in range(2):
        assert (await go_on(asked, max_tokens=1024, top_a=0.2)).text == SAID
    assert [seen.body.get(field) for seen in server.seen] == sent
    assert asked.learnt().as_json()


async def test_a_text_follows_a_redirect_and_waits_its_turn(
    server: ModelServer, connections: HttpPool
) -> None:
    async def elsewhere(request: web.Request, seen: Any) -> web.StreamResponse:
        return web.Response(status=308, headers={"Location": "/moved/v1/completions"})

    busy = document({"error": {"message": "slow down"}}, 429, retry_after="0")
    server.will(busy, elsewhere, stream(choice(SAID, "stop")))
    assert (await go_on(model(server, connections))).text == SAID
    assert [seen.path for seen in server.seen] == ["/v1/completions"] * 2 + ["/moved/v1/completions"]
