"""Memories at points of the tree: which branches have them, when they are stale, what people do to them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from lunalux_core.config.settings import load_settings
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.library.memories import Memory, chain
from lunalux_core.memory.entries import (
    add_entry,
    as_they_stand,
    have_again,
    mark_message,
    merge_entries,
    split_entry,
)
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
    await runtime.chat.edits.edit(path[2], "Something else happened.")
    assert await statuses(runtime, chat) == {"A summary.": "stale", "Later.": "fresh"}
    await runtime.chat.edits.undo(chat)
    assert await statuses(runtime, chat) == {"A summary.": "fresh", "Later.": "fresh"}
    await runtime.chat.edits.delete(path[3], only_this=True)
    assert await statuses(runtime, chat) == {"A summary.": "stale", "Later.": "fresh"}
    await runtime.chat.edits.undo(chat)
    await runtime.chat.edits.delete(path[4])
    assert (await statuses(runtime, chat))["A summary."] == "stale"
    await runtime.chat.edits.undo(chat)
    assert (await statuses(runtime, chat))["A summary."] == "fresh"
    await runtime.chat.edits.hide(path[2])
    assert (await statuses(runtime, chat))["A summary."] == "fresh", "what is hidden still happened"


async def test_a_memory_exists_on_the_branches_that_hold_its_last_message(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    made = await summary(runtime, chat, path[0], path[-1])
    async for _ in runtime.chat.regenerate(path[-1]):
        pass
    assert await statuses(runtime, chat) == {"A summary.": "stale"}
    memories, here = await runtime.library.memories.shown(chat)
    assert not memories[0].usable_on(here) and made.sound
    await runtime.chat.edits.swipe((await shown(runtime, chat))[-1], -1)
    assert await statuses(runtime, chat) == {"A summary.": "fresh"}
    await runtime.chat.edits.swipe(path[-1], 1)
    strange = (await shown(runtime, chat))[-1]
    with pytest.raises(InvalidInput) as refused:
        await runtime.library.database.read(lambda c: chain(c, path[-1], strange))
    assert refused.value.code == "MEMORY_RANGE"


async def test_a_branch_has_what_begins_on_it_and_what_is_nowhere_any_more(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    await summary(runtime, chat, path[0], path[3], "Begins above.")
    await summary(runtime, chat, path[3], path[4], "Elsewhere.")
    await runtime.library.memories.add(Memory("", chat, "fact", "Everywhere."))
    await runtime.chat.edits.edit_as_branch(path[2], "Other words.")
    branch = await runtime.library.memories.branch(chat)
    assert {memory.text for memory in branch.here} == {"Everywhere.", "Begins above."}
    assert [memory.text for memory in branch.elsewhere] == ["Elsewhere."]
    assert list(branch.path) == await shown(runtime, chat)
    here = {memory.text: memory.status(branch.path) for memory in branch.here}
    assert here == {"Everywhere.": "fresh", "Begins above.": "stale"}
    ids = await runtime.library.memories.covering(path[3])
    texts = {memory.id: memory.text for memory in (*branch.here, *branch.elsewhere)}
    assert [texts[one] for one in ids] == ["Begins above.", "Elsewhere."]
    await runtime.library.database.write(
        lambda c: c.execute("DELETE FROM messages WHERE id IN (?, ?)", (path[3], path[4])) and None
    )
    assert not (await runtime.library.memories.branch(chat)).elsewhere, "what is gone is no other branch"


async def test_a_change_that_is_taken_back_leaves_memories_as_they_were(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    one = await summary(runtime, chat, path[0], path[1], "First.")
    other = await summary(runtime, chat, path[2], path[3], "Second.")
    database = runtime.library.database
    before = await database.read(lambda c: as_they_stand(c, [one.id, other.id, "gone"]))
    merged = await database.write(lambda c: merge_entries(c, [one.id, other.id]))
    await database.write(lambda c: have_again(c, before, [merged.id]))
    again = {memory.id: memory for memory in await runtime.library.memories.list(chat)}
    assert set(again) == {one.id, other.id} and again[one.id].state == one.state == "fresh"
    assert list(await runtime.library.memories.covered(other.id)) == path[2:4]
    await runtime.chat.edits.edit(path[0], "Something else.")
    assert await statuses(runtime, chat) == {"First.": "stale", "Second.": "fresh"}


async def test_a_message_is_kept_word_for_word_until_it_is_let_go(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    database = runtime.library.database
    assert await database.write(lambda c: mark_message(c, path[1]))
    await runtime.chat.edits.edit(path[1], "Other words.")
    assert (await statuses(runtime, chat)) == {"Words 0 of the person.": "stale"}
    assert await database.write(lambda c: mark_message(c, path[1])), "what changed is kept as it is now"
    assert (await statuses(runtime, chat)) == {"Other words.": "fresh"}
    assert not await database.write(lambda c: mark_message(c, path[1]))
    assert not await runtime.library.memories.list(chat)


async def test_a_correction_counts_also_where_the_old_words_were_stale(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    made = await summary(runtime, chat, path[1], path[4])
    await runtime.chat.edits.edit(path[2], "Something else happened.")
    edited = await runtime.library.memories.edit(made.id, text="Something else.")
    assert await statuses(runtime, chat) == {"Something else.": "edited"}
    await runtime.library.memories.edit(edited.id, pinned=True, keywords=("else",))
    await runtime.chat.edits.edit(path[3], "And then more.")
    assert await statuses(runtime, chat) == {"Something else.": "stale"}


async def test_what_is_deleted_comes_back_as_it_was(runtime: Runtime) -> None:
    chat, path = await story(runtime)
    made = await summary(runtime, chat, path[1], path[4])
    removed = await runtime.library.memories.delete(made.id)
    assert removed is not None and await runtime.library.memories.delete(made.id) is None
    await runtime.chat.edits.edit(path[2], "Meanwhile.")
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
