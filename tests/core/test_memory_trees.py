"""Random trees, edits, deletions, swipes, merges and undo: no memory is used where its messages are not."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from lunalux_core.config.paths import Paths
from lunalux_core.database import Connection
from lunalux_core.errors import LunaluxError
from lunalux_core.library import Library
from lunalux_core.library.characters import NewCharacter, insert_character
from lunalux_core.library.conversations import (
    append_message,
    create_conversation,
    insert_message,
    load_conversation,
    load_message,
    load_path,
    load_tree,
    new_message,
    select_message,
)
from lunalux_core.library.memories import (
    Memory,
    add_memory,
    coverage_of,
    edit_memory,
    fingerprint,
    load_memories,
    path_ids,
    put_back,
    remove_memory,
)
from lunalux_core.library.message_edits import (
    delete_branch,
    delete_one,
    edit_as_branch,
    edit_message,
    truncate_after,
)
from lunalux_core.library.undo import redo, undo
from lunalux_core.memory.entries import merge_entries, split_entry
from lunalux_core.memory.memory_reader import MemoryReader
from lunalux_core.memory.selection import select

KINDS = ("summary", "fact", "marked", "chapter", "journal")
STEPS = 120


class World:
    """One conversation that random things happen to. `reader` keeps what it read, as a program's does."""

    def __init__(self, connection: Connection, chance: random.Random) -> None:
        self.connection = connection
        self.chance = chance
        self.chat = create_conversation(connection, "who").id
        self.reader = MemoryReader()
        self.removed: list[object] = []
        for number in range(8):
            self.say(f"start {number}")

    def say(self, text: str) -> None:
        head = load_conversation(self.connection, self.chat).head_id
        above = load_message(self.connection, head) if head else None
        role = "user" if above is None or above.role == "assistant" else "assistant"
        append_message(self.connection, new_message(self.chat, above, role, "X", text))  # type: ignore[arg-type]

    def anyone(self) -> str:
        return self.chance.choice(load_tree(self.connection, self.chat)).id

    def swipe(self) -> None:
        message = load_message(self.connection, self.anyone())
        parent = load_message(self.connection, message.parent_id) if message.parent_id else None
        twin = new_message(self.chat, parent, message.role, "X", f"twin {self.chance.random()}")
        insert_message(self.connection, twin)
        select_message(self.connection, twin.id)

    def remember(self) -> None:
        path = path_ids(self.connection, self.anyone())[::-1]
        first = self.chance.randrange(len(path))
        last = self.chance.randrange(first, len(path))
        kind = self.chance.choice(KINDS)
        where = (path[first], path[last]) if self.chance.random() < 0.9 else ("", "")
        text = f"memory {self.chance.random()}"
        add_memory(
            self.connection,
            Memory("", self.chat, kind, text, "", ("x",), *where, pinned=self.chance.random() < 0.2),  # type: ignore[arg-type]
        )

    def some_memories(self, count: int) -> list[Memory]:
        found = load_memories(self.connection, self.chat)
        return self.chance.sample(found, min(count, len(found)))

    def forget(self) -> None:
        for one in self.some_memories(1):
            removed = remove_memory(self.connection, one.id)
            assert removed is not None
            if self.chance.random() < 0.5:
                self.act(self.chance.choice(self.acts()))
                put_back(self.connection, removed)

    def split(self) -> None:
        for one in self.some_memories(1):
            covered = coverage_of(self.connection, one.id)
            if len(covered) > 1:
                split_entry(self.connection, one.id, self.chance.choice(covered[1:])[0], ("first", "second"))

    def acts(self) -> list[Callable[[], object]]:
        c, chat = self.connection, self.chat
        return [
            lambda: self.say(f"words {self.chance.random()}"),
            lambda: edit_message(c, self.anyone(), f"edited {self.chance.random()}"),
            lambda: edit_as_branch(c, self.anyone(), f"branch {self.chance.random()}"),
            lambda: delete_one(c, self.anyone()),
            lambda: delete_branch(c, self.anyone()) if self.chance.random() < 0.3 else None,
            lambda: truncate_after(c, self.anyone()),
            lambda: select_message(c, self.anyone()),
            self.swipe,
            lambda: undo(c, chat),
            lambda: redo(c, chat),
            self.remember,
            self.remember,
            self.remember,
            lambda: [edit_memory(c, one.id, text=f"mended {one.number}") for one in self.some_memories(1)],
            lambda: merge_entries(c, [one.id for one in self.some_memories(2)]),
            self.split,
            self.forget,
        ]  # fmt: skip

    def act(self, what: Callable[[], object]) -> None:
        self.connection.execute("SAVEPOINT act")
        try:
            with suppress(LunaluxError):
                what()
                self.connection.execute("RELEASE act")
                return
            self.connection.execute("ROLLBACK TO act")
            self.connection.execute("RELEASE act")
        finally:
            if not load_tree(self.connection, self.chat):
                self.say("again")

    def check(self) -> None:
        """On every branch: what a prompt would use, against the messages themselves."""
        tree = load_tree(self.connection, self.chat)
        inside = {one.parent_id for one in tree}
        for leaf in (one for one in tree if one.id not in inside):
            path = load_path(self.connection, leaf.id, 10_000)
            ids = [one.id for one in path]
            marks = {one.id: fingerprint(one.role, one.content) for one in path}
            story = self.reader.read(self.connection, self.chat, set(ids))
            if story is None:
                continue
            everything = [one.id for one in story.prepared.usable]
            done = select(story, 10**6, rankings=[("all", everything)])
            for used in done.used:
                covered = coverage_of(self.connection, used.memory.id)
                if not covered:
                    assert not used.memory.last
                    continue
                begins = ids.index(covered[0][0])
                assert [one for one, _ in covered] == ids[begins : begins + len(covered)]
                assert all(marks[one] == mark for one, mark in covered)
            replaced = story.replaced(ids, done.longest)
            tellers = [one for one in story.usable() if one.kind in ("summary", "chapter")]
            told = {each for one in tellers for each, _ in coverage_of(self.connection, one.id)}
            assert replaced == told & set(ids)
            counted = len(done.used) + sum(map(len, done.reasons().values()))
            assert counted == len(load_memories(self.connection, self.chat))


@pytest.mark.parametrize("seed", range(12))
async def test_no_memory_is_used_where_its_messages_are_not_as_they_were(paths: Paths, seed: int) -> None:
    library = Library(paths)

    def run(connection: Connection) -> int:
        insert_character(connection, NewCharacter("who", "Who", '{"spec": "chara_card_v2", "data": {}}', "h"))
        world = World(connection, random.Random(seed))
        for step in range(STEPS):
            world.act(world.chance.choice(world.acts()))
            if step % 4 == 0:
                world.check()
        world.check()
        return len(load_memories(connection, world.chat))

    assert await library.database.write(run) > 0
    library.close()
