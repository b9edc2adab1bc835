"""How conversations open, and what an imported preset may ask of a model smaller than its author's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.dialogue.assembly.prompt_material import REPLY_PRIMER
from lunalux_core.dialogue.turn import TurnOptions
from lunalux_core.errors import InvalidInput
from lunalux_core.importing import import_data
from lunalux_core.importing.shelf_documents import put
from lunalux_core.library.conversations import Conversation, Message
from lunalux_core.runtime import Runtime


@pytest.fixture
async def runtime(paths: Paths) -> AsyncIterator[Runtime]:
    runtime = Runtime(load_settings(paths, {}))
    yield runtime
    await runtime.close()


async def brought(runtime: Runtime, name: str, **fields: Any) -> str:
    data = {"name": name, "description": "A clockmaker.", "first_mes": "Hi.", **fields}
    document = {"spec": "chara_card_v2", "spec_version": "2.0", "data": data}
    result = await import_data(runtime.library, runtime.paths, json.dumps(document).encode(), f"{name}.json")
    return result.id


async def script(runtime: Runtime, **fields: Any) -> None:
    document = {"scriptName": "s", "findRegex": "/foo/g", "replaceString": "BAR", "placement": [2], **fields}
    await runtime.library.database.write(lambda c: put(c, "regex", "s", document, enabled=True))


async def openings(runtime: Runtime, place: Conversation) -> list[Message]:
    """The swipes of the first message."""
    (first, *_) = await runtime.library.conversations.page(place.id, limit=1000)
    return [
        await runtime.library.conversations.message(identity)
        for identity in await runtime.library.conversations.siblings(first.id)
    ]


async def prompt(runtime: Runtime, place: Conversation, **options: Any) -> str:
    shown = await runtime.chat.previews.prompt(place.id, "x", TurnOptions(**options))
    return "\n".join(message.content for message in shown.messages)


async def test_a_greeting_expands_with_everything_the_card_and_the_person_are(runtime: Runtime) -> None:
    persona = await runtime.library.personas.save("Bo", "A smith.")
    await runtime.library.personas.choose(persona.id)
    identity = await brought(
        runtime,
        "Ada",
        personality="calm",
        scenario="A shop.",
        mes_example="EX",
        system_prompt="SYS",
        post_history_instructions="POST",
        creator_notes="CN",
        character_version="1.2",
        first_mes=(
            "{{user}}|{{char}}|{{persona}}|{{description}}|{{personality}}|{{scenario}}|{{charPrompt}}|"
            "{{charInstruction}}|{{charCreatorNotes}}|{{charVersion}}|{{mesExamplesRaw}}"
        ),
    )
    (opened,) = await openings(runtime, await runtime.chat.start(identity))
    assert opened.content == "Bo|Ada|A smith.|A clockmaker.|calm|A shop.|SYS|POST|CN|1.2|EX"


async def test_every_greeting_keeps_its_own_variables_with_its_swipe(runtime: Runtime) -> None:
    identity = await brought(
        runtime,
        "Ada",
        description="R={{getvar::route}}.",
        first_mes="{{setvar::route::A}}One",
        alternate_greetings=["{{setvar::route::B}}{{setglobalvar::seen::no}}Two", "Three {{getvar::route}}"],
    )
    place = await runtime.chat.start(identity)
    first, second, third = await openings(runtime, place)
    assert [one.content for one in (first, second, third)] == ["One", "Two", "Three"]
    assert first.state == {"variables": {"route": "A"}} and third.state == {}
    assert "R=A." in await prompt(runtime, place)
    await runtime.library.conversations.select(second.id)
    assert "R=B." in await prompt(runtime, place)
    await runtime.library.conversations.select(third.id)
    assert "R=." in await prompt(runtime, place)


async def test_the_variables_of_a_groups_openings_add_up(runtime: Runtime) -> None:
    ada = await brought(
        runtime,
        "Ada",
        description="coat {{getvar::coat}}, hat {{getvar::hat}}.",
        first_mes="{{setvar::coat::red}}Ada.",
        alternate_greetings=["{{setvar::coat::blue}}Ada again."],
    )
    bea = await brought(runtime, "Bea", first_mes="{{setvar::hat::of {{getvar::coat}} felt}}Bea.")
    group = await runtime.library.groups.create("Two", [ada, bea])
    place = await runtime.chat.start_group(group.id)
    assert "coat red, hat of red felt." in await prompt(runtime, place, speaker=ada)
    await runtime.chat.edits.swipe((await openings(runtime, place))[0].id, 1)
    assert "coat blue, hat of red felt." in await prompt(runtime, place, speaker=ada)


async def test_stored_scripts_run_on_every_greeting_and_others_do_not(runtime: Runtime) -> None:
    await script(runtime)
    await script(runtime, findRegex="/ /g", replaceString="_", markdownOnly=True)
    await script(runtime, findRegex="/a/g", replaceString="", placement=[1])
    identity = await brought(runtime, "Ada", first_mes="a foo b", alternate_greetings=["x foo {{user}}"])
    place = await runtime.chat.start(identity)
    assert [opening.content for opening in await openings(runtime, place)] == ["a BAR b", "x BAR Traveller"]


@pytest.mark.parametrize(
    "book", [{"name": "x"}, {"entries": "text"}, {"entries": {"0": 5}}, {"data": []}, {"a": 1}]
)
async def test_a_book_that_nobody_can_read_stops_no_turn(runtime: Runtime, book: Any) -> None:
    identity = await brought(runtime, "Ada", character_book=book)
    assert "A clockmaker." in await prompt(runtime, await runtime.chat.start(identity))


PROMPTS = [
    {"identifier": "main", "name": "Main", "role": "system", "content": "Write."},
    {"identifier": "8d39cd61-4a47", "name": "House rules", "role": "system", "content": "Rule."},
    {"identifier": "chatHistory", "marker": True},
]


async def use(runtime: Runtime, **fields: Any) -> None:
    order = [{"identifier": one["identifier"], "enabled": True} for one in PROMPTS]
    document = {"prompts": PROMPTS, "prompt_order": [{"character_id": 100001, "order": order}], **fields}
    await runtime.library.database.write(lambda c: put(c, "preset", "Large", document, enabled=True))


@pytest.mark.parametrize(
    ("window", "reply", "budget"),
    [(1_000_000, 65_536, 24_576), (200_000, 8_192, 24_576), (8_192, 8_192, 6_144), (8_192, 4_000, 4_192)],
)
async def test_a_preset_for_a_large_model_leaves_room_for_a_prompt(
    runtime: Runtime, window: int, reply: int, budget: int
) -> None:
    """The practice model has a window of 32,768 tokens."""
    await use(runtime, openai_max_context=window, openai_max_tokens=reply)
    identity = await brought(runtime, "Ada")
    shown = await runtime.chat.previews.prompt((await runtime.chat.start(identity)).id, "x")
    assert shown.report.budget == budget - REPLY_PRIMER


async def test_a_refusal_names_prompts_and_the_presets_numbers(runtime: Runtime) -> None:
    PROMPTS[1]["content"] = "Rule. " * 20_000
    try:
        await use(runtime, openai_max_context=1_000_000, openai_max_tokens=300)
    finally:
        PROMPTS[1]["content"] = "Rule."
    identity = await brought(runtime, "Ada")
    with pytest.raises(InvalidInput) as refused:
        await runtime.chat.previews.prompt((await runtime.chat.start(identity)).id, "x")
    assert refused.value.code == "PROMPT_TOO_LARGE"
    assert "House rules" in refused.value.message and "8d39cd61" not in refused.value.message
    assert "1000000" in refused.value.message and "300" in refused.value.message
