"""What is written because the person asked for it: it goes on while the pane is closed, its outcome waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from lunalux_core.errors import LunaluxError
from lunalux_tui.chat.protocols import Background
from lunalux_tui.i18n import in_a_row, t, tell

if TYPE_CHECKING:
    from textual.worker import Worker

    from lunalux_core.database import Connection
    from lunalux_core.library.memories import Memory, Removed
    from lunalux_core.memory.summary_writer import WritingResult
    from lunalux_core.runtime import Runtime
    from lunalux_tui.parts.screen import Work


class JobsView(Background, Protocol):
    """What the jobs ask of the screen."""

    def say(self, words: str, *, warn: bool = False, undo: bool = False) -> None:
        """Say what happened."""


@dataclass
class Rewrite:
    """A memory that is being written anew. `proposed` is what came of it and waits for a yes or a no."""

    memory: Memory
    worker: Worker[None] | None = None
    proposed: Sequence[Memory] = ()
    taken: asyncio.Future[bool] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A change that can be taken back: what it made, and what there was before."""

    words: str
    before: tuple[Removed, ...]
    made: tuple[str, ...] = ()


@dataclass
class MemoryJobs:
    """Writes, and remembers the changes of this run of the program so that they can be taken back.

    Attributes:
        rewriting: what is written anew, by the ids of the memories.
        writing: the conversations in which what is due is being written.
        on_change: told when anything of it changes; the pane sets it while it is open.
        on_told: told what happened while the pane is open.
    """

    runtime: Runtime
    view: JobsView
    rewriting: dict[str, Rewrite] = field(default_factory=dict)
    writing: dict[str, Worker[None]] = field(default_factory=dict)
    changes: dict[str, list[Change]] = field(default_factory=dict)
    on_change: Callable[[], None] | None = None
    on_told: Callable[[str, bool], None] | None = None

    def say(self, words: str, *, warn: bool = False) -> None:
        if self.on_told is not None:
            self.on_told(words, warn)
        else:
            self.view.say(words, warn=warn)

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()

    def _beside(self, work: Work) -> Worker[None]:
        """Do something in the background, whatever else is done."""
        return self.view.run_in("memories", work, exclusive=False)

    # -- what is due -------------------------------------------------------------------------------

    def write(self, conversation_id: str) -> None:
        """Write what is due in a conversation; once at a time."""
        if conversation_id not in self.writing:
            self.writing[conversation_id] = self._beside(partial(self._write, conversation_id))
            self._changed()

    async def _write(self, conversation_id: str) -> None:
        try:
            written = await self.runtime.memory_writer.write(conversation_id)
            if written.memories:
                self.runtime.trackers.nudge(conversation_id, "memory")
            self._tell_of(written)
        except LunaluxError as error:
            self._tell_error(error)
        finally:
            self.writing.pop(conversation_id, None)
            self._changed()

    def _tell_of(self, written: WritingResult) -> None:
        if written.error is not None:
            self._tell_error(written.error)
        elif written.memories:
            self.say(t("memory_pane.written", n=len(written.memories)))
        else:
            self.say(t("memory_pane.nothing_due"))

    def _tell_error(self, error: LunaluxError) -> None:
        self.say(in_a_row(*tell(error)), warn=True)

    # -- writing anew ------------------------------------------------------------------------------

    def rewrite(self, memory: Memory, also: str = "", *, ask: bool) -> None:
        """Write a memory anew over the same messages, heeding what is `also` asked for.

        Where it is to `ask`, the new words wait for a yes.
        """
        if memory.id in self.rewriting:
            return
        rewriting = self.rewriting[memory.id] = Rewrite(memory)
        rewriting.worker = self._beside(partial(self._rewrite, rewriting, also, ask))
        self._changed()

    async def _rewrite(self, rewriting: Rewrite, also: str, ask: bool) -> None:
        memory = rewriting.memory
        confirm = partial(self._propose, rewriting) if ask else None
        try:
            before = await self._scene_of(memory)
            written = await self.runtime.memory_writer.rewrite(memory.id, also=also, confirm=confirm)
            if written.memories:
                ids = tuple(memory.id for memory in written.memories)
                self.remember(memory.conversation_id, Change(t("memory_pane.done.rewritten"), before, ids))
                self.say(t("memory_pane.done.rewritten"))
            elif written.error is not None:
                self._tell_error(written.error)
            elif not ask or (rewriting.taken is not None and rewriting.taken.result()):
                self.say(t("memory_pane.overtaken"), warn=True)
        except LunaluxError as error:
            self._tell_error(error)
        finally:
            self.rewriting.pop(memory.id, None)
            self._changed()

    async def _scene_of(self, memory: Memory) -> tuple[Removed, ...]:
        """The memory and those of the same scene, which its writer may replace."""
        from lunalux_core.memory.entries import as_they_stand, scene_of

        def read(connection: Connection) -> tuple[Removed, ...]:
            return as_they_stand(connection, scene_of(connection, memory))

        return await self.runtime.library.database.read(read)

    async def _propose(self, rewriting: Rewrite, proposed: Sequence[Memory]) -> bool:
        """Have the new words wait until the person says yes or no."""
        rewriting.proposed = proposed
        rewriting.taken = asyncio.get_running_loop().create_future()
        # In the pane the new words show by themselves.
        if self.on_told is None:
            self.view.say(t("memory_pane.proposal_waits", name=rewriting.memory.name))
        self._changed()
        return await rewriting.taken

    def answer(self, memory_id: str, yes: bool) -> None:
        """Take the new words, or keep the old."""
        rewriting = self.rewriting.get(memory_id)
        if rewriting is not None and rewriting.taken is not None and not rewriting.taken.done():
            rewriting.taken.set_result(yes)

    def stop(self, conversation_id: str, memory_id: str = "") -> None:
        """Give up writing a memory anew, else what is due; what was stored stays."""
        rewriting = self.rewriting.get(memory_id)
        worker = rewriting.worker if rewriting is not None else self.writing.get(conversation_id)
        if worker is not None:
            worker.cancel()
            self.say(t("memory_pane.stopped"))

    # -- taking back -------------------------------------------------------------------------------

    def remember(self, conversation_id: str, change: Change) -> None:
        self.changes.setdefault(conversation_id, []).append(change)

    async def undo(self, conversation_id: str) -> str:
        """Take the last change back; its words, "" where there is none."""
        from lunalux_core.memory.entries import have_again

        changes = self.changes.get(conversation_id)
        if not changes:
            return ""
        change = changes[-1]
        await self.runtime.library.database.write(lambda c: have_again(c, change.before, change.made))
        # Only once it is taken back: after a failure it can be tried again.
        changes.pop()
        return change.words
