"""Anthropic's Messages against a real server on loopback, whose answers Anthropic's own client reads too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web
from llm_server import Answer, ModelServer, Seen, document, listen, page, pool, raw

from lunalux_core.errors import LunaluxError
from lunalux_core.llm.model import CharacterMaterial, Message, ModelOptions, ModelRequest, ModelSpec, Sampling
from lunalux_core.llm.servers.anthropic import AnthropicModel, anthropic_base_url
from lunalux_core.llm.servers.pool import HttpPool

KEY = "sk-ant-api03-0123456789abcdef"
SAID = "The rain has stopped."
THOUGHT = "She is late."


def model(
    server: ModelServer,
    connections: HttpPool,
    name: str = "claude-x",
    sampling: Sampling = Sampling(),
    **options: Any,
) -> AnthropicModel:
    spec = ModelSpec(
        "mine", "anthropic", name, server.url, sampling=sampling, options=ModelOptions(**options)
    )
    return AnthropicModel(spec, KEY, connections)


# -- the fake ------------------------------------------------------------------------------------------


def event(body: dict[str, Any]) -> bytes:
    return f"event: {body['type']}\ndata: {json.dumps(body)}\n\n".encode()


USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 300,
    "output_tokens": 1,
}


def start(usage: dict[str, Any] = USAGE) -> bytes:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    return event({"type": "message_start", "message": message})


def block(index: int, kind: str, pieces: list[dict[str, Any]], **begin: Any) -> list[bytes]:
    return [
        event({"type": "content_block_start", "index": index, "content_block": {"type": kind, **begin}}),
        *(event({"type": "content_block_delta", "index": index, "delta": piece}) for piece in pieces),
        event({"type": "content_block_stop", "index": index}),
    ]


def text(words: str, index: int = 0) -> list[bytes]:
    pieces = [{"type": "text_delta", "text": words[place : place + 4]} for place in range(0, len(words), 4)]
    return block(index, "text", pieces, text="")


def thought(words: str, index: int = 0) -> list[bytes]:
    pieces = [
        {"type": "thinking_delta", "thinking": words},
        {"type": "signature_delta", "signature": "Eq0B=="},
    ]
    return block(index, "thinking", pieces, thinking="", signature="")


def end(reason: str | None = "end_turn", output: int = 42, **delta: Any) -> list[bytes]:
    told = {"stop_reason": reason, "stop_sequence": None, **delta}
    return [
        event({"type": "message_delta", "delta": told, "usage": {"output_tokens": output}}),
        event({"type": "message_stop"}),
    ]


def reply(words: str = SAID) -> list[bytes]:
    return [start(), event({"type": "ping"}), *text(words), *end()]


def whole(words: str = SAID, reason: str = "end_turn", **more: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [{"type": "text", "text": words}],
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {**USAGE, "output_tokens": 42},
        **more,
    }


def failure(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def invalid(message: str) -> dict[str, Any]:
    return failure("invalid_request_error", message)


def strict(*rules: tuple[Callable[[dict[str, Any]], bool], str]) -> Answer:
    """A server that refuses, in these words, what one of the rules finds in a body."""

    async def answer(request: web.Request, seen: Seen) -> web.StreamResponse:
        for broken, words in rules:
            if broken(seen.body):
                return await document(invalid(words), 400)(request, seen)
        return await raw(*reply())(request, seen)

    return answer


# -- what the real client reads: loading it takes seconds, so what only collects the tests does not ------


async def test_the_real_client_reads_the_fake(server: ModelServer) -> None:
    """What stands in the way of a misreading fake: Anthropic's client reads the same bytes as ours."""
    import anthropic

    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=server.url, max_retries=0) as client:
        server.will(raw(start(), event({"type": "ping"}), *thought(THOUGHT), *text(SAID, 1), *end()))
        asked: Any = {"model": "claude-x", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}
        async with client.messages.stream(**asked) as stream:
            result = await stream.get_final_message()
        assert [one.type for one in result.content] == ["thinking", "text"]
        assert (result.stop_reason, result.usage.output_tokens) == ("end_turn", 42)
        assert result.usage.cache_read_input_tokens == 300
        server.will(document(whole()))
        assert (await client.messages.create(**asked)).content[0].text == SAID  # type: ignore[union-attr]
        server.will(document(invalid("max_tokens: 5 > 4"), 400))
        with pytest.raises(anthropic.BadRequestError):
            await client.messages.create(**asked)
        server.will(document(failure("overloaded_error", "Overloaded"), 529))
        with pytest.raises(anthropic.APIStatusError):
            await client.messages.create(**asked)
    assert server.seen[0].path == "/v1/messages"


async def test_what_is_sent_is_what_the_real_client_sends(server: ModelServer, connections: HttpPool) -> None:
    """The same call made by both has the same path and body."""
    import anthropic

    server.will(raw(*reply()))
    ask = ModelRequest((Message("user", "Hi"),), Sampling(temperature=0.5, max_tokens=64))
    await listen(model(server, connections), ask)
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=server.url) as client:
        parts: Any = [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]
        stream = await client.messages.create(
            model="claude-x",
            max_tokens=64,
            messages=[{"role": "user", "content": parts}],
            stream=True,
            extra_body={"temperature": 0.5},
        )
        assert [one.type async for one in stream][-1] == "message_stop"
    ours, theirs = server.seen
    assert (ours.method, ours.path, ours.body) == (theirs.method, theirs.path, theirs.body)
    assert (ours.headers["x-api-key"], ours.headers["anthropic-version"]) == (KEY, "2023-06-01")
    assert "authorization" not in ours.headers


# -- requests ------------------------------------------------------------------------------------------

CONVERSATION = (
    Message("system", "Be the keeper."),
    Message("system", "Good day.", "example_user"),
    Message("system", "Aye.", "example_assistant"),
    Message("assistant", "You came.", "Mira"),
    Message("user", "I did.", "Bo Lind"),
    Message("system", "Rain."),
    Message("system", "  "),
    Message("user", "又下雨了。"),
)
REQUEST = ModelRequest(CONVERSATION, character=CharacterMaterial("Mira", "Bo"))


def words(seen: Seen) -> list[tuple[str, list[str]]]:
    return [
        (message["role"], [part["text"] for part in message["content"]]) for message in seen.body["messages"]
    ]


async def test_sends_the_conversation_in_its_shape(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(*reply()))
    heard = await listen(model(server, connections), REQUEST)
    assert (heard.text, heard.last.finish, heard.last.shape) == (SAID, "stop", "")
    (seen,) = server.seen
    assert [part["text"] for part in seen.body["system"]] == ["Be the keeper.", "Bo: Good day.", "Mira: Aye."]
    assert words(seen) == [
        ("user", ["Let us begin."]),
        ("assistant", ["Mira: You came."]),
        ("user", ["Bo Lind: I did.", "Rain.", "又下雨了。"]),
    ]
    assert seen.body["max_tokens"] == 4096 and seen.body["stream"] is True
    assert not {"temperature", "top_p", "top_k", "thinking"} & set(seen.body)


async def test_instructions_alone_still_make_a_request(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(*reply()))
    for messages in ((Message("system", "a"), Message("system", "b")), (Message("system", "b"),), ()):
        assert (await listen(model(server, connections), ModelRequest(messages))).text == SAID
    assert words(server.seen[0]) == words(server.seen[1]) == [("user", ["b"])]
    assert [part["text"] for part in server.seen[0].body["system"]] == ["a"]
    assert "system" not in server.seen[1].body
    assert words(server.seen[2]) == [("user", ["Let us begin."])]


async def test_a_begun_reply_ends_without_blanks(server: ModelServer, connections: HttpPool) -> None:
    server.will(
        strict((lambda body: body["messages"][-1]["content"][-1]["text"] != "Well,", "trailing blanks"))
    )
    begun = ModelRequest((Message("user", "Hi"), Message("assistant", "Well, \n")))
    assert (await listen(model(server, connections), begun)).text == SAID
    assert words(server.seen[0])[-1] == ("assistant", ["Well,"])


@pytest.mark.parametrize(
    ("typed", "used"),
    [
        ("", "https://api.anthropic.com/v1"),
        ("https://api.anthropic.com", "https://api.anthropic.com/v1"),
        ("https://api.anthropic.com/v1/messages", "https://api.anthropic.com/v1"),
        ("https://api.deepseek.com/anthropic", "https://api.deepseek.com/anthropic/v1"),
        ("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/v1"),
    ],
)
def test_addresses_as_people_type_them(typed: str, used: str) -> None:
    assert anthropic_base_url(typed) == used


# -- streams that end well -----------------------------------------------------------------------------

PING = event({"type": "ping"})
GOOD: dict[str, tuple[list[bytes], str, str, str]] = {
    "plain": (reply(), SAID, "", "stop"),
    "thoughts": ([start(), *thought(THOUGHT), *text(SAID, 1), *end()], SAID, THOUGHT, "stop"),
    "thoughts made unreadable": (
        [start(), *block(0, "redacted_thinking", [], data="Eq0B"), *text(SAID, 1), *end()],
        SAID,
        "",
        "stop",
    ),
    "thoughts in the text": (
        [start(), *text(f"<think>{THOUGHT}</think>{SAID}"), *end()],
        SAID,
        THOUGHT,
        "stop",
    ),
    "two blocks": ([start(), *text("The rain "), *text("has stopped.", 1), *end()], SAID, "", "stop"),
    "pings and comments between": (
        [start(), PING, b": keep-alive\n\n", *text(SAID)[:3], PING * 30, *text(SAID)[3:], *end()],
        SAID,
        "",
        "stop",
    ),
    "events that nobody knows": (
        [start(), event({"type": "vendor_note", "note": {"text": "NO"}}), *text(SAID), *end()],
        SAID,
        "",
        "stop",
    ),
    "without the event lines": ([b"data:" + one.split(b"data:")[1] for one in reply()], SAID, "", "stop"),
    "CRLF": ([one.replace(b"\n", b"\r\n") for one in reply()], SAID, "", "stop"),
    "split anywhere": ([bytes([one]) for one in b"".join(reply("雨停了。"))], "雨停了。", "", "stop"),
    "after the end": ([*reply(), *text("AFTER", 1)], SAID, "", "stop"),
    "no reason": ([start(), *text(SAID), *end(None)], SAID, "", "stop"),
    "no end": ([start(), *text(SAID)], SAID, "", "cut"),
    "a reason and no end": ([start(), *text(SAID), end("max_tokens")[0]], SAID, "", "length"),
    "one document": ([json.dumps(whole()).encode()], SAID, "", "stop"),
    "one document with thoughts": (
        [
            json.dumps(
                whole(
                    content=[
                        {"type": "thinking", "thinking": THOUGHT, "signature": "E"},
                        {"type": "text", "text": SAID},
                    ]
                )
            ).encode()
        ],
        SAID,
        THOUGHT,
        "stop",
    ),
    **{
        reason: ([start(), *text(SAID), *end(reason)], SAID, "", finish)
        for reason, finish in {
            "max_tokens": "length",
            "model_context_window_exceeded": "length",
            "stop_sequence": "stop",
            "refusal": "filtered",
            "pause_turn": "cut",
            "tool_use": "tool",
        }.items()
    },
}


@pytest.mark.parametrize("name", GOOD)
async def test_streams(server: ModelServer, connections: HttpPool, name: str) -> None:
    body, said, thinking, finish = GOOD[name]
    server.will(raw(*body))
    heard = await listen(model(server, connections))
    assert (heard.code, heard.text, heard.thinking, heard.last.finish) == ("", said, thinking, finish)


async def test_the_end_mark_is_the_end(server: ModelServer, connections: HttpPool) -> None:
    """A gateway that keeps the connection open after it does not keep the reader."""
    server.will(raw(*reply(), then="hang"))
    async with asyncio.timeout(30):
        assert (await listen(model(server, connections))).last.finish == "stop"


async def test_tokens_are_counted_with_the_cached_ones(server: ModelServer, connections: HttpPool) -> None:
    details = {"output_tokens_details": {"thinking_tokens": 7}}
    final = event(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 42, **details},
        }
    )
    server.will(raw(start(), *text(SAID), final, event({"type": "message_stop"})), document(whole()))
    for streams, thinking in ((True, 7), (False, 0)):
        usage = (await listen(model(server, connections, stream=streams))).last.usage
        assert usage is not None and not usage.estimated
        assert (usage.prompt_tokens, usage.cached_tokens) == (330, 300)
        assert (usage.completion_tokens, usage.thinking_tokens) == (42, thinking)
    assert "stream" not in server.seen[1].body


async def test_closing_the_stream_tells_the_server(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(start(), *text(SAID), then="hang"))
    async with aclosing(model(server, connections).stream(ModelRequest((Message("user", "Hi"),)))) as deltas:
        async for _ in deltas:
            break
    async with asyncio.timeout(30):
        await server.seen[0].left.wait()


# -- what goes wrong -----------------------------------------------------------------------------------

REFUSED: dict[str, tuple[Answer, str, str, int]] = {
    "key": (
        document(failure("authentication_error", "invalid x-api-key"), 401),
        "MODEL_KEY_REJECTED",
        "x-api-key",
        1,
    ),
    "permission": (
        document(failure("permission_error", f"Your key {KEY} may not use this."), 403),
        "MODEL_KEY_REJECTED",
        "[key]",
        1,
    ),
    "no model": (
        document(failure("not_found_error", "model: claude-x"), 404),
        "MODEL_NOT_AVAILABLE",
        "claude-x",
        1,
    ),
    "wrong address": (document({"detail": "Not Found"}, 404), "MODEL_PATH", "", 1),
    "too long": (
        document(invalid("prompt is too long: 205000 tokens > 200000 maximum"), 400),
        "CONTEXT_TOO_LONG",
        "205000",
        1,
    ),
    "too large": (
        document(failure("request_too_large", "Request exceeds the maximum size"), 413),
        "CONTEXT_TOO_LONG",
        "maximum size",
        1,
    ),
    "no credit": (
        document(invalid("Your credit balance is too low to access the Anthropic API."), 400),
        "MODEL_QUOTA",
        "credit",
        1,
    ),
    "slow down": (
        document(failure("rate_limit_error", "Number of requests has exceeded"), 429, retry_after="900"),
        "MODEL_RATE_LIMITED",
        "Number",
        1,
    ),
    "overloaded": (
        document(failure("overloaded_error", "Overloaded"), 529),
        "MODEL_SERVER_ERROR",
        "Overloaded",
        3,
    ),
    "broken": (
        document(failure("api_error", "Internal server error"), 500),
        "MODEL_SERVER_ERROR",
        "Internal",
        3,
    ),
    "timeout": (
        document(failure("timeout_error", "Request timed out"), 504),
        "MODEL_SERVER_ERROR",
        "timed",
        3,
    ),
    "a page": (page("<html><title>Sign in</title></html>"), "MODEL_BAD_ANSWER", "Sign in", 1),
    "a gate": (page("<html><title>Just a moment...</title></html>", 403), "MODEL_GATE", "Just a moment", 1),
    "nothing": (raw(), "MODEL_EMPTY_REPLY", "", 1),
    "prose": (raw(b"Internal Server Error"), "MODEL_BAD_ANSWER", "Internal", 1),
    "whatever": (document(invalid("messages.0: the moon is full"), 400), "MODEL_REFUSED", "moon", 1),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refusals(server: ModelServer, connections: HttpPool, name: str) -> None:
    answer, code, part, calls = REFUSED[name]
    server.will(answer)
    heard = await listen(model(server, connections))
    assert (heard.code, heard.text, len(server.seen)) == (code, "", calls)
    assert heard.error is not None and part in heard.error.message and heard.error.hint
    assert KEY not in f"{heard.error.message}{heard.error.params}"


@pytest.mark.parametrize(
    ("kind", "message", "code"),
    [
        ("overloaded_error", "Overloaded", "MODEL_SERVER_ERROR"),
        ("api_error", "Internal server error", "MODEL_SERVER_ERROR"),
        ("rate_limit_error", "This would exceed your limit", "MODEL_RATE_LIMITED"),
        ("invalid_request_error", "the moon is full", "MODEL_REFUSED"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
async def test_an_error_in_mid_stream_keeps_the_text(
    server: ModelServer, connections: HttpPool, kind: str, message: str, code: str, named: bool
) -> None:
    fault = event(failure(kind, message))
    server.will(raw(start(), *text(SAID), fault if named else b"data:" + fault.split(b"data:")[1]))
    heard = await listen(model(server, connections))
    assert (heard.code, heard.text, len(server.seen)) == (code, SAID, 1)
    assert heard.error is not None and message in heard.error.message


async def test_overloaded_before_a_word_is_tried_again(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(start(), event(failure("overloaded_error", "Overloaded"))), raw(*reply()))
    assert ((await listen(model(server, connections))).text, len(server.seen)) == (SAID, 2)


async def test_a_broken_connection_keeps_the_text(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(start(), *text(SAID), then="abort"))
    heard = await listen(model(server, connections))
    assert (heard.code, heard.text, len(server.seen)) == ("MODEL_STREAM_CUT", SAID, 1)


async def test_silence_has_an_end(server: ModelServer) -> None:
    patient = pool(first_token=0.3, between_tokens=0.3)
    server.will(raw(start(), then="hang"))
    assert (await listen(model(server, patient))).code == "MODEL_TIMEOUT"
    await patient.aclose()


@pytest.mark.parametrize(
    ("body", "code", "kind", "part"),
    [
        ([start(), *thought("Hm."), *end("max_tokens")], "MODEL_EMPTY_REPLY", "length", ""),
        ([start(), *end("tool_use")], "MODEL_EMPTY_REPLY", "tool", ""),
        ([start(), *end("pause_turn")], "MODEL_EMPTY_REPLY", "word", "pause_turn"),
        ([start(), *end()], "MODEL_EMPTY_REPLY", None, ""),
        ([start(), *end("refusal")], "MODEL_BLOCKED", "said", "refusal"),
        (
            [
                start(),
                *end(
                    "refusal",
                    stop_details={"type": "refusal", "category": "bio", "explanation": "It is about spores."},
                ),
            ],
            "MODEL_BLOCKED",
            "said",
            "spores",
        ),
    ],
)
async def test_an_empty_reply_says_why(
    server: ModelServer, connections: HttpPool, body: list[bytes], code: str, kind: str | None, part: str
) -> None:
    server.will(raw(*body))
    heard = await listen(model(server, connections))
    assert heard.error is not None and part in heard.error.message
    assert (heard.code, heard.error.params.get("kind")) == (code, kind)


# -- what a model takes is learnt ----------------------------------------------------------------------


def sampled(
    temperature: float | None = 0.9, top_p: float | None = 0.8, top_k: int | None = 40
) -> ModelRequest:
    return ModelRequest((Message("user", "Hi"),), Sampling(temperature, top_p, top_k, 99))


LEARNT: dict[str, tuple[Callable[[dict[str, Any]], bool], str, ModelRequest, dict[str, Any]]] = {
    "one of two": (
        lambda body: "temperature" in body and "top_p" in body,
        "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
        sampled(),
        {"temperature": 0.9, "top_k": 40},
    ),
    "no sampling": (
        lambda body: bool({"temperature", "top_p", "top_k"} & set(body)),
        "`temperature`, `top_p` and `top_k` are deprecated for this model.",
        sampled(),
        {},
    ),
    "a temperature up to one": (
        lambda body: body.get("temperature", 0) > 1,
        "temperature: range: 0..1",
        sampled(1.4, None, None),
        {"temperature": 1},
    ),
}


@pytest.mark.parametrize("name", LEARNT)
async def test_what_a_model_refuses_is_left_out_and_remembered(
    server: ModelServer, connections: HttpPool, name: str
) -> None:
    broken, sentence, request, left = LEARNT[name]
    server.will(strict((broken, sentence)))
    for calls in (2, 3):
        assert (await listen(model(server, connections), request)).text == SAID
        assert len(server.seen) == calls
    body = server.seen[-1].body
    assert {name: body[name] for name in ("temperature", "top_p", "top_k") if name in body} == left
    assert body["max_tokens"] == 99


async def test_a_limit_of_the_reply_is_learnt(server: ModelServer, connections: HttpPool) -> None:
    sentence = "max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens for claude-x"
    server.will(strict((lambda body: body["max_tokens"] > 8192, sentence)))
    request = ModelRequest((Message("user", "Hi"),), Sampling(max_tokens=64_000))
    assert (await listen(model(server, connections), request)).text == SAID
    assert [request.body["max_tokens"] for request in server.seen] == [64_000, 8192]


async def test_a_refused_prefill_is_followed_by_the_persons_words(
    server: ModelServer, connections: HttpPool
) -> None:
    sentence = (
        "This model does not support assistant message prefill. "
        "The conversation must end with a user message."
    )
    server.will(strict((lambda body: body["messages"][-1]["role"] == "assistant", sentence)))
    begun = ModelRequest((Message("user", "Hi"), Message("assistant", "Well,")))
    for calls in (2, 3):
        assert (await listen(model(server, connections), begun)).text == SAID
        assert len(server.seen) == calls
    assert words(server.seen[-1])[-2:] == [("assistant", ["Well,"]), ("user", ["Go on."])]
    assert connections.knowledge.of(f"{server.url}/v1", "claude-x").prefill == "refused"


async def test_a_prefill_that_is_taken_is_known(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(*reply()))
    begun = ModelRequest((Message("user", "Hi"), Message("assistant", "Well,")))
    await listen(model(server, connections), begun)
    assert connections.knowledge.of(f"{server.url}/v1", "claude-x").as_json() == {"prefill": "trailing"}


async def test_a_server_without_a_cache_gets_no_marks(server: ModelServer, connections: HttpPool) -> None:
    server.will(
        strict(
            (
                lambda body: "cache_control" in json.dumps(body),
                "system.0.cache_control: Extra inputs are not permitted",
            )
        )
    )
    assert (await listen(model(server, connections), REQUEST)).text == SAID
    assert len(server.seen) == 2


async def test_streaming_that_is_refused_is_done_without(server: ModelServer, connections: HttpPool) -> None:
    server.will(document(invalid("Streaming is not supported for this model"), 400), document(whole()))
    for calls in (2, 3):
        assert (await listen(model(server, connections))).text == SAID
        assert len(server.seen) == calls


# -- thinking ------------------------------------------------------------------------------------------


def thinks(
    effort: str | None = "medium", budget: int | None = None, shown: bool | None = None
) -> ModelRequest:
    sampling = Sampling(
        0.9, 0.8, 40, 500, reasoning_effort=effort, reasoning_budget=budget, show_thoughts=shown
    )
    return ModelRequest((Message("user", "Hi"),), sampling)


def kind(body: dict[str, Any]) -> str:
    return str(body.get("thinking", {}).get("type", ""))


ADAPTIVE = {"type": "adaptive", "display": "summarized"}
OLD = (lambda body: kind(body) == "adaptive", "adaptive thinking is not supported on this model")
NEW = (
    lambda body: kind(body) == "enabled",
    '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and '
    '"output_config.effort" to control thinking behavior.',
)
NONE = (lambda body: "thinking" in body, "thinking is not supported on this model")
NO_EFFORT = (lambda body: "output_config" in body, "This model does not support the effort parameter.")
NO_DISPLAY = (
    lambda body: "display" in body.get("thinking", {}),
    "thinking.adaptive.display: Extra inputs are not permitted",
)
SMALL = (
    lambda body: body["max_tokens"] > 4096,
    "max_tokens: 8692 > 4096, which is the maximum allowed number of output tokens for claude-x",
)
THINKING: dict[str, tuple[list[Any], ModelRequest, dict[str, Any], int]] = {
    "adaptive": ([NEW], thinks(), {"thinking": ADAPTIVE, "output_config": {"effort": "medium"}}, 1),
    "an effort that is called otherwise": (
        [],
        thinks("minimal"),
        {"thinking": ADAPTIVE, "output_config": {"effort": "low"}},
        1,
    ),
    "a budget": ([OLD], thinks(), {"thinking": {"type": "enabled", "budget_tokens": 8192}}, 2),
    "a budget that was asked for": (
        [],
        thinks(None, 2000),
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        1,
    ),
    "the least budget": ([OLD], thinks(None, 5), {"thinking": {"type": "enabled", "budget_tokens": 1024}}, 1),
    "a budget where there is none": ([NEW], thinks(None, 2000), {"thinking": ADAPTIVE}, 2),
    "no effort": ([NO_EFFORT], thinks(), {"thinking": ADAPTIVE}, 2),
    "no thinking at all": ([NONE], thinks(), {"temperature": 0.9, "top_p": 0.8, "top_k": 40}, 3),
    "thoughts that are not shown": (
        [],
        thinks(shown=False),
        {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "medium"}},
        1,
    ),
    "no choice of showing": (
        [NO_DISPLAY],
        thinks(),
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}},
        2,
    ),
    "few tokens": (
        [OLD, SMALL],
        thinks(),
        {"thinking": {"type": "enabled", "budget_tokens": 3596}},
        3,
    ),
    "none wanted": ([NONE], thinks("none"), {"temperature": 0.9, "top_p": 0.8, "top_k": 40}, 1),
    "as the server likes": ([NONE], thinks("auto"), {"temperature": 0.9, "top_p": 0.8, "top_k": 40}, 1),
}


@pytest.mark.parametrize("name", THINKING)
async def test_how_to_think_is_learnt(server: ModelServer, connections: HttpPool, name: str) -> None:
    """A model that thinks gets no sampling; what it refuses is found out once."""
    rules, request, told, calls = THINKING[name]
    server.will(strict(*rules))
    for more in (0, 1):
        assert (await listen(model(server, connections), request)).text == SAID
        assert len(server.seen) == calls + more
    body = server.seen[-1].body
    names = ("thinking", "output_config", "temperature", "top_p", "top_k")
    assert {name: body[name] for name in names if name in body} == told
    budget = body.get("thinking", {}).get("budget_tokens", 0)
    assert body["max_tokens"] >= budget + 500


async def test_a_begun_reply_is_not_thought_about(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(*reply()))
    request = thinks()
    begun = ModelRequest((*request.messages, Message("assistant", "Well,")), request.sampling)
    await listen(model(server, connections), begun)
    assert "thinking" not in server.seen[0].body and server.seen[0].body["max_tokens"] == 500


async def test_stop_strings_go_along(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(*reply()))
    sampling = Sampling(stop=("\nBo:", "\n", "END"))
    await listen(model(server, connections), ModelRequest((Message("user", "Hi"),), sampling))
    assert server.seen[0].body["stop_sequences"] == ["\nBo:", "END"]


# -- the cache -----------------------------------------------------------------------------------------


def marked(seen: Seen) -> list[str]:
    """The texts of the blocks with a mark, in order."""
    parts = [
        *seen.body.get("system", []),
        *(part for message in seen.body["messages"] for part in message["content"]),
    ]
    assert all(part.get("cache_control", {"type": "ephemeral"}) == {"type": "ephemeral"} for part in parts)
    return [part["text"] for part in parts if "cache_control" in part]


def chat(*turns: str, lore: str = "", note: str = "") -> ModelRequest:
    """A card, some lore that may change, turns from the person's on, and a note two messages from the end."""
    history = [Message("assistant" if place % 2 else "user", turn) for place, turn in enumerate(turns)]
    if note:
        history.insert(max(len(history) - 2, 0), Message("system", note))
    return ModelRequest((Message("system", "Card."), *([Message("system", lore)] if lore else []), *history))


async def marks(server: ModelServer, connections: HttpPool, *requests: ModelRequest) -> list[list[str]]:
    server.will(raw(*reply()))
    for request in requests:
        assert (await listen(model(server, connections), request)).text == SAID
    return [marked(request) for request in server.seen]


async def test_the_cache_follows_a_chat(server: ModelServer, connections: HttpPool) -> None:
    turns = [f"t{place}" for place in range(9)]
    found = await marks(server, connections, *(chat(*turns[:end]) for end in (3, 5, 7, 7)))
    assert found == [
        ["Card.", "t0", "t2"],
        ["Card.", "t2", "t4"],
        ["Card.", "t4", "t6"],
        ["Card.", "t6"],  # regenerated
    ]


async def test_marks_stand_above_what_moves(server: ModelServer, connections: HttpPool) -> None:
    """A note two messages from the end moves every turn: what comes after it is never read from the cache."""
    turns = [f"t{place}" for place in range(11)]
    found = await marks(server, connections, *(chat(*turns[:end], note="Rain.") for end in (5, 7, 9)))
    assert found[1:] == [["Card.", "t2", "t4"], ["Card.", "t4", "t6"]]


async def test_marks_stand_above_instructions_that_change(server: ModelServer, connections: HttpPool) -> None:
    requests = [chat(*map(str, range(end)), lore=f"Lore {end}.") for end in (1, 3, 5)]
    found = await marks(server, connections, *requests)
    assert found[1:] == [["Card."], ["Card."]]


async def test_two_chats_at_once_keep_their_marks(server: ModelServer, connections: HttpPool) -> None:
    one = [chat("a", "b", "c")], [chat("a", "b", "c", "d", "e")]
    other = [chat("x")], [chat("x", "y", "z")]
    found = await marks(server, connections, *one[0], *other[0], *one[1], *other[1])
    assert found[2:] == [["Card.", "c", "e"], ["Card.", "x", "z"]]


async def test_prompts_that_share_nothing_cost_no_marks(server: ModelServer, connections: HttpPool) -> None:
    requests = [ModelRequest((Message("system", f"{place}"), Message("user", "Hi"))) for place in range(6)]
    found = await marks(server, connections, *requests, requests[-1])
    assert found[0] and found[4] == found[5] == [] and found[6]


# -- lists, windows, counting --------------------------------------------------------------------------


def row(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "type": "model",
        "display_name": name.title(),
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 200_000,
    }


async def test_lists_the_models_page_by_page(server: ModelServer, connections: HttpPool) -> None:
    import anthropic

    pages = [
        {"data": [row("a"), row("b")], "has_more": True, "first_id": "a", "last_id": "b"},
        {"data": [row("c")], "has_more": False, "first_id": "c", "last_id": "c"},
    ]
    server.will(*map(document, pages))
    assert await model(server, connections).models() == ("a", "b", "c")
    assert [request.query.get("after_id") for request in server.seen] == [None, "b"]
    assert server.seen[0].headers["anthropic-version"] == "2023-06-01"
    server.will(*map(document, pages))
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=server.url) as client:
        assert [one.id async for one in client.models.list()] == ["a", "b", "c"]
    server.will(document({"data": 5}))
    with pytest.raises(LunaluxError) as refused:
        await model(server, connections).models()
    assert refused.value.code == "MODEL_BAD_ANSWER"


async def test_the_window_is_told_by_the_server(server: ModelServer, connections: HttpPool) -> None:
    server.will(document(row("claude-x")), document({"id": "claude-x"}))
    assert await model(server, connections).window() == 200_000
    assert await model(server, connections).window() is None
    assert server.seen[0].path == "/v1/models/claude-x"


async def test_tokens_are_counted_by_the_server(server: ModelServer, connections: HttpPool) -> None:
    server.will(document({"input_tokens": 54}))
    assert await model(server, connections).count_tokens(REQUEST) == 54
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/v1/messages/count_tokens")
    assert set(seen.body) == {"model", "system", "messages"}
    server.will(raw(*reply()))
    await listen(model(server, connections), REQUEST)
    assert {name: server.seen[1].body[name] for name in seen.body} == seen.body
    server.will(document(failure("not_found_error", "no"), 404), document({"input_tokens": "x"}))
    for code in ("MODEL_NOT_AVAILABLE", "MODEL_BAD_ANSWER"):
        with pytest.raises(LunaluxError) as refused:
            await model(server, connections).count_tokens(REQUEST)
        assert refused.value.code == code


async def test_a_model_is_tried(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(*reply()))
    assert (await model(server, connections).test()).sample == SAID
