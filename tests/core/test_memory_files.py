"""Memories in chat files: SillyTavern's rolling summary both ways, our own JSON whole, large books."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from lunalux_core.bank.document_files import split_passages
from lunalux_core.chat.conversation_files import export_conversation, import_conversation
from lunalux_core.config.settings import load_settings
from lunalux_core.library.bank_documents import Document, Reach
from lunalux_core.library.memories import Memory, fingerprints
from lunalux_core.library.trackers import Tracker, TrackerValue, load_values, store_value
from lunalux_core.memory.entries import add_entry
from lunalux_core.memory.memory_books import memory_book, read_memory_book, store_memories
from lunalux_core.runtime import Runtime


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    async with Runtime.open(load_settings()) as opened:
        await opened.first_start()
        yield opened


def line(number: int, memory: str = "", swipes: list[str] | None = None) -> dict[str, Any]:
    extra = {"memory": memory} if memory else {}
    one: dict[str, Any] = {
        "name": "You" if number % 2 else "Ada",
        "is_user": bool(number % 2),
        "is_system": False,
        "send_date": "2024-05-01T10:00:00.000Z",
        "mes": f"Words {number}.",
        "extra": extra,
    }
    return one | ({"swipes": swipes, "swipe_id": 0, "swipe_info": []} if swipes else {})


def chat_file(*lines: dict[str, Any]) -> bytes:
    header = {"user_name": "You", "character_name": "Ada", "chat_metadata": {}}
    return "\n".join(json.dumps(one) for one in (header, *lines)).encode()


async def take_in(runtime: Runtime, data: bytes, name: str = "chat.jsonl") -> str:
    character = (await runtime.library.characters.list())[0]
    return (await import_conversation(runtime.library, character.id, data, name)).conversation_id


async def test_the_rolling_summary_of_sillytavern_comes_in_and_falls_back(runtime: Runtime) -> None:
    data = chat_file(
        *(line(number) for number in range(4)),
        line(4, "The first things."),
        *(line(number) for number in range(5, 8)),
        line(8, "The first and the second things."),
        *(line(number) for number in range(9, 12)),
    )
    chat = await take_in(runtime, data)
    memories = await runtime.library.memories.list(chat)
    assert [(one.kind, one.text, one.made_by) for one in memories] == [
        ("summary", "The first things.", "SillyTavern"),
        ("summary", "The first and the second things.", "SillyTavern"),
    ]
    sent = "\n".join(one.content for one in (await runtime.chat.previews.prompt(chat, "Go on.")).messages)
    assert "second things" in sent and sent.count("The first") == 1
    assert "Words 8." not in sent and "Words 9." in sent
    path = await runtime.library.conversations.page(chat)
    await runtime.chat.edits.edit(path[7].id, "Other words.")
    sent = "\n".join(one.content for one in (await runtime.chat.previews.prompt(chat, "Go on.")).messages)
    assert "second things" not in sent and "The first things." in sent and "Other words." in sent
    assert "Words 4." not in sent and "Words 5." in sent


async def test_a_chat_goes_out_with_one_rolling_summary_and_comes_back(runtime: Runtime) -> None:
    chat = await take_in(runtime, chat_file(*(line(number) for number in range(10))))
    path = await runtime.library.conversations.page(chat)
    database = runtime.library.database
    for first, last, text in ((0, 2, "They met."), (3, 6, "They parted.")):
        wanted = Memory("", chat, "summary", text)
        await database.write(lambda c, w=wanted, f=first, t=last: add_entry(c, w, path[f].id, path[t].id))  # type: ignore[misc]
    text = await export_conversation(runtime.library, chat, "jsonl")
    lines = [json.loads(one) for one in text.splitlines()][1:]
    assert [one["extra"].get("memory") for one in lines] == [
        *[None] * 6,
        "They met.\n\nThey parted.",
        *[None] * 3,
    ]
    again = await take_in(runtime, text.encode())
    (back,) = await runtime.library.memories.list(again)
    assert back.text == "They met.\n\nThey parted."
    assert await runtime.library.memories.covered(back.id) == [
        one.id for one in (await runtime.library.conversations.page(again))[:7]
    ]


async def test_our_own_json_keeps_all(runtime: Runtime) -> None:
    chat = await take_in(runtime, chat_file(*(line(number) for number in range(10))))
    path = [one.id for one in await runtime.library.conversations.page(chat)]
    database, memories = runtime.library.database, runtime.library.memories
    first = await database.write(
        lambda c: add_entry(c, Memory("", chat, "summary", "One.", "T", ("lamp", "灯")), path[0], path[3])
    )
    fact = Memory("", chat, "fact", "It is green.", pinned=True, speaker="Ada")
    await database.write(lambda c: add_entry(c, fact))
    chapter = Memory("", chat, "chapter", "Both.", parts=(first.id,), made_by="m", instruction="x")
    await database.write(lambda c: add_entry(c, chapter, path[0], path[3]))
    await database.write(lambda c: add_entry(c, Memory("", chat, "summary", "Stale."), path[6], path[7]))
    await runtime.chat.edits.edit(path[7], "Other words.")
    text = await export_conversation(runtime.library, chat, "json")
    again = await take_in(runtime, text.encode(), "chat.json")

    async def told(chat: str) -> list[tuple[Any, ...]]:
        found, path = await memories.shown(chat)
        ids = {one.id: at for at, one in enumerate(await runtime.library.conversations.page(chat))}
        names = {one.id: one.text for one in found}
        return [
            (
                *(one.kind, one.title, one.text, one.keywords, one.pinned, one.speaker, one.status(path)),
                *(one.made_by, one.instruction, ids.get(one.first), ids.get(one.last)),
                tuple(names[part] for part in one.parts),
            )
            for one in found
        ]

    assert await told(again) == await told(chat)


async def test_our_own_json_keeps_trackers_documents_and_ends_of_scenes(runtime: Runtime) -> None:
    chat = await take_in(runtime, chat_file(*(line(number) for number in range(8))))
    path = [one.id for one in await runtime.library.conversations.page(chat)]
    trackers, database = runtime.library.trackers, runtime.library.database
    wanted = Tracker(
        "", chat, "Lamp", "How it burns.", "json", '{"type": "object"}', "memory", depth=2, role="user"
    )
    lamp = await trackers.add(wanted, '{"oil": 1}')
    await trackers.set(lamp.id, '{"oil": 2}', path[3])
    covers = await database.read(lambda c: fingerprints(c, path[4:6]))
    made = TrackerValue('{"oil": 3}', path[5], "m", coverage=tuple(covers))
    await database.write(lambda c: store_value(c, lamp.id, made))
    off = await trackers.add(Tracker("", chat, "天气", "今天的天气。", enabled=False), "雨")
    await runtime.chat.edits.end_scene(path[2])
    for name, where in (("one.md", chat), ("all.md", "")):
        document = Document("", name, "md", name, where, size=9)
        await runtime.library.documents.add(
            document, split_passages("The lamp-oil comes from Vesk.\n\n" + "Two. " * 400)
        )

    async def told(chat: str) -> list[Any]:
        ids = [one.id for one in await runtime.library.conversations.page(chat)]
        rows: list[Any] = [one.ends_scene for one in await runtime.library.conversations.page(chat)]
        for standing in await trackers.shown(chat):
            tracker = replace(standing.tracker, id="", conversation_id="", created_at=0, updated_at=0)
            values = await database.read(lambda c, one=standing.tracker.id: load_values(c, one))  # type: ignore[misc]
            held = [(one.value, one.made_by, one.message_id and ids.index(one.message_id)) for one in values]
            rows.append((tracker, standing.status, standing.value and standing.value.value, held))
        for document in await runtime.library.documents.list(Reach(chat)):
            rows.append((document.name, document.scope, document.passages, document.tokens))
        return rows

    before = await told(chat)
    assert before[2] is True and before[8][1:3] == ("fresh", '{"oil": 3}')
    text = await export_conversation(runtime.library, chat, "json")
    await runtime.library.documents.delete((await runtime.library.documents.find("one.md", Reach(chat))).id)
    again = await take_in(runtime, text.encode(), "chat.json")
    assert sorted(map(str, await told(again))) == sorted(map(str, before))
    await runtime.chat.edits.edit(path[4], "Other words.")
    stale = await take_in(
        runtime, (await export_conversation(runtime.library, chat, "json")).encode(), "chat.json"
    )
    (standing,) = [one for one in await trackers.shown(stale) if one.tracker.name == "Lamp"]
    assert standing.status == "stale" and standing.value and standing.value.value == '{"oil": 2}'
    assert off.name == "天气"


@pytest.mark.parametrize("value", [3, None, "x", [3], [{}], [{"name": 3, "passages": [1]}], {"a": 1}, [[]]])
async def test_anything_in_place_of_trackers_and_documents_keeps_the_chat(
    runtime: Runtime, value: Any
) -> None:
    chat = await take_in(runtime, chat_file(*(line(number) for number in range(3))))
    document = json.loads(await export_conversation(runtime.library, chat, "json"))
    named = {"name": "T", "instruction": "I", "every": "x", "depth": -4, "values": value}
    document["trackers"], document["documents"] = value, value
    await take_in(runtime, json.dumps(document).encode(), "chat.json")
    document["trackers"] = [named, named, {**named, "name": "U", "values": [{"at": value, "value": "v"}]}]
    again = await take_in(runtime, json.dumps(document).encode(), "chat.json")
    assert [one.tracker.name for one in await runtime.library.trackers.shown(again)] == ["T", "U"]


async def test_a_book_of_five_thousand_memories_comes_in_and_is_found(runtime: Runtime) -> None:
    chat = await take_in(runtime, chat_file(*(line(number) for number in range(40))))
    entries = {
        str(number): {
            "uid": number,
            "key": [f"lantern{number}", f"{number}号灯"],
            "comment": f"Night {number}",
            "content": f"The lantern of night {number} hung over the harbour.",
            "stmemorybooks": True,
            **({"STMB_start": number % 30, "STMB_end": number % 30 + 1} if number % 3 == 0 else {}),
        }
        for number in range(5000)
    }
    found, off = read_memory_book({"entries": entries}, "Book", chat)
    begun = time.process_time()
    done = await runtime.library.database.write(lambda c: store_memories(c, chat, found))
    assert len(done.memories) == 5000 and not off and time.process_time() - begun < 30
    for text in ("What of lantern4321?", "他还记得4321号灯吗"):
        sent = "\n".join(one.content for one in (await runtime.chat.previews.prompt(chat, text)).messages)
        assert "The lantern of night 4321 hung over the harbour." in sent
    record = (await runtime.chat.previews.record(chat, "What of lantern4321?"))["memory"]
    assert sum(one["count"] for one in record["left_out"]) + len(record["used"]) == 5000
    book = await runtime.library.database.read(lambda c: memory_book(c, chat))
    again = await runtime.library.database.write(
        lambda c: store_memories(c, chat, read_memory_book(book, "Book", chat)[0])
    )
    assert not again.memories and again.skipped == 5000


async def test_a_book_with_anything_in_our_own_fields_comes_in_and_goes_out(runtime: Runtime) -> None:
    chat = await take_in(runtime, chat_file(*(line(number) for number in range(4))))
    database = runtime.library.database
    for value in (
        3,
        True,
        "x",
        10**400,
        [3],
        [[]],
        [{}],
        {"a": 1},
        "\ud83d",
        [{"messages": 7, "sentence": []}],
    ):
        keys = ("parts", "sources", "created_at", "coverage", "id", "title", "speaker", "kind")
        entry = {"uid": 0, "key": ["a"], "content": f"They met: {value!a:.40}", "lunalux": {}}
        entry["lunalux"] = dict.fromkeys(keys, value) | {"sources": [{"messages": value, "sentence": value}]}
        found, _ = read_memory_book({"entries": {"0": entry}}, "x", chat)
        await database.write(lambda c, found=found: store_memories(c, chat, found))  # type: ignore[misc]
    assert len(await runtime.library.memories.list(chat)) == 10
    text = await export_conversation(runtime.library, chat, "json")
    again = await take_in(runtime, text.encode(), "chat.json")
    assert len(await runtime.library.memories.list(again)) == 10
