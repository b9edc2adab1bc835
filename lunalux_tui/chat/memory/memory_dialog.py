"""The pane: memories, trackers and documents of the open conversation, and how the window is filled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual import on, work
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.reactive import reactive

from lunalux_core.errors import NotFound
from lunalux_tui.actions import Action, bindings
from lunalux_tui.chat.conversation_bars import short_number
from lunalux_tui.chat.inspector.shares import WindowShares, shares_of
from lunalux_tui.chat.memory.documents_tab import DocumentsTab
from lunalux_tui.chat.memory.memories_tab import MemoriesTab
from lunalux_tui.chat.memory.tab import Tab
from lunalux_tui.chat.memory.trackers_tab import TrackersTab
from lunalux_tui.chat.memory.window_bar import WindowBar
from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import Dialog
from lunalux_tui.parts.drawn import Bar, Part
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED, SURFACE, WARNING

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.memory.memory_jobs import MemoryJobs

TABS = ("memories", "trackers", "documents")


class PaneHead(Bar):
    """The tabs with how much is in them, and how full the window was."""

    GROUND = SURFACE
    GAP = "   "

    tab: reactive[str] = reactive(TABS[0])
    counts: reactive[tuple[int, ...]] = reactive(())
    shares: reactive[WindowShares | None] = reactive(None)

    def left(self) -> Sequence[Part]:
        parts = []
        for place, tab in enumerate(TABS):
            amount = f" ({self.counts[place]})" if place < len(self.counts) else ""
            chosen = tab == self.tab
            words = f"{place + 1} {t(f'memory_pane.tab.{tab}')}{amount}"
            style = ACCENT | BOLD if chosen else MUTED
            parts.append(Part(words, style, f"screen.tab('{tab}')", 0 if chosen else place + 1))
        return parts

    def right(self) -> Sequence[Part]:
        if self.shares is None:
            return ()
        full, window = short_number(self.shares.used), short_number(self.shares.window)
        return [Part(t("status.gauge", full=full, window=window), MUTED, weight=9)]


FOOT_MARGIN = 4
"""Cells of the foot beside its words: the mark of a warning, and the margins."""


class PaneFoot(Bar):
    """What happened, else what the tab says of itself."""

    GROUND = SURFACE

    told: reactive[str] = reactive("")
    warns: reactive[bool] = reactive(False)
    state: reactive[str] = reactive("")

    def left(self) -> Sequence[Part]:
        if self.told:
            return [Part(f"⚠ {self.told}" if self.warns else self.told, WARNING if self.warns else ACCENT)]
        return [Part(self.state, MUTED)] if self.state else []


class MemoryDialog(Dialog[str]):
    """Answers the id of the message to go to, or None.

    Args:
        jobs: what writes for the person, also while this is closed.
        covering: the message whose memories are to be shown alone, "" for all.
        tab: what is shown first.
    """

    CSS_PATH = ["../../parts/dialog.tcss", "memory.tcss"]  # type: ignore[assignment]  # noqa: RUF012
    ACTIONS = (
        Action("memory_pane.next_tab", "step(1)", "right,l", palette=False),
        Action("memory_pane.previous_tab", "step(-1)", "left,h", palette=False),
        *(
            Action(f"memory_pane.{tab}", f"tab('{tab}')", str(number), palette=False)
            for number, tab in enumerate(TABS, 1)
        ),
        Action("memory_pane.close", "close", "escape", footer=90, palette=False),
    )
    BINDINGS = bindings(ACTIONS)
    SIZE = "-pane"

    def __init__(
        self,
        runtime: Runtime,
        conversation_id: str,
        jobs: MemoryJobs,
        *,
        covering: str = "",
        tab: str = TABS[0],
    ) -> None:
        super().__init__(t("memory_pane.title"))
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (96, "-wide")]
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-high")]
        self._runtime = runtime
        self._conversation_id = conversation_id
        self._jobs = jobs
        self._tab = tab
        self._tabs: dict[str, Tab] = {
            "memories": MemoriesTab(runtime, conversation_id, jobs, covering),
            "trackers": TrackersTab(runtime, conversation_id),
            "documents": DocumentsTab(runtime, conversation_id),
        }

    def compose_body(self) -> ComposeResult:
        yield PaneHead()
        yield WindowBar()
        yield from self._tabs.values()
        yield PaneFoot()

    @property
    def tab(self) -> Tab:
        """The tab that is shown."""
        return self._tabs[self._tab]

    def on_mount(self) -> None:
        self._jobs.on_change = self.read_again
        self._jobs.on_told = self._say
        self._runtime.memory_writer.on_change = self._changed_in_background
        self._runtime.trackers.on_change = self._changed_in_background
        self.action_tab(self._tab)
        self._read()

    def dismiss(self, result: str | None = None) -> AwaitComplete:
        """Answer and go. What is written while the pane is on its way out is told in the chat."""
        self._let_go()
        return super().dismiss(result)

    def on_unmount(self) -> None:
        self._let_go()

    def _let_go(self) -> None:
        # Jobs and writer outlive the pane, and may have another one by now.
        if self._jobs.on_told == self._say:
            self._jobs.on_change = self._jobs.on_told = None
            self._runtime.memory_writer.on_change = lambda conversation_id: None
            self._runtime.trackers.on_change = lambda conversation_id: None

    def _changed_in_background(self, conversation_id: str) -> None:
        if conversation_id == self._conversation_id:
            self.read_again()

    def read_again(self) -> None:
        """Follow a change that was made elsewhere."""
        if self.is_mounted:
            self._read()

    @work(group="read", exclusive=True, exit_on_error=False)
    async def _read(self) -> None:
        self._show_window(await self._last_shares())
        for tab in self._tabs.values():
            await tab.read()

    async def _last_shares(self) -> WindowShares | None:
        """How the window was filled in the last turn."""
        records = self._runtime.library.records
        try:
            heads = await records.list(self._conversation_id)
            return shares_of(await records.get(heads[0].number)) if heads else None
        except NotFound:
            return None

    def _show_window(self, shares: WindowShares | None) -> None:
        self.query_one(WindowBar).shares = self.query_one(PaneHead).shares = shares

    @on(Tab.Counted)
    def _counted(self) -> None:
        self.query_one(PaneHead).counts = tuple(tab.count for tab in self._tabs.values())
        self.query_one(PaneFoot).state = self.tab.state()

    @on(Tab.Told)
    def _told(self, event: Tab.Told) -> None:
        self._say(event.words, event.warn)
        # The foot is one line; a sentence with a path in it may be longer.
        if cell_len(event.words) + FOOT_MARGIN > self.query_one(PaneFoot).size.width:
            self.notify(event.words, severity="warning" if event.warn else "information", markup=False)

    def _say(self, words: str, warn: bool = False) -> None:
        foot = self.query_one(PaneFoot)
        foot.told, foot.warns = words, warn

    @on(MemoriesTab.Wanted)
    def _wanted(self, event: MemoriesTab.Wanted) -> None:
        self.dismiss(event.message_id)

    def action_tab(self, tab: str) -> None:
        self._tab = tab
        for name, widget in self._tabs.items():
            widget.display = name == tab
        self.query_one(PaneHead).tab = tab
        self._say("")
        self.query_one(PaneFoot).state = self.tab.state()
        self.tab.rows.focus()

    def action_step(self, step: int) -> None:
        self.action_tab(TABS[(TABS.index(self._tab) + step) % len(TABS)])

    def action_close(self) -> None:
        # The first escape leaves the text or the filter of the tab, the next one the pane.
        if not self.tab.leave():
            self.dismiss(None)
