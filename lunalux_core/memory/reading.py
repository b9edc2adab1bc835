"""The memories of a conversation as one turn sees them, kept between turns until one of them changes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from lunalux_core.database import Connection
from lunalux_core.library.memories import Memory, coverages, load_memories, memory_revision
from lunalux_core.memory.recall import Keywords
from lunalux_core.memory.selection import STANDING_IN, LeftWhy, StoryMemory

KEPT = 4
"""Conversations whose memories are kept ready."""


@dataclass(frozen=True, slots=True)
class _Ready:
    revision: int
    placed: tuple[tuple[Memory, str], ...]
    unusable: dict[LeftWhy, list[str]]
    covered: dict[str, list[str]]
    keywords: Keywords
    names: dict[str, str]


class MemoryReader:
    """Reads memories within a turn's transaction. With thousands of them a turn costs some milliseconds."""

    def __init__(self) -> None:
        self._ready: dict[str, _Ready] = {}

    def read(self, connection: Connection, conversation_id: str, path: Collection[str]) -> StoryMemory | None:
        """None where nothing is remembered.

        Args:
            path: ids of all messages on the branch.
        """
        ready = self._of(connection, conversation_id)
        if not ready.names:
            return None
        usable = tuple(memory for memory, last in ready.placed if not last or last in path)
        unusable: dict[LeftWhy, list[str]] = {why: list(ids) for why, ids in ready.unusable.items()}
        if len(usable) < len(ready.placed):
            here = {memory.id for memory in usable}
            away = [memory.id for memory, _ in ready.placed if memory.id not in here]
            unusable.setdefault("stale", []).extend(away)
        return StoryMemory(usable, unusable, ready.covered, ready.keywords, ready.names)

    def _of(self, connection: Connection, conversation_id: str) -> _Ready:
        revision = memory_revision(connection)
        ready = self._ready.pop(conversation_id, None)
        if ready is None or ready.revision != revision:
            ready = _read(connection, conversation_id, revision)
        self._ready[conversation_id] = ready  # the one used last stands last
        while len(self._ready) > KEPT:
            del self._ready[next(iter(self._ready))]
        return ready


def _read(connection: Connection, conversation_id: str, revision: int) -> _Ready:
    memories = load_memories(connection, conversation_id)
    unusable: dict[LeftWhy, list[str]] = {}
    placed = []
    for memory in memories:
        if memory.state == "failed" or not memory.text.strip():
            unusable.setdefault("failed", []).append(memory.id)
        elif not memory.sound:
            unusable.setdefault("stale", []).append(memory.id)
        elif memory.kind != "tracker":
            placed.append((memory, memory.last))
    return _Ready(
        revision,
        tuple(placed),
        unusable,
        coverages(connection, conversation_id, STANDING_IN),
        Keywords([memory for memory, _ in placed]),
        {memory.id: memory.name for memory in memories},
    )
