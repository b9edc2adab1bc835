"""Characters made to break the program, through a whole turn: everything ends, and what failed is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from lunalux_core.chatlogs.chatlog import write_jsonl
from lunalux_core.chatlogs.chatlog_reader import read_chat
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.dialogue.turn import ScriptSkipped, TurnCompleted, TurnEvent, TurnOptions
from lunalux_core.errors import InvalidInput
from lunalux_core.importing import import_data
from lunalux_core.runtime import Runtime

RUNAWAY = "(a+)+$"
FOOD = "a" * 40 + "!"


@pytest.fixture
async def runtime(paths: Paths) -> AsyncIterator[Runtime]:
    async with Runtime.open(load_settings(paths, {"LUNALUX_LANG": "en"})) as runtime:
        yield runtime


async def turn(runtime: Runtime, text: str, **data: Any) -> list[TurnEvent]:
    fields = {"name": "Ada", "description": "d", "first_mes": "Hi.", "extensions": {}, **data}
    card = {"spec": "chara_card_v2", "spec_version": "2.0", "data": fields}
    # lone surrogates come as escapes, the way other programs write them
    result = await import_data(runtime.library, runtime.paths, json.dumps(card).encode(), "ada.json")
    await runtime.library.characters.allow_scripts(result.id, True)
    place = await runtime.chat.start(result.id)
    async with aclosing(runtime.chat.send(place.id, text)) as events:
        return [event async for event in events]


def finished(events: list[TurnEvent]) -> TurnCompleted:
    last = events[-1]
    assert isinstance(last, TurnCompleted) and last.message is not None and last.message.status == "done"
    return last


async def test_patterns_that_never_end(runtime: Runtime) -> None:
    script = {"scriptName": "Bomb", "findRegex": f"/{RUNAWAY}/g", "replaceString": "x", "placement": [1, 2]}
    book = {"entries": [{"keys": [f"/{RUNAWAY}/"], "content": "c", "enabled": True, "extensions": {}}]}
    events = await turn(runtime, FOOD, character_book=book, extensions={"regex_scripts": [script]})
    finished(events)
    assert "Bomb" in {event.script for event in events if isinstance(event, ScriptSkipped)}


async def test_macros_ten_thousand_deep_and_recursion_that_feeds_itself(runtime: Runtime) -> None:
    deep = "{{reverse::" * 10_000 + "x" + "}}" * 10_000
    entries = [
        {"keys": [f"k{n}"], "content": f"k{n + 1} k{n} {{{{getvar::a}}}}", "enabled": True, "extensions": {}}
        for n in range(500)
    ]
    events = await turn(runtime, "k0", scenario=deep[:2000], character_book={"entries": entries})
    report = finished(events).report["worldbook"]
    assert isinstance(report, dict) and len(report["activated"]) == 10


async def test_fields_of_400_kb_are_refused_by_name_and_size(runtime: Runtime) -> None:
    with pytest.raises(InvalidInput) as refused:
        await turn(runtime, "Hello", description="word " * 80_000)
    assert refused.value.code == "PROMPT_TOO_LARGE"
    assert "charDescription" in refused.value.message or "description" in refused.value.message.lower()


async def test_halves_of_characters_everywhere(runtime: Runtime) -> None:
    half = "a \ud83d b \udc00"
    book = {"name": half, "entries": [{"keys": ["hello"], "content": half, "enabled": True, "comment": half}]}
    events = await turn(
        runtime,
        f"hello {half}",
        name=f"Ada {half}",
        description=half,
        first_mes=half,
        tags=[half],
        character_book=book,
        extensions={half: half},
    )
    reply = finished(events).message
    assert reply is not None
    stored = await runtime.library.conversations.page(reply.conversation_id)
    for message in stored:
        message.content.encode()
    character = await runtime.library.characters.get(
        (await runtime.library.conversations.get(reply.conversation_id)).character_id
    )
    assert json.loads(character.document)["data"]["description"] == half, "the card itself is kept as it was"


async def test_entries_and_fields_of_every_wrong_type(runtime: Runtime) -> None:
    values: list[Any] = [None, True, -1, 1e300, "", "x", [], [1], {}, {"a": 1}]
    names = (
        "keys",
        "secondary_keys",
        "content",
        "insertion_order",
        "position",
        "extensions",
        "enabled",
        "id",
    )
    entries = [{name: value} for name in names for value in values]
    for value in values:
        events = await turn(
            runtime,
            "x",
            personality=value,
            scenario=value,
            alternate_greetings=value,
            tags=value,
            system_prompt=value,
            mes_example=value,
            character_book={"entries": entries, "scan_depth": value, "name": value},
            extensions={
                "depth_prompt": value,
                "regex_scripts": value,
                "talkativeness": value,
                "world": value,
            },
        )
        finished(events)


async def test_a_preview_of_it_is_the_same(runtime: Runtime) -> None:
    result = await import_data(
        runtime.library, runtime.paths, b'{"name": "A", "first_mes": "{{user}} \\ud83d"}', "a"
    )
    place = await runtime.chat.start(result.id)
    prompt = await runtime.chat.previews.prompt(place.id, "\ud83d", TurnOptions(user_name="\udc00"))
    for message in prompt.messages:
        message.content.encode()


def test_separators_of_lines_stay_inside_of_messages() -> None:
    text = "one\u2028two\x0bthree\x85four"
    lines = [{"chat_metadata": {}}, {"name": "Ada", "is_user": False, "mes": text}]
    raw = "\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    log = read_chat(raw.encode())
    assert [node.text for node in log.nodes] == [text] and not log.notes
    assert [node.text for node in read_chat(write_jsonl(log).encode()).nodes] == [text]
    cut = read_chat((raw + '\n{"name": "Ada", "mes": "中'.encode().decode()).encode()[:-1])
    assert [node.text for node in cut.nodes] == [text] and len(cut.notes) == 2
    assert read_chat(raw.encode() + b'\n{"name": "x", "mes": "y", "n": NaN}').notes
