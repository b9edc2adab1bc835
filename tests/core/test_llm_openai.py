"""The OpenAI-compatible protocol against a real server on loopback."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web
from llm_server import (
    DONE,
    ModelServer,
    Seen,
    chunk,
    document,
    event,
    listen,
    page,
    pool,
    raw,
    stream,
)

from lunalux_core.errors import InvalidInput
from lunalux_core.llm.model import Message, ModelOptions, ModelRequest, ModelSpec, Sampling
from lunalux_core.llm.servers.openai import OpenAIModel, openai_base_url
from lunalux_core.llm.servers.pool import HttpPool

KEY = "sk-secret-0123456789"
ERROR = {"error": {"message": f"no, {KEY}", "type": "x"}}


def model(server: ModelServer, connections: HttpPool, **spec: object) -> OpenAIModel:
    return OpenAIModel(
        ModelSpec("mine", "openai", "big-model", f"{server.url}/v1", **spec),  # type: ignore[arg-type]
        KEY,
        connections,
    )


# -- the request -------------------------------------------------------------------------------------


async def test_sends_what_was_asked_and_nothing_else(server: ModelServer, connections: HttpPool) -> None:
    server.will(stream("Hi"))
    saved = Sampling(temperature=0.5, top_k=40)
    request = ModelRequest(
        (Message("system", "Be brief."), Message("user", "你好", "Ada L.")),
        Sampling(temperature=0.9, max_tokens=99),
        request_id="turn-1",
    )
    await listen(model(server, connections, sampling=saved), request)
    (seen,) = server.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers["idempotency-key"] == "turn-1"
    assert seen.body == {
        "model": "big-model",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "你好", "name": "Ada_L."},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.9,
        "top_k": 40,
        "max_tokens": 99,
    }


async def test_half_a_surrogate_from_a_broken_card_does_not_stop_the_call(
    server: ModelServer, connections: HttpPool
) -> None:
    server.will(stream("Hi"))
    await listen(model(server, connections), ModelRequest((Message("user", "a \ud83d b"),)))
    assert server.seen[0].body["messages"][0]["content"] == "a ? b"


async def test_no_key_no_header(server: ModelServer, connections: HttpPool) -> None:
    server.will(stream("Hi"))
    await listen(OpenAIModel(ModelSpec("x", "openai", "m", server.url), "", connections))
    assert "authorization" not in server.seen[0].headers
    assert server.seen[0].path == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("typed", "used"),
    [
        ("", "https://api.openai.com/v1"),
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434/v1"),
        ("http://127.0.0.1:11434/", "http://127.0.0.1:11434/v1"),
        ("https://openrouter.ai/api/v1/", "https://openrouter.ai/api/v1"),
        ("https://host/v1/chat/completions", "https://host/v1"),
    ],
)
def test_base_urls_as_people_type_them(typed: str, used: str) -> None:
    assert openai_base_url(typed) == used


@pytest.mark.parametrize("typed", ["api.openai.com/v1", "ftp://host/v1", "http://", "http://host:port/"])
def test_a_base_url_that_is_none_is_refused(typed: str) -> None:
    with pytest.raises(InvalidInput, match="not a web address"):
        openai_base_url(typed)


@pytest.mark.parametrize("key", ["sk-with\nnewline", "ключ", "two words"])
def test_a_key_that_cannot_be_a_header_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        OpenAIModel(ModelSpec("x", "openai", "m"), key)
    assert caught.value.code == "MODEL_KEY_INVALID"
    assert key not in f"{caught.value.message}{caught.value.hint}{caught.value.params}"


# -- fields that a server refuses ----------------------------------------------------------------------


async def test_refused_stream_options_are_left_out_and_remembered(
    server: ModelServer, connections: HttpPool
) -> None:
    refusal = {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"]}]}
    server.will(document(refusal, 422), stream("Hi"))
    heard = await listen(model(server, connections))
    assert (heard.text, heard.code) == ("Hi", "")
    assert heard.last.usage is not None and heard.last.usage.estimated
    await listen(model(server, connections))
    assert ["stream_options" in seen.body for seen in server.seen] == [True, False, False]


async def test_max_tokens_is_renamed_where_the_server_says_so(
    server: ModelServer, connections: HttpPool
) -> None:
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    server.will(document({"error": {"message": message}}, 400), stream("Hi"))
    request = ModelRequest((Message("user", "?"),), Sampling(max_tokens=7, temperature=0.5))
    assert (await listen(model(server, connections), request)).text == "Hi"
    second = server.seen[1].body
    assert second["max_completion_tokens"] == 7 and "max_tokens" not in second
    assert second["temperature"] == 0.5


async def test_both_names_of_the_repeat_penalty_are_tried(server: ModelServer, connections: HttpPool) -> None:
    first = "Unrecognized request arguments supplied: repeat_penalty, repetition_penalty"
    server.will(document({"error": {"message": first}}, 400), stream("Hi"))
    request = ModelRequest((Message("user", "?"),), Sampling(repeat_penalty=1.1))
    assert (await listen(model(server, connections), request)).text == "Hi"
    assert server.seen[0].body["repeat_penalty"] == server.seen[0].body["repetition_penalty"] == 1.1
    assert "repeat_penalty" not in server.seen[1].body


async def test_a_400_that_names_nothing_optional_is_final(server: ModelServer, connections: HttpPool) -> None:
    server.will(document({"error": {"message": "messages must not be empty"}}, 400))
    heard = await listen(model(server, connections))
    assert (heard.code, len(server.seen)) == ("MODEL_REFUSED", 1)


# -- the answer ----------------------------------------------------------------------------------------


async def test_text_usage_and_reason(server: ModelServer, connections: HttpPool) -> None:
    usage = event({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 3}})
    server.will(raw(chunk("潮"), chunk("汐"), chunk(finish="length"), usage, DONE))
    heard = await listen(model(server, connections))
    assert heard.text == "潮汐"
    assert heard.last.finish == "length"
    assert heard.last.usage is not None
    assert (heard.last.usage.total_tokens, heard.last.usage.estimated) == (14, False)


@pytest.mark.parametrize(
    "pieces",
    [
        [chunk(reasoning_content="Hm."), chunk("Hi")],
        [chunk(reasoning="Hm."), chunk("Hi")],
        [chunk(reasoning="Hm.", reasoning_details=[{"type": "reasoning.text", "text": "Hm."}]), chunk("Hi")],
        [chunk(reasoning_details=[{"type": "reasoning.summary", "summary": "Hm."}]), chunk("Hi")],
        [chunk("<thi"), chunk("nk>H"), chunk("m.</think"), chunk(">\nHi")],
        [
            event(
                {
                    "choices": [
                        {
                            "delta": {
                                "content": [
                                    {"type": "thinking", "thinking": [{"text": "Hm."}]},
                                    {"type": "text", "text": "Hi"},
                                ]
                            }
                        }
                    ]
                }
            )
        ],
    ],
    ids=["reasoning_content", "reasoning", "openrouter", "summary", "inline", "parts"],
)
async def test_reasoning_in_every_dress(
    server: ModelServer, connections: HttpPool, pieces: list[bytes]
) -> None:
    server.will(raw(*pieces, chunk(finish="stop"), DONE))
    heard = await listen(model(server, connections))
    assert (heard.text, heard.thinking) == ("Hi", "Hm.")


async def test_a_stream_request_answered_with_one_document(
    server: ModelServer, connections: HttpPool
) -> None:
    body = {
        "choices": [{"message": {"content": "<think>Hm.</think>Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    server.will(document(body))
    heard = await listen(model(server, connections))
    assert (heard.text, heard.thinking, heard.last.finish) == ("Hi", "Hm.", "stop")


async def test_the_wrong_content_type_does_not_matter(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(b"\n\n", chunk("Hi"), DONE, content_type="text/plain"))
    assert (await listen(model(server, connections))).text == "Hi"


async def test_events_without_the_blank_line_between(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(*(piece[:-1] for piece in (chunk("a"), chunk("b"), chunk(finish="stop"))), DONE))
    heard = await listen(model(server, connections))
    assert (heard.text, heard.code) == ("ab", "")


async def test_an_end_without_the_end_mark_is_an_end(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(chunk("Hi")))
    heard = await listen(model(server, connections))
    assert (heard.text, heard.code, heard.last.finish) == ("Hi", "", "cut")


async def test_a_break_after_the_reason_to_finish_is_an_end(
    server: ModelServer, connections: HttpPool
) -> None:
    server.will(raw(chunk("Hi"), chunk(finish="stop"), then="abort"))
    heard = await listen(model(server, connections))
    assert (heard.text, heard.code, heard.last.finish) == ("Hi", "", "stop")


async def test_a_server_that_keeps_the_body_open_after_the_end_mark(
    server: ModelServer, connections: HttpPool
) -> None:
    server.will(stream("Hi", then="hang"))
    heard = await listen(model(server, connections))
    assert (heard.text, heard.code) == ("Hi", "")
    async with asyncio.timeout(30):
        await server.seen[0].left.wait()


async def test_a_connection_is_used_again(server: ModelServer, connections: HttpPool) -> None:
    server.will(stream("Hi"))
    for _ in range(3):
        await listen(model(server, connections))
    assert len({seen.port for seen in server.seen}) == 1


# -- faults --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "MODEL_KEY_REJECTED"),
        (403, "MODEL_KEY_REJECTED"),
        (404, "MODEL_NOT_AVAILABLE"),
        (400, "MODEL_REFUSED"),
        (402, "MODEL_QUOTA"),
    ],
)
async def test_refusals_are_final_and_hide_the_key(
    server: ModelServer, connections: HttpPool, status: int, code: str
) -> None:
    server.will(document(ERROR, status))
    heard = await listen(model(server, connections))
    assert (heard.code, len(server.seen)) == (code, 1)
    assert heard.error is not None
    assert KEY not in f"{heard.error.message}{heard.error.hint}{heard.error.params}"


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "MODEL_SERVER_ERROR"), (503, "MODEL_SERVER_ERROR"), (429, "MODEL_RATE_LIMITED")],
)
async def test_faults_that_pass_are_tried_three_times(
    server: ModelServer, connections: HttpPool, status: int, code: str
) -> None:
    server.will(document(ERROR, status))
    heard = await listen(model(server, connections))
    assert (heard.code, len(server.seen)) == (code, 3)


async def test_the_second_attempt_may_succeed(server: ModelServer, connections: HttpPool) -> None:
    server.will(document(ERROR, 500), document(ERROR, 429, Retry_After="0"), stream("Hi"))
    heard = await listen(model(server, connections))
    assert (heard.text, heard.code, len(server.seen)) == ("Hi", "", 3)


async def test_a_long_demand_to_wait_is_told_at_once(server: ModelServer, connections: HttpPool) -> None:
    server.will(document(ERROR, 429, Retry_After="600"))
    heard = await listen(model(server, connections))
    assert (heard.code, len(server.seen)) == ("MODEL_RATE_LIMITED", 1)
    assert heard.error is not None and heard.error.params["seconds"] == 600


async def test_an_error_as_the_first_event_is_tried_again(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(event({"error": {"message": "overloaded", "code": 529}})), stream("Hi"))
    heard = await listen(model(server, connections))
    assert (heard.text, len(server.seen)) == ("Hi", 2)


@pytest.mark.parametrize(
    ("last", "then", "code"),
    [
        (b"", "abort", "MODEL_STREAM_CUT"),
        (b"", "hang", "MODEL_TIMEOUT"),
        (event({"error": {"message": "overloaded", "code": 529}}), "end", "MODEL_SERVER_ERROR"),
        (event({"object": "error", "message": "CUDA out of memory"}), "end", "MODEL_SERVER_ERROR"),
        (b'error: {"message": "slot unavailable", "code": 503}\n\n', "end", "MODEL_SERVER_ERROR"),
    ],
)
async def test_text_before_a_fault_is_delivered_and_nothing_is_tried_again(
    server: ModelServer, last: bytes, then: str, code: str
) -> None:
    connections = pool(between_tokens=0.3)
    server.will(raw(chunk("Once upon"), chunk(" a <tim"), *([last] if last else []), then=then))
    heard = await listen(model(server, connections))
    assert (heard.text, heard.code, len(server.seen)) == ("Once upon a <tim", code, 1)
    await connections.aclose()


async def test_a_break_before_the_first_token_is_tried_again(
    server: ModelServer, connections: HttpPool
) -> None:
    server.will(raw(chunk(role="assistant"), then="abort"), stream("Hi"))
    heard = await listen(model(server, connections))
    assert (heard.text, len(server.seen)) == ("Hi", 2)


@pytest.mark.parametrize(
    "sign",
    [
        b": processing\n\n",
        b"\n",
        event({"type": "ping"}),
        event(
            {"choices": [{"delta": {"role": "assistant", "content": None}}], "prompt_progress": {"total": 9}}
        ),
    ],
)
async def test_any_byte_is_a_sign_of_life(server: ModelServer, sign: bytes) -> None:
    connections = pool(first_token=1.5)

    async def slow(request: web.Request, seen: Seen) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(5):
            await response.write(sign)
            await asyncio.sleep(0.4)
        await response.write(chunk("At last.", "stop"))
        return response

    server.will(slow)
    heard = await listen(model(server, connections))
    assert (heard.text, heard.code, len(server.seen)) == ("At last.", "", 1)
    await connections.aclose()


async def test_silence_after_a_sign_of_life_ends_too(server: ModelServer) -> None:
    connections = pool(first_token=0.4)
    server.will(raw(b": processing\n\n", then="hang"))
    heard = await listen(model(server, connections))
    assert (heard.code, len(server.seen)) == ("MODEL_TIMEOUT", 1)
    assert heard.error is not None and heard.error.params["seconds"] == 0.4
    await connections.aclose()


async def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "nonsense://user:secret@127.0.0.1:9")
    connections = pool()
    heard = await listen(OpenAIModel(ModelSpec("x", "openai", "m", "http://192.0.2.1/v1"), "", connections))
    assert heard.code == "MODEL_PROXY_UNUSABLE"
    assert heard.error is not None and "ALL_PROXY" in heard.error.hint and "secret" not in heard.error.message


async def test_a_proxy_is_not_asked_for_this_machine(
    server: ModelServer, connections: HttpPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.will(stream("Hi"))
    assert (await listen(model(server, connections))).text == "Hi"


async def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    connections = pool()
    heard = await listen(OpenAIModel(ModelSpec("x", "openai", "m", address), "", connections))
    assert heard.code == "MODEL_UNREACHABLE"
    assert heard.error is not None and "127.0.0.1" in heard.error.message
    await connections.aclose()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (page("<html><title>Welcome</title></html>"), "MODEL_BAD_ANSWER"),
        (raw(b"OK"), "MODEL_BAD_ANSWER"),
        (raw(*[b"data: {broken\n\n"] * 30), "MODEL_BAD_ANSWER"),
        (raw(b"data: {broken\n\n"), "MODEL_BAD_ANSWER"),
        (raw(b'{"unfinished": '), "MODEL_BAD_ANSWER"),
        (raw(b"data: " + b"[" * 100_000 + b"\n\n"), "MODEL_BAD_ANSWER"),
        (document({"hello": "world"}, 302), "MODEL_BAD_ANSWER"),
        (
            document({"hello": "world"}, 302, Location="https://login.example.com/sso?next=%2F"),
            "MODEL_REDIRECTED",
        ),
        (raw(DONE), "MODEL_EMPTY_REPLY"),
        (raw(), "MODEL_EMPTY_REPLY"),
        (raw(chunk(" \n"), chunk(finish="stop"), DONE), "MODEL_EMPTY_REPLY"),
        (raw(chunk("<think>Hm"), chunk(finish="length"), DONE), "MODEL_EMPTY_REPLY"),
        (document({"choices": []}), "MODEL_EMPTY_REPLY"),
        (document(None), "MODEL_BAD_ANSWER"),
    ],
)
async def test_answers_that_are_none(
    server: ModelServer, connections: HttpPool, answer: object, code: str
) -> None:
    server.will(answer)  # type: ignore[arg-type]
    heard = await listen(model(server, connections))
    assert (heard.code, heard.text.strip(), len(server.seen)) == (code, "", 1)


async def test_a_line_without_end_is_refused(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(b"data: ", *[b"x" * 1_000_000] * 9))
    heard = await listen(model(server, connections))
    assert heard.code == "MODEL_BAD_ANSWER"


async def test_a_reply_without_end_is_refused(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(*[chunk("x" * 1_000_000)] * 20))
    heard = await listen(model(server, connections))
    assert heard.code == "MODEL_BAD_ANSWER"
    assert 15_000_000 < len(heard.text) <= 16 * 1024 * 1024


# -- cancelling ----------------------------------------------------------------------------------------


async def endless(request: web.Request, seen: Seen) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(chunk("word "))
        await asyncio.sleep(0.005)


async def test_closing_the_iterator_closes_the_connection(server: ModelServer, connections: HttpPool) -> None:
    server.will(endless)
    request = ModelRequest((Message("user", "?"),))
    async with aclosing(model(server, connections).stream(request)) as deltas:
        async for delta in deltas:
            assert delta.text
            break
    async with asyncio.timeout(30):
        await server.seen[0].left.wait()


@pytest.mark.parametrize("begun", [True, False])
async def test_cancelling_the_task_closes_the_connection(
    server: ModelServer, connections: HttpPool, begun: bool
) -> None:
    server.will(endless if begun else raw(then="hang"))
    task = asyncio.create_task(listen(model(server, connections)))
    await server.arrived.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(30):
        await server.seen[0].left.wait()
    assert len(server.seen) == 1


async def test_cancelling_while_waiting_for_another_attempt(
    server: ModelServer, connections: HttpPool
) -> None:
    server.will(document(ERROR, 429, Retry_After="4"))
    task = asyncio.create_task(listen(model(server, connections)))
    await server.arrived.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# -- listing and testing -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"object": "list", "data": [{"id": "b"}, {"id": "a"}, {"id": "b"}]},
        {"models": [{"name": "b"}, {"name": "a"}]},
        [{"id": "b"}, {"id": "a"}],
        ["b", "a", "b", ""],
        {"models": ["b", "a"]},
        {"data": [{"model": "b"}, {"id": None, "model": "a"}]},
        {"data": [], "models": [{"name": "b"}, {"name": "a"}]},
        {"data": None, "models": [{"name": "b"}, {"name": "a"}]},
        {"object": "list", "data": {"models": [{"id": "b"}, {"id": "a"}]}},
    ],
)
async def test_lists_models(server: ModelServer, connections: HttpPool, body: object) -> None:
    server.will(document(body))
    assert await model(server, connections).models() == ("b", "a")
    assert (server.seen[0].method, server.seen[0].path) == ("GET", "/v1/models")


@pytest.mark.parametrize(
    "body",
    [{"object": "list", "data": None}, {"data": []}, {"models": None}, [], {"data": None, "models": []}],
)
async def test_a_list_may_be_empty(server: ModelServer, connections: HttpPool, body: object) -> None:
    server.will(document(body))
    assert await model(server, connections).models() == ()


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"model": "big-model", "max_model_len": 9000}, {"model": "b"}]},
        {"data": None, "models": [{"name": "big-model", "max_model_len": 9000}, {"name": "b"}]},
    ],
)
async def test_the_window_is_found_in_the_same_rows(
    server: ModelServer, connections: HttpPool, body: object
) -> None:
    async def answer(request: web.Request, seen: Seen) -> web.StreamResponse:
        return await (document(body) if seen.path == "/v1/models" else document({}, 404))(request, seen)

    server.will(answer)
    facts = await model(server, connections).look()
    assert facts is not None and facts.window == 9000


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (document(ERROR, 401), "MODEL_KEY_REJECTED"),
        (document({"object": "list"}), "MODEL_BAD_ANSWER"),
        (page("<title>Router</title>"), "MODEL_BAD_ANSWER"),
        (document({"data": "none"}), "MODEL_BAD_ANSWER"),
    ],
)
async def test_a_list_that_fails(
    server: ModelServer, connections: HttpPool, answer: object, code: str
) -> None:
    server.will(answer)  # type: ignore[arg-type]
    with pytest.raises(Exception) as caught:
        await model(server, connections).models()
    assert getattr(caught.value, "code", "") == code


async def test_a_configuration_is_tested_with_a_tiny_completion(
    server: ModelServer, connections: HttpPool
) -> None:
    server.will(stream("ready"))
    report = await model(server, connections).test()
    assert (report.model, report.sample) == ("big-model", "ready")
    assert 0 < report.first_seconds <= report.seconds
    assert server.seen[0].body["max_tokens"] <= 64


async def test_a_model_that_only_thinks_in_its_few_tokens_passes_the_test(
    server: ModelServer, connections: HttpPool
) -> None:
    server.will(raw(chunk(reasoning="The person wants"), chunk(finish="length"), DONE))
    assert (await model(server, connections).test()).sample == "The person wants"


def test_the_key_is_in_no_representation() -> None:
    one = OpenAIModel(ModelSpec("x", "openai", "m"), KEY)
    assert KEY not in repr(one) and KEY not in json.dumps(repr(one.spec))


@pytest.mark.parametrize(
    ("provider", "name", "marked"),
    [
        ("openrouter", "anthropic/claude-x", 3),
        ("openrouter", "openai/gpt-x", 0),
        ("openai", "anthropic/x", 0),
    ],
)
async def test_openrouters_claude_gets_marks_for_its_cache(
    server: ModelServer, connections: HttpPool, provider: Any, name: str, marked: int
) -> None:
    usage = {"prompt_tokens": 400, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 300}}
    server.will(raw(chunk("Hi"), chunk(finish="stop"), event({"choices": [], "usage": usage}), DONE))
    turns = [Message("system", "Card."), *(Message(role, role) for role in ("user", "assistant", "user"))]
    open_model = OpenAIModel(ModelSpec("x", provider, name, f"{server.url}/v1"), "k", connections)
    heard = await listen(open_model, ModelRequest(tuple(turns)))
    assert heard.last.usage is not None and heard.last.usage.cached_tokens == 300
    contents = [message["content"] for message in server.seen[0].body["messages"]]
    found = [content for content in contents if isinstance(content, list)]
    assert [one[0]["text"] for one in found] == ["Card.", "user", "user"][:marked]
    assert all(one[0]["cache_control"] == {"type": "ephemeral"} for one in found)
    words = "messages.0.content.0.cache_control: Extra inputs are not permitted"
    server.will(document({"error": {"message": words}}, 400), raw(chunk("Hi"), chunk(finish="stop"), DONE))
    if marked:
        assert (await listen(open_model, ModelRequest(tuple(turns)))).text == "Hi"
        assert all(isinstance(message["content"], str) for message in server.seen[-1].body["messages"])


BEGUN = ModelRequest((Message("user", "Hi"), Message("assistant", "The rain")))


@pytest.mark.parametrize(
    ("declared", "pieces", "extra", "said"),
    [
        ("prefix", ("The r", "ain has", " stopped."), {"prefix": True}, " has stopped."),
        ("prefix", (" has", " stopped."), {"prefix": True}, " has stopped."),
        ("prefix", ("The", " end."), {"prefix": True}, "The end."),
        ("prefix", ("The",), {"prefix": True}, "The"),
        ("flags", (" has stopped.",), {}, " has stopped."),
        ("trailing", (" has stopped.",), {}, " has stopped."),
    ],
)
async def test_a_begun_reply_is_gone_on_with_as_the_server_wants(
    server: ModelServer,
    connections: HttpPool,
    declared: Any,
    pieces: tuple[str, ...],
    extra: dict[str, Any],
    said: str,
) -> None:
    server.will(stream(*pieces))
    spec = ModelSpec("x", "openai", "m", f"{server.url}/v1", options=ModelOptions(prefill=declared))
    heard = await listen(OpenAIModel(spec, "k", connections), BEGUN)
    assert heard.text == said
    body = server.seen[0].body
    assert body["messages"][-1] == {"role": "assistant", "content": "The rain", **extra}
    assert body.get("continue_final_message", False) is (declared == "flags")
    assert body.get("add_generation_prompt", True) is (declared != "flags")
    server.will(stream("Hi"))
    await listen(OpenAIModel(spec, "k", connections))
    assert set(server.seen[1].body["messages"][-1]) == {"role", "content"}
    assert "continue_final_message" not in server.seen[1].body


async def test_llama_cpp_is_known_by_its_own_answer(server: ModelServer, connections: HttpPool) -> None:
    times = event({"choices": [], "timings": {"cache_n": 3, "prompt_n": 4, "predicted_n": 1}})
    server.will(raw(chunk("Hi"), chunk(finish="stop"), times, DONE))
    open_model = OpenAIModel(ModelSpec("x", "openai", "m", f"{server.url}/v1"), "k", connections)
    assert await open_model.prefill() == "unknown"
    await listen(open_model)
    assert await open_model.prefill() == "trailing" and len(server.seen) == 1


@pytest.mark.parametrize(
    ("url", "how"),
    [
        ("", "refused"),
        ("https://api.deepseek.com", "prefix"),
        ("https://api.mistral.ai/v1", "prefix"),
        ("https://openrouter.ai/api/v1", "trailing"),
    ],
)
async def test_how_known_providers_go_on(connections: HttpPool, url: str, how: str) -> None:
    assert await OpenAIModel(ModelSpec("x", "openai", "m", url), "k", connections).prefill() == how


@pytest.mark.parametrize(("name", "how"), [("vllm:m", "flags"), ("llamacpp:m", "trailing"), ("x", "unknown")])
async def test_how_local_servers_go_on(connections: HttpPool, name: str, how: str) -> None:
    spec = ModelSpec(name, "openai", "m", "http://127.0.0.1:9/v1")
    assert await OpenAIModel(spec, "k", connections).prefill() == how


async def test_a_server_that_wants_the_person_last_is_remembered(
    server: ModelServer, connections: HttpPool
) -> None:
    words = "The conversation must end with a user message."
    server.will(document({"error": {"message": words}}, 400), stream("Hi"))
    open_model = OpenAIModel(ModelSpec("x", "openai", "m", f"{server.url}/v1"), "k", connections)
    assert (await listen(open_model, BEGUN)).text == "Hi"
    assert await open_model.prefill() == "refused"
