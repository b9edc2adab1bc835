"""Servers as they are: what they tell while they work, and what they have in memory."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from servers.fake import Fake, running
from servers.fake_koboldcpp import KoboldCpp
from servers.fake_llamacpp import LlamaCpp, LlamaRouter
from servers.fake_lmstudio import LMStudio
from servers.fake_ollama import Ollama
from servers.fake_tabby import Tabby
from servers.fake_textgen import TextGen
from servers.server_world import completed, opened, say

from lunalux_core.config.paths import Paths
from lunalux_core.dialogue.turn import PromptRead, ServerModelChanged, TextDelta
from lunalux_core.errors import LunaluxError
from lunalux_core.llm.model import ModelSpec
from lunalux_core.llm.model_registry import Registry
from lunalux_core.llm.servers.listeners import listeners
from lunalux_core.llm.servers.local import FIND_LISTENERS, LOCAL_SERVERS, found_models

# -- while the prompt is read ------------------------------------------------------------------------


async def test_how_much_of_the_prompt_is_read_is_told(paths: Paths) -> None:
    fake = LlamaCpp(progress=(10, 43, 100))
    async with running(fake), opened(paths, fake.url, "llamacpp") as (runtime, place):
        events = await say(runtime, place)
    told = [one for one in events if isinstance(one, PromptRead)]
    assert told == [PromptRead(10, 100), PromptRead(43, 100), PromptRead(100, 100)]
    first = next(place for place, one in enumerate(events) if isinstance(one, TextDelta))
    assert events.index(told[-1]) < first and completed(events).text == "The lamp burns."


async def test_only_llama_cpp_is_asked_for_it_and_a_server_is_known_once_it_answered(paths: Paths) -> None:
    fake = LlamaCpp(progress=(50,))
    async with running(fake), opened(paths, fake.url, "openai") as (runtime, place):
        await say(runtime, place)
        await _until(lambda: runtime.models.facts(runtime.models.resolve("local")) is not None)
        events = await say(runtime, place, "And bread.")
    assert ["return_progress" in body for body in fake.chats] == [False, True]
    assert any(isinstance(one, PromptRead) for one in events)


async def test_a_server_that_refuses_to_tell_is_done_without(paths: Paths) -> None:
    class Older(LlamaCpp):
        def refusal(self, prompt: int, body: Any) -> Any:
            if "return_progress" not in body:
                return None
            return 400, {"error": {"message": "Unrecognized request argument supplied: return_progress"}}

    fake = Older()
    async with running(fake), opened(paths, fake.url, "llamacpp") as (runtime, place):
        assert completed(await say(runtime, place)).text == "The lamp burns."
        await say(runtime, place, "And bread.")
    assert len(fake.chats) == 3


# -- what it has in memory ---------------------------------------------------------------------------


async def test_another_model_between_turns_is_noticed(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lunalux_core.llm.model_registry.LOOK_AGAIN", 0)
    fake = LlamaCpp(4096, pause=0.1)
    async with running(fake), opened(paths, fake.url, "llamacpp") as (runtime, place):
        await runtime.models.look(runtime.models.resolve("local"))
        assert not [one for one in await say(runtime, place) if isinstance(one, ServerModelChanged)]
        fake.model, fake.window = "another", 2048
        told = [one for one in await say(runtime, place, "Who?") if isinstance(one, ServerModelChanged)]
        assert told == [ServerModelChanged("m", "another")]
        assert runtime.models.windowed(runtime.models.resolve("local")).context_tokens == 2048


async def test_a_turn_is_not_held_up_by_a_server_that_does_not_say_what_it_is(paths: Paths) -> None:
    class Mute(LlamaCpp):
        async def handle(self, request: Any) -> Any:
            if request.path not in self.chat_paths:
                await asyncio.sleep(120)
            return await LlamaCpp.handle(self, request)

    fake = Mute()
    async with running(fake), opened(paths, fake.url, "openai") as (runtime, place):
        async with asyncio.timeout(30):
            assert completed(await say(runtime, place)).text == "The lamp burns."


async def _until(done: Any) -> None:
    async with asyncio.timeout(30):
        while not done():  # noqa: ASYNC110  it waits for a file
            await asyncio.sleep(0.02)


# -- loading and unloading ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fake", "provider", "held"),
    [
        (LlamaRouter(2048, models={"m": False, "other": True}), "llamacpp", lambda one: one.models["m"]),
        (Ollama(4096), "ollama", lambda one: bool(one.loaded)),
        (LMStudio(4096), "openai", lambda one: bool(one.loaded)),
        (Tabby(4096, held=True), "tabby", lambda one: one.held),
        (TextGen(4096), "textgen", lambda one: one.model == "m"),
    ],
    ids=["llamacpp", "ollama", "lmstudio", "tabby", "textgen"],
)
async def test_a_model_is_loaded_and_unloaded(fake: Any, provider: Any, held: Any) -> None:
    registry, spec = Registry(environ={}), None
    async with running(fake):
        spec = ModelSpec("x", provider, "m", fake.url)
        await registry.load(spec)
        assert held(fake)
        await registry.load(spec, False)
        assert not held(fake)
    await registry.aclose()


class _Slow(LlamaRouter):
    """Its list is not there for a while after it was told to load, then says that the model is coming."""

    def routes(self) -> Any:
        said: dict[str, Any] = {"data": [{"id": "m", "status": {"value": "loading"}}]}
        looks = sum(path == "/v1/models" for path, _ in self.asked[self._order() :])
        listed = ((503, {"error": {"code": 503, "message": "Loading model"}}), said)
        known = LlamaRouter.routes(self)
        return {**known, "GET /v1/models": lambda _: listed[looks - 1]} if 1 <= looks <= 2 else known

    def _order(self) -> int:
        paths = [path for path, _ in self.asked]
        return paths.index("/models/load") if "/models/load" in paths else len(paths)


async def test_a_server_that_is_busy_with_loading_is_waited_for() -> None:
    registry, fake = Registry(environ={}), _Slow(2048, models={"m": False})
    async with running(fake):
        facts = await registry.load(ModelSpec("x", "llamacpp", "m", fake.url))
    await registry.aclose()
    order = [path for path, _ in fake.asked]
    looks = [path for path in order[order.index("/models/load") :] if path == "/v1/models"]
    # Not before the list says so: an error, "loading", "loaded", and the look at what it is now.
    assert len(looks) >= 4
    assert facts is not None and facts.window == 2048


async def test_a_server_that_goes_while_it_loads_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lunalux_core.llm.servers.model_load.LOOK_SECONDS", 0.05)
    registry, fake = Registry(environ={}), LlamaRouter(2048, models={"m": False})

    async def gone(body: Any) -> Any:
        raise ConnectionResetError

    fake.routes = lambda: {  # type: ignore[method-assign]
        **LlamaRouter.routes(fake),
        **({"GET /v1/models": gone} if any(path == "/models/load" for path, _ in fake.asked) else {}),
    }
    async with running(fake):
        loading = asyncio.ensure_future(registry.load(ModelSpec("x", "llamacpp", "m", fake.url)))
        await _until(lambda: any(path == "/models/load" for path, _ in fake.asked))
    with pytest.raises(LunaluxError) as refused:
        await loading
    assert refused.value.code == "MODEL_UNREACHABLE"
    await registry.aclose()


async def test_what_cannot_be_loaded_is_told() -> None:
    registry, one, router = Registry(environ={}), KoboldCpp(), LlamaRouter()
    async with running(one, router):
        for spec, code in (
            (ModelSpec("x", "koboldcpp", "m", one.url), "MODEL_NOT_LOADABLE"),
            (ModelSpec("x", "llamacpp", "nobody", router.url), "MODEL_NOT_AVAILABLE"),
            (registry.resolve("practice"), "MODEL_NOT_LOADABLE"),
        ):
            with pytest.raises(LunaluxError) as refused:
                await registry.load(spec)
            assert refused.value.code == code
    with pytest.raises(LunaluxError) as refused:
        await registry.load(ModelSpec("x", "llamacpp", "m", router.url))
    assert refused.value.code == "MODEL_UNREACHABLE"
    await registry.aclose()


# -- found on this machine ---------------------------------------------------------------------------


async def test_a_server_on_any_port_is_found_by_its_answer() -> None:
    """With its model, window and size, under a name that can be resolved later."""
    fake, website = LlamaCpp(3000), Fake()
    async with running(fake, website):
        found = await found_models([LOCAL_SERVERS["local"].on(one.port) for one in (fake, website)])
    (model,) = found
    assert model.spec.name == f"llamacpp@{fake.port}:m" and model.title == "llama.cpp"
    assert (model.spec.context_tokens, model.spec.window_source) == (3000, "server")
    again = Registry(environ={}).resolve(model.spec.name)
    assert (again.base_url, again.provider, again.model) == (fake.url, "llamacpp", "m")


async def test_an_ollama_model_s_size_is_known() -> None:
    fake = Ollama(4096, loaded=2048)
    async with running(fake):
        (model,) = await found_models([LOCAL_SERVERS["local"].on(fake.port)])
    assert (model.spec.provider, model.size) == ("ollama", 4_700_000_000)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells who listens")
async def test_programs_that_listen_are_known_by_their_command(tmp_path: Path) -> None:
    program = "import socket,sys,time; s=socket.socket(); s.bind(('127.0.0.1',0)); s.listen(); "
    program += "print(s.getsockname()[1], flush=True); time.sleep(60)"
    started = [
        subprocess.Popen([sys.executable, "-c", program, name], stdout=subprocess.PIPE, text=True)
        for name in ("/opt/llama-server", "redis-server", "something")
    ]
    try:
        ports = [int(one.stdout.readline()) for one in started if one.stdout is not None]
        found = {one.port: one for one in await asyncio.to_thread(listeners)}
    finally:
        for one in started:
            one.kill()
            one.wait()
    assert found[ports[0]].name == "llamacpp" and found[ports[0]].pid == started[0].pid
    assert ports[1] not in found and found[ports[2]].name == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells who listens")
@pytest.mark.parametrize("asked", [True, False])
async def test_other_programs_are_left_alone_where_that_is_wanted(
    monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    program = "import socket,select; s=socket.socket(); s.bind(('127.0.0.1',0)); s.listen(); "
    program += "print(s.getsockname()[1], flush=True); select.select([s],[],[]); print('asked', flush=True)"
    command = [sys.executable, "-c", program, "/opt/llama-server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None and int(started.stdout.readline())
        monkeypatch.setenv(FIND_LISTENERS, "1" if asked else "0")
        await found_models()
        started.kill()
        assert ("asked" in started.stdout.read()) is asked


def test_nothing_is_found_where_nobody_tells(tmp_path: Path) -> None:
    assert listeners(tmp_path / "none") == () and listeners(tmp_path) == ()
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text("  sl\n   0: garbage 0A\n")
    (tmp_path / "12").mkdir()
    assert listeners(tmp_path, os.getuid()) == ()


# -- stopped -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["chat", "text"])
async def test_koboldcpp_is_told_to_stop_the_reply_that_was_left(paths: Paths, mode: Any) -> None:
    """By the key of that reply; one that came to its end is not stopped."""
    fake = KoboldCpp(pieces=["The lamp", " burns", " on."], pause=0.2)
    async with running(fake), opened(paths, fake.url, "koboldcpp", mode=mode) as (runtime, place):
        await say(runtime, place)
        await asyncio.sleep(0.1)
        assert not [body for path, body in fake.asked if path == "/api/extra/abort"]
        async with aclosing(runtime.chat.send(place.id, "Count.")) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    break
        await _until(lambda: any(path == "/api/extra/abort" for path, _ in fake.asked))
        (stopped,) = [body for path, body in fake.asked if path == "/api/extra/abort"]
    assert stopped == {"genkey": fake.chats[-1]["genkey"]} and fake.chats[0]["genkey"] != stopped["genkey"]


@pytest.mark.parametrize("mode", ["chat", "text"])
async def test_koboldcpp_says_how_fast_it_was(paths: Paths, mode: Any) -> None:
    fake = KoboldCpp()
    async with running(fake), opened(paths, fake.url, "koboldcpp", mode=mode) as (runtime, place):
        await runtime.models.look(runtime.models.resolve("local"))
        reply = completed(await say(runtime, place)).message
        assert reply is not None and reply.extra["speed"]["tokens_per_s"] == 42
        assert "/api/extra/abort" not in [path for path, _ in fake.asked]
