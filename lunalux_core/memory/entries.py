"""What a person does to memories beyond setting a field: adding, merging, splitting. Within a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lunalux_core.database import Connection
from lunalux_core.errors import InvalidInput
from lunalux_core.library.conversations import load_message
from lunalux_core.library.memories import (
    Memory,
    add_memory,
    chain,
    coverage_of,
    load_memory,
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
