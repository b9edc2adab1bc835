"""The row and the text of each memory in the tab of memories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lunalux_core.errors import LunaluxError
from lunalux_core.library.memories import PERSON, Memory
from lunalux_core.text import clean_line
from lunalux_tui.chat.memory.tab import TabEntry
from lunalux_tui.i18n import in_a_list, t, tell
from lunalux_tui.parts.rows import Row
from lunalux_tui.theme.styles import ACCENT, BOLD, ERROR, MUTED, WARNING, Run

SIGNS: Mapping[str, str] = {"fresh": " ", "edited": "✎", "stale": "≠", "failed": "✗"}
SOURCES = 60
"""The most sentences whose messages are listed."""


@dataclass(frozen=True, slots=True)
class EntryState:
    """Everything that the entry of a memory shows.

    Args:
        status: "fresh", "edited", "stale" or "failed".
        here: whether the memory belongs to the branch that is shown.
        marked: whether it is marked for merging.
        writing: "proposed" or "writing_anew" while it is rewritten, else "".
    """

    memory: Memory
    status: str
    here: bool
    marked: bool
    writing: str


class MemoryEntries:
    """Makes the entries of memories, and keeps each until its state changes: there may be thousands."""

    def __init__(self) -> None:
        self._numbers: Mapping[str, int] = {}
        """The numbers of the messages on the branch, by id."""
        self._entries: dict[str, tuple[EntryState, TabEntry]] = {}
        """By memory: the last entry that was made, and the state it was made of."""

    def show_branch(self, numbers: Mapping[str, int]) -> None:
        """Another branch is shown, with these numbers of messages by id."""
        self._numbers = numbers
        self._entries.clear()

    def of(self, state: EntryState) -> TabEntry:
        """The entry of a memory."""
        cached = self._entries.get(state.memory.id)
        if cached is None or cached[0] != state:
            cached = self._entries[state.memory.id] = (state, self._new(state))
        return cached[1]

    def _new(self, state: EntryState) -> TabEntry:
        memory, status = state.memory, state.status
        kind = t(f"inspector.memory.kind.{memory.kind}")
        told = t(f"memory_pane.status.{status}") if state.here else t("memory_pane.elsewhere_one")
        if state.writing:
            told = t(f"memory_pane.{state.writing}")
        sign = "●" if state.marked else SIGNS[status]
        right = " · ".join((kind, told, f"{memory.tokens:,}"))
        row = Row(
            memory.id,
            t("memory_pane.not_written") if status == "failed" else memory.name,
            f"{self._range(memory)} · {self._detail(memory)}".removesuffix(" · "),
            f"★ {right}" if memory.pinned else right,
            sign,
            strong=memory.pinned,
        )
        words = " ".join((memory.text, *memory.keywords, memory.speaker))
        # The text is made when the cursor comes to the row, which it never does for most.
        return TabEntry(row, words, lambda: list(self._text(memory, status)))

    def _detail(self, memory: Memory) -> str:
        """The line below its name."""
        if memory.state == "failed":
            return clean_line(why_failed(memory), 300)
        return clean_line(memory.text, 300) if memory.title else clean_line(", ".join(memory.keywords), 200)

    def _range(self, memory: Memory) -> str:
        """The numbers of the first and last message that it covers, on this branch."""
        if not memory.last:
            return t("memory_pane.range.all")
        first, last = self._numbers.get(memory.first), self._numbers.get(memory.last)
        if first is None and last is None:
            return t("memory_pane.range.gone")
        if first == last:
            return f"#{first}"
        return f"#{'?' if first is None else first}–{'?' if last is None else last}"

    def _text(self, memory: Memory, status: str) -> Iterator[Run]:
        """What is shown beside the list for a memory."""
        if memory.title:
            yield memory.title, ACCENT | BOLD
        by = t("memory_pane.by_you") if memory.made_by == PERSON else clean_line(memory.made_by, 60)
        parts = (
            t(f"inspector.memory.kind.{memory.kind}"),
            self._range(memory),
            t("memory_pane.tokens", n=f"{memory.tokens:,}"),
            t(f"memory_pane.status.{status}"),
            t("memory_pane.made_by", name=by),
        )
        yield " · ".join(parts), MUTED
        if memory.pinned:
            yield t("memory_pane.pinned"), MUTED
        if memory.speaker:
            yield t("memory_pane.knows", name=memory.speaker), MUTED
        if memory.keywords:
            yield t("memory_pane.keywords_told", words=in_a_list(memory.keywords)), MUTED
        if status == "stale":
            yield t("memory_pane.stale_told"), WARNING
        if memory.state == "failed":
            yield why_failed(memory), ERROR
            yield t("memory_pane.failed_told"), MUTED
        yield "", 0
        yield memory.text, 0
        yield from self._sources(memory)

    def _sources(self, memory: Memory) -> Iterator[Run]:
        sources = [source for source in memory.sources if source.get("messages")][:SOURCES]
        if not sources:
            return
        yield "", 0
        yield t("memory_pane.sources"), ACCENT | BOLD
        for source in sources:
            numbers = [self._numbers[name] for name in source["messages"] if name in self._numbers]
            listed = ", ".join(f"#{number}" for number in numbers) or "#?"
            yield f"{listed} · {clean_line(str(source.get('sentence', '')), 200)}", MUTED


def why_failed(memory: Memory) -> str:
    """Why it could not be written, in the language of the app if the reason is one of our error codes."""
    reason, _, message = memory.reason.partition(": ")
    # Our codes are capitals; any other reason is one of `memory.memory_answers.UnusableAnswer`.
    if reason.isupper():
        return tell(LunaluxError(reason, message or reason))[0]
    return tell(LunaluxError("MEMORY_REFUSED", message or reason, kind=reason))[0]
