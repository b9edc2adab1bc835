"""Small questions: one line of text, or yes and no."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, Static

from lunalux_tui.actions import Action, bindings
from lunalux_tui.parts.answer_field import AnswerField
from lunalux_tui.parts.dialog import CANCEL, Dialog


class AskDialog(Dialog[str]):
    """Asks for one line; answers it without blanks around, or None."""

    def __init__(self, title: str, *, value: str = "", hint: str = "", placeholder: str = "") -> None:
        super().__init__(title, hint=hint)
        self._value = value
        self._placeholder = placeholder

    def compose_body(self) -> ComposeResult:
        yield AnswerField(self._value, placeholder=self._placeholder, id="answer")

    @on(Input.Submitted)
    def _answered(self) -> None:
        self.dismiss(self.query_one("#answer", Input).value.strip())


class ConfirmDialog(Dialog[bool]):
    """Asks before something that cannot be taken back; answers True, or None."""

    ACTIONS = (Action("dialog.yes", "yes", "y,enter", footer=80, palette=False), CANCEL)
    BINDINGS = bindings(ACTIONS)

    def __init__(self, title: str, question: str) -> None:
        super().__init__(title)
        self._question = question

    def compose_body(self) -> ComposeResult:
        yield Static(self._question, markup=False)

    def action_yes(self) -> None:
        self.dismiss(True)
