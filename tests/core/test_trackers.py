"""Trackers: what a model answers, which branch sees what, when they are due, where they stand in prompts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_memory_prompts import preset, prompt_of, runtime, say
from test_memory_prompts import story as short_story
from test_memory_writer import story, writing

from lunalux_core.config.config_file import save_model
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import SavedModel
from lunalux_core.errors import InvalidInput
from lunalux_core.library.trackers import Tracker, TrackerState
from lunalux_core.memory.memory_answers import UnusableAnswer
from lunalux_core.runtime import Runtime
from lunalux_core.trackers.shape import departure, json_departure, labels, read_shape
from lunalux_core.trackers.tracker_answers import read_value
from lunalux_core.trackers.tracker_templates import TEMPLATES

__all__ = ["runtime"]

SCHEMA = {
    "type": "object",
    "properties": {"lamp": {"type": "string"}, "oil": {"type": "integer"}},
    "required": ["lamp"],
}


async def tracker(runtime: Runtime, chat: str, value: str = "", **fields: Any) -> Tracker:
    made = Tracker("", chat, fields.pop("name", "Lamp"), "How the lamp at the harbour burns.", **fields)
    return await runtime.library.trackers.add(made, value)


async def state(runtime: Runtime, chat: str, name: str = "Lamp") -> TrackerState:
    return await runtime.library.trackers.find(chat, name)


async def value_of(runtime: Runtime, chat: str, name: str = "Lamp") -> str | None:
    found = (await state(runtime, chat, name)).value
    return found.value if found else None


async def test_a_model_revises_by_the_old_value_and_the_messages_since() -> None:
    async with writing(lambda body: '{"value": "The lamp burns low"}') as (runtime, server):
        chat = await story(runtime, 3)
        made = await tracker(runtime, chat, "The lamp is lit")
        (done,) = await runtime.trackers.run(chat)
        assert done.error is None and await value_of(runtime, chat) == "The lamp burns low"
        told = json.dumps(server.asked[0]["messages"])
        assert "The lamp is lit" in told and "How the lamp at the harbour burns." in told and "line 2" in told
        path = await runtime.library.conversations.page(chat, limit=100)
        shown = await state(runtime, chat)
        assert shown.value is not None and shown.status == "fresh"
        assert (shown.value.message_id, shown.value.made_by) == (path[-1].id, "own")
        (again,) = await runtime.trackers.run(chat, [made.id])
        assert not again.asked and len(server.asked) == 1, "nothing was said since"


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (
            'Here you are:\n```json\n{"value": {"lamp": "low", "oil": 3}}\n```\nBye!',
            {"lamp": "low", "oil": 3},
        ),
        ('<think>{"lamp": 1}</think>{"lamp": "low", "oil": 3}', {"lamp": "low", "oil": 3}),
        ('{"value": "{\\"lamp\\": \\"low\\"}"}', {"lamp": "low"}),
        ('{"value": {"lamp": "low", "oil": 3', {"lamp": "low", "oil": 3}),
    ],
)
async def test_answers_are_read_leniently(raw: str, kept: Any) -> None:
    async with writing(lambda body: raw) as (runtime, _):
        chat = await story(runtime, 2)
        await tracker(runtime, chat, form="json", shape=json.dumps(SCHEMA))
        (done,) = await runtime.trackers.run(chat)
        assert done.error is None
        assert json.loads(await value_of(runtime, chat) or "") == kept


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ("", "empty"),
        ("xq zzt blorp 9 ~~ no idea", "no_json"),
        ('{"value": {"oil": 3}}', "shape"),
        ('{"value": {"lamp": "low", "oil": "three"}}', "shape"),
        ('{"value": {"lamp": "灯火在港口边昏暗地燃烧着，无人看守，夜色沉沉"}}', "language"),
        ('{"value": {"lamp": "the lamp at the harbour burns for old Bartholomew tonight"}}', "names"),
        (
            '{"value": {"lamp": "quartz zebra violin pancake umbrella giraffe trumpet meadow orchid"}}',
            "invented",
        ),
    ],
)
async def test_what_cannot_be_used_keeps_the_old_value_and_is_marked(raw: str, kind: str) -> None:
    async with writing(lambda body: raw or " ") as (runtime, server):
        chat = await story(runtime, 2)
        await tracker(runtime, chat, '{"lamp": "lit"}', form="json", shape=json.dumps(SCHEMA))
        (done,) = await runtime.trackers.run(chat)
        shown = await state(runtime, chat)
        assert done.error is not None and shown.status == "failed" and shown.tracker.reason
        assert kind == "empty" or done.error.params["kind"] == kind
        assert await value_of(runtime, chat) == '{"lamp": "lit"}'
        server.say = lambda body: '{"lamp": "low"}'
        (done,) = await runtime.trackers.run(chat)
        assert done.error is None and (await state(runtime, chat)).status == "fresh"


async def test_a_text_keeps_its_labels_with_or_without_an_envelope() -> None:
    answers = iter(
        ["So:\nDate: -\nWeather: the harbour lies still", "Sunny today, I would say, in the harbour"] * 2
    )
    async with writing(lambda body: next(answers)) as (runtime, _):
        chat = await story(runtime, 2)
        await tracker(runtime, chat, shape="Date: -\nWeather: -")
        (done,) = await runtime.trackers.run(chat)
        assert done.error is None
        assert await value_of(runtime, chat) == "Date: -\nWeather: the harbour lies still"


async def test_each_branch_has_its_own_value_and_an_edit_makes_it_stale() -> None:
    said = iter(f'{{"value": "The lamp burns low, line {n}"}}' for n in range(9))
    async with writing(
        lambda body: next(said) if "system" in str(body) and "sheet" in str(body) else "The lamp is low."
    ) as (
        runtime,
        _,
    ):
        chat = await story(runtime, 2)
        await tracker(runtime, chat, "The lamp is lit")
        await runtime.trackers.run(chat)
        first = await value_of(runtime, chat)
        await say(runtime, chat, "The lamp at the harbour burns")
        await runtime.trackers.run(chat)
        newest = await value_of(runtime, chat)
        assert newest != first
        path = await runtime.library.conversations.page(chat, limit=100)
        async for _event in runtime.chat.regenerate(path[-1].id):
            pass
        assert await value_of(runtime, chat) == first, "the new swipe has the older sheet"
        prompt = await prompt_of(runtime, chat, "And now?")
        text = "\n".join(message.content for message in prompt.messages)
        assert str(first) in text and str(newest) not in text
        await runtime.library.conversations.select(path[-1].id)
        assert await value_of(runtime, chat) == newest, "swiped back, the sheet is back"
        await runtime.chat.edits.edit(path[-1].id, "The lamp went out.")
        assert await value_of(runtime, chat) == first and (await state(runtime, chat)).status == "stale"
        await runtime.library.trackers.set((await state(runtime, chat)).tracker.id, "It is out")
        shown = await state(runtime, chat)
        assert await value_of(runtime, chat) == "It is out" and shown.status == "edited"


async def test_due_after_so_many_replies_or_after_a_memory() -> None:
    async with writing(lambda body: '{"value": "The lamp burns low"}') as (runtime, server):
        chat = await story(runtime, 3)
        await tracker(runtime, chat, every=3)
        await tracker(runtime, chat, name="Other", every=4)
        await tracker(runtime, chat, name="Never", run="command")
        await tracker(runtime, chat, name="Then", run="memory")
        assert [one.state.tracker.name for one in await runtime.trackers.run_due(chat, "turns")] == ["Lamp"]
        assert await runtime.trackers.run_due(chat, "turns") == []
        assert await runtime.trackers.run_due(chat, "memory") == []
        from lunalux_core.library.memories import Memory

        path = await runtime.library.conversations.page(chat, limit=100)
        await runtime.library.memories.add(
            Memory("", chat, "summary", "The lamp burns.", first=path[0].id, last=path[1].id)
        )
        done = await runtime.trackers.run_due(chat, "memory")
        assert [one.state.tracker.name for one in done] == ["Then"] and len(server.asked) == 2


async def test_a_program_that_stays_open_revises_behind_the_reply() -> None:
    import asyncio

    answer = '{"value": "The lamp burns low"}'
    async with writing(lambda body: answer if "sheet" in str(body) else "The lamp is low.") as (runtime, _):
        runtime.writes_memories = True
        chat = await story(runtime, 1)
        await tracker(runtime, chat)
        changed = asyncio.Event()
        runtime.trackers.on_change = lambda conversation_id: changed.set()
        await say(runtime, chat, "The lamp at the harbour burns")
        await asyncio.wait_for(changed.wait(), 60)
        assert await value_of(runtime, chat) == "The lamp burns low"
        assert runtime.settings.tracker_run == "auto"


@pytest.mark.parametrize("ending", ["give_way", "close"])
async def test_of_two_revisions_that_wait_for_each_other_neither_goes_on(ending: str) -> None:
    import asyncio

    async with writing(lambda body: '{"value": "The lamp burns low"}') as (runtime, server):
        chat = await story(runtime, 3)
        await tracker(runtime, chat)
        server.pause = 30
        runtime.trackers.nudge(chat)
        await asyncio.wait_for(server.arrived.wait(), 60)
        runtime.trackers.nudge(chat, "memory")
        await asyncio.sleep(0)
        if ending == "close":
            await asyncio.wait_for(runtime.trackers.close(), 20)
        else:
            runtime.trackers.give_way()
        await asyncio.wait_for(server.left.wait(), 60)
        assert len(server.asked) == 1 and await value_of(runtime, chat) is None


async def test_a_value_changed_by_hand_meanwhile_or_a_chat_that_is_gone_wins() -> None:
    import asyncio

    async with writing(lambda body: '{"value": "The lamp burns low"}') as (runtime, server):
        chat = await story(runtime, 2)
        made = await tracker(runtime, chat)
        server.pause = 0.3
        running = asyncio.ensure_future(runtime.trackers.run(chat))
        await server.arrived.wait()
        await runtime.library.trackers.set(made.id, "mine")
        await running
        assert await value_of(runtime, chat) == "mine"
        await tracker(runtime, chat, name="Two")
        server.arrived.clear()
        running = asyncio.ensure_future(runtime.trackers.run(chat))
        await server.arrived.wait()
        await runtime.library.conversations.delete(chat)
        await running


async def test_values_stand_at_their_place_with_every_kind_of_prompt(runtime: Runtime) -> None:
    chat, _ = await short_story(runtime)
    await runtime.library.presets.add("ST", preset("main", "charDescription", "chatHistory"), enabled=False)
    await tracker(runtime, chat, "LOW {{char}}", name="Deep", depth=1, role="user")
    await tracker(runtime, chat, "ABOVE", name="Before", position="before_main")
    await tracker(runtime, chat, "BELOW", name="After", position="after_main")
    await tracker(runtime, chat, "NEVER", name="Off", enabled=False)
    prompt = await prompt_of(runtime, chat, preset="ST")
    said = [(message.role, message.content) for message in prompt.messages]
    texts = [text for _, text in said]
    main = next(place for place, text in enumerate(texts) if text.startswith("Play "))
    assert said[main - 1] == ("system", "[Before]\nABOVE") and said[main + 1] == ("system", "[After]\nBELOW")
    last = said.index(("user", "And now?"))
    assert said[last - 1] == ("user", "[Deep]\nLOW {{char}}"), "no macro in a value counts"
    url = "http://127.0.0.1:9/v1"
    save_model(
        Paths.find().config_file, SavedModel("own", "llamacpp", "m", url, context_tokens=8192, mode="text")
    )
    from lunalux_core.config.settings import load_settings

    runtime.apply(load_settings())
    for options in ({}, {"model": "own"}):
        whole = "\n".join(message.content for message in (await prompt_of(runtime, chat, **options)).messages)
        places = [whole.index(text) for text in ("ABOVE", "BELOW", "LOW {{char}}")]
        assert places[2] == max(places) and "NEVER" not in whole
    record = (await runtime.chat.previews.record(chat, "And now?"))["trackers"]
    assert [(row["name"], row["left_out"]) for row in record] == [
        ("Deep", None),
        ("Before", None),
        ("After", None),
        ("Off", "off"),
    ]


async def test_a_macro_places_a_value_with_every_kind_of_prompt(runtime: Runtime) -> None:
    chat, _ = await short_story(runtime)
    await tracker(runtime, chat, "LOW {{char}}", name="The Lamp")
    await tracker(runtime, chat, "NEVER", name="Off", enabled=False)
    main = "Play {{char}}. <{{tracker::the lamp}}|{{tracker::Off}}|{{tracker::none}}>"
    await runtime.library.presets.add("ST", preset("main", "charDescription", "chatHistory", main=main))
    url = "http://127.0.0.1:9/v1"
    save_model(Paths.find().config_file, SavedModel("own", "llamacpp", "m", url, mode="text"))
    from lunalux_core.config.settings import load_settings

    runtime.apply(load_settings())
    for options in ({"preset": "ST"}, {"preset": "ST", "model": "own"}, {"preset": "mirror_realm"}):
        sent = "\n".join(one.content for one in (await prompt_of(runtime, chat, **options)).messages)
        assert ("<LOW {{char}}||>" in sent) == (options["preset"] == "ST")
        assert sent.count("LOW {{char}}") == 1 and "NEVER" not in sent and "tracker::" not in sent
    said = "\n".join(
        one.content for one in (await prompt_of(runtime, chat, "See {{tracker::The Lamp}}!")).messages
    )
    assert "See LOW {{char}}!" in said


def test_shapes_are_read_from_schemas_examples_and_texts() -> None:
    assert read_shape(json.dumps(SCHEMA)) == ("json", json.dumps(SCHEMA))
    wrapped = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    assert json.loads(read_shape(json.dumps(wrapped))[1]) == SCHEMA
    form, shape = read_shape('{"hp": 10, "items": ["rope"], "ok": true}')
    assert form == "json" and departure('{"hp": 9.5, "items": [], "ok": false}', form, shape) == ""
    assert "hp" in departure('{"hp": "nine", "items": [], "ok": false}', form, shape)
    assert "items[1]" in departure('{"hp": 1, "items": ["a", 2], "ok": false}', form, shape)
    assert read_shape("Date: -\n天气：晴") == ("text", "Date: -\n天气：晴")
    assert "天气" in departure("Date: today", "text", "Date: -\n天气：晴")
    assert departure("- **Date**: x\n天气：雨", "text", "Date: -\n天气：晴") == ""
    assert json_departure(True, {"type": "integer"}) and json_departure(3.0, {"type": "integer"}) == ""
    assert json_departure("c", {"enum": ["a", "b"]}) and json_departure(1, {"anyOf": [{"type": "string"}]})
    assert json_departure({"x": 1}, {"properties": {}, "additionalProperties": False})
    with pytest.raises(InvalidInput):
        read_shape(" ")


def test_templates_have_both_languages_and_fit_their_own_shapes() -> None:
    assert [one.key for one in TEMPLATES] == [
        *("clothes", "positions", "relations", "inventory", "plot", "weather"),
    ]
    for one in TEMPLATES:
        for words in (one.en, one.zh):
            assert words.name and words.instruction
            assert not words.shape or departure(words.shape, one.form, words.shape) == ""
        assert any("\u4e00" <= sign <= "\u9fff" for sign in one.zh.instruction)


async def test_gibberish_of_a_real_server_is_never_a_value() -> None:
    import os

    from test_memory_vectors import llama_running

    if not os.environ.get("LUNALUX_LLAMA_SERVER") or not os.environ.get("LUNALUX_LLAMA_MODEL"):
        pytest.skip("LUNALUX_LLAMA_SERVER and LUNALUX_LLAMA_MODEL name no server and model")
    with llama_running() as url:
        async with writing() as (runtime, _):
            spec = SavedModel("own", "llamacpp", "m", url, context_tokens=4096)
            save_model(Paths.find().config_file, spec)
            from lunalux_core.config.settings import load_settings

            runtime.apply(load_settings().with_value("chat.model", "own"))
            chat = await story(runtime, 2)
            # With a shape: a few words of a text may by chance be words of the story.
            shape = '{"type": "object", "required": ["lamp"], "properties": {"lamp": {"type": "string"}}}'
            await tracker(runtime, chat, '{"lamp": "lit"}', form="json", shape=shape)
            (done,) = await runtime.trackers.run(chat)
            assert done.error is not None and (await state(runtime, chat)).status == "failed"
            assert await value_of(runtime, chat) == '{"lamp": "lit"}'


def test_a_shape_or_an_answer_that_is_made_to_break_the_reader_does_not() -> None:
    assert labels("*" * 8000) == labels("\n" * 20_000) == labels(" -*" * 6000 + ":") == []
    assert labels("- **Mood** : x\n> Ort：y\nhttp") == ["mood", "ort"]
    assert json_departure({"a": 1}, {"required": [{}, [], 3, "a"]}) == ""
    for properties in ("null", "3", "[1]", '"value"'):
        shape = f'{{"type": "object", "properties": {properties}}}'
        made = Tracker("", "c", "Lamp", "How the lamp burns.", "json", shape)
        assert isinstance(
            read_value('{"value": {"lamp": "low"}}', made, "The lamp burns low."), str | UnusableAnswer
        )
    assert departure('{"oil": NaN}', "json", "") and departure("[Infinity]", "json", "")
    read_shape('{"type": "object", "properties": {"a\\ud800": {}}}')[1].encode()
