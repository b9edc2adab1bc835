"""The Gemini protocol against a real server on loopback."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web
from llm_server import ModelServer, Seen, document, event, listen, page, raw

from lunalux_core.errors import LunaluxError
from lunalux_core.llm.model import Message, ModelRequest, ModelSpec, Sampling
from lunalux_core.llm.servers.gemini import GeminiModel, gemini_base_url
from lunalux_core.llm.servers.pool import HttpPool

KEY = "AIzaSyTest0123456789"


def model(server: ModelServer, connections: HttpPool, name: str = "gemini-2.5-pro") -> GeminiModel:
    return GeminiModel(ModelSpec("mine", "gemini", name, server.url), KEY, connections)


def part(text: str, finish: str | None = None, thought: bool = False, **more: Any) -> bytes:
    piece = {"text": text, **({"thought": True} if thought else {})}
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [piece]}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return event({"candidates": [candidate], **more})


def failure(code: int, status: str, message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message, **more}}


async def test_sends_the_conversation_in_geminis_shape(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(part("Hi", "STOP")))
    request = ModelRequest(
        (
            Message("system", "Rules."),
            Message("system", "Card."),
            Message("assistant", "Welcome."),
            Message("user", "Hello."),
            Message("system", "It rains."),
            Message("user", "你好"),
        ),
        Sampling(
            temperature=0.9,
            top_p=0.8,
            top_k=40,
            max_tokens=99,
            frequency_penalty=0.1,
            presence_penalty=0.2,
            repeat_penalty=1.1,
        ),
    )
    heard = await listen(model(server, connections), request)
    assert heard.text == "Hi"
    (seen,) = server.seen
    assert seen.path == "/v1beta/models/gemini-2.5-pro:streamGenerateContent"
    assert seen.query == {"alt": "sse"}
    assert seen.headers["x-goog-api-key"] == KEY
    assert "authorization" not in seen.headers
    assert seen.body == {
        "systemInstruction": {"parts": [{"text": "Rules.\n\nCard."}]},
        "contents": [
            {"role": "model", "parts": [{"text": "Welcome."}]},
            {"role": "user", "parts": [{"text": "Hello.\n\nIt rains.\n\n你好"}]},
        ],
        "generationConfig": {
            "temperature": 0.9,
            "topP": 0.8,
            "topK": 40,
            "maxOutputTokens": 99,
            "frequencyPenalty": 0.1,
            "presencePenalty": 0.2,
            "thinkingConfig": {"includeThoughts": True},
        },
    }


async def test_instructions_alone_still_make_a_request(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(part("Hi", "STOP")))
    await listen(model(server, connections), ModelRequest((Message("system", "a"), Message("system", "b"))))
    body = server.seen[0].body
    assert body["contents"] == [{"role": "user", "parts": [{"text": "b"}]}]
    assert body["systemInstruction"] == {"parts": [{"text": "a"}]}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("models/gemini-x", "/v1beta/models/gemini-x:streamGenerateContent"),
        ("tunedModels/my one", "/v1beta/tunedModels/my one:streamGenerateContent"),
        ("gemini?key=1#x", "/v1beta/models/gemini?key=1#x:streamGenerateContent"),
    ],
)
async def test_model_names_go_into_the_path_and_stay_there(
    server: ModelServer, connections: HttpPool, name: str, path: str
) -> None:
    server.will(raw(part("Hi", "STOP")))
    await listen(model(server, connections, name))
    assert (server.seen[0].path, server.seen[0].query) == (path, {"alt": "sse"})


async def test_thoughts_text_usage_and_reason(server: ModelServer, connections: HttpPool) -> None:
    counts = {"promptTokenCount": 10, "candidatesTokenCount": 3, "thoughtsTokenCount": 4}
    server.will(
        raw(
            part("The tide ", thought=True, usageMetadata={"promptTokenCount": 10}),
            part("turns.", thought=True),
            part("潮"),
            part("汐", "MAX_TOKENS", usageMetadata=counts),
        )
    )
    heard = await listen(model(server, connections))
    assert (heard.thinking, heard.text, heard.last.finish) == ("The tide turns.", "潮汐", "length")
    assert heard.last.usage is not None
    usage = heard.last.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.estimated) == (10, 7, False)


async def test_a_model_without_thoughts_is_asked_again_without_them(
    server: ModelServer, connections: HttpPool
) -> None:
    refusal = failure(400, "INVALID_ARGUMENT", "Thinking is not enabled for this model")
    server.will(document(refusal, 400), raw(part("Hi", "STOP")))
    for _ in range(2):
        assert (await listen(model(server, connections))).text == "Hi"
    asked = ["thinkingConfig" in seen.body["generationConfig"] for seen in server.seen]
    assert asked == [True, False, False]


@pytest.mark.parametrize(
    ("pieces", "text", "detail"),
    [
        ([event({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})], "", "PROHIBITED_CONTENT"),
        ([event({"candidates": [{"finishReason": "RECITATION"}]})], "", "RECITATION"),
        ([event({"candidates": [{"finishReason": "IMAGE_SAFETY"}]})], "", "IMAGE_SAFETY"),
    ],
)
async def test_blocks_are_said_to_be_blocks(
    server: ModelServer, connections: HttpPool, pieces: list[bytes], text: str, detail: str
) -> None:
    server.will(raw(*pieces))
    heard = await listen(model(server, connections))
    assert (heard.code, heard.text, len(server.seen)) == ("MODEL_BLOCKED", text, 1)
    assert heard.error is not None and detail in heard.error.message


@pytest.mark.parametrize(
    ("answer", "code", "calls"),
    [
        (
            document(
                failure(
                    400,
                    "INVALID_ARGUMENT",
                    f"API key not valid: {KEY}",
                    details=[{"reason": "API_KEY_INVALID"}],
                ),
                400,
            ),
            "MODEL_KEY_REJECTED",
            1,
        ),
        (document(failure(403, "PERMISSION_DENIED", "denied"), 403), "MODEL_KEY_REJECTED", 1),
        (document(failure(404, "NOT_FOUND", "models/x is not found"), 404), "MODEL_NOT_AVAILABLE", 1),
        (
            document(failure(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum"), 400),
            "CONTEXT_TOO_LONG",
            1,
        ),
        (document(failure(503, "UNAVAILABLE", "The model is overloaded."), 503), "MODEL_SERVER_ERROR", 3),
        (
            document(failure(429, "RESOURCE_EXHAUSTED", "quota", details=[{"retryDelay": "60s"}]), 429),
            "MODEL_RATE_LIMITED",
            1,
        ),
        (document([failure(500, "INTERNAL", "Internal error")], 500), "MODEL_SERVER_ERROR", 3),
        (raw(event(failure(503, "UNAVAILABLE", "overloaded"))), "MODEL_SERVER_ERROR", 3),
        (page("<title>Sign in</title>"), "MODEL_BAD_ANSWER", 1),
        (raw(event({"candidates": [{"finishReason": "STOP"}]})), "MODEL_EMPTY_REPLY", 1),
    ],
)
async def test_faults(server: ModelServer, connections: HttpPool, answer: Any, code: str, calls: int) -> None:
    server.will(answer)
    heard = await listen(model(server, connections))
    assert (heard.code, len(server.seen)) == (code, calls)
    assert heard.error is not None
    assert KEY not in f"{heard.error.message}{heard.error.hint}{heard.error.params}"


async def test_a_cut_after_some_text(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(part("Once"), part(" upon"), then="abort"))
    heard = await listen(model(server, connections))
    assert (heard.code, heard.text, len(server.seen)) == ("MODEL_STREAM_CUT", "Once upon", 1)


async def test_a_proxy_that_answers_with_an_array(server: ModelServer, connections: HttpPool) -> None:
    candidate = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}}]}
    server.will(document([candidate, {"candidates": [{"finishReason": "STOP"}]}]))
    assert (await listen(model(server, connections))).text == "Hi"


async def test_closing_the_iterator_closes_the_connection(server: ModelServer, connections: HttpPool) -> None:
    async def endless(request: web.Request, seen: Seen) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(part("word "))
            await asyncio.sleep(0.005)

    server.will(endless)
    request = ModelRequest((Message("user", "?"),))
    async with aclosing(model(server, connections).stream(request)) as deltas:
        await anext(deltas)
    async with asyncio.timeout(30):
        await server.seen[0].left.wait()


async def test_lists_the_models_that_chat_over_several_pages(
    server: ModelServer, connections: HttpPool
) -> None:
    first = {
        "models": [
            {"name": "models/a", "supportedGenerationMethods": ["generateContent"]},
            {"name": "models/embedding", "supportedGenerationMethods": ["embedContent"]},
        ],
        "nextPageToken": "more & more",
    }
    server.will(document(first), document({"models": [{"name": "models/b"}]}))
    assert await model(server, connections).models() == ("a", "b")
    assert [seen.query.get("pageToken") for seen in server.seen] == [None, "more & more"]
    assert all("key" not in seen.query for seen in server.seen)


async def test_a_list_that_is_refused(server: ModelServer, connections: HttpPool) -> None:
    server.will(document(failure(400, "INVALID_ARGUMENT", "API key not valid"), 400))
    with pytest.raises(LunaluxError) as caught:
        await model(server, connections).models()
    assert caught.value.code == "MODEL_KEY_REJECTED"


async def test_a_configuration_is_tested(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(part("ready", "STOP")))
    assert (await model(server, connections).test()).sample == "ready"


@pytest.mark.parametrize(
    ("typed", "used"),
    [
        ("", "https://generativelanguage.googleapis.com/v1beta"),
        ("https://proxy.example.com", "https://proxy.example.com/v1beta"),
        ("https://proxy.example.com/gemini/v1beta/models/", "https://proxy.example.com/gemini/v1beta"),
    ],
)
def test_base_urls_as_people_type_them(typed: str, used: str) -> None:
    assert gemini_base_url(typed) == used
