"""The tab of memories: read, edit, pin, merge, split, rewrite and delete them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message as TextualMessage

from lunalux_tui.actions import Action, bindings, first_key
from lunalux_tui.chat.memory.memory_edits import MemoryEdits
from lunalux_tui.chat.memory.memory_entries import EntryState, MemoryEntries
from lunalux_tui.chat.memory.memory_list import MemoryList
from lunalux_tui.chat.memory.memory_writing import MemoryWriting
from lunalux_tui.chat.memory.tab import Tab, TabEntry
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import keymap_of

if TYPE_CHECKING:
    from lunalux_core.library.memories import Memory
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.memory.memory_jobs import MemoryJobs

NEEDS_A_ROW = frozenset({"edit", "pin", "mark", "delete", "copy"})

Handed = Callable[["MemoriesTab"], None]


def on_chosen(method: Callable[[MemoriesTab], Callable[[Memory], Coroutine[Any, Any, None]]]) -> Handed:
    """An action on the memory under the cursor."""

    def action(tab: MemoriesTab) -> None:
        if (memory := tab.memory) is not None:
            tab.start(method(tab), memory)

    return action


class MemoriesTab(Tab):
    """The list of memories in the order of the story.

    Args:
        covering: the message whose memories are shown alone, "" for all.
    """

    KIND = "memories"
    ACTIONS = (
        Action("memories.edit", "edit", "e", footer=1, palette=False),
        Action("memories.pin", "pin", "p", footer=2, palette=False),
        Action("memories.rewrite", "rewrite", "w", footer=3, palette=False),
        Action("memories.retry", "retry", "r", footer=4, palette=False),
        Action("memories.answer", "answer", "v", footer=5, palette=False),
        Action("memories.delete", "delete", "d,delete", footer=6, palette=False),
        Action("memories.undo", "undo", "u", footer=7, palette=False),
        Action("memories.add", "add", "a", footer=8, palette=False),
        Action("memories.write", "write", "n", footer=9, palette=False),
        Action("memories.agree", "agree", "Y", footer=10, palette=False),
        Action("memories.stop", "stop", "x", footer=11, palette=False),
        Action("memories.go", "go", "t", footer=12, palette=False),
        Action("memories.mark", "mark", "space", footer=13, palette=False),
        Action("memories.merge", "merge", "m", footer=14, palette=False),
        Action("memories.split", "split", "s", footer=15, palette=False),
        Action("memories.elsewhere", "elsewhere", "b", footer=16, palette=False),
        Action("memories.all", "all", "c", footer=17, palette=False),
        Action("memories.filter", "filter", "slash,ctrl+f", footer=18, palette=False),
        Action("memories.copy", "copy", "y", palette=False),
    )
    BINDINGS = bindings(ACTIONS)

    @dataclass
    class Wanted(TextualMessage):
        """The person wants to see a message."""

        message_id: str

    def __init__(self, runtime: Runtime, conversation_id: str, jobs: MemoryJobs, covering: str = "") -> None:
        super().__init__(runtime, conversation_id)
        self._jobs = jobs
        self._memories = MemoryList(runtime.library, conversation_id, covering)
        self._edits = MemoryEdits(runtime, conversation_id, jobs, self._memories, self)
        self._writing = MemoryWriting(runtime, conversation_id, jobs, self._memories, self)
        self._memory_entries = MemoryEntries()

    # -- what is in it -----------------------------------------------------------------------------

    async def read(self) -> None:
        await self._read_branch()
        await self._memories.read_covered()
        await self._writing.read()
        self._list()
        free = self.app.screen is self.screen and not self.field.has_focus
        if proposal := self._writing.new_proposal(free=free):
            self.start(self._writing.compare, proposal)

    async def read_again(self, at: str | None = None) -> None:
        """Read and list the memories as they are now, with the cursor at one if it is named."""
        await self._read_branch()
        self._list(at)

    async def _read_branch(self) -> None:
        if await self._memories.read():
            self._memory_entries.show_branch(self._memories.indexes)

    def _list(self, at: str | None = None) -> None:
        count = self._memories.arrange()
        self.show([self._entry(memory) for memory in self._memories.listed.values()], count=count, at=at)

    def state(self) -> str:
        memories = self._memories
        if memories.covering:
            return t("memory_pane.covering", n=memories.indexes.get(memories.covering, 0))
        if self._writing.busy:
            return t("memory_pane.writing")
        if self._writing.waiting_for:
            agree = next(action for action in self.ACTIONS if action.id == "memories.agree")
            key = first_key(agree, keymap_of(self))
            return t("memory_pane.waits_for_yes", model=self._writing.waiting_for, press=key)
        return t("memory_pane.elsewhere", n=memories.away) if memories.away and not memories.elsewhere else ""

    @property
    def memory(self) -> Memory | None:
        """The memory under the cursor."""
        return self._memories.listed.get(self.chosen)

    def _entry(self, memory: Memory) -> TabEntry:
        memories, rewriting = self._memories, self._writing.of(memory.id)
        writing = "" if rewriting is None else "proposed" if rewriting.proposed else "writing_anew"
        marked = memories.is_marked(memory.id)
        return self._memory_entries.of(
            EntryState(memory, memories.status(memory), memories.is_here(memory), marked, writing)
        )

    # -- what can be done now ----------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what cannot be done now."""
        if not self.is_mounted:
            return True
        memories, memory = self._memories, self.memory
        rewriting = self._writing.of(self.chosen)
        match action:
            case "rewrite":
                return memory is not None and memories.is_rewritable(memory) and rewriting is None
            case "retry":
                status = memories.status(memory) if memory is not None and memories.is_here(memory) else ""
                return status in ("stale", "failed") and rewriting is None
            case "answer":
                return rewriting is not None and bool(rewriting.proposed)
            case "stop":
                return rewriting is not None or self._writing.busy
            case "write":
                return not self._writing.busy
            case "undo":
                return bool(self._jobs.changes.get(self.conversation_id))
            case "agree":
                return bool(self._writing.waiting_for)
            case "merge":
                return len(memories.marked) > 1
            case "split":
                return memory is not None and memory.first != memory.last and memory.state != "failed"
            case "go":
                return memory is not None and bool(memory.last)
            case "elsewhere":
                return memories.away > 0 and not memories.covering
            case "all":
                return bool(memories.covering)
        return memory is not None if action in NEEDS_A_ROW else True

    # -- reading and marking -----------------------------------------------------------------------

    def action_all(self) -> None:
        """Show all memories again, not only those of one message."""
        self._memories.covering = ""
        self._list()

    def leave(self) -> bool:
        if super().leave():
            return True
        if self._memories.unmark():
            self._list()
            return True
        return False

    def action_elsewhere(self) -> None:
        """Show the memories of other branches too, or hide them again."""
        self._memories.elsewhere = not self._memories.elsewhere
        self._list()

    def action_mark(self) -> None:
        """Mark for merging, and go on to the next."""
        self._memories.mark(self.chosen)
        self._list()
        self.rows.action_move(1)

    async def _go(self, memory: Memory) -> None:
        """To the first of the covered messages, in the conversation."""
        if message_id := await self._memories.first_message(memory):
            self.post_message(self.Wanted(message_id))
        else:
            self.say(t("memory_pane.range.gone_told"), warn=True)

    action_go = on_chosen(lambda tab: tab._go)

    # -- changing ----------------------------------------------------------------------------------

    action_pin = on_chosen(lambda tab: tab._edits.pin)
    action_delete = on_chosen(lambda tab: tab._edits.delete)
    action_edit = on_chosen(lambda tab: tab._edits.edit)
    action_split = on_chosen(lambda tab: tab._edits.split)

    def action_undo(self) -> None:
        self.start(self._edits.undo)

    def action_merge(self) -> None:
        self.start(self._edits.merge, self._memories.marked)

    def action_add(self) -> None:
        self.start(self._edits.add)

    # -- writing -----------------------------------------------------------------------------------

    action_rewrite = on_chosen(lambda tab: tab._writing.rewrite)

    def action_write(self) -> None:
        self._jobs.write(self.conversation_id)

    def action_stop(self) -> None:
        self._jobs.stop(self.conversation_id, self.chosen)

    def action_retry(self) -> None:
        if (memory := self.memory) is not None:
            self._writing.retry(memory)

    def action_agree(self) -> None:
        self.start(self._agree)

    async def _agree(self) -> None:
        model = await self._writing.agree()
        self._list()
        self.say(t("memory.agreed", model=model))

    def action_answer(self) -> None:
        self.start(self._writing.compare, self.chosen)
