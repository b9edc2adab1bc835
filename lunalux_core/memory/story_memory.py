"""The memories of a conversation, made ready once for all turns until one of them changes, and as one branch
sees them. A turn looks at as many of them as it needs, so thousands cost it little.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from lunalux_core.library.memories import PERSON, Memory
from lunalux_core.memory.recall import Keywords

if TYPE_CHECKING:
    from lunalux_core.database import Connection

T = TypeVar("T")

STANDING_IN = ("summary", "chapter")
"""Kinds that stand in for the messages they cover."""
EVENTS = "events"
"""In `made_by`: the lines of events that replies came with, not written by a model of its own."""


TextsOf = Callable[["Connection", Sequence[str]], Mapping[str, str]]
"""Reads the texts of things by what they are called; those that are gone are absent."""


class Ranker(Protocol):
    """Orders texts by closeness to other texts; those that it has nothing to say about are absent."""

    @property
    def name(self) -> str:
        """What the record of a turn calls it: "vectors"."""
        ...

    def rank(self, story: StoryMemory, texts: Sequence[str]) -> Awaitable[Sequence[str]]:
        """Ids of memories, the closest first; those of other branches do no harm.

        Must not raise for a server that is away.

        Args:
            texts: the last messages, oldest first.
        """
        ...

    def read(self, query: Callable[[Connection], T]) -> Awaitable[T]:
        """Read of the library that it ranks."""
        ...

    def closest(
        self, kind: str, key_of: Mapping[str, str], texts: Sequence[str], texts_of: TextsOf
    ) -> Awaitable[Sequence[str]]:
        """What of other things is close to texts, the closest first. Must not raise either.

        Args:
            kind: what they are; work that waits for a later chance is kept for each kind.
            key_of: for each, by what it is called, a key that changes with its words.
            texts_of: reads their words, of which only new ones are needed.
        """
        ...


class SortedMemories:
    """All memories of a conversation, sorted for selection.

    Args:
        memories: in the order of the story.
        covered: the messages, oldest first, of those that stand in for messages or are made of events.
    """

    def __init__(self, memories: Sequence[Memory], covered: Mapping[str, Sequence[str]]) -> None:
        self.names = {memory.id: memory.name for memory in memories}
        self.covered = covered
        self.failed = [
            memory.id for memory in memories if memory.state == "failed" or not memory.text.strip()
        ]
        out = set(self.failed)
        self.stale = [memory.id for memory in memories if not memory.sound and memory.id not in out]
        out.update(self.stale)
        self.usable = [memory for memory in memories if memory.id not in out and memory.kind != "tracker"]
        self.by_id = {memory.id: memory for memory in self.usable}
        self.place = {memory.id: number for number, memory in enumerate(self.usable)}
        self.keywords = Keywords(self.usable)
        newest = self.usable[::-1]
        self.pinned = [memory for memory in newest if memory.pinned]
        told = [memory for memory in newest if not memory.pinned and memory.kind in ("fact", "marked")]
        # What the person wrote goes before what a model found, and newer before older.
        self.told = sorted(told, key=lambda memory: (memory.made_by == PERSON, memory.number), reverse=True)
        self.chapters = [memory for memory in newest if not memory.pinned and memory.kind == "chapter"]
        self.summaries = [memory for memory in newest if not memory.pinned and memory.kind == "summary"]
        self.journals: dict[str, list[Memory]] = {}
        """The newest first, by who wrote them, names in lower case."""
        for memory in newest:
            if memory.kind == "journal" and not memory.pinned:
                self.journals.setdefault(memory.speaker.casefold(), []).append(memory)
        self.covering: dict[str, list[Memory]] = {}
        for memory in self.usable:
            if memory.kind in STANDING_IN:
                for message in covered.get(memory.id, ()):
                    self.covering.setdefault(message, []).append(memory)


@dataclass(frozen=True, slots=True)
class StoryMemory:
    """The memories as one branch sees them; `path` are the ids of its messages."""

    prepared: SortedMemories
    path: Collection[str]

    def here(self, memory: Memory) -> bool:
        """Whether a sound memory belongs to this branch."""
        return not memory.last or memory.last in self.path

    def among(self, memories: Iterable[Memory]) -> Iterable[Memory]:
        """Those of this branch."""
        path = self.path
        return (memory for memory in memories if not memory.last or memory.last in path)

    def usable(self) -> list[Memory]:
        """All that may be part of a prompt here, in the order of the story."""
        return list(self.among(self.prepared.usable))

    def replaced(self, messages: Iterable[str], longest: int) -> frozenset[str]:
        """Which of these messages a memory of at most `longest` tokens stands in for."""
        covering, path = self.prepared.covering, self.path
        return frozenset(
            message
            for message in messages
            if message in covering
            and any(
                (not memory.last or memory.last in path) and memory.tokens <= longest
                for memory in covering[message]
            )
        )
