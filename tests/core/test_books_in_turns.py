"""Worldbooks in real turns: which books take part, with which settings, and what is remembered of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from llm_server import chunk, event, model_server, raw

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import Settings, load_settings
from lunalux_core.dialogue.active_books import ParseCache, parsed_card
from lunalux_core.dialogue.assembly.prefill import goes_on
from lunalux_core.dialogue.nodes.worldbook import worldbook_settings
from lunalux_core.dialogue.turn import TurnEvent, TurnInput, TurnKind, WorldbookOverflowed
from lunalux_core.importing import import_data
from lunalux_core.presets.document import read_preset
from lunalux_core.runtime import Runtime
from lunalux_core.worldbook.book_reader import own_settings, read_book, with_own_settings


def book(key: str, content: str, **head: Any) -> dict[str, Any]:
    return {"entries": {"0": {"uid": 0, "key": [key], "content": content}}, **head}


def card(**data: Any) -> bytes:
    fields = {"name": "Ada", "first_mes": "Welcome.", "extensions": {}, **data}
    return json.dumps({"spec": "chara_card_v2", "spec_version": "2.0", "data": fields}).encode()


@pytest.fixture
async def runtime(paths: Paths) -> AsyncIterator[Runtime]:
    async with Runtime.open(load_settings(paths, {"LUNALUX_LANG": "en"})) as runtime:
        yield runtime


async def prompt(runtime: Runtime, character: str, text: str, chat: dict[str, Any] | None = None) -> str:
    place = await runtime.chat.start(character)
    if chat is not None:
        await runtime.library.conversations.set(place.id, **chat)
    result = await runtime.chat.previews.prompt(place.id, text)
    return "\n".join(message.content for message in result.messages)


async def ada(runtime: Runtime, **data: Any) -> str:
    return (await import_data(runtime.library, runtime.paths, card(**data), "ada.json")).id


async def test_a_card_that_names_a_book_uses_the_one_of_the_library(runtime: Runtime) -> None:
    inside = {"entries": [{"keys": ["lake"], "content": "INSIDE", "enabled": True, "extensions": {}}]}
    character = await ada(runtime, character_book=inside, extensions={"world": "Lake"})
    assert "INSIDE" in await prompt(runtime, character, "the lake")
    item = await runtime.library.worldbooks.add("lake", book("lake", "LINKED"), enabled=False)
    linked = await prompt(runtime, character, "the lake")
    assert "LINKED" in linked and "INSIDE" not in linked
    await runtime.library.worldbooks.enable(item.id)
    assert (await prompt(runtime, character, "the lake")).count("LINKED") == 1
    await runtime.library.worldbooks.save(item.id, document=book("lake", "EDITED"))
    assert "EDITED" in await prompt(runtime, character, "the lake")


async def test_a_book_of_the_chat_is_used_there_alone(runtime: Runtime) -> None:
    character = await ada(runtime)
    await runtime.library.worldbooks.add("Secrets", book("door", "BEHIND IT"), enabled=False)
    bound = {"metadata": {"chat_metadata": {"world_info": "Secrets"}}}
    assert "BEHIND IT" in await prompt(runtime, character, "the door", bound)
    assert "BEHIND IT" not in await prompt(runtime, character, "the door")


async def test_an_authors_note_is_searched_where_it_says_so(runtime: Runtime) -> None:
    character = await ada(runtime)
    await runtime.library.worldbooks.add("Rain", book("umbrella", "IT RAINS"))
    note = {"prompt": "Mention the umbrella.", "interval": 1, "position": 1, "depth": 4, "role": 0}
    assert "IT RAINS" not in await prompt(runtime, character, "hello", {"note": note})
    assert "IT RAINS" in await prompt(runtime, character, "hello", {"note": {**note, "scan": True}})


async def test_a_book_may_keep_its_own_wishes(runtime: Runtime) -> None:
    character = await ada(runtime)
    wide = with_own_settings(book("lantern", "FAR BACK", scan_depth=50), True)
    assert own_settings(read_book(wide).book)
    assert with_own_settings(wide, False) == book("lantern", "FAR BACK", scan_depth=50) | {"extensions": {}}
    item = await runtime.library.worldbooks.add("Wide", wide)
    place = await runtime.chat.start(character)
    for text in ("the lantern", "one", "two", "three"):
        async with aclosing(runtime.chat.send(place.id, text)) as events:
            _ = [event async for event in events]

    async def found() -> bool:
        result = await runtime.chat.previews.prompt(place.id, "four")
        return any("FAR BACK" in message.content for message in result.messages)

    assert await found()
    await runtime.library.worldbooks.save(item.id, document=with_own_settings(wide, False))
    assert not await found()


async def test_the_person_is_told_when_the_budget_was_too_small(paths: Paths) -> None:
    settings = load_settings(paths, {"LUNALUX_LANG": "en"}).with_value("worldbook.overflow_alert", True)
    settings = settings.with_value("worldbook.budget_cap", 20)
    async with Runtime.open(settings) as runtime:
        character = await ada(runtime)
        await runtime.library.worldbooks.add("Long", book("lake", "word " * 200))
        place = await runtime.chat.start(character)
        events: list[TurnEvent] = []
        async with aclosing(runtime.chat.send(place.id, "the lake")) as turn:
            events = [event async for event in turn]
    assert [e for e in events if isinstance(e, WorldbookOverflowed)] == [WorldbookOverflowed(1, 20)]


async def turn_of(runtime: Runtime, settings: Settings, kind: TurnKind = "normal") -> TurnInput:
    from lunalux_core.dialogue.turn import TurnOptions, TurnTask
    from lunalux_core.dialogue.turn_input import TurnReader
    from lunalux_core.library.conversations import load_conversation, load_message

    place = await runtime.chat.start(await ada(runtime))
    reader = TurnReader(settings, lambda: runtime.models)

    def read(connection: Any) -> TurnInput:
        conversation = load_conversation(connection, place.id)
        above = load_message(connection, conversation.head_id)
        return reader.read(connection, TurnTask(kind, conversation, above, "Hi"), TurnOptions())

    return await runtime.library.database.read(read)


async def test_every_setting_reaches_the_engine(runtime: Runtime) -> None:
    settings = runtime.settings
    for key, value in {
        "worldbook.min_activations": 3,
        "worldbook.min_activations_depth_max": 40,
        "worldbook.budget_cap": 500,
        "worldbook.strategy": "evenly",
        "worldbook.group_scoring": True,
    }.items():
        settings = settings.with_value(key, value)
    turn = await turn_of(runtime, settings)
    engine = worldbook_settings(turn)
    assert (engine.min_activations, engine.min_activations_depth_max, engine.budget_cap) == (3, 40, 500)
    assert (engine.strategy, engine.group_scoring) == (0, True)
    assert engine.max_recursion_steps == 0, "a limit of passes would switch minimum activations off"
    limited = replace(turn, settings=settings.with_value("worldbook.max_recursion_steps", 4))
    assert worldbook_settings(limited).max_recursion_steps == 4
    assert turn.replies == 1


def test_parsed_documents_are_kept_within_a_limit() -> None:
    kept: ParseCache[int] = ParseCache(limit=100)
    made = []

    def make(name: str) -> int:
        made.append(name)
        return len(made)

    assert kept.get("", "a" * 40, lambda: make("a")) == kept.get("", "a" * 40, lambda: make("a")) == 1
    kept.get("", "b" * 40, lambda: make("b"))
    kept.get("", "c" * 40, lambda: make("c"))
    assert len(kept) == 2
    kept.get("", "d" * 1000, lambda: make("d"))
    assert len(kept) == 0, "what is larger than everything is not kept"
    text = card().decode()
    assert parsed_card(text) is parsed_card(text)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("anthropic/claude-3.5-sonnet", True),
        ("claude-sonnet-4-20250514", True),
        ("claude-opus-4-5", True),
        ("anthropic/claude-opus-4.6", False),
        ("claude-sonnet-5", False),
        ("gpt-4o", False),
        ("practice", False),
    ],
)
def test_who_goes_on_from_a_begun_reply(model: str, expected: bool) -> None:
    assert goes_on(model) is expected


async def test_a_begun_reply_is_the_last_message_for_claude(paths: Paths) -> None:
    preset = {"prompts": [{"identifier": "main", "content": "Write."}], "assistant_prefill": "{{char}}:"}
    assert read_preset(preset, "p").preset.params.assistant_prefill == "{{char}}:"
    environ = {"LUNALUX_LANG": "en", "OPENAI_API_KEY": "none"}
    settings = load_settings(paths, environ)
    async with Runtime.open(settings) as runtime:
        character = await ada(runtime)
        await runtime.library.presets.add("p", preset)
        place = await runtime.chat.start(character)
        from lunalux_core.dialogue.turn import TurnOptions

        claude = await runtime.chat.previews.prompt(place.id, "Hi", TurnOptions(model="openai:claude-3-opus"))
        other = await runtime.chat.previews.prompt(place.id, "Hi", TurnOptions(model="openai:gpt-4o"))
    assert (claude.messages[-1].role, claude.messages[-1].content) == ("assistant", "Ada:")
    assert all(message.slot != "assistantPrefill" for message in other.messages)


async def test_what_a_provider_counts_is_remembered_across_runs(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = event({"choices": [], "usage": {"prompt_tokens": 4000, "completion_tokens": 1}})
    async with model_server(unknown=True) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        server.will(raw(chunk("Well."), usage, event("[DONE]")))
        settings = load_settings(paths, {"LUNALUX_LANG": "en"}).with_value("chat.model", "openai:gpt-4o")
        async with Runtime.open(settings) as runtime:
            place = await runtime.chat.start(await ada(runtime, description="Long. " * 300))
            async with aclosing(runtime.chat.send(place.id, "Hi")) as turn:
                assert [one async for one in turn]
        async with Runtime.open(settings) as runtime:
            learnt = (await turn_of(runtime, settings)).token_factor
            other = settings.with_value("chat.model", "practice")
            assert (await turn_of(runtime, other)).token_factor == 1.0
    assert 1.05 < learnt < 3


async def test_macros_see_the_chat_of_the_turn(runtime: Runtime) -> None:
    from lunalux_core.dialogue.nodes.macro_context import macro_context
    from lunalux_core.macros.expansion import expand

    turn = await turn_of(runtime, runtime.settings)
    context = macro_context(turn, "Hi there")
    text = "{{lastMessage}}|{{lastCharMessage}}|{{lastMessageId}}|{{allChatRange}}|{{lastSwipeId}}"
    assert expand(text, context) == "Hi there|Welcome.|1|0-1|"
    assert expand(text, macro_context(turn, "")) == "Welcome.|Welcome.|0|0-0|1"
    assert [one.text for one in context.chat[:5]] == ["Welcome.", "Hi there"]


async def test_unknown_macros_are_sent_as_written_and_named(runtime: Runtime) -> None:
    character = await ada(runtime, description="{{char}} {{risuOnly::1}} {{asset::x}}")
    await runtime.library.worldbooks.add("Lake", book("lake", "{{elsewhere}} {{risuOnly::2}}"))
    result = await runtime.chat.previews.prompt((await runtime.chat.start(character)).id, "the lake")
    assert set(result.report.unknown_macros) == {"risuOnly", "asset", "elsewhere"}
    assert any("{{risuOnly::1}}" in message.content for message in result.messages)


async def test_a_book_of_the_persona_is_used_where_that_part_is_played(runtime: Runtime) -> None:
    character = await ada(runtime)
    await runtime.library.worldbooks.add("Sea", book("wave", "SALT"), enabled=False)
    sailor = await runtime.library.personas.save("Bo", "A sailor.")
    other = await runtime.library.personas.save("Cy")
    await runtime.library.personas.bind(sailor.id, "sea")
    assert "SALT" in await prompt(runtime, character, "a wave", {"persona_id": sailor.id})
    assert "SALT" not in await prompt(runtime, character, "a wave", {"persona_id": other.id})


async def test_a_library_of_the_first_version_is_brought_up_to_date(paths: Paths) -> None:
    import sqlite3

    from lunalux_core.library import Library
    from lunalux_core.library.migrations import FIRST

    paths.library.parent.mkdir(parents=True)
    old = sqlite3.connect(paths.library)
    old.executescript(FIRST + "PRAGMA user_version = 1;")
    old.execute("INSERT INTO personas VALUES ('p', 'Bo', 'A sailor.', 1, 0)")
    old.commit()
    old.close()
    library = Library(paths)
    try:
        (persona,) = await library.personas.list()
        assert (persona.name, persona.chosen, persona.worldbook) == ("Bo", True, "")
    finally:
        library.close()
    kept = sqlite3.connect(paths.backups / "library-v1.db")
    assert kept.execute("SELECT name FROM personas").fetchall() == [("Bo",)]
    kept.close()


async def test_the_shelf_s_switch_decides_whether_a_script_runs(runtime: Runtime) -> None:
    from lunalux_core.importing.shelf_documents import put
    from lunalux_core.library.shelf import exported

    off = {
        "scriptName": "x",
        "findRegex": "/lake/g",
        "replaceString": "SEA",
        "placement": [1],
        "disabled": True,
    }
    result = await runtime.library.database.write(lambda c: put(c, "regex", "x", off, enabled=True))
    character = await ada(runtime)
    assert not result.item.enabled
    assert "SEA" not in await prompt(runtime, character, "the lake")
    await runtime.library.scripts.enable(result.item.id)
    assert "SEA" in await prompt(runtime, character, "the lake")
    (item,) = await runtime.library.scripts.list()
    assert exported(item) == off | {"disabled": False}
    assert exported(replace(item, enabled=False)) == off


async def test_a_character_may_have_further_books(runtime: Runtime) -> None:
    character, other = await ada(runtime), await ada(runtime, name="Bea")
    for name in ("Hills", "Woods"):
        await runtime.library.worldbooks.add(name, book(name.lower(), f"THE {name}"), enabled=False)
        await runtime.library.characters.tie(character, name)
    assert await runtime.library.characters.worldbooks(character) == ("Hills", "Woods")
    both = await prompt(runtime, character, "hills and woods")
    assert "THE Hills" in both and "THE Woods" in both
    assert "THE" not in await prompt(runtime, other, "hills and woods")
    await runtime.library.characters.tie(character, "woods", False)
    assert "THE Woods" not in await prompt(runtime, character, "hills and woods")
