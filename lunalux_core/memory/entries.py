"""What a person does to memories beyond setting a field: adding, merging, splitting. Within a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from lunalux_core.database import Connection
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.library.conversations import load_message
from lunalux_core.library.memories import (
    Memory,
    Removed,
    add_memory,
    chain,
    coverage_of,
    load_memories,
    load_memory,
    put_back,
    remove_memory,
)


def add_entry(connection: Connection, memory: Memory, first: str = "", last: str = "") -> Memory:
    """Store a memory of the person over the messages from `first` to `last`, either of which may stand alone.

    A marked message without words of its own says what the message says.

    Raises:
        InvalidInput: MEMORY_EMPTY, MEMORY_RANGE.
    """
    first, last = first or last, last or first
    if memory.kind == "marked" and not memory.text.strip() and last:
        messages = [load_message(connection, message_id) for message_id in chain(connection, first, last)]
        speaker = memory.speaker or messages[0].name
        memory = replace(memory, text="\n\n".join(message.content for message in messages), speaker=speaker)
    return add_memory(connection, replace(memory, first=first, last=last))


def merge_entries(connection: Connection, ids: Sequence[str], title: str = "", text: str = "") -> Memory:
    """One memory in place of several; it covers from the first of their messages to the last.

    Args:
        text: its words; "" joins those of all.

    Raises:
        InvalidInput: MEMORY_MERGE for fewer than two or different kinds, MEMORY_RANGE for two branches.
    """
    memories = [load_memory(connection, memory_id) for memory_id in dict.fromkeys(ids)]
    if len(memories) < 2 or len({memory.kind for memory in memories}) > 1:
        raise InvalidInput(
            "MEMORY_MERGE", "Only memories of one kind can become one.", "Choose two or more of them."
        )
    placed = [memory for memory in memories if memory.last]
    placed.sort(key=lambda memory: load_message(connection, memory.last).depth)
    # In the order of the story; those of the whole chat have no place in it and come last.
    ordered = [*placed, *(memory for memory in memories if not memory.last)]
    ends = [end for memory in placed for end in (memory.first, memory.last)]
    first = min(ends, key=lambda end: load_message(connection, end).depth) if ends else ""
    merged = Memory(
        "",
        memories[0].conversation_id,
        memories[0].kind,
        text or "\n\n".join(memory.text for memory in ordered if memory.text),
        title or next((memory.title for memory in ordered if memory.title), ""),
        tuple(dict.fromkeys(word for memory in ordered for word in memory.keywords)),
        first,
        placed[-1].last if placed else "",
        pinned=any(memory.pinned for memory in memories),
        state="edited",
    )
    # Stored before the others go: where the range is refused, nothing is lost.
    stored = add_memory(connection, merged)
    for memory in memories:
        remove_memory(connection, memory.id)
    return stored


def split_entry(
    connection: Connection, memory_id: str, at: str, texts: tuple[str, str]
) -> tuple[Memory, Memory]:
    """Two memories in place of one; the second begins with the message `at`.

    Raises:
        InvalidInput: MEMORY_SPLIT, the message is not inside its range; MEMORY_EMPTY.
    """
    memory = load_memory(connection, memory_id)
    covered = [message_id for message_id, _ in coverage_of(connection, memory_id)]
    if at not in covered[1:]:
        raise InvalidInput(
            "MEMORY_SPLIT",
            "A memory is divided at a message inside its range.",
            "Choose a message behind its first one.",
        )
    place = covered.index(at)
    parts = []
    for part, text in ((covered[:place], texts[0]), (covered[place:], texts[1])):
        half = replace(memory, id="", text=text, first=part[0], last=part[-1], state="edited", sources=())
        parts.append(add_memory(connection, half))
    remove_memory(connection, memory_id)
    return parts[0], parts[1]


def as_they_stand(connection: Connection, ids: Sequence[str]) -> tuple[Removed, ...]:
    """Memories with all that is needed to have them again as they are; those that are gone are left out."""
    standing = []
    for memory_id in dict.fromkeys(ids):
        with suppress(NotFound):
            memory = load_memory(connection, memory_id)
            standing.append(Removed(memory, tuple(coverage_of(connection, memory_id))))
    return tuple(standing)


def scene_of(connection: Connection, memory: Memory) -> list[str]:
    """Ids of a memory and of the journals over the very same messages."""
    others = [
        other.id
        for other in load_memories(connection, memory.conversation_id)
        if other.kind == "journal" and (other.first, other.last) == (memory.first, memory.last)
    ]
    return [memory.id, *others]


def have_again(connection: Connection, before: Sequence[Removed], made: Sequence[str] = ()) -> None:
    """Take a change back: what it made goes, and memories are again what they were before it.

    Raises:
        NotFound: CONVERSATION_NOT_FOUND.
    """
    for memory_id in (*made, *(removed.memory.id for removed in before)):
        remove_memory(connection, memory_id)
    for removed in before:
        put_back(connection, removed)


def marked_message(connection: Connection, message_id: str) -> Memory | None:
    """What keeps a message in every prompt word for word, None where nothing does."""
    message = load_message(connection, message_id)
    for memory in load_memories(connection, message.conversation_id):
        if memory.kind == "marked" and memory.first == memory.last == message_id:
            return memory
    return None


def mark_message(connection: Connection, message_id: str) -> bool:
    """Keep a message in every prompt, word for word as it is now, or no longer; whether it is kept now.

    Raises:
        NotFound: MESSAGE_NOT_FOUND. InvalidInput: MEMORY_EMPTY.
    """
    before = marked_message(connection, message_id)
    if before is not None:
        remove_memory(connection, before.id)
        # A mark on words that were edited since is renewed instead: the person asks to keep these words.
        if before.sound:
            return False
    message = load_message(connection, message_id)
    add_entry(connection, Memory("", message.conversation_id, "marked", ""), message_id)
    return True
