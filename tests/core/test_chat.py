"""Turns with the real library and the practice model: what is stored, when, and what endings leave."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.dialogue.turn import TextDelta, TurnCompleted, TurnEvent, TurnOptions, TurnStarted
from lunalux_core.errors import InvalidInput, LunaluxError, NotFound
from lunalux_core.importing import import_data
from lunalux_core.library.conversations import Conversation
from lunalux_core.runtime import Runtime

CARD = {
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "data": {
        "name": "Mirelle",
        "description": "{{char}} keeps the lighthouse and trusts {{user}}.",
        "personality": "dry, patient",
        "scenario": "A storm.",
        "first_mes": '*The lamp turns.* "You came, {{user}}."',
        "alternate_greetings": ["Second greeting.", "Third greeting."],
        "mes_example": "",
        "character_book": {
            "entries": [
                {
                    "id": 1,
                    "keys": ["lantern"],
                    "content": "The lantern of {{char}} never goes out.",
                    "enabled": True,
                    "insertion_order": 1,
                    "extensions": {},
                }
            ]
        },
        "extensions": {},
    },
}


@pytest.fixture
async def runtime(paths: Paths) -> AsyncIterator[Runtime]:
    async with Runtime.open(load_settings(paths, {"LUNALUX_LANG": "en"})) as runtime:
        yield runtime


@pytest.fixture
async def place(runtime: Runtime) -> Conversation:
    result = await import_data(runtime.library, runtime.paths, json.dumps(CARD).encode(), "mirelle.json")
    return await runtime.chat.start(result.id)


async def collect(events: AsyncIterator[TurnEvent]) -> list[TurnEvent]:
    return [event async for event in events]


async def page(runtime: Runtime, place: Conversation) -> list[str]:
    return [m.content for m in await runtime.library.conversations.page(place.id)]


async def test_greetings_are_swipes_of_the_first_message(runtime: Runtime, place: Conversation) -> None:
    (greeting,) = await runtime.library.conversations.page(place.id)
    assert greeting.content == '*The lamp turns.* "You came, Traveller."'
    assert (greeting.swipe, greeting.swipes) == (0, 3)
    second = await runtime.chat.edits.swipe(greeting.id, 1)
    assert second is not None and second.content == "Second greeting."
    assert await page(runtime, place) == ["Second greeting."]
    assert await runtime.chat.edits.swipe((await runtime.chat.edits.swipe(second.id, 1)).id, 1) is None  # type: ignore[union-attr]


async def test_a_turn_is_streamed_and_stored(runtime: Runtime, place: Conversation) -> None:
    events = await collect(runtime.chat.send(place.id, "Is the lantern lit?"))
    assert isinstance(events[0], TurnStarted) and isinstance(events[-1], TurnCompleted)
    streamed = "".join(e.text for e in events if isinstance(e, TextDelta))
    done = events[-1].message
    assert done is not None and done.status == "done"
    assert streamed.strip() == done.content.strip() and len(done.content) > 50
    assert "<next_prompts>" not in streamed and "<events>" not in streamed
    assert len(done.suggestions) == 3 and done.event and done.thinking
    assert done.usage is not None and done.usage["completion_tokens"] > 0
    texts = await page(runtime, place)
    assert texts[1:] == ["Is the lantern lit?", done.content]


async def test_the_words_are_stored_before_the_model_is_asked(runtime: Runtime, place: Conversation) -> None:
    async with aclosing(runtime.chat.send(place.id, "Remember this.")) as events:
        await anext(events)
        stored = await runtime.library.conversations.page(place.id)
        assert stored[-2].content == "Remember this."
        assert (stored[-1].role, stored[-1].status) == ("assistant", "pending")
    stopped = (await runtime.library.conversations.page(place.id))[-1]
    assert stopped.status == "stopped"


async def test_stopping_keeps_what_came(runtime: Runtime, place: Conversation) -> None:
    said = ""
    async with aclosing(runtime.chat.send(place.id, "Tell me.")) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                said += event.text
                if len(said) > 20:
                    break
    last = (await runtime.library.conversations.page(place.id))[-1]
    assert last.status == "stopped" and last.content == said


async def test_regenerate_keeps_the_old_reply_as_a_swipe(runtime: Runtime, place: Conversation) -> None:
    await collect(runtime.chat.send(place.id, "Hello"))
    first = (await runtime.library.conversations.page(place.id))[-1]
    await collect(runtime.chat.regenerate(first.id))
    second = (await runtime.library.conversations.page(place.id))[-1]
    assert (second.swipe, second.swipes) == (1, 2) and second.content != first.content
    back = await runtime.chat.edits.swipe(second.id, -1)
    assert back is not None and back.content == first.content
    with pytest.raises(InvalidInput):
        greeting = (await runtime.library.conversations.page(place.id))[0]
        await collect(runtime.chat.regenerate(greeting.id))


async def test_continue_adds_to_the_last_reply(runtime: Runtime, place: Conversation) -> None:
    await collect(runtime.chat.send(place.id, "Hello"))
    before = (await runtime.library.conversations.page(place.id))[-1]
    events = await collect(runtime.chat.continue_(place.id))
    after = (await runtime.library.conversations.page(place.id))[-1]
    assert after.id == before.id and after.content.startswith(before.content)
    assert len(after.content) > len(before.content)
    added = "".join(e.text for e in events if isinstance(e, TextDelta))
    assert after.content == before.content + added or after.content.strip().endswith(added.strip())


async def test_impersonate_stores_nothing(runtime: Runtime, place: Conversation) -> None:
    before = await page(runtime, place)
    events = await collect(runtime.chat.impersonate(place.id))
    done = events[-1]
    assert isinstance(done, TurnCompleted) and done.message is None and done.text
    assert await page(runtime, place) == before


async def test_the_preview_is_what_would_be_sent(runtime: Runtime, place: Conversation) -> None:
    prompt = await runtime.chat.previews.prompt(place.id, "Where is the lantern?")
    text = "\n".join(m.content for m in prompt.messages)
    assert "keeps the lighthouse and trusts Traveller" in text
    assert "Where is the lantern?" in text
    assert "The lantern of Mirelle never goes out." in text
    assert "{{" not in text
    assert len(await page(runtime, place)) == 1
    quiet = await runtime.chat.previews.prompt(place.id, "Good evening")
    assert "never goes out" not in "\n".join(m.content for m in quiet.messages)


async def test_an_unknown_model_loses_nothing(runtime: Runtime, place: Conversation) -> None:
    with pytest.raises(LunaluxError) as told:
        await collect(runtime.chat.send(place.id, "Hello", TurnOptions(model="nope")))
    assert told.value.code == "MODEL_UNKNOWN"
    assert len(await page(runtime, place)) == 1


async def test_a_failed_reply_is_marked_and_tried_again_in_place(
    runtime: Runtime, place: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(LunaluxError):
        await collect(runtime.chat.send(place.id, "Hello", TurnOptions(model="openai:x")))
    failed = (await runtime.library.conversations.page(place.id))[-1]
    assert failed.status == "failed" and (await page(runtime, place))[1] == "Hello"
    await collect(runtime.chat.regenerate(failed.id))
    again = (await runtime.library.conversations.page(place.id))[-1]
    assert (again.id, again.status, again.swipes) == (failed.id, "done", 1)


async def test_global_and_branch_variables_do_not_mix(runtime: Runtime, place: Conversation) -> None:
    await collect(runtime.chat.send(place.id, "{{setvar::hp::7}}{{setglobalvar::day::2}}Hi"))
    reply = (await runtime.library.conversations.page(place.id))[-1]
    assert reply.state["variables"] == {"hp": "7"}
    prompt = await runtime.chat.previews.prompt(place.id, "hp {{getvar::hp}} day {{getglobalvar::day}}")
    assert "hp 7 day 2" in prompt.messages[-1].content or any(
        "hp 7 day 2" in m.content for m in prompt.messages
    )
    other = await runtime.chat.start(place.character_id)
    prompt = await runtime.chat.previews.prompt(other.id, "hp {{getvar::hp}} day {{getglobalvar::day}}")
    assert any("hp  day 2" in m.content for m in prompt.messages)


async def test_a_chinese_character_is_prompted_in_chinese(runtime: Runtime) -> None:
    card = {"spec": "chara_card_v2", "spec_version": "2.0", "data": {**CARD["data"], "name": "米拉"}}  # type: ignore[dict-item]
    result = await import_data(
        runtime.library, runtime.paths, json.dumps(card).encode(), "mila.json", language="zh"
    )
    place = await runtime.chat.start(result.id)
    prompt = await runtime.chat.previews.prompt(place.id, "你好")
    text = "\n".join(m.content for m in prompt.messages)
    assert sum("\u4e00" <= c <= "\u9fff" for c in text) > 200


async def test_settings_change_the_prompt_without_a_restart(runtime: Runtime, place: Conversation) -> None:
    runtime.apply(replace(runtime.settings, reply_words=777))
    prompt = await runtime.chat.previews.prompt(place.id, "Hello")
    assert any("777" in m.content for m in prompt.messages)


KILLED = """
import asyncio, json, os, sys
from lunalux_core.runtime import Runtime
from lunalux_core.dialogue.turn import TextDelta

async def main():
    async with Runtime.open() as runtime:
        async for event in runtime.chat.send(sys.argv[1], "Do not forget me."):
            if isinstance(event, TextDelta):
                print(event.text, end="", flush=True)

asyncio.run(main())
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
async def test_a_killed_program_leaves_words_and_part_marked_as_cut(
    runtime: Runtime, place: Conversation, home: Path
) -> None:
    env = {**os.environ, "LUNALUX_PRACTICE_RATE": "30", "LUNALUX_HOME": str(home)}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, place.id], env=env, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    stdout = process.stdout

    async def stored() -> int:
        return len((await runtime.library.conversations.page(place.id))[-1].content)

    try:
        await asyncio.to_thread(stdout.read, 20)
        for _ in range(200):
            if await stored() > 20:
                break
            await asyncio.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait)
        stdout.close()
    assert await runtime.chat.recover() == 1
    *_, words, reply = await runtime.library.conversations.page(place.id)
    assert words.content == "Do not forget me."
    assert reply.status == "stopped" and len(reply.content) > 20


async def test_the_preset_is_the_named_one_or_the_one_in_use_and_a_damaged_one_is_passed_over(
    runtime: Runtime, place: Conversation
) -> None:
    document = {"prompts": [], "prompt_order": []}
    shelf = runtime.library.presets
    damaged, plain, used = [await shelf.add(name, document) for name in ("One", "Straße", "Two")]

    async def preset(name: str = "") -> str:
        return (await runtime.chat.previews.turn(place.id, "Hello", TurnOptions(preset=name))).preset.name

    assert await preset() == "Two"  # of presets at most one is on: the last
    assert [await preset(name) for name in ("strasse", plain.id, "ONE")] == ["Straße", "Straße", "One"]
    await runtime.library.database.write(
        lambda c: c.execute("UPDATE shelf SET document = '{', enabled = 1 WHERE id = ?", (damaged.id,))
    )
    assert await preset() == "Two"
    with pytest.raises(NotFound):
        await preset("One")
    await shelf.enable(used.id, False)
    await shelf.enable(damaged.id, False)
    assert await preset() == "mirror_realm"


async def test_a_reply_that_another_program_is_writing_is_left_alone(
    runtime: Runtime, place: Conversation
) -> None:
    async with aclosing(runtime.chat.send(place.id, "Hello")) as events:
        await anext(events)
        script = (
            "import asyncio\nfrom lunalux_core.runtime import Runtime\n"
            "async def main():\n"
            "    async with Runtime.open() as runtime:\n"
            "        print(await runtime.chat.recover())\n"
            "asyncio.run(main())"
        )
        result = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        assert result.stdout.strip() == "0"
