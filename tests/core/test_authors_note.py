"""The author's note of a conversation: where it stands in the exact prompt, when it goes out, and files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.chat.conversation_files import export_conversation, import_conversation
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.database import Connection
from lunalux_core.dialogue.authors_note import ROLES, ChatNote
from lunalux_core.dialogue.turn import TurnOptions
from lunalux_core.importing import import_data
from lunalux_core.library.conversations import append_message, new_message
from lunalux_core.runtime import Runtime

MAIN = "Write {{char}}'s next reply."
PRESET = {
    "prompts": [
        {"identifier": "main", "name": "Main", "role": "system", "content": MAIN},
        {"identifier": "chatHistory", "name": "History", "marker": True},
    ],
    "prompt_order": [
        {
            "character_id": 100001,
            "order": [
                {"identifier": "main", "enabled": True},
                {"identifier": "chatHistory", "enabled": True},
            ],
        }
    ],
    "new_chat_prompt": "",
}


@pytest.fixture
async def runtime(paths: Paths) -> AsyncIterator[Runtime]:
    async with Runtime.open(load_settings(paths, {"LUNALUX_LANG": "en"})) as runtime:
        yield runtime


@pytest.fixture
async def chat(runtime: Runtime) -> str:
    """A conversation with Ada under a preset of one prompt and the history."""
    data = {"name": "Ada", "first_mes": "Welcome.", "extensions": {}}
    card = {"spec": "chara_card_v2", "spec_version": "2.0", "data": data}
    result = await import_data(runtime.library, runtime.paths, json.dumps(card).encode(), "ada.json")
    await runtime.library.presets.add("Plain", PRESET)
    return (await runtime.chat.start(result.id)).id


async def prompt(
    runtime: Runtime, chat: str, text: str, note: ChatNote | None = None
) -> list[tuple[str, str]]:
    if note is not None:
        await runtime.library.conversations.set(chat, note=note.as_json())
    result = await runtime.chat.previews.prompt(chat, text, TurnOptions(preset="Plain", user_name="Bob"))
    return [(message.role, message.content) for message in result.to_messages()]


async def say(runtime: Runtime, chat: str, text: str) -> None:
    async with aclosing(runtime.chat.send(chat, text)) as events:
        _ = [event async for event in events]


async def test_its_place_in_the_exact_prompt(runtime: Runtime, chat: str) -> None:
    main = ("system", "Write Ada's next reply.")
    greeting, words = ("assistant", "Welcome."), ("user", "Hello")
    assert await prompt(runtime, chat, "Hello") == [main, greeting, words]
    text = "{{char}} is tired of {{user}}."
    said = "Ada is tired of Bob."
    cases = {
        ChatNote(text, "after_main"): [main, ("system", said), greeting, words],
        ChatNote(text, "before_main"): [("system", said), main, greeting, words],
        ChatNote(text, "before_main", role="assistant"): [("assistant", said), main, greeting, words],
        ChatNote(text, depth=0, role="user"): [main, greeting, words, ("user", said)],
        ChatNote(text, depth=1): [main, greeting, ("system", said), words],
        ChatNote(text, depth=4, role="assistant"): [main, ("assistant", said), greeting, words],
        ChatNote(text, interval=0): [main, greeting, words],
        ChatNote(): [main, greeting, words],
    }
    for note, expected in cases.items():
        assert await prompt(runtime, chat, "Hello", note) == expected, note


async def test_it_goes_out_with_every_nth_message_of_the_person(runtime: Runtime, chat: str) -> None:
    note = ChatNote("NOTE", interval=3)
    found = []
    for number in range(1, 7):
        sent = await prompt(runtime, chat, f"word {number}", note)
        found.append(("system", "NOTE") in sent)
        await say(runtime, chat, f"word {number}")
    assert found == [False, False, True, False, False, True]


async def test_messages_left_out_of_a_long_chat_count_too(runtime: Runtime, chat: str) -> None:
    conversations = runtime.library.conversations
    first = await conversations.message((await conversations.get(chat)).head_id)

    def fill(connection: Connection) -> None:
        last = first
        for number in range(1200):  # more than is read for a prompt
            last = new_message(chat, last, "user" if number % 2 else "assistant", "Bob", "word " * 40)
            append_message(connection, last)

    await runtime.library.database.write(fill)
    assert ("system", "NOTE") in await prompt(runtime, chat, "the 601st", ChatNote("NOTE", interval=601))
    assert ("system", "NOTE") not in await prompt(runtime, chat, "again", ChatNote("NOTE", interval=600))


async def test_worldbook_entries_are_sought_in_it_only_when_it_is_due(runtime: Runtime, chat: str) -> None:
    book = {"entries": {"0": {"uid": 0, "key": ["umbrella"], "content": "IT RAINS", "position": 0}}}
    await runtime.library.worldbooks.add("Rain", book)
    preset = json.loads(json.dumps(PRESET))
    preset["prompts"].append({"identifier": "worldInfoBefore", "name": "WI", "marker": True})
    preset["prompt_order"][0]["order"].insert(0, {"identifier": "worldInfoBefore", "enabled": True})
    (shelved,) = [item for item in await runtime.library.presets.list() if item.name == "Plain"]
    await runtime.library.presets.save(shelved.id, document=preset)

    async def rains(note: ChatNote) -> bool:
        return any("IT RAINS" in content for _, content in await prompt(runtime, chat, "Hello", note))

    assert not await rains(ChatNote("Mention the umbrella."))
    assert await rains(ChatNote("Mention the umbrella.", scan=True))
    assert not await rains(ChatNote("Mention the umbrella.", scan=True, interval=2))


def file_with(metadata: dict[str, Any]) -> bytes:
    lines = [
        {"user_name": "Bob", "character_name": "Ada", "chat_metadata": metadata},
        {"name": "Ada", "is_user": False, "mes": "Welcome.", "send_date": 1},
    ]
    return "\n".join(map(json.dumps, lines)).encode()


async def metadata_of(runtime: Runtime, chat: str) -> dict[str, Any]:
    text = await export_conversation(runtime.library, chat, "jsonl")
    found: dict[str, Any] = json.loads(text.splitlines()[0])["chat_metadata"]
    return found


async def test_a_note_survives_chat_files_of_sillytavern(runtime: Runtime, chat: str) -> None:
    character = (await runtime.library.conversations.get(chat)).character_id
    inside = {
        "note_prompt": "Keep it short.",
        "note_interval": 2,
        "note_position": 0,
        "note_depth": 7,
        "note_role": 1,
        "tainted": True,
    }
    result = await import_conversation(runtime.library, character, file_with(inside), "a.jsonl")
    stored = await runtime.library.conversations.get(result.conversation_id)
    assert ChatNote.read(stored.note) == ChatNote("Keep it short.", "after_main", 7, "user", 2)
    assert await metadata_of(runtime, stored.id) == inside
    await runtime.library.conversations.set(stored.id, note=ChatNote("Other.", scan=True).as_json())
    changed = await metadata_of(runtime, stored.id)
    assert changed["note_prompt"] == "Other." and changed["note_position"] == 1 and changed["tainted"]
    again = await import_conversation(runtime.library, character, file_with(changed), "b.jsonl")
    assert (await runtime.library.conversations.get(again.conversation_id)).note["scan"] is True
    await runtime.library.conversations.set(stored.id, note={})
    assert await metadata_of(runtime, stored.id) == {"tainted": True}  # a note taken away does not come back


async def test_a_note_without_text_keeps_when_it_is_due(runtime: Runtime, chat: str) -> None:
    character = (await runtime.library.conversations.get(chat)).character_id
    inside = {"note_prompt": "", "note_interval": 0}
    result = await import_conversation(runtime.library, character, file_with(inside), "a.jsonl")
    stored = await runtime.library.conversations.get(result.conversation_id)
    assert ChatNote.read(stored.note).interval == 0
    assert await metadata_of(runtime, stored.id) == inside


NAMES = ["prompt", "interval", "position", "depth", "role", "scan"]
WILD = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())
NOTES = st.builds(
    ChatNote,
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["C", "Z"])),
    st.sampled_from(["in_chat", "after_main", "before_main"]),
    st.integers(0, 10_000),
    st.sampled_from(ROLES),
    st.integers(0, 10_000),
    st.booleans(),
)


@settings(max_examples=60)
@given(NOTES)
def test_what_is_kept_is_read_again(note: ChatNote) -> None:
    assert ChatNote.read(json.loads(json.dumps(note.as_json()))) == note
    assert ChatNote.of_file(note.for_file({"tainted": True})) == note
    assert ChatNote.of_file(note.for_file(ChatNote("Old", scan=True).for_file({}))) == note


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(NAMES), WILD))
def test_notes_of_any_kind_are_read(stored: dict[str, Any]) -> None:
    note = ChatNote.read(stored)
    assert note.interval >= 0 and note.depth >= 0
    assert ChatNote.read(note.as_json()) == note
