"""Records of turns: what the inspector shows, live and after a restart."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lunalux_core.config.settings import SavedModel, load_settings
from lunalux_core.dialogue.turn import TurnCompleted, TurnOptions
from lunalux_core.errors import NotFound
from lunalux_core.importing import import_data
from lunalux_core.library.turn_records import KEPT_EACH
from lunalux_core.runtime import Runtime
from lunalux_tui.chat.inspector.views import InspectedRecord, items

SCRIPT = {"scriptName": "Tea", "findRegex": "/coffee/g", "replaceString": "tea", "placement": [1]}
LORE = {
    "entries": {
        "0": {
            "uid": 0,
            "key": ["harbour"],
            "comment": "Harbour",
            "content": "The harbour sleeps. {{nobody}}",
        },
        "1": {"uid": 1, "key": ["mountain"], "comment": "Mountain", "content": "High."},
        "2": {"uid": 2, "key": ["harbour"], "comment": "Off", "content": "Never.", "disable": True},
    }
}


async def completed(runtime: Runtime, conversation_id: str, text: str) -> TurnCompleted:
    events = [event async for event in runtime.chat.send(conversation_id, text)]
    assert isinstance(events[-1], TurnCompleted)
    return events[-1]


async def opened(runtime: Runtime) -> str:
    await runtime.first_start()
    await runtime.library.worldbooks.add("Lore", LORE)
    await runtime.library.scripts.add("Tea", SCRIPT)
    character = (await runtime.library.characters.list())[0]
    return (await runtime.chat.open(character.id)).id


async def test_a_turn_leaves_a_record_that_outlives_the_program() -> None:
    async with Runtime.open(load_settings()) as runtime:
        conversation = await opened(runtime)
        result = await completed(runtime, conversation, "coffee at the harbour")
        assert result.message is not None
    async with Runtime.open(load_settings()) as runtime:
        heads = await runtime.library.records.list(conversation)
        assert [head.message_id for head in heads] == [result.message.id]
        record = await runtime.library.records.get(heads[0].number)
    stored = {name: value for name, value in record.items() if name != "beginning"}
    assert stored == json.loads(json.dumps(result.report))
    assert record["messages"][-1]["role"] == "user" and "tea at the harbour" in said(record)
    assert sum(message["tokens"] for message in record["messages"]) == record["prompt"]["total"]
    fired = {entry["comment"]: entry for entry in record["worldbook"]["activated"]}
    assert fired["Harbour"]["key"] == "harbour" and fired["Harbour"]["message"] == 0
    assert record["scripts"] == [{"script": "Tea", "place": "input", "times": 1, "texts": []}]
    assert record["prompt"]["unknown_macros"] == ["nobody"]
    assert "{{nobody}}" in said(record)


async def test_what_would_be_sent_now_explains_every_entry_and_stores_nothing() -> None:
    async with Runtime.open(load_settings()) as runtime:
        conversation = await opened(runtime)
        record = await runtime.chat.previews.record(conversation, "the harbour")
        reasons = {entry["comment"]: entry["reason"] for entry in record["worldbook"]["skipped"]}
        assert reasons["Mountain"] == "no_key" and reasons["Off"] == "disabled"
        assert [
            entry["comment"] for entry in record["worldbook"]["activated"] if entry["book"] == "Lore"
        ] == ["Harbour"]
        assert not await runtime.library.records.list(conversation)
        preview = await runtime.chat.previews.prompt(conversation, "the harbour")
        assert [message.content for message in preview.messages] == [
            message["content"] for message in record["messages"]
        ]


async def test_few_records_are_kept_and_they_go_with_the_conversation() -> None:
    async with Runtime.open(load_settings()) as runtime:
        conversation = await opened(runtime)
        for number in range(KEPT_EACH + 2):
            await completed(runtime, conversation, f"Word {number}")
        heads = await runtime.library.records.list(conversation)
        assert len(heads) == KEPT_EACH
        newest = await runtime.library.records.get(heads[0].number)
        assert f"Word {KEPT_EACH + 1}" in said(newest)
        await runtime.library.conversations.delete(conversation)
        with pytest.raises(NotFound):
            await runtime.library.records.get(heads[0].number)


def said(record: Any) -> str:
    return "\n".join(message["content"] for message in record["messages"])


async def test_a_record_says_who_asked_for_each_parameter_and_what_the_model_does_not_take() -> None:
    settings = load_settings()
    own = SavedModel(
        "own", "deepseek", "m", "http://127.0.0.1:9/v1", sampling={"top_p": 0.5, "min_p": 0.1, "top_k": 9}
    )
    async with Runtime.open(replace(settings, models={"own": own})) as runtime:
        conversation = await opened(runtime)
        options = TurnOptions(model="own", parameters={"top_p": 0.7})
        record = await runtime.chat.previews.record(conversation, "Hi", options)
    told = {
        parameter["name"]: (parameter["value"], parameter["source"], parameter["untaken"])
        for parameter in record["parameters"]
    }
    assert told["top_p"] == (0.7, "turn", "") and told["min_p"] == (0.1, "model", "kind")
    assert told["temperature"] == (1.0, "settings", "") and told["top_k"][2] == "kind"
    (item,) = [item for item in items("messages", InspectedRecord(record)) if "min_p" in item.text]
    assert "min_p" in item.detail and "top_p" not in item.detail


# -- how far a prompt is the one before it ------------------------------------------------------------


ORDER = ("main", "worldInfoBefore", "charDescription", "chatHistory", "jailbreak")
LAYERED: dict[str, Any] = {
    "prompts": [
        {"identifier": "main", "role": "system", "content": "Play {{char}}."},
        {"identifier": "worldInfoBefore", "marker": True},
        {"identifier": "charDescription", "marker": True},
        {"identifier": "chatHistory", "marker": True},
        {"identifier": "jailbreak", "role": "system", "content": "Stay in the story."},
    ],
    "prompt_order": [
        {"character_id": 100001, "order": [{"identifier": name, "enabled": True} for name in ORDER]}
    ],
}


async def elsewhere(runtime: Runtime) -> str:
    """A conversation with a character that has no worldbook of its own."""
    await opened(runtime)
    card = {
        "spec": "chara_card_v2",
        "data": {"name": "Alice", "description": "Alice keeps a light.", "first_mes": "Hm?"},
    }
    done = await import_data(runtime.library, runtime.paths, json.dumps(card).encode(), "alice.json")
    return (await runtime.chat.start(done.id)).id


async def beginning(runtime: Runtime, conversation_id: str, text: str) -> dict[str, Any]:
    await completed(runtime, conversation_id, text)
    newest, *_ = await runtime.library.records.list(conversation_id)
    found: dict[str, Any] = (await runtime.library.records.get(newest.number))["beginning"]
    return found


async def test_a_turn_says_what_of_the_prompt_is_new_and_why() -> None:
    async with Runtime.open(load_settings()) as runtime:
        conversation = await elsewhere(runtime)
        await runtime.library.presets.add("Layered", LAYERED)
        first = await beginning(runtime, conversation, "Good evening.")
        assert first["cause"] is None
        grown = await beginning(runtime, conversation, "The rain has stopped.")
        assert (grown["cause"], grown["slot"]) == ("grown", "chatHistory")
        assert grown["shared_messages"] > 3 and 0 < grown["shared_tokens"] < grown["tokens"]
        fired = await beginning(runtime, conversation, "Come to the harbour.")
        assert (fired["cause"], fired["names"]) == ("worldbook", ["Harbour"])
        assert fired["shared_messages"] == 1 and "The harbour sleeps." in fired["now"]
        page = await runtime.library.conversations.page(conversation)
        await runtime.chat.edits.edit(page[1].id, "Good morning.")
        edited = await beginning(runtime, conversation, "Back to the harbour.")
        assert (edited["cause"], edited["message_id"]) == ("edited", page[1].id)
        assert edited["before"].endswith("Good evening.") and edited["now"].endswith("Good morning.")
        (mine,) = await runtime.library.presets.list()
        document = json.loads(json.dumps(LAYERED))
        document["prompts"][0]["content"] = "Play {{char}} at {{random::dawn::noon}} {{roll:1d100000}}."
        await runtime.library.presets.save(mine.id, document=document)
        await beginning(runtime, conversation, "A harbour again.")
        rolled = await beginning(runtime, conversation, "One more harbour.")
        assert (rolled["cause"], rolled["slot"]) == ("macro", "main") and rolled["shared_messages"] == 0
        shown = await runtime.chat.previews.record(conversation, "What now, harbour?")
        assert shown["beginning"]["cause"] == "macro"
        (row,) = [item for item in items("messages", InspectedRecord(shown)) if item.title == "Beginning"]
        assert "macro" in row.detail and "0 %" in row.right


async def test_the_story_in_one_text_grows_at_its_end() -> None:
    async with Runtime.open(load_settings()) as runtime:
        conversation = await elsewhere(runtime)
        await beginning(runtime, conversation, "Good evening.")
        grown = await beginning(runtime, conversation, "The rain has stopped.")
        assert (grown["cause"], grown["slot"]) == ("grown", "chatHistory")
        assert grown["shared_tokens"] > grown["tokens"] // 3
