"""The tab of memories: read, edit, pin, merge, split, rewrite and delete them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from textual.message import Message as TextualMessage

from lunalux_core.errors import LunaluxError
from lunalux_core.library.memories import Branch, Memory
from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings, first_key
from lunalux_tui.chat.memory.desk import Change, Desk
from lunalux_tui.chat.memory.memory_entries import EntryState, MemoryEntries
from lunalux_tui.chat.memory.tab import Entry, Tab
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import keymap_of
from lunalux_tui.parts.form_field import too_long
from lunalux_tui.parts.rows import Row

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lunalux_core.database import Connection
    from lunalux_core.runtime import Runtime
    from lunalux_tui.parts.fields_dialog import Values

NEEDS_A_ROW = frozenset({"edit", "pin", "mark", "delete", "copy"})


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

    def __init__(self, runtime: Runtime, conversation_id: str, desk: Desk, covering: str = "") -> None:
        super().__init__(runtime, conversation_id)
        self._desk = desk
        self._covering = covering
        self._covered: frozenset[str] = frozenset()
        """Ids of the memories that cover that message."""
        self._branch = Branch()
        self._away: frozenset[str] = frozenset()
        """Ids of the memories of other branches."""
        self._indexes: Mapping[str, int] = {}
        """The index of each message on the branch, by its id."""
        self._memory_entries = MemoryEntries()
        self._memories: Mapping[str, Memory] = {}
        self._marked: dict[str, None] = {}
        self._elsewhere = False
        self._waiting_for = ""
        """The model that costs and waits to be agreed to."""
        self._proposals: set[str] = set()
        """Memories whose new words were shown by themselves; that is done once."""

    # -- what is in it -----------------------------------------------------------------------------

    async def read(self) -> None:
        await self._read_branch()
        if self._covering:
            covering = await self.runtime.library.memories.covering(self._covering)
            self._covered = frozenset(covering)
        self._waiting_for = await self._model_to_agree()
        self._list()
        await self._show_proposal()

    async def _read_branch(self) -> None:
        before = self._branch.path
        self._branch = await self.runtime.library.memories.branch(self.conversation_id)
        self._away = frozenset(memory.id for memory in self._branch.elsewhere)
        self._indexes = {message_id: index for index, message_id in enumerate(self._branch.path)}
        if before != self._branch.path:
            self._memory_entries.show_branch(self._indexes)

    async def _model_to_agree(self) -> str:
        try:
            return await self.runtime.memory_writer.waiting_for(self.conversation_id)
        except LunaluxError:  # no such model any more; writing tells of it
            return ""

    def _list(self, at: str | None = None) -> None:
        # Trackers have a tab of their own.
        here: Sequence[Memory] = [memory for memory in self._branch.here if memory.kind != "tracker"]
        away: Sequence[Memory] = self._branch.elsewhere if self._elsewhere else ()
        if self._covering:
            here = [memory for memory in here if memory.id in self._covered]
            away = ()
        self._memories = {memory.id: memory for memory in (*here, *away)}
        self._marked = {name: None for name in self._marked if name in self._memories}
        entries = [self._entry(memory) for memory in self._memories.values()]
        self.show(entries, count=len(here), at=at)

    def state(self) -> str:
        if self._covering:
            return t("memory_pane.covering", n=self._indexes.get(self._covering, 0))
        if self.conversation_id in self._desk.writing:
            return t("memory_pane.writing")
        if self._waiting_for:
            agree = next(action for action in self.ACTIONS if action.id == "memories.agree")
            key = first_key(agree, keymap_of(self))
            return t("memory_pane.waits_for_yes", model=self._waiting_for, press=key)
        away = len(self._branch.elsewhere)
        return t("memory_pane.elsewhere", n=away) if away and not self._elsewhere else ""

    @property
    def memory(self) -> Memory | None:
        """The memory under the cursor."""
        return self._memories.get(self.chosen)

    def _here(self, memory: Memory) -> bool:
        return memory.id not in self._away

    def _status(self, memory: Memory) -> str:
        return memory.status(self._indexes)

    def _entry(self, memory: Memory) -> Entry:
        rewriting = self._desk.rewriting.get(memory.id)
        writing = "" if rewriting is None else "proposed" if rewriting.proposed else "writing_anew"
        marked = memory.id in self._marked
        return self._memory_entries.of(
            EntryState(memory, self._status(memory), self._here(memory), marked, writing)
        )

    # -- what can be done now ----------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what cannot be done now."""
        if not self.is_mounted:
            return True
        memory = self.memory
        rewriting = self._desk.rewriting.get(self.chosen)
        match action:
            case "rewrite":
                return memory is not None and self._rewritable(memory) and rewriting is None
            case "retry":
                status = self._status(memory) if memory is not None and self._here(memory) else ""
                return status in ("stale", "failed") and rewriting is None
            case "answer":
                return rewriting is not None and bool(rewriting.proposed)
            case "stop":
                return rewriting is not None or self.conversation_id in self._desk.writing
            case "write":
                return self.conversation_id not in self._desk.writing
            case "undo":
                return bool(self._desk.changes.get(self.conversation_id))
            case "agree":
                return bool(self._waiting_for)
            case "merge":
                return len(self._marked) > 1
            case "split":
                return memory is not None and memory.first != memory.last and memory.state != "failed"
            case "go":
                return memory is not None and bool(memory.last)
            case "elsewhere":
                return bool(self._branch.elsewhere) and not self._covering
            case "all":
                return bool(self._covering)
        return memory is not None if action in NEEDS_A_ROW else True

    def _rewritable(self, memory: Memory) -> bool:
        """Only a summary is written of messages, and only where these stand is it of use."""
        return memory.kind == "summary" and memory.last in self._indexes

    # -- reading and marking -----------------------------------------------------------------------

    def action_all(self) -> None:
        """Show all memories again, not only those of one message."""
        self._covering = ""
        self._list()

    def leave(self) -> bool:
        if super().leave():
            return True
        if self._marked:
            self._marked.clear()
            self._list()
            return True
        return False

    def action_elsewhere(self) -> None:
        """Show the memories of other branches too, or hide them again."""
        self._elsewhere = not self._elsewhere
        self._list()

    def action_mark(self) -> None:
        """Mark for merging, and go on to the next."""
        chosen = self.chosen
        if chosen in self._marked:
            del self._marked[chosen]
        else:
            self._marked[chosen] = None
        self._list()
        self.rows.action_move(1)

    def action_go(self) -> None:
        """To the first of the covered messages, in the conversation."""
        if (memory := self.memory) is not None:
            self.start(self._go, memory)

    async def _go(self, memory: Memory) -> None:
        covered = await self.runtime.library.memories.covered(memory.id)
        there = [message for message in covered if message in self._indexes]
        if there or memory.last in self._branch.path:
            self.post_message(self.Wanted(there[0] if there else memory.last))
        elif not self._here(memory):
            self.post_message(self.Wanted(memory.last))
        else:
            self.say(t("memory_pane.range.gone_told"), warn=True)

    # -- changing ----------------------------------------------------------------------------------

    async def _change(
        self, ids: Sequence[str], words: str, change: Callable[[Connection], Sequence[Memory]]
    ) -> None:
        """Change memories so that it can be undone. `change` returns the memories it made."""
        from lunalux_core.memory.entries import as_they_stand

        def work(connection: Connection) -> Change:
            before = as_they_stand(connection, ids)
            return Change(words, before, tuple(memory.id for memory in change(connection)))

        change_made = await self.runtime.library.database.write(work)
        self._desk.remember(self.conversation_id, change_made)
        await self._read_at(change_made.made[0] if change_made.made else None)
        self.say(words)

    async def _read_at(self, at: str | None) -> None:
        await self._read_branch()
        self._list(at)

    def action_pin(self) -> None:
        if (memory := self.memory) is not None:
            self.start(self._pin, memory)

    async def _pin(self, memory: Memory) -> None:
        from lunalux_core.library.memories import edit_memory

        words = t("memory_pane.done.unpinned" if memory.pinned else "memory_pane.done.pinned")
        await self._change(
            [memory.id], words, lambda c: [edit_memory(c, memory.id, pinned=not memory.pinned)]
        )

    def action_delete(self) -> None:
        if (memory := self.memory) is not None:
            self.start(self._delete, memory)

    async def _delete(self, memory: Memory) -> None:
        from lunalux_core.library.memories import remove_memory

        def remove(connection: Connection) -> Sequence[Memory]:
            remove_memory(connection, memory.id)
            return ()

        # Without a question, because it can be taken back.
        await self._change([memory.id], t("memory_pane.done.deleted"), remove)

    def action_undo(self) -> None:
        self.start(self._undo)

    async def _undo(self) -> None:
        words = await self._desk.undo(self.conversation_id)
        await self._read_at(None)
        self.say(t("memory_pane.done.undone", what=words) if words else t("memory_pane.nothing_to_undo"))

    def action_merge(self) -> None:
        self.start(self._merge, [name for name in self._memories if name in self._marked])

    async def _merge(self, ids: Sequence[str]) -> None:
        from lunalux_core.memory.entries import merge_entries

        await self._change(ids, t("memory_pane.done.merged"), lambda c: [merge_entries(c, ids)])
        self._marked.clear()

    def action_edit(self) -> None:
        if (memory := self.memory) is not None:
            self.start(self._edit, memory)

    async def _edit(self, memory: Memory) -> None:
        from lunalux_core.library.memories import edit_memory

        async def save(written: Values) -> None:
            values = {**_worded(written), "keywords": keywords_of(written["keywords"])}
            message = t("memory_pane.done.edited")
            await self._change([memory.id], message, lambda c: [edit_memory(c, memory.id, **values)])

        values = {"title": memory.title, "text": memory.text, "keywords": ", ".join(memory.keywords)}
        title = t("memory_pane.form.edit", name=memory.name)
        await self._ask_words(f"memory:{memory.id}", title, values, save)

    def action_add(self) -> None:
        self.start(self._add)

    async def _add(self) -> None:
        from lunalux_core.memory.entries import add_entry

        async def save(written: Values) -> None:
            # A fact of this branch hangs on its newest message; without one it belongs to all branches.
            last = self._branch.path[-1] if written["scope"] == "branch" and self._branch.path else ""
            wanted = Memory("", self.conversation_id, "fact", written["text"], written["title"])
            wanted = replace(wanted, keywords=keywords_of(written["keywords"]))
            await self._change((), t("memory_pane.done.added"), lambda c: [add_entry(c, wanted, last)])

        values = {"title": "", "text": "", "keywords": "", "scope": "branch"}
        await self._ask_words(
            f"memory:new:{self.conversation_id}", t("memory_pane.form.add"), values, save, scope=True
        )

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
            self.say(t("memory_pane.too_long"), warn=True)
            return
        fields = [FormField("text", "text"), FormField("title"), FormField("keywords")]
        if scope:
            fields.append(FormField("scope", "choice", ("branch", "all")))
        drafts, words = self.runtime.library.drafts, "memory_pane.form"
        hint = t("memory_pane.form.add_hint" if scope else "memory_pane.form.edit_hint")
        saved = await ask_fields(self.app, drafts, key, title, fields, words, values, save, hint=hint)
        if saved is None and await drafts.get(key):
            self.say(t("memory_pane.draft_kept"))

    # -- dividing ----------------------------------------------------------------------------------

    def action_split(self) -> None:
        if (memory := self.memory) is not None:
            self.start(self._split, memory)

    async def _split(self, memory: Memory) -> None:
        from lunalux_core.memory.entries import split_entry
        from lunalux_tui.chat.memory.halves import halves
        from lunalux_tui.parts.fields_dialog import FormField, ask_fields

        covered = await self.runtime.library.memories.covered(memory.id)
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
            self.app,
            self.runtime.library.drafts,
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
                message = await self.runtime.library.conversations.message(message_id)
            except LunaluxError:
                continue
            index = self._indexes.get(message_id, "?")
            rows.append(Row(message_id, f"#{index} {message.name}: {clean_line(message.content, 200)}"))
        return await self.ask(PickDialog(t("memory_pane.split_where"), rows)) or ""

    # -- writing -----------------------------------------------------------------------------------

    def action_write(self) -> None:
        """Write now what is due."""
        self._desk.write(self.conversation_id)

    def action_stop(self) -> None:
        self._desk.stop(self.conversation_id, self.chosen)

    def action_agree(self) -> None:
        self.start(self._agree)

    async def _agree(self) -> None:
        model = self._waiting_for
        writer = self.runtime.memory_writer
        await writer.agree(model, True)
        self._waiting_for = ""
        writer.nudge(self.conversation_id)
        self._list()
        self.say(t("memory.agreed", model=model))

    def action_retry(self) -> None:
        """Write a memory again that failed, or that became stale with its messages."""
        memory = self.memory
        if memory is None:
            return
        if memory.kind == "summary" and memory.last in self._indexes:
            self._desk.rewrite(memory, ask=False)
        else:  # its messages are gone: what is due among those in their place is written
            self._desk.write(self.conversation_id)

    def action_rewrite(self) -> None:
        if (memory := self.memory) is not None:
            self.start(self._rewrite, memory)

    async def _rewrite(self, memory: Memory) -> None:
        from lunalux_tui.parts.fields_dialog import FormField, ask_fields

        async def begin(written: Values) -> None:
            self._desk.rewrite(memory, written["instruction"], ask=True)

        drafts = self.runtime.library.drafts
        title = t("memory_pane.form.rewrite", name=memory.name)
        fields = [FormField("instruction", "text")]
        hint = t("memory_pane.form.rewrite_hint")
        values = {"instruction": ""}
        words = "memory_pane.form"
        key = f"memory:rewrite:{memory.id}"
        await ask_fields(self.app, drafts, key, title, fields, words, values, begin, hint=hint)

    def action_answer(self) -> None:
        self.start(partial(self._compare, self.chosen))

    async def _show_proposal(self) -> None:
        """Show new words that wait, unless the person is at something else."""
        rewriting = self._desk.rewriting
        self._proposals &= rewriting.keys()
        for name in self._memories.keys() & rewriting.keys():
            wanted = rewriting[name].proposed and name not in self._proposals
            if wanted and self.app.screen is self.screen and not self.field.has_focus:
                self._proposals.add(name)
                self.start(self._compare, name)
                return

    async def _compare(self, memory_id: str) -> None:
        from lunalux_tui.chat.memory.compare_dialog import CompareDialog

        rewriting = self._desk.rewriting.get(memory_id)
        if rewriting is None or not rewriting.proposed:
            return
        answer = await self.ask(CompareDialog(rewriting.memory, rewriting.proposed))
        if answer is not None:
            self._desk.answer(memory_id, answer)
            if not answer:
                self.say(t("memory_pane.kept_old"))


def _worded(written: Values) -> dict[str, str]:
    return {"title": clean_line(written["title"], 200), "text": written["text"]}


def keywords_of(text: str) -> tuple[str, ...]:
    """Words that are parted by commas of either script."""
    parts = text.replace("，", ",").replace("、", ",").split(",")
    return tuple(dict.fromkeys(word.strip() for word in parts if word.strip()))
