"""Memories in prompts: with every kind of preset, in place of what they cover, the same from turn to turn."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from lunalux_core.config.config_file import save_model
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import SavedModel, load_settings
from lunalux_core.dialogue.assembly import Prompt
from lunalux_core.dialogue.turn import TurnOptions
from lunalux_core.library.characters import NewCharacter
from lunalux_core.library.memories import Memory, add_memory
from lunalux_core.memory.entries import add_entry
from lunalux_core.runtime import Runtime
from lunalux_tui import i18n
from lunalux_tui.chat.inspector.views import InspectedRecord, items

CARD = (
    *("worldInfoBefore", "charDescription", "charPersonality", "scenario", "personaDescription"),
    *("worldInfoAfter", "dialogueExamples"),
)
ORDER = ("main", *CARD, "chatHistory", "jailbreak")
MARKERS = {*CARD, "chatHistory", "memory", "summary"}


def preset(*order: str, main: str = "Play {{char}}.") -> dict[str, Any]:
    """A preset as SillyTavern saves it."""
    prompts = [
        {"identifier": entry, "name": entry, "marker": True}
        if entry in MARKERS
        else {
            "identifier": entry,
            "name": entry,
            "role": "system",
            "content": main if entry == "main" else "",
        }
        for entry in order
    ]
    listed = [{"identifier": entry, "enabled": True} for entry in order]
    return {"prompts": prompts, "prompt_order": [{"character_id": 100001, "order": listed}]}


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    async with Runtime.open(load_settings()) as opened:
        await opened.first_start()
        yield opened


async def story(runtime: Runtime, turns: int = 4) -> tuple[str, list[str]]:
    """A conversation with a character who has no book: its entries would come and go with what was said."""
    first = (await runtime.library.characters.list())[0]
    document = json.loads((await runtime.library.characters.get(first.id)).document)
    document["data"].pop("character_book")
    plain = NewCharacter("plain", first.name, json.dumps(document), "plain")
    chat = await runtime.chat.open(await runtime.library.characters.add(plain))
    for number in range(turns):
        await say(runtime, chat.id, f"Line {number} of the person.")
    page = await runtime.library.conversations.page(chat.id, limit=1000)
    return chat.id, [message.id for message in page]


async def say(runtime: Runtime, chat: str, text: str) -> None:
    async for _ in runtime.chat.send(chat, text):
        pass


async def remember(runtime: Runtime, memory: Memory, first: str = "", last: str = "") -> Memory:
    return await runtime.library.database.write(lambda c: add_entry(c, memory, first, last))


async def prompt_of(runtime: Runtime, chat: str, text: str = "And now?", **options: Any) -> Prompt:
    return await runtime.chat.previews.prompt(chat, text, TurnOptions(**options))


async def memory_record(runtime: Runtime, chat: str, text: str = "And now?", **options: Any) -> Any:
    return (await runtime.chat.previews.record(chat, text, TurnOptions(**options)))["memory"]


def whole(prompt: Prompt) -> str:
    return "\n".join(message.content for message in prompt.messages)


@pytest.mark.parametrize("kind", ["ours", "sillytavern", "text"])
async def test_a_summary_stands_before_the_history_in_place_of_what_it_covers(
    runtime: Runtime, kind: str
) -> None:
    chat, path = await story(runtime)
    await runtime.library.presets.add("ST", preset(*ORDER))
    options = {"preset": "ST"} if kind == "sillytavern" else {"preset": "mirror_realm"}
    if kind == "text":
        save_model(
            Paths.find().config_file,
            SavedModel("plain", "openai", "m", "http://127.0.0.1:9/v1", mode="text"),
        )
        runtime.apply(load_settings())
        options["model"] = "plain"
    await remember(runtime, Memory("", chat, "summary", "They {{met}} in the shop.", "Meeting"), *path[:5:4])
    await remember(runtime, Memory("", chat, "fact", "The lamp is green."))
    await remember(runtime, Memory("", chat, "marked", "I will come back at dawn.", speaker="Anna"))
    sent = whole(prompt := await prompt_of(runtime, chat, **options))
    assert "Line 0" not in sent and "Line 1" not in sent and "Line 2" in sent and "Line 3" in sent
    for words in ("The lamp is green.", "Anna: I will come back at dawn.", "They {{met}} in the shop."):
        assert sent.count(words) == 1
    assert sent.index("The lamp") < sent.index("Meeting") < sent.index("Line 2")
    assert not prompt.report.history_dropped and not prompt.report.unknown_macros
    record = await memory_record(runtime, chat, **options)
    assert record["replaced_messages"] == 5 and not record["left_out"]
    assert [entry["why"] for entry in record["used"]] == ["fact", "marked", "summary"]


async def test_a_marker_of_the_preset_takes_them(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    await remember(runtime, Memory("", chat, "summary", "They met."), path[0], path[2])
    await remember(runtime, Memory("", chat, "fact", "The lamp is green."))
    one = preset("main", "memory", "charDescription", "chatHistory")
    await runtime.library.presets.add("One", one)
    slots = [message.slot for message in (await prompt_of(runtime, chat, preset="One")).messages]
    assert slots.count("memory") == 1 and slots.index("memory") == 1
    two = preset("main", "memory", "charDescription", "summary", "chatHistory")
    await runtime.library.presets.add("Two", two)
    prompt = await prompt_of(runtime, chat, preset="Two")
    by_slot = {message.slot: message.content for message in prompt.messages}
    assert "green" in by_slot["memory"] and "met" not in by_slot["memory"] and "met" in by_slot["summary"]


async def test_macros_place_them_and_nothing_is_said_twice(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    await remember(runtime, Memory("", chat, "summary", "They met."), path[0], path[2])
    await remember(runtime, Memory("", chat, "fact", "The lamp is green."))
    await runtime.library.presets.add("Macro", preset(*ORDER, main="Begin {{summary}} end."))
    prompt = await prompt_of(runtime, chat, preset="Macro")
    assert "They met." in prompt.messages[0].content and whole(prompt).count("They met.") == 1
    assert whole(prompt).count("The lamp is green.") == 1
    await runtime.library.presets.add("Whole", preset(*ORDER, main="Begin {{Memory}} end."))
    prompt = await prompt_of(runtime, chat, preset="Whole")
    assert "green" in prompt.messages[0].content and "met" in prompt.messages[0].content
    assert whole(prompt).count("They met.") == 1 == whole(prompt).count("The lamp is green.")


@pytest.mark.parametrize("position", ["before_main", "after_main", "in_chat"])
async def test_the_place_can_be_chosen(runtime: Runtime, position: str) -> None:
    chat, _ = await story(runtime)
    await runtime.library.presets.add("ST", preset(*ORDER))
    await remember(runtime, Memory("", chat, "fact", "The lamp is green."))
    settings = runtime.settings.with_value("memory.position", position).with_value("memory.depth", 1)
    runtime.apply(settings.with_value("memory.role", "user"))
    prompt = await prompt_of(runtime, chat, preset="ST")
    places = [at for at, message in enumerate(prompt.messages) if "green" in message.content]
    assert len(places) == 1
    main = next(at for at, message in enumerate(prompt.messages) if message.slot == "main")
    expected = {"before_main": main - 1, "after_main": main + 1, "in_chat": len(prompt.messages) - 2}
    assert places == [expected[position]]
    assert prompt.messages[places[0]].role == ("user" if position == "in_chat" else "system")


async def test_what_is_stale_failed_or_elsewhere_never_reaches_a_prompt(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    await remember(runtime, Memory("", chat, "summary", "STALE"), path[1], path[2])
    await remember(runtime, Memory("", chat, "fact", "AWAY", pinned=True), path[8], path[8])
    failed = Memory("", chat, "summary", "FAILED", state="failed", reason="no answer")
    await runtime.library.database.write(lambda c: add_memory(c, failed))
    await runtime.chat.edits.edit(path[2], "Other words.")
    async for _ in runtime.chat.regenerate(path[8]):
        pass
    sent = whole(await prompt_of(runtime, chat))
    assert not any(word in sent for word in ("STALE", "AWAY", "FAILED")) and "Other words." in sent
    left = {one["why"]: one["count"] for one in (await memory_record(runtime, chat))["left_out"]}
    assert left == {"stale": 2, "failed": 1}


async def test_the_beginning_stays_the_same_until_a_memory_is_added(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    await runtime.library.presets.add("ST", preset(*ORDER))
    await remember(runtime, Memory("", chat, "summary", "They met.", keywords=("shop",)), path[0], path[4])
    await remember(runtime, Memory("", chat, "fact", "The lamp is green."))
    for number in range(30):
        text = f"Lantern {number}: " + "light on the water. " * 15
        await remember(
            runtime, Memory("", chat, "summary", text, keywords=(f"lantern{number}", f"灯{number}号"))
        )
    before = await prompt_of(runtime, chat, "And lantern7?", preset="ST")
    assert "Lantern 7:" in whole(before) and "Lantern 1:" not in whole(before)
    recalled = next(message for message in before.messages if message.slot == "memoryRecalled")
    assert before.messages.index(recalled) == len(before.messages) - 3
    record = await memory_record(runtime, chat, "And lantern7?", preset="ST")
    (called,) = [entry for entry in record["used"] if entry["place"] == "recalled"]
    assert called["by"] == ["lantern7"] and called["why"] == "recalled"
    await say(runtime, chat, "And lantern7?")
    after = await prompt_of(runtime, chat, "去3号，不，灯2号那里吧", preset="ST")
    assert "Lantern 2:" in whole(after)
    stable = before.messages[: before.messages.index(recalled)]
    assert after.messages[: len(stable)] == stable


async def test_a_window_that_is_too_small_gets_the_messages(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    await remember(runtime, Memory("", chat, "fact", "Long. " * 900, pinned=True))
    await remember(runtime, Memory("", chat, "summary", "Long. " * 900), path[0], path[2])
    runtime.apply(runtime.settings.with_value("chat.reply_tokens", 300).with_value("memory.share", 60))
    tight = replace(runtime.settings, context_tokens=3400)
    runtime.apply(tight)
    sent = whole(await prompt_of(runtime, chat))
    assert "Long." not in sent and "Line 0" in sent
    left = {one["why"]: one["count"] for one in (await memory_record(runtime, chat))["left_out"]}
    assert left.get("no_room") == 2 or left.get("budget") == 1
    runtime.apply(runtime.settings.with_value("memory.share", 0))
    assert (await memory_record(runtime, chat))["left_out"][0]["why"] == "off"


async def test_a_chapter_tells_for_its_summaries_and_a_called_one_comes_back(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    first = await remember(
        runtime, Memory("", chat, "summary", "PART ONE", keywords=("boat",)), path[0], path[2]
    )
    second = await remember(runtime, Memory("", chat, "summary", "PART TWO"), path[3], path[4])
    chapter = Memory("", chat, "chapter", "CHAPTER", parts=(first.id, second.id))
    await remember(runtime, chapter, path[0], path[4])
    sent = whole(await prompt_of(runtime, chat))
    assert "CHAPTER" in sent and "PART" not in sent and "Line 0" not in sent
    sent = whole(await prompt_of(runtime, chat, "Where is the boat?"))
    assert "CHAPTER" in sent and "PART ONE" in sent and "PART TWO" not in sent


async def test_a_journal_is_read_by_the_one_who_wrote_it(runtime: Runtime) -> None:
    characters = (await runtime.library.characters.list())[:2]
    group = await runtime.library.groups.create("Two", [character.id for character in characters])
    chat = await runtime.chat.start_group(group.id)
    for character in characters:
        entry = Memory("", chat.id, "journal", f"Secret of {character.name}.", speaker=character.name)
        await remember(runtime, entry)
    for character in characters:
        sent = whole(await prompt_of(runtime, chat.id, speaker=character.name))
        assert [other.name for other in characters if f"Secret of {other.name}." in sent] == [character.name]


async def test_the_inspector_tells_what_was_used_and_why_the_rest_was_not(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    await remember(runtime, Memory("", chat, "summary", "They met.", "Meeting"), path[0], path[2])
    await remember(runtime, Memory("", chat, "journal", "Of a boat.", speaker="Nobody"))
    await remember(runtime, Memory("", chat, "summary", "Stale."), path[3], path[4])
    await runtime.chat.edits.edit(path[4], "Other words.")
    record = await runtime.chat.previews.record(chat, "And now?")
    i18n.use("en")
    rows = {item.title: item.detail for item in items("cut", InspectedRecord(record))}
    assert rows["Meeting"] == "of the newest summaries · before the history"
    assert rows["One memory was left out"]
    reasons = {item.detail for item in items("cut", InspectedRecord(record)) if "left out" in item.title}
    assert reasons == {
        "its messages changed, or are not on this branch",
        "nothing in the last messages calls for it",
    }
