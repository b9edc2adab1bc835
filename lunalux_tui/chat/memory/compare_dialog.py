"""A memory that was written anew, beside what it was: taken, or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import CANCEL, Dialog
from lunalux_tui.parts.reader import Reader
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED, Run

if TYPE_CHECKING:
    from lunalux_core.library.memories import Memory


class CompareDialog(Dialog[bool]):
    """Answers True for the new words, False for the old ones; None where it waits."""

    ACTIONS = (
        Action("memory_compare.take", "take(True)", "y,enter", footer=80, palette=False),
        Action("memory_compare.keep", "take(False)", "n", footer=81, palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)
    SIZE = "-wide"

    def __init__(self, old: Memory, proposed: Sequence[Memory]) -> None:
        super().__init__(t("memory_pane.compare.title"), hint=t("memory_pane.compare.hint"))
        self._old = old
        self._proposed = proposed

    def compose_body(self) -> ComposeResult:
        yield Reader(id="compared")

    def on_mount(self) -> None:
        reader = self.query_one(Reader)
        reader.show(list(self._runs()))
        reader.focus()

    def _runs(self) -> Iterator[Run]:
        yield t("memory_pane.compare.new"), ACCENT | BOLD
        for memory in self._proposed:
            kind = t(f"inspector.memory.kind.{memory.kind}")
            yield "", 0
            yield f"{kind} · {memory.title}" if memory.title else kind, MUTED
            yield memory.text, 0
        yield "", 0
        yield t("memory_pane.compare.old"), ACCENT | BOLD
        yield "", 0
        yield self._old.text or self._old.reason, MUTED

    def action_take(self, new: bool) -> None:
        self.dismiss(new)
