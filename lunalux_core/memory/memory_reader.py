"""Reads the memories of a conversation within a turn's transaction, and keeps them ready between turns."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from lunalux_core.database import Connection
from lunalux_core.library.memories import coverages, load_memories, memory_revision
from lunalux_core.memory.story_memory import EVENTS, STANDING_IN, SortedMemories, StoryMemory

KEPT = 4
"""Conversations whose memories are kept ready."""


@dataclass(frozen=True, slots=True)
class _Ready:
    revision: int
    prepared: SortedMemories


class MemoryReader:
    """Gives each turn the memories of its branch."""

    def __init__(self) -> None:
        self._ready: dict[str, _Ready] = {}

    def read(self, connection: Connection, conversation_id: str, path: Collection[str]) -> StoryMemory | None:
        """None where nothing is remembered.

        Args:
            path: ids of all messages on the branch.
        """
        revision = memory_revision(connection)
        ready = self._ready.pop(conversation_id, None)
        if ready is None or ready.revision != revision:
            ready = _Ready(revision, _prepared(connection, conversation_id))
        self._ready[conversation_id] = ready  # the one used last stands last
        while len(self._ready) > KEPT:
            del self._ready[next(iter(self._ready))]
        return StoryMemory(ready.prepared, path) if ready.prepared.names else None


def _prepared(connection: Connection, conversation_id: str) -> SortedMemories:
    memories = load_memories(connection, conversation_id)
    with_events = any(memory.made_by == EVENTS for memory in memories)
    kinds = (*STANDING_IN, "fact") if with_events else STANDING_IN
    return SortedMemories(memories, coverages(connection, conversation_id, kinds))
