"""Tokens counted by the server's own tokenizer, beside everything else, and kept by text."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from servers.fake import Fake, running, words
from servers.fake_hosted import Anthropic, Gemini
from servers.fake_koboldcpp import KoboldCpp
from servers.fake_llamacpp import LlamaCpp
from servers.fake_tabby import Tabby
from servers.fake_textgen import TextGen
from servers.fake_vllm import VLLM
from servers.server_world import completed, fill, opened, say

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.llm.kept_counts import MOST_KEPT, KeptCounts, digest
from lunalux_core.llm.model import ModelSpec
from lunalux_core.llm.model_registry import Registry
from lunalux_core.llm.token_counts import KnownTokens, TokenCounts
from lunalux_core.llm.tokens import estimator
from lunalux_core.runtime import Runtime

TEXT = "the rain and the sea and the lamp"

COUNTING: list[tuple[Fake, str]] = [
    (LlamaCpp(), "llamacpp"),
    (KoboldCpp(), "koboldcpp"),
    (Tabby(), "tabby"),
    (TextGen(), "textgen"),
    (VLLM(), "vllm"),
    (Anthropic(), "anthropic"),
    (Gemini(), "gemini"),
]


@pytest.mark.parametrize(("fake", "provider"), COUNTING, ids=[kind for _, kind in COUNTING])
async def test_a_text_is_estimated_until_its_server_has_counted_it(fake: Fake, provider: Any) -> None:
    registry = Registry(environ={})
    async with running(fake):
        spec = ModelSpec("x", provider, "m", fake.url)
        assert registry.counts(spec) is None
        await registry.look(spec)
        counts = registry.counts(spec)
        assert counts is not None
        counter = KnownTokens(estimator("m"), counts)
        assert counter.text(TEXT) == estimator("m").text(TEXT) != words(TEXT)
        registry.refresh(spec)
        await _until(lambda: counts.of(TEXT) is not None)
        assert counter.text(TEXT) == words(TEXT) and counter.text("") == 0
    await registry.aclose()


async def test_a_turn_has_only_what_is_new_counted(paths: Paths) -> None:
    fake = LlamaCpp(100_000)
    async with running(fake), opened(paths, fake.url, "llamacpp") as (runtime, place):
        await fill(runtime, place, 60)
        await runtime.models.look(runtime.models.resolve("local"))
        await say(runtime, place)
        await _counted(runtime)
        first = _asked(fake)
        await say(runtime, place, "And bread.")
        await _counted(runtime)
        second = _asked(fake)[len(first) :]
        report = completed(await say(runtime, place, "And salt.")).report
    assert len(first) > 60 and len(first) == len(set(first))
    assert 0 < len(second) < 12 and not set(second) & set(first)
    sent = fake.prompt_of(fake.chats[-1])
    assert abs(report["prompt"]["total"] - words(sent)) < words(sent) // 10


async def test_what_a_message_costs_beside_its_text_is_learnt() -> None:
    counts = TokenCounts()
    counts.learn_frame(["a", "b"], 100)
    assert counts.frame == 4
    counts.keep("a", 3)
    counts.keep("b", 5)
    counts.learn_frame(["a", "b"], 24)
    assert counts.frame == 8 and KnownTokens(estimator("m"), counts).message("a") == 11


async def test_a_slow_tokenizer_holds_nothing_up(paths: Paths) -> None:
    class Slow(LlamaCpp):
        async def handle(self, request: Any) -> Any:
            if request.path == "/tokenize":
                await asyncio.Event().wait()
            return await LlamaCpp.handle(self, request)

    fake = Slow(100_000)
    # Asked one after the other, sixty messages would take four seconds each.
    async with asyncio.timeout(60), running(fake), opened(paths, fake.url, "llamacpp") as (runtime, place):
        await fill(runtime, place, 60)
        await runtime.models.look(runtime.models.resolve("local"))
        await say(runtime, place)
        await say(runtime, place, "And bread.")


def _asked(fake: LlamaCpp) -> list[str]:
    return [body["content"] for path, body in fake.asked if path == "/tokenize"]


async def _counted(runtime: Runtime) -> None:
    counts = runtime.models.counts(runtime.models.resolve("local"))
    assert counts is not None
    pool = runtime._pool
    await _until(lambda: not counts.noted and not pool._tasks)


async def _until(done: Any) -> None:
    async with asyncio.timeout(30):
        while not done():  # noqa: ASYNC110  it waits for a server
            await asyncio.sleep(0.02)


async def test_counts_outlive_the_program(paths: Paths) -> None:
    fake = LlamaCpp(100_000)
    async with running(fake):
        async with opened(paths, fake.url, "llamacpp") as (runtime, place):
            await fill(runtime, place, 20)
            await runtime.models.look(runtime.models.resolve("local"))
            await say(runtime, place)
            await _counted(runtime)
            await _until(lambda: list((paths.cache / "tokens").glob("*.counts")))
            first, identity = _asked(fake), place.id
        async with Runtime.open(load_settings(paths, flags={"chat.model": "local"})) as runtime:
            counts = runtime.models.counts(runtime.models.resolve("local"))
            assert counts is not None and counts.of(first[0]) == words(first[0]) and not counts.noted
            assert counts.ratio() is not None
            place = await runtime.library.conversations.get(identity)
            await say(runtime, place, "And bread.")
            await _counted(runtime)
        assert 0 < len(_asked(fake)) - len(first) < 12
    kept = b"".join(path.read_bytes() for path in (paths.cache / "tokens").iterdir())
    assert b"lighthouse" not in kept  # no words of anybody


def test_a_damaged_file_of_counts_is_done_without(paths: Paths) -> None:
    folder = paths.cache / "tokens"
    file = KeptCounts(folder, "one")
    file.write(4.5, 10, 9, {digest("a"): 3, digest("b"): 5})
    assert KeptCounts(folder, "two").read()[3] == {}
    assert file.read() == (4.5, 10, 9, {digest("a"): 3, digest("b"): 5})
    (path,) = folder.glob("*.counts")
    for damage in (b"", b"x" * 50, path.read_bytes()[:-5]):
        path.write_bytes(damage)
        counts = TokenCounts(kept=KeptCounts(folder, "one"))
        assert counts.of("b") is None and counts.of("c") is None
    file.write(4, 1, 1, {index.to_bytes(8, "big"): index for index in range(MOST_KEPT + 5)})
    assert len(file.read()[3]) == MOST_KEPT and (5).to_bytes(8, "big") in file.read()[3]
