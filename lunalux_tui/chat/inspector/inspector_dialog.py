"""The inspector over the chat: what was sent in a turn and why, or what would be sent now."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult
from textual.widgets import Input

from lunalux_core.errors import LunaluxError, NotFound
from lunalux_tui.actions import Action, bindings
from lunalux_tui.chat.inspector.changes import blocks, walk_rows, walk_text
from lunalux_tui.chat.inspector.items import Item
from lunalux_tui.chat.inspector.turn_head import TurnHead, ViewTabs
from lunalux_tui.chat.inspector.views import VIEWS, InspectedRecord, Record, items
from lunalux_tui.i18n import t, tell
from lunalux_tui.parts.answer_field import OneLineInput
from lunalux_tui.parts.dialog import Dialog
from lunalux_tui.parts.drawn import SideBySide
from lunalux_tui.parts.reader import Reader
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.render.message import moment
from lunalux_tui.theme.styles import BOLD, ERROR, MUTED, SURFACE

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn import TurnOptions
    from lunalux_core.library.conversations import Message
    from lunalux_core.library.turn_records import RecordHead
    from lunalux_core.runtime import Runtime

NOW = 0
"""Place of what would be sent now among the turns; the last turn stands after it, then those before."""


class InspectorDialog(Dialog[None]):
    """Walks through turns (now, the last, those before) and through the views of each.

    Args:
        text: what stands in the prompt: part of what would be sent now.
    """

    CSS_PATH = ["../../parts/dialog.tcss", "inspector.tcss"]  # type: ignore[assignment]  # noqa: RUF012
    ACTIONS = (
        Action("inspect.next_view", "step(1)", "right,l", footer=1, palette=False),
        Action("inspect.previous_view", "step(-1)", "left,h", palette=False),
        *(
            Action(f"inspect.{view}", f"view('{view}')", str(number), palette=False)
            for number, view in enumerate(VIEWS, 1)
        ),
        # Before the turns: while two of them are compared, n means the changes.
        Action("inspect.next_change", "change(1)", "n", footer=3, palette=False),
        Action("inspect.previous_change", "change(-1)", "N", palette=False),
        Action("inspect.older", "turn(1)", "p,left_square_bracket", footer=2, palette=False),
        Action("inspect.newer", "turn(-1)", "n,right_square_bracket", footer=3, palette=False),
        Action("inspect.compare", "compare", "d", footer=4, palette=False),
        Action("inspect.filter", "filter", "slash,ctrl+f", footer=5, palette=False),
        Action("inspect.copy", "copy", "y", footer=6, palette=False),
        Action("inspect.copy_all", "copy_all", "Y", palette=False),
        Action("inspect.close", "close", "escape", footer=90, palette=False),
    )
    BINDINGS = bindings(ACTIONS)
    SIZE = "-full"

    def __init__(
        self, runtime: Runtime, conversation_id: str, text: str = "", options: TurnOptions | None = None
    ) -> None:
        super().__init__(t("inspector.title"))
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (96, "-wide")]
        self._runtime = runtime
        self._conversation_id = conversation_id
        self._text = text
        self._options = options
        self._heads: Sequence[RecordHead] = ()
        self._at = NOW
        self._compare = False
        self._walked = 0
        """Which way a change was looked for that the next text begins with; 0 where none was."""
        self._view = VIEWS[0]
        self._record: Record | None = None
        self._items_by_view: dict[str, list[Item]] = {}
        """The items of every view; none until the first turn is read."""
        self._items: dict[str, Item] = {}

    def compose_body(self) -> ComposeResult:
        yield TurnHead()
        yield ViewTabs()
        yield OneLineInput(placeholder=t("inspector.filter"), compact=True, id="inspect-filter")
        with SideBySide(id="inspected"):
            yield Rows(two_lines=True, ground=SURFACE, id="inspect-rows")
            yield Reader(id="inspect-text")

    @property
    def rows(self) -> Rows:
        return self.query_one("#inspect-rows", Rows)

    @property
    def reader(self) -> Reader:
        return self.query_one("#inspect-text", Reader)

    @property
    def field(self) -> Input:
        return self.query_one("#inspect-filter", Input)

    def on_mount(self) -> None:
        self.rows.empty = t("inspector.reading")
        self.rows.focus()
        self._begin()

    @work(group="inspect", exclusive=True, exit_on_error=False)
    async def _begin(self) -> None:
        """Begin with the last turn; where there is none, or something is written, with what would be sent."""
        self._heads = await self._runtime.library.records.list(self._conversation_id)
        # Who has written something wants to see what would be sent.
        self._at = NOW if self._text.strip() or not self._heads else NOW + 1
        await self._read()

    # -- which turn --------------------------------------------------------------------------------

    @work(group="inspect", exclusive=True, exit_on_error=False)
    async def action_turn(self, step: int) -> None:
        at = min(max(self._at + step, NOW), len(self._heads))
        if at != self._at:
            self._at = at
            await self._read()

    @work(group="inspect", exclusive=True, exit_on_error=False)
    async def action_compare(self) -> None:
        """Compare with the turn before, or stop comparing."""
        if not self._compare and self._at >= len(self._heads):
            self.notify(t("inspector.nothing_before"), markup=False)
            return
        self._compare = not self._compare
        await self._read()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Changes are walked through only where turns are compared."""
        return self._compare if action == "change" else super().check_action(action, parameters)

    def action_change(self, step: int) -> None:
        """Show the next change: further on in this text, else in the next row that has one."""
        item = self._items.get(self.rows.chosen)
        if item is not None and walk_text(self.reader, item.told(), step):
            return
        if walk_rows(self.rows, step):
            self._walked = step
        else:
            self.notify(t("inspector.no_more_changes"), markup=False)

    async def _read(self) -> None:
        head = self.query_one(TurnHead)
        head.turn = self._turn_name(self._at)
        try:
            record = await self._load(self._at)
            before = None
            if self._compare and self._at < len(self._heads):
                before = await self._load(self._at + 1)
        except LunaluxError as error:
            self._fail(error)
            return
        self._record = record
        head.of = self.query_one(ViewTabs).of = record
        head.compared = t("inspector.compared", turn=self._turn_name(self._at + 1)) if before else ""
        texts = await self._cut_texts(record)
        conversations = self._runtime.library.conversations
        spending = await conversations.spending(self._conversation_id)
        inspected = InspectedRecord(record, before, texts, await self._reply(), spending)
        # In a thread: comparing long prompts takes a while, in which keys are to be read.
        self._items_by_view = await asyncio.to_thread(
            lambda: {view: items(view, inspected) for view in VIEWS}
        )
        self._show()

    async def _load(self, at: int) -> Record:
        if at == NOW:
            from lunalux_core.dialogue.turn import TurnOptions

            options = self._options or TurnOptions()
            return await self._runtime.chat.previews.record(
                self._conversation_id, self._text.strip(), options
            )
        return await self._runtime.library.records.get(self._heads[at - 1].number)

    async def _cut_texts(self, record: Record) -> dict[str, str]:
        """The words of the messages that did not fit, for they are in no prompt."""
        cut = record["prompt"]["dropped_ids"]
        if not cut:
            return {}
        try:
            path = await self._runtime.library.conversations.path(cut[-1], len(cut) + 20)
        except NotFound:
            return {}
        return {message.id: message.content for message in path}

    async def _reply(self) -> Message | None:
        """What came of the turn; None where nothing is stored of it."""
        identity = self._heads[self._at - 1].message_id if self._at != NOW else ""
        try:
            return await self._runtime.library.conversations.message(identity) if identity else None
        except NotFound:
            return None

    def _turn_name(self, at: int) -> str:
        if at == NOW:
            return t("inspector.now")
        head = self._heads[at - 1]
        when = moment(head.created_at)
        if at == NOW + 1:
            return t("inspector.last", when=when)
        return t("inspector.earlier", n=at - 1, when=when)

    def _fail(self, error: LunaluxError) -> None:
        """A prompt that cannot be made: what is in the way, by size."""
        message, hint = tell(error)
        self._record = None
        self._items_by_view = {view: [] for view in VIEWS}
        self.query_one(TurnHead).of = self.query_one(ViewTabs).of = None
        self._show()
        self.rows.empty = message
        slots: Any = error.params.get("slots")
        sizes = slots.items() if isinstance(slots, dict) else ()
        runs = [(message, ERROR | BOLD), (hint, MUTED), ("", 0), *((f"{n:>8,}  {s}", 0) for s, n in sizes)]
        self.reader.show(runs)

    # -- which view --------------------------------------------------------------------------------

    def action_view(self, view: str) -> None:
        self._view = view
        self._show(from_start=True)

    def action_step(self, step: int) -> None:
        self.action_view(VIEWS[(VIEWS.index(self._view) + step) % len(VIEWS)])

    def _show(self, *, from_start: bool = False) -> None:
        """Show the rows of the view that hold the words of the filter."""
        self.query_one(ViewTabs).view = self._view
        if not self._items_by_view:
            return
        words = self.field.value.casefold().split()
        fitting = [item for item in self._items_by_view[self._view] if item.holds(words)]
        self._items = {str(place): item for place, item in enumerate(fitting)}
        self.rows.empty = t("dialog.nothing") if words else t(f"inspector.empty.{self._view}")
        rows = [
            Row(place, item.title, item.detail, item.right, item.mark) for place, item in self._items.items()
        ]
        self.rows.set_rows(rows, at="0" if from_start else None)
        self._tell()

    @on(Rows.Moved, "#inspect-rows")
    def _tell(self) -> None:
        item = self._items.get(self.rows.chosen)
        runs = item.told() if item else ()
        self.reader.show(runs, joined=item is not None and item.joined)
        if self._walked and (starts := blocks(runs)):
            line = self.reader.line_of(starts[0] if self._walked > 0 else starts[-1])
            self.reader.scroll_to(y=max(line - 1, 0), animate=False)
        self._walked = 0

    @on(Rows.Chosen, "#inspect-rows")
    def _enter(self, event: Rows.Chosen) -> None:
        event.stop()
        self.reader.focus()

    # -- filter, copy, close -----------------------------------------------------------------------

    def action_filter(self) -> None:
        self.add_class("-filter")
        self.field.focus()

    @on(Input.Changed, "#inspect-filter")
    def _narrow(self) -> None:
        if self._record is not None:
            self._show(from_start=True)

    @on(Input.Submitted, "#inspect-filter")
    def _narrowed(self) -> None:
        self.rows.focus()

    def action_copy(self) -> None:
        """Copy what is read: the whole text, also of one that is too long to be shown."""
        item = self._items.get(self.rows.chosen)
        if item is not None:
            text = item.text or "\n".join(run for run, _ in item.told())
            self.app.copy_to_clipboard(text)
            self.notify(t("chat.copied"), markup=False)

    def action_copy_all(self) -> None:
        """Copy the whole record as JSON, for a report or another tool."""
        if self._record is not None:
            self.app.copy_to_clipboard(json.dumps(self._record, ensure_ascii=False, indent=1))
            self.notify(t("inspector.copied_all"), markup=False)

    def action_close(self) -> None:
        """Step by step: out of the text, out of the filter, out of the inspector."""
        if self.focused is self.reader:
            self.rows.focus()
        elif self.has_class("-filter"):
            self.field.value = ""
            self.remove_class("-filter")
            self.rows.focus()
        else:
            self.dismiss(None)
