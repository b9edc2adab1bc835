"""Characters that were deleted come back with everything that went with them."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.errors import NotFound
from lunalux_core.importing import add_starters
from lunalux_core.library import Library
from lunalux_core.library.conversations import append_message, create_conversation, new_message
from lunalux_core.library.quick_replies import ReplyUse
from lunalux_core.runtime import Runtime
from lunalux_core.stscript.quick_reply_files import read_set


@pytest.fixture
async def library(paths: Paths) -> AsyncIterator[Library]:
    library = Library(paths)
    await add_starters(library, paths)
    yield library
    library.close()


def everything(connection: sqlite3.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but those that only count changes."""
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {
        name: sorted((tuple(row) for row in connection.execute(f"SELECT * FROM {name}")), key=repr)
        for name in names
        if not name.startswith(("message_search", "sqlite_", "memory_revision"))
    }


async def test_a_deletion_taken_back_leaves_no_trace(library: Library, paths: Paths) -> None:
    characters = await library.characters.list()
    ids = [one.id for one in characters]
    group = await library.groups.create("All", ids)
    await library.tags.add("kept", ids[:2])
    async with Runtime.open(load_settings()) as runtime:
        for identity in ids[:2]:
            conversation = await runtime.chat.open(identity)
            async for _ in runtime.chat.send(conversation.id, "Hello there"):
                pass
            await runtime.chat.edits.mark(
                (await runtime.library.conversations.get(conversation.id)).head_id, "here"
            )
    before = await library.database.read(everything)
    pictures = {path.name: path.read_bytes() for path in paths.pictures.iterdir()}

    trashed = await library.trash.delete(ids[:2])
    assert trashed.names == tuple(one.name for one in characters[:2])
    assert {one.id for one in await library.characters.list()} == set(ids[2:])
    assert not await library.conversations.list(ids[0])
    assert {path.name for path in paths.pictures.iterdir()} < pictures.keys()
    assert len((await library.groups.get(group.id)).members) == len(ids) - 2
    assert not await library.conversations.search("Hello there")

    await library.trash.restore(trashed)
    assert await library.database.read(everything) == before
    assert {path.name: path.read_bytes() for path in paths.pictures.iterdir()} == pictures
    assert not trashed.folder.exists()
    assert len(await library.conversations.search("Hello there")) == 2


async def test_what_was_written_since_stays(library: Library) -> None:
    first, second, *_ = [one.id for one in await library.characters.list()]

    def say(connection: sqlite3.Connection, owner: str, word: str) -> str:
        place = create_conversation(connection, owner)
        last = None
        for number in range(3):
            last = new_message(place.id, last, "user", "You", f"{word} {number}")
            append_message(connection, last)
        return place.id

    old = await library.database.write(lambda c: say(c, first, "old"))
    trashed = await library.trash.delete([first])
    new = await library.database.write(lambda c: say(c, second, "new"))  # takes the numbers that are free
    await library.trash.restore(trashed)
    for place, word in ((old, "old"), (new, "new")):
        page = await library.conversations.page(place)
        assert [message.content for message in page] == [f"{word} {number}" for number in range(3)]
    assert len(await library.conversations.search("old")) == 3
    assert await library.database.soundness() == "ok"


async def test_what_was_deleted_since_keeps_nobody_from_coming_back(library: Library) -> None:
    ids = [one.id for one in await library.characters.list()]
    tag = (await library.tags.add("gone", ids[:1])).tag
    kept = (await library.tags.add("kept", ids[:1])).tag
    group = await library.groups.create("All", ids)
    trashed = await library.trash.delete(ids[:1])
    await library.tags.delete(tag.id)
    await library.groups.delete(group.id)
    await library.trash.restore(trashed)
    assert {one.id for one in await library.characters.list()} == set(ids)
    assert [one.id for one in (await library.tags.of(ids[:1]))[ids[0]]] == [kept.id]
    assert await library.database.soundness() == "ok"


async def test_quick_replies_are_in_force_again_where_they_were(library: Library) -> None:
    (first, *_) = [one.id for one in await library.characters.list()]
    chat = await library.conversations.create(first)
    replies = library.quick_replies
    stored, _ = await replies.add(read_set({"version": 2, "name": "Dice", "qrList": []}, "Dice"))
    await replies.use(ReplyUse("character", first, stored.id))
    await replies.use(ReplyUse("chat", chat.id, stored.id, visible=False))
    before = await replies.uses()
    trashed = await library.trash.delete([first])
    assert not await replies.uses()
    await library.trash.restore(trashed)
    assert await replies.uses() == before


async def test_one_who_is_not_there_keeps_the_others(library: Library) -> None:
    ids = [one.id for one in await library.characters.list()]
    with pytest.raises(NotFound):
        await library.trash.delete([ids[0], "nobody"])
    assert len(await library.characters.list()) == len(ids)
    trashed = await library.trash.delete(ids)
    library.trash.empty()
    assert trashed.folder.is_dir(), "it may still be taken back"
    os.utime(trashed.folder, (1, 1))
    library.trash.empty()
    assert not trashed.folder.exists() and not await library.characters.list()


@pytest.mark.parametrize("seed", range(6))
async def test_changes_of_several_at_once_are_taken_back_in_turn(library: Library, seed: int) -> None:
    """Whatever was tagged, untagged and deleted in whatever order, taken back from the last to the first."""
    chance = random.Random(seed)
    everybody = [one.id for one in await library.characters.list()]
    tags = [(await library.tags.add(name)).tag for name in ("one", "two", "three")]
    for tag in tags:
        await library.tags.add(tag.name, chance.sample(everybody, 2))
    states = [await library.database.read(everything)]
    done: list[Callable[[], Awaitable[None]]] = []
    for _ in range(12):
        there = [one.id for one in await library.characters.list()]
        those = chance.sample(there, chance.randint(0, len(there)))
        match chance.randrange(3):
            case 0:
                added = await library.tags.add(chance.choice(tags).name, those)
                done.append(partial(library.tags.undo, added))
            case 1:
                removed = await library.tags.remove(chance.choice(tags).id, those)
                done.append(partial(library.tags.undo, removed))
            case _:
                trashed = await library.trash.delete(those[:1])
                done.append(partial(library.trash.restore, trashed))
        states.append(await library.database.read(everything))
    for back in reversed(done):
        assert await library.database.read(everything) == states.pop()
        await back()
    assert await library.database.read(everything) == states.pop()
