"""Text completion, and Anthropic's Messages, on a real llama.cpp server.

LUNALUX_LLAMA_SERVER names a `llama-server`, LUNALUX_LLAMA_MODEL a model in GGUF that it loads, whose chat
template is ChatML (a tiny one with random weights will do); without them these tests are skipped.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest
from llm_server import listen
from servers.server_world import fill, say
from servers.server_world import opened as world
from test_pictures_sent import picture
from test_text_turns import CHATML, MASTER, collect, completed, opened
from text_servers import TextServer

from lunalux_core.config.config_file import save_model
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import SavedModel, load_settings
from lunalux_core.database import Connection
from lunalux_core.dialogue.turn import (
    PicturesNamed,
    PromptRead,
    Shortened,
    TemplateFailed,
    TextDelta,
    TurnOptions,
)
from lunalux_core.errors import LunaluxError
from lunalux_core.library.conversations import Message as StoredMessage
from lunalux_core.library.conversations import insert_message, new_message, select_message
from lunalux_core.library.message_pictures import attachment
from lunalux_core.llm.model import Message, ModelRequest, ModelSpec, Role, Sampling
from lunalux_core.llm.model_registry import Registry
from lunalux_core.llm.servers.anthropic import AnthropicModel
from lunalux_core.llm.servers.pool import HttpPool
from lunalux_core.runtime import Runtime

SERVER = os.environ.get("LUNALUX_LLAMA_SERVER", "")
MODEL = os.environ.get("LUNALUX_LLAMA_MODEL", "")
WINDOW = 2048

pytestmark = pytest.mark.skipif(
    not (SERVER and MODEL), reason="LUNALUX_LLAMA_SERVER and LUNALUX_LLAMA_MODEL name no server and model"
)


@pytest.fixture(scope="module")
def llama() -> Iterator[TextServer]:
    """A running server, told by its port alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [SERVER, "-m", MODEL, "--host", "127.0.0.1", "--port", str(port), "-c", str(WINDOW), "-np", "1"]
    folder = str(Path(SERVER).resolve().parent)
    environment = {**os.environ, "LD_LIBRARY_PATH": folder}
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield TextServer("llamacpp", port=port)
    finally:
        running.kill()
        running.wait(10)


SHORT = {"context_tokens": WINDOW, "sampling": {"max_tokens": 40}}


async def test_a_turn_is_streamed_and_counted(paths: Paths, llama: TextServer) -> None:
    async with opened(paths, llama, MASTER, **SHORT) as (runtime, place):
        events = await collect(runtime.chat.send(place.id, "I brought oil."))
        result = completed(events).message
    assert not any(isinstance(event, TemplateFailed) for event in events)
    assert result is not None and result.content and result.status == "done"
    assert sum(isinstance(event, TextDelta) for event in events) > 1
    assert result.usage is not None and not result.usage["estimated"]
    assert result.usage["prompt_tokens"] > 20 and 0 < result.usage["completion_tokens"] <= 40


async def test_it_goes_on_from_where_it_stopped(paths: Paths, llama: TextServer) -> None:
    async with opened(paths, llama, MASTER, **SHORT) as (runtime, place):
        first = completed(await collect(runtime.chat.send(place.id, "I brought oil."))).text
        await collect(runtime.chat.continue_(place.id))
        last = (await runtime.library.conversations.page(place.id))[-1].content
        assert (await collect(runtime.chat.impersonate(place.id)))[-1]
    assert last.startswith(first) and len(last) > len(first)


async def test_its_own_chat_template_is_read_off(paths: Paths, llama: TextServer) -> None:
    """What is sent is, sign for sign, what the server's template makes of the same turns."""
    async with opened(paths, llama, None, model="tiny", **SHORT) as (runtime, place):
        prompt = await runtime.chat.previews.prompt(place.id, "I brought oil.")
    assert prompt.form is not None and prompt.form.template == "ChatML"
    story = prompt.messages[0].content.removeprefix(CHATML["story_string_prefix"])
    turns = [
        {"role": "system", "content": story.removesuffix(CHATML["story_string_suffix"])},
        {"role": "user", "content": "Bob: Is it lit?"},
        {"role": "assistant", "content": "Since dusk."},
        {"role": "assistant", "content": "You came, Bob."},
        {"role": "user", "content": "I brought oil."},
        {"role": "system", "content": "The can is half empty."},
    ]
    async with httpx.AsyncClient(timeout=60) as client:
        url = f"{llama.url.removesuffix('/v1')}/apply-template"
        answer = await client.post(url, json={"messages": turns})
    assert prompt.text == answer.json()["prompt"]


async def test_it_stops_when_the_reader_goes(paths: Paths, llama: TextServer) -> None:
    config = {"context_tokens": WINDOW, "sampling": {"max_tokens": 1500}}
    async with opened(paths, llama, MASTER, **config) as (runtime, place):
        async with aclosing(runtime.chat.send(place.id, "Count.")) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    break
        until = time.monotonic() + 10
        async with httpx.AsyncClient(timeout=60) as client:
            while time.monotonic() < until:
                slots = await client.get(f"{llama.url.removesuffix('/v1')}/slots")
                if slots.status_code != 200 or not any(one["is_processing"] for one in slots.json()):
                    break
        assert time.monotonic() < until, "the server goes on"


async def test_a_window_smaller_than_thought_is_told(paths: Paths, llama: TextServer) -> None:
    async with opened(paths, llama, MASTER, context_tokens=65_536) as (runtime, place):
        runtime.apply(runtime.settings.with_value("chat.context_tokens", 65_536))
        with pytest.raises(LunaluxError) as refused:
            await collect(runtime.chat.send(place.id, "the rain and the sea " * 2000))
    assert refused.value.code in {"CONTEXT_TOO_LONG", "PROMPT_TOO_LARGE"}


TURNS = (
    Message("system", "Be the keeper."),
    Message("assistant", "You came.", "Mira"),
    Message("user", "I did."),
    Message("system", "Rain."),
)


async def test_it_speaks_anthropics_messages(llama: TextServer) -> None:
    """Streamed and whole, counted before and after, from the cache, and on from a begun reply."""
    connections = HttpPool()
    sampling = Sampling(temperature=1.3, top_p=0.9, top_k=40, max_tokens=20)
    spec = ModelSpec("x", "anthropic", "tiny", llama.url, sampling=sampling)
    model, request = AnthropicModel(spec, "", connections), ModelRequest(TURNS)
    counted = await model.count_tokens(request)
    replies = [await listen(model, request) for _ in range(20)]
    assert all(reply.text and not reply.code and reply.last.usage is not None for reply in replies)
    # Where a reply begins with half a letter the server leaves out its first event, which counts the prompt.
    told = [reply.last for reply in replies if reply.last.usage and not reply.last.usage.estimated]
    assert len(told) >= 2
    for last in told:
        usage = last.usage
        assert usage is not None and usage.prompt_tokens == counted
        # A model of random weights ends by itself now and then.
        assert last.finish == ("length" if usage.completion_tokens == 20 else "stop")
    assert usage is not None and counted > usage.cached_tokens > counted // 2
    begun = ModelRequest((*TURNS, Message("assistant", "The rain ")))
    assert (await listen(model, begun)).text and len(await model.models()) == 1
    assert connections.knowledge.of(f"{llama.url.removesuffix('/v1')}/v1", "tiny").prefill == "trailing"
    long = await listen(model, ModelRequest((Message("user", "the rain and the sea " * 2000),)))
    assert long.code == "CONTEXT_TOO_LONG" and str(WINDOW) in str(long.error)
    await connections.aclose()


async def test_a_model_that_writes_gibberish_leaves_nothing_as_a_memory(
    paths: Paths, llama: TextServer
) -> None:
    save_model(
        paths.config_file,
        SavedModel("own", "llamacpp", "m", f"http://127.0.0.1:{llama.port}/v1", context_tokens=WINDOW),
    )
    settings = load_settings().with_value("chat.model", "own").with_value("memory.scene_tokens", 150)
    async with Runtime.open(settings.with_value("memory.protected_tokens", 100)) as runtime:
        await runtime.first_start()
        chat = await runtime.chat.start((await runtime.library.characters.list())[0].id)

        def fill(connection: Connection) -> None:
            above: StoredMessage | None = None
            for number in range(12):
                text = (
                    f"In night {number} the lamp at the harbour burns low, and the keeper waits for the boat."
                )
                role: Role = "assistant" if number % 2 else "user"
                above = new_message(chat.id, above, role, "Anna", text)
                insert_message(connection, above)
            assert above is not None
            select_message(connection, above.id)

        await runtime.library.database.write(fill)
        done = await runtime.memory_writer.write(chat.id, everything=True)
        memories = await runtime.library.memories.list(chat.id)
    assert done.memories == () and done.error is not None
    assert memories and all(one.state == "failed" and not one.text for one in memories)


async def test_it_says_what_it_is(llama: TextServer) -> None:
    registry = Registry(environ={})
    spec = ModelSpec("x", "openai", "tiny", llama.url)
    facts = await registry.look(spec)
    assert facts is not None and (facts.kind, facts.window, facts.counts) == ("llamacpp", WINDOW, True)
    assert facts.template and facts.loaded and registry.windowed(spec).context_tokens == WINDOW
    await registry.aclose()


async def test_its_refusal_is_learnt_and_the_turn_goes_again(paths: Paths, llama: TextServer) -> None:
    """Although a token of its vocabulary is hardly more than a letter."""
    config = {"context_tokens": 65_536, "sampling": {"max_tokens": 40}}
    async with world(paths, llama.url, "llamacpp", **config) as (runtime, place):
        await fill(runtime, place, 200)
        events = await say(runtime, place)
        (told,) = [event for event in events if isinstance(event, Shortened)]
        assert told.window == WINDOW < told.needed
        assert completed(events).message is not None
        events = await say(runtime, place, "And bread.")
        assert not any(isinstance(event, Shortened) for event in events)


async def test_it_tells_how_much_it_has_read_and_counts(paths: Paths, llama: TextServer) -> None:
    config = {"sampling": {"max_tokens": 20}}
    async with world(paths, llama.url, "llamacpp", **config) as (runtime, place):
        spec = runtime.models.resolve("local")
        await runtime.models.look(spec)
        events = await say(runtime, place)
        read = [event for event in events if isinstance(event, PromptRead)]
        assert read and read[-1].done == read[-1].total
        counts = runtime.models.counts(spec)
        assert counts is not None
        text = "the rain and the sea"
        assert counts.of(text) is None
        runtime.models.refresh(spec)
        async with asyncio.timeout(30):
            while counts.of(text) is None:  # noqa: ASYNC110  it waits for the server
                await asyncio.sleep(0.05)
        async with httpx.AsyncClient(timeout=60) as client:
            url = f"{llama.url.removesuffix('/v1')}/tokenize"
            answer = await client.post(url, json={"content": text})
        assert counts.of(text) == len(answer.json()["tokens"])


async def test_a_model_without_eyes_is_told_what_a_picture_is_called(paths: Paths, llama: TextServer) -> None:
    """The server says that it has no vision; asked all the same, it refuses, and that teaches."""
    red = attachment(picture(), "red.png")
    asked = TurnOptions(pictures=(red,))
    for looks in (True, False):
        paths.learnt.unlink(missing_ok=True)
        async with world(paths, llama.url, "llamacpp" if looks else "openai", **SHORT) as (runtime, place):
            spec = runtime.models.resolve("local")
            if looks:
                await runtime.models.look(spec)
                assert not runtime.models.takes_pictures(spec)
            events = [event async for event in runtime.chat.send(place.id, "What is it?", asked)]
            assert completed(events).text
            assert any(isinstance(event, PicturesNamed) for event in events)
            learnt = runtime.models.learnt(spec)
            assert learnt is not None and learnt.images is looks
