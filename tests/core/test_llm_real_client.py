"""OpenAI's own client reads what the tests' servers send, so that none speaks a protocol of its own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import openai
import pytest
from llm_server import DONE, ModelServer, chunk, document, event, listen, raw, stream
from openai.types.chat import ChatCompletionMessageParam
from text_servers import text_server

from lunalux_core.llm.model import Message, ModelRequest, ModelSpec, Sampling
from lunalux_core.llm.servers.openai import OpenAIModel
from lunalux_core.llm.servers.pool import HttpPool

KEY = "sk-real-client-0123456789"
SAID: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]


def client(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=KEY, base_url=url, max_retries=0)


async def test_streams_and_whole_replies_are_read(server: ModelServer) -> None:
    async with client(f"{server.url}/v1") as theirs:
        usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
        server.will(
            raw(
                chunk("The "),
                chunk("lamp."),
                chunk(finish="stop"),
                event({"choices": [], "usage": usage}),
                DONE,
            )
        )
        pieces = [
            one async for one in await theirs.chat.completions.create(model="m", messages=SAID, stream=True)
        ]
        assert "".join(one.choices[0].delta.content or "" for one in pieces if one.choices) == "The lamp."
        assert pieces[-2].choices[0].finish_reason == "stop"
        assert pieces[-1].usage is not None and pieces[-1].usage.total_tokens == 9
        message = {"role": "assistant", "content": "Dark."}
        whole = {"choices": [{"index": 0, "message": message, "finish_reason": "length"}], "usage": usage}
        server.will(document(whole))
        done = await theirs.chat.completions.create(model="m", messages=SAID)
        assert (done.choices[0].message.content, done.choices[0].finish_reason) == ("Dark.", "length")
        server.will(document({"data": [{"id": "a"}, {"id": "b"}]}))
        assert [one.id async for one in theirs.models.list()] == ["a", "b"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
async def test_refusals_are_read(server: ModelServer, status: int, kind: type[openai.APIStatusError]) -> None:
    async with client(f"{server.url}/v1") as theirs:
        server.will(document({"error": {"message": "No.", "type": "t", "code": "c"}}, status))
        with pytest.raises(kind) as refused:
            await theirs.chat.completions.create(model="m", messages=SAID)
        assert refused.value.status_code == status and "No." in str(refused.value)


async def test_a_broken_stream_is_broken_for_both(server: ModelServer, connections: HttpPool) -> None:
    async with client(f"{server.url}/v1") as theirs:
        server.will(raw(chunk("The lamp"), then="abort"))
        got = []
        with pytest.raises(Exception) as broken:
            async for one in await theirs.chat.completions.create(model="m", messages=SAID, stream=True):
                got.append(one.choices[0].delta.content or "")
        assert "".join(got) == "The lamp" and broken.value is not None
    ours = OpenAIModel(ModelSpec("x", "openai", "m", f"{server.url}/v1"), KEY, connections)
    heard = await listen(ours)
    assert heard.text == "The lamp" and (heard.error is not None or heard.last.finish == "cut")


async def test_what_is_sent_is_what_the_real_client_sends(server: ModelServer, connections: HttpPool) -> None:
    """The same call made by both has the same path and body."""
    server.will(stream("Hi."))
    ours = OpenAIModel(ModelSpec("x", "openai", "m", f"{server.url}/v1"), KEY, connections)
    sampling = Sampling(temperature=0.5, max_tokens=64, stop=("END",), seed=7, n=2)
    messages = (Message("system", "Be brief."), Message("user", "Hello", "Bo"))
    await listen(ours, ModelRequest(messages, sampling))
    async with client(f"{server.url}/v1") as theirs:
        said: list[ChatCompletionMessageParam] = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello", "name": "Bo"},
        ]
        pieces = await theirs.chat.completions.create(
            model="m",
            messages=said,
            stream=True,
            stream_options={"include_usage": True},
            temperature=0.5,
            max_tokens=64,
            stop=["END"],
            seed=7,
            n=2,
        )
        assert [one async for one in pieces]
    first, second = server.seen
    assert (first.method, first.path, first.body) == (second.method, second.path, second.body)
    assert first.headers["authorization"] == second.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("kind", ["llamacpp", "koboldcpp", "generic"])
async def test_servers_of_text_completion_speak_its_protocol(kind: Any) -> None:
    async with text_server(kind, pieces=["The lamp", " burns."], finish="length") as served:
        async with client(served.url) as theirs:
            texts = await theirs.completions.create(model="m", prompt="Once", stream=True)
            events = [one async for one in texts]
            assert "".join(one.choices[0].text for one in events) == "The lamp burns."
            assert events[-1].choices[0].finish_reason == "length"
            chats = await theirs.chat.completions.create(model="m", messages=SAID, stream=True)
            assert "".join([one.choices[0].delta.content or "" async for one in chats]) == "The lamp burns."
        assert [path for path, _ in served.asked] == ["/v1/completions", "/v1/chat/completions"]


async def test_the_server_of_the_screens_tests_is_read_too() -> None:
    screens = _module(Path(__file__).parents[1] / "tui" / "model_server.py")
    async with screens.model_server(["The ", "lamp."]) as url, client(url) as theirs:
        pieces = await theirs.chat.completions.create(model="m", messages=SAID, stream=True)
        assert "".join([one.choices[0].delta.content or "" async for one in pieces]) == "The lamp."


def _module(path: Path) -> ModuleType:
    """A module of another folder of tests."""
    spec = importlib.util.spec_from_file_location(f"other_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
