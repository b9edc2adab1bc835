"""Servers as they are: what they tell while they work, and what they have in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from servers.fake import running
from servers.fake_llamacpp import LlamaCpp
from servers.server_world import completed, opened, say

from lunalux_core.config.paths import Paths
from lunalux_core.dialogue.turn import PromptRead, ServerModelChanged, TextDelta

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
    monkeypatch.setattr("lunalux_core.llm.registry.LOOK_AGAIN", 0)
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
                await asyncio.sleep(30)
            return await LlamaCpp.handle(self, request)

    fake = Mute()
    async with running(fake), opened(paths, fake.url, "openai") as (runtime, place):
        async with asyncio.timeout(5):
            assert completed(await say(runtime, place)).text == "The lamp burns."


async def _until(done: Any) -> None:
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110  it waits for a file
            await asyncio.sleep(0.02)
