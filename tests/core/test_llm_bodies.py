"""Bodies of JSON that break off, stay open or come in pieces: what came is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from llm_server import ModelServer, listen, pool, raw

from lunalux_core.llm.model import Message, ModelRequest, ModelSpec
from lunalux_core.llm.servers.json_documents import JsonDocuments
from lunalux_core.llm.servers.openai import OpenAIModel
from lunalux_core.llm.servers.pool import HttpPool

SAID = "The rain has stopped."
WHOLE = {
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 7},
}
REQUEST = ModelRequest((Message("user", "Hello"),))
ENDLESS = {"choices": [{"index": 0, "message": {"role": "assistant", "content": SAID}}]}


def piece(text: str, finish: str | None = None) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


PIECES = [piece("The rain"), piece(" has"), piece(" stopped.")]


def written(*documents: object, between: str = "") -> bytes:
    return between.join(map(json.dumps, documents)).encode()


@pytest.fixture
async def connections() -> AsyncIterator[HttpPool]:
    shared = pool(first_token=10, between_tokens=10)
    yield shared
    await shared.aclose()


def model(server: ModelServer, connections: HttpPool) -> OpenAIModel:
    return OpenAIModel(ModelSpec("x", "openai", "m", f"{server.url}/v1"), "", connections)


@pytest.mark.parametrize("then", ["abort", "hang", "end"])
@pytest.mark.parametrize(
    "body",
    [
        written(WHOLE),
        json.dumps(WHOLE, indent=2).encode() + b"\n",
        written(*PIECES, piece("", "stop")),
        b"[" + written(*PIECES, piece("", "stop"), between=",\r\n"),
        b": alive\n\n" + written(WHOLE),
        b"data: " + written(WHOLE),
    ],
)
async def test_a_reply_with_its_reason_to_finish_is_whole(
    server: ModelServer, connections: HttpPool, body: bytes, then: str
) -> None:
    server.will(raw(body[:40], body[40:], then=then))
    heard = await listen(model(server, connections))
    assert (heard.code, heard.text, heard.last.finish) == ("", SAID, "stop")


@pytest.mark.parametrize("then", ["abort", "hang", "end"])
@pytest.mark.parametrize(
    "body",
    [
        written(*PIECES) + b'{"choices":[{"ind',
        written(*PIECES, between="\n") + b"\n",
        b"[" + written(*PIECES, between=",\n") + b",\n",
        b"[" + b",\n".join(json.dumps(one, indent=1).encode() for one in PIECES),
        written(ENDLESS).partition(b"stopped.")[0] + b"stopped.",
        written(*PIECES).removesuffix(b'"}, "finish_reason": null}]}'),
    ],
)
async def test_what_came_before_a_fault_is_kept(
    server: ModelServer, connections: HttpPool, body: bytes, then: str
) -> None:
    server.will(raw(body[:40], body[40:], then=then))
    heard = await listen(model(server, connections))
    expected = {"abort": "MODEL_STREAM_CUT", "hang": "MODEL_TIMEOUT", "end": ""}[then]
    assert (heard.code, heard.text, len(server.seen)) == (expected, SAID, 1)
    assert then != "end" or heard.last.finish == "cut"


async def test_a_failure_that_is_cut_off_is_told(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(b'{"error": {"message": "the bridge is up", "code": 400, "det', then="abort"))
    heard = await listen(model(server, connections))
    assert heard.code == "MODEL_REFUSED"
    assert heard.error is not None and "the bridge is up" in heard.error.message


@pytest.mark.parametrize("more", [b"", b', {"choices": [{"ind'])
async def test_items_of_a_list_are_shown_as_they_come(server: ModelServer, more: bytes) -> None:
    server.will(raw(b"[" + written(PIECES[0]) + more, then="hang"))
    patient = pool(first_token=600)
    stream = model(server, patient).stream(REQUEST)
    async with asyncio.timeout(60):
        assert (await anext(stream)).text == "The rain"
    await stream.aclose()
    await patient.aclose()


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_documents_are_the_same_however_they_are_cut(step: int) -> None:
    body = "[" + json.dumps({"a": "}]潮"}) + ", 1, [2]\n" + json.dumps({"b": {}}, indent=2) + "] {}x{}"
    documents = JsonDocuments()
    raw_body = body.encode()
    taken = [one for at in range(0, len(raw_body), step) for one in documents.feed(raw_body[at : at + step])]
    assert taken + documents.close() == [{"a": "}]潮"}, 1, [2], {"b": {}}, {}]
    assert not documents.whole


def test_a_document_that_breaks_off_anywhere_says_what_it_has() -> None:
    said = 'He said: \\ "so" \n\U0001f600 é'
    text = json.dumps({"n": [1.5, True], "content": said, "more": {"x": None}})
    for end in range(len('{"n": 1'), len(text)):
        documents = JsonDocuments()
        documents.feed(text[:end].encode())
        value = documents.unfinished()
        assert isinstance(value, dict), text[:end]
        assert said.startswith(value.get("content") or ""), text[:end]
        assert str(value).encode(), "no half of a pair"
    for broken in ('{"a": 1, b', "{words", "{", "[", '{"a": 1}}'):
        documents = JsonDocuments()
        documents.feed(broken.encode())
        documents.close()
        assert documents.unfinished() in (None, {"a": 1}), broken


def test_long_bodies_are_read_in_time_with_their_length() -> None:
    documents = JsonDocuments()
    for _ in range(20_000):
        documents.feed(b'{broken "x": 1}')
    assert documents.taken == 0 and documents.held == 300_000
    documents = JsonDocuments()
    assert sum(len(documents.feed(b'{"content": "x"}')) for _ in range(20_000)) == 20_000
