"""Memories at points of the tree: which branches have them, when they are stale, what people do to them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from lunalux_core.config.settings import load_settings
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.library.memories import Memory, chain
from lunalux_core.memory.entries import add_entry, merge_entries, split_entry
from lunalux_core.runtime import Runtime


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    async with Runtime.open(load_settings()) as opened:
        await opened.first_start()
        yield opened


async def story(runtime: Runtime, turns: int = 3) -> tuple[str, list[str]]:
    """A conversation of a greeting and some turns; its id and the ids of its messages."""
    character = (await runtime.library.characters.list())[0]
    chat = await runtime.chat.open(character.id)
    for number in range(turns):
        await say(runtime, chat.id, f"Words {number} of the person.")
    return chat.id, await shown(runtime, chat.id)


async def say(runtime: Runtime, chat: str, text: str) -> None:
    async for _ in runtime.chat.send(chat, text):
        pass


async def shown(runtime: Runtime, chat: str) -> list[str]:
    return [one.id for one in await runtime.library.conversations.page(chat, limit=1000)]


async def summary(runtime: Runtime, chat: str, first: str, last: str, text: str = "A summary.") -> Memory:
    wanted = Memory("", chat, "summary", text)
    return await runtime.library.database.write(lambda c: add_entry(c, wanted, first, last))


async def statuses(runtime: Runtime, chat: str) -> dict[str, str]:
    memories, path = await runtime.library.memories.shown(chat)
    return {memory.text: memory.status(path) for memory in memories}


async def test_a_covered_message_that_changes_makes_stale_and_undo_makes_fresh(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    await summary(runtime, chat, path[1], path[4])
    await summary(runtime, chat, path[5], path[6], "Later.")
    await runtime.chat.edit(path[2], "Something else happened.")
    assert await statuses(runtime, chat) == {"A summary.": "stale", "Later.": "fresh"}
    await runtime.chat.undo(chat)
    assert await statuses(runtime, chat) == {"A summary.": "fresh", "Later.": "fresh"}
    await runtime.chat.delete(path[3], only_this=True)
    assert await statuses(runtime, chat) == {"A summary.": "stale", "Later.": "fresh"}
    await runtime.chat.undo(chat)
    await runtime.chat.delete(path[4])
    assert (await statuses(runtime, chat))["A summary."] == "stale"
    await runtime.chat.undo(chat)
    assert (await statuses(runtime, chat))["A summary."] == "fresh"
    await runtime.chat.hide(path[2])
    assert (await statuses(runtime, chat))["A summary."] == "fresh", "what is hidden still happened"


async def test_a_memory_exists_on_the_branches_that_hold_its_last_message(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    made = await summary(runtime, chat, path[0], path[-1])
    async for _ in runtime.chat.regenerate(path[-1]):
        pass
    assert await statuses(runtime, chat) == {"A summary.": "stale"}
    memories, here = await runtime.library.memories.shown(chat)
    assert not memories[0].usable_on(here) and made.sound
    await runtime.chat.swipe((await shown(runtime, chat))[-1], -1)
    assert await statuses(runtime, chat) == {"A summary.": "fresh"}
    await runtime.chat.swipe(path[-1], 1)
    strange = (await shown(runtime, chat))[-1]
    with pytest.raises(InvalidInput) as refused:
        await runtime.library.database.read(lambda c: chain(c, path[-1], strange))
    assert refused.value.code == "MEMORY_RANGE"


async def test_a_correction_counts_also_where_the_old_words_were_stale(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    made = await summary(runtime, chat, path[1], path[4])
    await runtime.chat.edit(path[2], "Something else happened.")
    edited = await runtime.library.memories.edit(made.id, text="Something else.")
    assert await statuses(runtime, chat) == {"Something else.": "edited"}
    await runtime.library.memories.edit(edited.id, pinned=True, keywords=("else",))
    await runtime.chat.edit(path[3], "And then more.")
    assert await statuses(runtime, chat) == {"Something else.": "stale"}


async def test_what_is_deleted_comes_back_as_it_was(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    made = await summary(runtime, chat, path[1], path[4])
    removed = await runtime.library.memories.delete(made.id)
    assert removed is not None and await runtime.library.memories.delete(made.id) is None
    await runtime.chat.edit(path[2], "Meanwhile.")
    back = await runtime.library.memories.restore(removed)
    assert back.id == made.id and await statuses(runtime, chat) == {"A summary.": "stale"}
    await runtime.library.conversations.delete(chat)
    with pytest.raises(NotFound):
        await runtime.library.memories.restore(removed)
    assert await runtime.library.memories.list(chat) == []


async def test_memories_are_merged_and_split(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    late = await summary(runtime, chat, path[4], path[5], "Second.")
    early = await summary(runtime, chat, path[1], path[3], "First.")
    database = runtime.library.database
    one = await database.write(lambda c: merge_entries(c, [late.id, early.id]))
    assert (one.text, one.first, one.last) == ("First.\n\nSecond.", path[1], path[5])
    with pytest.raises(InvalidInput):
        await database.write(lambda c: split_entry(c, one.id, path[1], ("a", "b")))
    first, second = await database.write(lambda c: split_entry(c, one.id, path[3], ("a", "b")))
    assert (first.first, first.last, second.first, second.last) == (path[1], path[2], path[3], path[5])
    assert list(await statuses(runtime, chat)) == ["a", "b"]
