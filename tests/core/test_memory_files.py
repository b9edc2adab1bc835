"""Memories in chat files: SillyTavern's rolling summary both ways, our own JSON whole, large books."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lunalux_core.chat.files import export_conversation, import_conversation
from lunalux_core.config.settings import load_settings
from lunalux_core.library.memories import Memory
from lunalux_core.memory.books import memory_book, read_memory_book, store_memories
from lunalux_core.memory.entries import add_entry
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
    sent = "\n".join(one.content for one in (await runtime.chat.preview(chat, "Go on.")).messages)
    assert "second things" in sent and sent.count("The first") == 1
    assert "Words 8." not in sent and "Words 9." in sent
    path = await runtime.library.conversations.page(chat)
    await runtime.chat.edit(path[7].id, "Other words.")
    sent = "\n".join(one.content for one in (await runtime.chat.preview(chat, "Go on.")).messages)
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
    await runtime.chat.edit(path[7], "Other words.")
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
    found, notes = read_memory_book({"entries": entries}, "Book", chat)
    begun = time.perf_counter()
    done = await runtime.library.database.write(lambda c: store_memories(c, chat, found))
    assert len(done.memories) == 5000 and not notes and time.perf_counter() - begun < 60
    for text in ("What of lantern4321?", "他还记得4321号灯吗"):
        sent = "\n".join(one.content for one in (await runtime.chat.preview(chat, text)).messages)
        assert "The lantern of night 4321 hung over the harbour." in sent
    record = (await runtime.chat.inspect(chat, "What of lantern4321?"))["memory"]
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
