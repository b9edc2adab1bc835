"""Changes of memories by the person: written, pinned, merged, split and deleted, each to be taken back."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from lunalux_core.errors import LunaluxError
from lunalux_core.library.memories import Memory
from lunalux_core.text import clean_line
from lunalux_tui.chat.memory.memory_jobs import Change, MemoryJobs
from lunalux_tui.i18n import t
from lunalux_tui.parts.form_field import too_long
from lunalux_tui.parts.rows import Row

if TYPE_CHECKING:
    from textual.app import App

    from lunalux_core.database import Connection
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.memory.memory_list import MemoryList
    from lunalux_tui.parts.fields_dialog import Values
    from lunalux_tui.parts.screen import LunaScreen


# Quotation marks and brackets that close after a full stop belong to its sentence.
_END = re.compile(r"[.!?…]+[\"'”’)]*\s+|[。！？]+[”’」』）]*|\n+")


class EditsView(Protocol):
    """What these changes ask of the tab."""

    @property
    def app(self) -> App[Any]:
        """Where dialogs are shown."""

    async def ask(self, dialog: LunaScreen[Any]) -> Any:
        """Ask something and wait for the answer."""

    def say(self, words: str, *, warn: bool = False) -> None:
        """Say what happened."""

    async def read_again(self, at: str | None = None) -> None:
        """Read and list the memories as they are now, with the cursor at one if it is named."""


class MemoryEdits:
    """Stores changes, and has the `MemoryJobs` remember them."""

    def __init__(
        self, runtime: Runtime, conversation_id: str, jobs: MemoryJobs, memories: MemoryList, view: EditsView
    ) -> None:
        self._runtime = runtime
        self._conversation_id = conversation_id
        self._jobs = jobs
        self._memories = memories
        self._view = view

    async def _change(
        self, ids: Sequence[str], words: str, change: Callable[[Connection], Sequence[Memory]]
    ) -> None:
        """Change memories so that it can be undone. `change` returns the memories it made."""
        from lunalux_core.memory.entries import as_they_stand

        def work(connection: Connection) -> Change:
            before = as_they_stand(connection, ids)
            return Change(words, before, tuple(memory.id for memory in change(connection)))

        change_made = await self._runtime.library.database.write(work)
        self._jobs.remember(self._conversation_id, change_made)
        await self._view.read_again(change_made.made[0] if change_made.made else None)
        self._view.say(words)

    async def pin(self, memory: Memory) -> None:
        """Have a memory in every prompt, or no longer."""
        from lunalux_core.library.memories import edit_memory

        words = t("memory_pane.done.unpinned" if memory.pinned else "memory_pane.done.pinned")
        await self._change(
            [memory.id], words, lambda c: [edit_memory(c, memory.id, pinned=not memory.pinned)]
        )

    async def delete(self, memory: Memory) -> None:
        """Delete a memory without a question, because it can be taken back."""
        from lunalux_core.library.memories import remove_memory

        def remove(connection: Connection) -> Sequence[Memory]:
            remove_memory(connection, memory.id)
            return ()

        await self._change([memory.id], t("memory_pane.done.deleted"), remove)

    async def undo(self) -> None:
        """Take the last change back."""
        words = await self._jobs.undo(self._conversation_id)
        await self._view.read_again()
        self._view.say(
            t("memory_pane.done.undone", what=words) if words else t("memory_pane.nothing_to_undo")
        )

    async def merge(self, ids: Sequence[str]) -> None:
        """Make one memory of several."""
        from lunalux_core.memory.entries import merge_entries

        await self._change(ids, t("memory_pane.done.merged"), lambda c: [merge_entries(c, ids)])
        self._memories.unmark()

    async def edit(self, memory: Memory) -> None:
        """Change the words of a memory."""
        from lunalux_core.library.memories import edit_memory

        async def save(written: Values) -> None:
            values = {**_worded(written), "keywords": keywords_of(written["keywords"])}
            message = t("memory_pane.done.edited")
            await self._change([memory.id], message, lambda c: [edit_memory(c, memory.id, **values)])

        values = {"title": memory.title, "text": memory.text, "keywords": ", ".join(memory.keywords)}
        title = t("memory_pane.form.edit", name=memory.name)
        await self._ask_words(f"memory:{memory.id}", title, values, save)

    async def add(self) -> None:
        """Write a fact."""
        from lunalux_core.memory.entries import add_entry

        conversation_id = self._conversation_id

        async def save(written: Values) -> None:
            path = self._memories.path
            # A fact of this branch hangs on its newest message; without one it belongs to all branches.
            last = path[-1] if written["scope"] == "branch" and path else ""
            wanted = Memory("", conversation_id, "fact", written["text"], written["title"])
            wanted = replace(wanted, keywords=keywords_of(written["keywords"]))
            await self._change((), t("memory_pane.done.added"), lambda c: [add_entry(c, wanted, last)])

        values = {"title": "", "text": "", "keywords": "", "scope": "branch"}
        title = t("memory_pane.form.add")
        await self._ask_words(f"memory:new:{conversation_id}", title, values, save, scope=True)

    async def _ask_words(
        self,
        key: str,
        title: str,
        values: Values,
        save: Callable[[Values], Awaitable[None]],
        *,
        scope: bool = False,
    ) -> None:
        from lunalux_tui.parts.fields_dialog import FormField, ask_fields

        if too_long(values["text"]):
            self._view.say(t("memory_pane.too_long"), warn=True)
            return
        fields = [FormField("text", "text"), FormField("title"), FormField("keywords")]
        if scope:
            fields.append(FormField("scope", "choice", ("branch", "all")))
        drafts, words = self._runtime.library.drafts, "memory_pane.form"
        hint = t("memory_pane.form.add_hint" if scope else "memory_pane.form.edit_hint")
        saved = await ask_fields(self._view.app, drafts, key, title, fields, words, values, save, hint=hint)
        if saved is None and await drafts.get(key):
            self._view.say(t("memory_pane.draft_kept"))

    async def split(self, memory: Memory) -> None:
        """Make two memories of one, parted at a message that the person chooses."""
        from lunalux_core.memory.entries import split_entry
        from lunalux_tui.parts.fields_dialog import FormField, ask_fields

        covered = await self._runtime.library.memories.covered(memory.id)
        at = await self._ask_where(covered)
        if not at:
            return
        first, second = halves(memory, covered, at)

        async def save(written: Values) -> None:
            texts = (written["first"], written["second"])
            message = t("memory_pane.done.split")
            await self._change([memory.id], message, lambda c: split_entry(c, memory.id, at, texts))

        fields = [FormField("first", "text"), FormField("second", "text")]
        title = t("memory_pane.form.split", name=memory.name)
        await ask_fields(
            self._view.app,
            self._runtime.library.drafts,
            f"memory:split:{memory.id}:{at}",
            title,
            fields,
            "memory_pane.form",
            {"first": first, "second": second},
            save,
        )

    async def _ask_where(self, covered: Sequence[str]) -> str:
        """The message with which the second half begins; "" where the person left."""
        from lunalux_tui.parts.pick_dialog import PickDialog

        rows = []
        # The second half cannot begin with the first message.
        for message_id in covered[1:]:
            try:
                message = await self._runtime.library.conversations.message(message_id)
            except LunaluxError:
                continue
            index = self._memories.indexes.get(message_id, "?")
            rows.append(Row(message_id, f"#{index} {message.name}: {clean_line(message.content, 200)}"))
        return await self._view.ask(PickDialog(t("memory_pane.split_where"), rows)) or ""


def _worded(written: Values) -> dict[str, str]:
    return {"title": clean_line(written["title"], 200), "text": written["text"]}


def keywords_of(text: str) -> tuple[str, ...]:
    """Words that are parted by commas of either script."""
    parts = text.replace("，", ",").replace("、", ",").split(",")
    return tuple(dict.fromkeys(word.strip() for word in parts if word.strip()))


def halves(memory: Memory, covered: Sequence[str], at: str) -> tuple[str, str]:
    """A memory's words parted in two, to be corrected: those for the messages before `at`, and the rest. They
    are parted by the messages that its sentences come from where these are known, else at the end of the
    sentence that is nearest to the same share of the text.
    """
    cut = _by_sources(memory, covered, at)
    if cut is None:
        share = covered.index(at) / len(covered)
        ends = [match.end() for match in _END.finditer(memory.text) if match.end() < len(memory.text)]
        wanted = share * len(memory.text)
        cut = min(ends, key=lambda end: abs(end - wanted)) if ends else len(memory.text)
    return memory.text[:cut].strip(), memory.text[cut:].strip()


def _by_sources(memory: Memory, covered: Sequence[str], at: str) -> int | None:
    """Where the first sentence begins that comes from the second half alone."""
    place = {message_id: number for number, message_id in enumerate(covered)}
    border = place[at]
    for source in memory.sources:
        sentence, messages = str(source.get("sentence", "")), source.get("messages") or ()
        numbers = [place[message_id] for message_id in messages if message_id in place]
        if sentence and numbers and min(numbers) >= border:
            start = memory.text.find(sentence)
            return start if start > 0 else None
    return None
