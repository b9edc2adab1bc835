"""What the tabs of the pane have in common: a list, what there is to read about its rows, and a filter."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Input
from textual.worker import Worker

from lunalux_core.runtime import Runtime
from lunalux_tui.i18n import t
from lunalux_tui.parts.answer_field import OneLineInput
from lunalux_tui.parts.drawn import Column, SideBySide
from lunalux_tui.parts.host import Host
from lunalux_tui.parts.reader import Reader
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.parts.screen import LunaScreen
from lunalux_tui.theme.styles import SURFACE, Run


@dataclass(frozen=True)
class TabEntry:
    """One row with what is told about it; `text` is what copying takes, and where the filter looks too."""

    row: Row
    text: str = ""
    told: Callable[[], Sequence[Run]] = field(default=tuple, compare=False)

    # Made once: the filter looks at thousands of entries with every key.
    @cached_property
    def _whole(self) -> str:
        return f"{self.row.title} {self.row.detail} {self.row.right} {self.text}".casefold()

    def holds(self, words: Sequence[str]) -> bool:
        """Whether all the words stand anywhere in it."""
        return all(word in self._whole for word in words)


class Tab(Column):
    """A list beside a text. Children say what is in it (`entries`) and read it (`read`).

    Args:
        runtime: the core.
        conversation_id: the conversation that is open.
    """

    KIND: ClassVar[str]

    class Counted(Message):
        """How many rows there are has changed."""

    @dataclass
    class Told(Message):
        """Something to be said at the foot of the pane."""

        words: str
        warn: bool = False

    def __init__(self, runtime: Runtime, conversation_id: str) -> None:
        super().__init__(id=f"tab-{self.KIND}")
        self.runtime = runtime
        self.conversation_id = conversation_id
        self.count = 0
        """How many there are, whatever the filter says."""
        self._entries: dict[str, TabEntry] = {}
        self._shown: dict[str, TabEntry] = {}

    def compose(self) -> ComposeResult:
        yield OneLineInput(placeholder=t("dialog.narrow"), compact=True, classes="tab-filter")
        with SideBySide(classes="beside"):
            rows = Rows(two_lines=True, ground=SURFACE, id=f"rows-{self.KIND}")
            rows.add_class("tab-rows")
            yield rows
            reader = Reader()
            reader.add_class("tab-text")
            yield reader

    @property
    def rows(self) -> Rows:
        return self.query_one(Rows)

    @property
    def reader(self) -> Reader:
        return self.query_one(Reader)

    @property
    def field(self) -> Input:
        return self.query_one(".tab-filter", Input)

    @property
    def chosen(self) -> str:
        """Id of the row under the cursor, "" when there is none."""
        return self.rows.chosen if self.is_mounted else ""

    # -- what is in it -----------------------------------------------------------------------------

    async def read(self) -> None:
        """Read what is to be listed, and show it."""
        raise NotImplementedError

    def empty(self) -> str:
        """What to say where nothing is listed."""
        return t(f"memory_pane.empty.{self.KIND}")

    def state(self) -> str:
        """What the tab says of itself at the foot of the pane, "" for nothing."""
        return ""

    def show(self, entries: Sequence[TabEntry], *, count: int | None = None, at: str | None = None) -> None:
        """List other entries; `count` where they are not all there are."""
        self._entries = {entry.row.id: entry for entry in entries}
        self.count = len(entries) if count is None else count
        self._narrow(at)
        self.post_message(self.Counted())

    def _narrow(self, at: str | None = None) -> None:
        words = self.field.value.casefold().split()
        self._shown = {name: entry for name, entry in self._entries.items() if entry.holds(words)}
        self.rows.empty = t("dialog.nothing") if words and self._entries else self.empty()
        self.rows.set_rows([entry.row for entry in self._shown.values()], at=at)
        self.tell_chosen()

    def tell_chosen(self) -> None:
        """Show what there is to read about the row under the cursor."""
        entry = self._shown.get(self.rows.chosen)
        self.reader.show(entry.told() if entry else ())
        self.screen.refresh_bindings()

    @on(Rows.Moved)
    def _moved(self, event: Rows.Moved) -> None:
        event.stop()
        self.tell_chosen()

    @on(Rows.Chosen)
    def _chosen(self, event: Rows.Chosen) -> None:
        event.stop()
        self.add_class("-reading")
        self.reader.focus()

    # -- telling and asking ------------------------------------------------------------------------

    def say(self, words: str, *, warn: bool = False) -> None:
        """Say what happened at the foot of the pane."""
        self.post_message(self.Told(words, warn))

    def start(self, method: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Do something that waits; a failure is told by the screen."""

        async def work() -> None:
            await method(*arguments)

        _: Worker[None] = self.screen.run_worker(work, group=self.KIND, exit_on_error=False)

    async def ask(self, dialog: LunaScreen[Any]) -> Any:
        """Ask something and wait for the answer."""
        return await cast(Host, self.app).push_screen_wait(dialog)

    # -- filter, copy, leaving ---------------------------------------------------------------------

    def action_filter(self) -> None:
        self.add_class("-filter")
        self.field.focus()

    @on(Input.Changed, ".tab-filter")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self._entries:
            self._narrow()

    @on(Input.Submitted, ".tab-filter")
    def _typed_all(self, event: Input.Submitted) -> None:
        event.stop()
        self.rows.focus()

    def action_copy(self) -> None:
        entry = self._shown.get(self.chosen)
        if entry is not None:
            self.app.copy_to_clipboard(entry.text or "\n".join(text for text, _ in entry.told()))
            self.say(t("chat.copied"))

    def leave(self) -> bool:
        """Step back: out of the text, out of the filter; False where there is nothing to step out of."""
        if self.reader.has_focus:
            self.remove_class("-reading")
            self.rows.focus()
            return True
        if self.has_class("-filter"):
            self.field.value = ""
            self.remove_class("-filter")
            self.rows.focus()
            return True
        return False
