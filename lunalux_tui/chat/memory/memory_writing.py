"""Having memories written by a model: what is due, anew, and whether new words are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from lunalux_core.errors import LunaluxError
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from textual.app import App

    from lunalux_core.library.memories import Memory
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.memory.memory_jobs import MemoryJobs, Rewrite
    from lunalux_tui.chat.memory.memory_list import MemoryList
    from lunalux_tui.parts.fields_dialog import Values
    from lunalux_tui.parts.screen import LunaScreen


class WritingView(Protocol):
    """What is asked of the tab."""

    @property
    def app(self) -> App[Any]:
        """Where dialogs are shown."""

    async def ask(self, dialog: LunaScreen[Any]) -> Any:
        """Ask something and wait for the answer."""

    def say(self, words: str, *, warn: bool = False) -> None:
        """Say what happened."""


class MemoryWriting:
    """What is written of one conversation.

    Attributes:
        waiting_for: the model that costs and waits to be agreed to, "" for none.
    """

    def __init__(
        self,
        runtime: Runtime,
        conversation_id: str,
        jobs: MemoryJobs,
        memories: MemoryList,
        view: WritingView,
    ) -> None:
        self.waiting_for = ""
        self._runtime = runtime
        self._conversation_id = conversation_id
        self._jobs = jobs
        self._memories = memories
        self._view = view
        self._proposals: set[str] = set()
        """Memories whose new words were shown by themselves; that is done once."""

    @property
    def busy(self) -> bool:
        """Whether what is due is being written."""
        return self._conversation_id in self._jobs.writing

    def of(self, memory_id: str) -> Rewrite | None:
        """The writing anew of a memory, None where it is not written."""
        return self._jobs.rewriting.get(memory_id)

    async def read(self) -> None:
        """Read which model waits to be agreed to."""
        try:
            self.waiting_for = await self._runtime.memory_writer.waiting_for(self._conversation_id)
        except LunaluxError:  # no such model any more; writing tells of it
            self.waiting_for = ""

    async def agree(self) -> str:
        """Let the model that costs write memories; its name."""
        model, writer = self.waiting_for, self._runtime.memory_writer
        await writer.agree(model, True)
        self.waiting_for = ""
        writer.nudge(self._conversation_id)
        return model

    def retry(self, memory: Memory) -> None:
        """Write a memory again that failed, or that became stale with its messages."""
        if self._memories.is_rewritable(memory):
            self._jobs.rewrite(memory, ask=False)
        else:  # its messages are gone: what is due among those in their place is written
            self._jobs.write(self._conversation_id)

    async def rewrite(self, memory: Memory) -> None:
        """Have a memory written anew as the person says."""
        from lunalux_tui.parts.fields_dialog import FormField, ask_fields

        async def begin(written: Values) -> None:
            self._jobs.rewrite(memory, written["instruction"], ask=True)

        drafts = self._runtime.library.drafts
        title = t("memory_pane.form.rewrite", name=memory.name)
        fields = [FormField("instruction", "text")]
        hint = t("memory_pane.form.rewrite_hint")
        values = {"instruction": ""}
        words = "memory_pane.form"
        key = f"memory:rewrite:{memory.id}"
        await ask_fields(self._view.app, drafts, key, title, fields, words, values, begin, hint=hint)

    def new_proposal(self, *, free: bool) -> str:
        """The memory whose new words wait and were not shown yet; "" for none, or if the person is not `free`
        to look at them."""
        rewriting = self._jobs.rewriting
        self._proposals &= rewriting.keys()
        for name in self._memories.listed.keys() & rewriting.keys():
            if rewriting[name].proposed and name not in self._proposals and free:
                self._proposals.add(name)
                return name
        return ""

    async def compare(self, memory_id: str) -> None:
        """Show the old words beside the new ones, and keep those that the person wants."""
        from lunalux_tui.chat.memory.compare_dialog import CompareDialog

        rewriting = self.of(memory_id)
        if rewriting is None or not rewriting.proposed:
            return
        answer = await self._view.ask(CompareDialog(rewriting.memory, rewriting.proposed))
        if answer is not None:
            self._jobs.answer(memory_id, answer)
            if not answer:
                self._view.say(t("memory_pane.kept_old"))
