"""Which memories of a conversation are listed: those of its branch, of one message, of other branches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lunalux_core.library.memories import Branch, Memory

if TYPE_CHECKING:
    from lunalux_core.library import Library


class MemoryList:
    """What was read, and what of it is listed and marked.

    Attributes:
        covering: the message whose memories are listed alone, "" for all.
        elsewhere: whether those of other branches are listed, too.
        listed: by their ids, in the order of the story.
        indexes: the index of each message on the branch, by its id.
    """

    def __init__(self, library: Library, conversation_id: str, covering: str = "") -> None:
        self.covering = covering
        self.elsewhere = False
        self.listed: Mapping[str, Memory] = {}
        self.indexes: Mapping[str, int] = {}
        self._library = library
        self._conversation_id = conversation_id
        self._branch = Branch()
        self._away: frozenset[str] = frozenset()
        """Ids of the memories of other branches."""
        self._covered: frozenset[str] = frozenset()
        """Ids of the memories that cover the message `covering`."""
        self._marked: dict[str, None] = {}

    @property
    def path(self) -> Sequence[str]:
        """Ids of the messages of the branch, oldest first."""
        return self._branch.path

    @property
    def away(self) -> int:
        """How many memories other branches have."""
        return len(self._branch.elsewhere)

    @property
    def marked(self) -> list[str]:
        """Ids of the memories that are marked, in the order of the story."""
        return [name for name in self.listed if name in self._marked]

    async def read(self) -> bool:
        """Read the branch; True where it is another one than before."""
        before = self._branch.path
        self._branch = await self._library.memories.branch(self._conversation_id)
        self._away = frozenset(memory.id for memory in self._branch.elsewhere)
        self.indexes = {message_id: index for index, message_id in enumerate(self._branch.path)}
        return before != self._branch.path

    async def read_covered(self) -> None:
        """Read which memories cover the message, where only those are listed."""
        if self.covering:
            self._covered = frozenset(await self._library.memories.covering(self.covering))

    def arrange(self) -> int:
        """List what is wanted of what was read; how many of them belong to this branch."""
        # Trackers have a tab of their own.
        here: Sequence[Memory] = [memory for memory in self._branch.here if memory.kind != "tracker"]
        away: Sequence[Memory] = self._branch.elsewhere if self.elsewhere else ()
        if self.covering:
            here = [memory for memory in here if memory.id in self._covered]
            away = ()
        self.listed = {memory.id: memory for memory in (*here, *away)}
        self._marked = {name: None for name in self._marked if name in self.listed}
        return len(here)

    def is_here(self, memory: Memory) -> bool:
        """Whether a memory belongs to this branch."""
        return memory.id not in self._away

    def status(self, memory: Memory) -> str:
        """See `Memory.status`."""
        return memory.status(self.indexes)

    def is_rewritable(self, memory: Memory) -> bool:
        """Only a summary is written of messages, and only where these stand is it of use."""
        return memory.kind == "summary" and memory.last in self.indexes

    async def first_message(self, memory: Memory) -> str:
        """The first message that a memory covers, "" where it is in no branch any more."""
        covered = await self._library.memories.covered(memory.id)
        there = [message for message in covered if message in self.indexes]
        if there:
            return there[0]
        return memory.last if memory.last in self._branch.path or not self.is_here(memory) else ""

    def is_marked(self, memory_id: str) -> bool:
        """Whether a memory is marked for merging."""
        return memory_id in self._marked

    def mark(self, memory_id: str) -> None:
        """Mark for merging, or no longer."""
        if memory_id in self._marked:
            del self._marked[memory_id]
        else:
            self._marked[memory_id] = None

    def unmark(self) -> bool:
        """Mark none any more; False where none was marked."""
        marked, self._marked = self._marked, {}
        return bool(marked)
