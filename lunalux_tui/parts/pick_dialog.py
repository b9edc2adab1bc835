"""Choosing one of several: a list that narrows while the person types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.answer_field import NarrowField
from lunalux_tui.parts.dialog import CANCEL, Dialog
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.theme.styles import SURFACE


class PickDialog(Dialog[str]):
    """Shows rows; answers the id of the chosen one, or None.

    The cursor moves with the arrows while the words that narrow the list are typed.
    """

    ACTIONS: ClassVar[tuple[Action, ...]] = (CANCEL,)
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(ACTIONS),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("pageup", "move(-8)", show=False, priority=True),
        Binding("pagedown", "move(8)", show=False, priority=True),
    ]
    SIZE = "-tall"
    TWO_LINES = False
    PLACEHOLDER: ClassVar[str] = "dialog.narrow"
    """The key of the words in the empty field."""
    EMPTY: ClassVar[str] = "dialog.nothing"
    """The key of the words in the empty list."""
    ABOUT_A_ROW: ClassVar[frozenset[str]] = frozenset()
    """Methods of actions that mean the row under the cursor; without one they are not offered."""

    def __init__(
        self,
        title: str,
        rows: Sequence[Row] = (),
        *,
        current: str = "",
        hint: str = "",
        two_lines: bool = False,
    ) -> None:
        """`two_lines` shows the details of the rows under their titles."""
        super().__init__(title, hint=hint)
        self._two_lines = two_lines or self.TWO_LINES
        self._all = rows
        self._current = current

    def compose_body(self) -> ComposeResult:
        yield NarrowField(placeholder=t(self.PLACEHOLDER), compact=True, id="narrow")
        rows = Rows(two_lines=self._two_lines, ground=SURFACE, id="choices")
        # The field keeps the focus, so the row has to show its cursor without it.
        rows.can_focus = False
        rows.always_here = True
        yield rows

    @property
    def rows(self) -> Rows:
        return self.query_one("#choices", Rows)

    @property
    def words(self) -> str:
        return self.query_one("#narrow", Input).value

    def on_mount(self) -> None:
        self.rows.empty = t(self.EMPTY)
        self.rows.current = self._current
        self.show(self._all, at=self._current)

    def show(self, rows: Sequence[Row], at: str | None = None) -> None:
        """Show these rows, as far as they hold the typed words."""
        self._all = rows
        words = self.words.casefold().split()
        fitting = [
            row for row in rows if all(w in f"{row.title} {row.detail} {row.right}".casefold() for w in words)
        ]
        self.set_rows(fitting, at=at)

    def set_rows(self, rows: Sequence[Row], at: str | None = None) -> None:
        """Show exactly these rows."""
        before = self.can_choose
        self.rows.set_rows(rows, at=at)
        if before != self.can_choose:
            self.refresh_bindings()

    @property
    def can_choose(self) -> bool:
        """Whether there is a row to be taken."""
        # The footer asks as well before the list is there and after it has gone.
        return any(rows.chosen for rows in self.query("#choices").results(Rows))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what is about a row only where there is one."""
        if action in self.ABOUT_A_ROW and not self.can_choose:
            return False
        return super().check_action(action, parameters)

    @on(Input.Changed, "#narrow")
    def _narrow(self) -> None:
        self.show(self._all)

    def action_move(self, step: int) -> None:
        self.rows.action_move(step)

    @on(Input.Submitted, "#narrow")
    def action_choose(self) -> None:
        if self.rows.chosen:
            self.take(self.rows.chosen)

    def take(self, row_id: str) -> None:
        """A row was chosen."""
        self.dismiss(row_id)

    @on(Rows.Chosen)
    def _clicked(self, event: Rows.Chosen) -> None:
        event.stop()
        self.action_choose()
