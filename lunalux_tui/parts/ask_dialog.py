"""Small questions: one line, checked while it is typed if need be, or yes and no."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, Static

from lunalux_tui.actions import Action, bindings
from lunalux_tui.parts.answer_field import AnswerField
from lunalux_tui.parts.dialog import CANCEL, Dialog
from lunalux_tui.parts.told import Told

Answer = TypeVar("Answer")


class AskDialog(Dialog[Answer]):
    """Asks for one line; answers it, or None.

    Args:
        read: makes the answer of the line, which has no blanks around; None of one that is not allowed, and
            the dialog stays. Without it the line itself is the answer.
        allowed: the words under the line: what is allowed, by whether the line is.
        secret: what is typed is not shown.
    """

    @overload
    def __init__(
        self: AskDialog[str],
        title: str,
        *,
        value: str = "",
        hint: str = "",
        placeholder: str = "",
        secret: bool = False,
    ) -> None: ...

    @overload
    def __init__(
        self,
        title: str,
        *,
        value: str = "",
        hint: str = "",
        placeholder: str = "",
        read: Callable[[str], Answer | None],
        allowed: Callable[[bool], str],
    ) -> None: ...

    def __init__(
        self,
        title: str,
        *,
        value: str = "",
        hint: str = "",
        placeholder: str = "",
        read: Callable[[str], Any] = str,
        allowed: Callable[[bool], str] | None = None,
        secret: bool = False,
    ) -> None:
        super().__init__(title, hint=hint)
        self._secret = secret
        self._value = value
        self._placeholder = placeholder
        self._read = read
        self._allowed = allowed

    def compose_body(self) -> ComposeResult:
        yield AnswerField(self._value, placeholder=self._placeholder, password=self._secret, id="answer")
        if self._allowed is not None:
            yield Told(id="verdict")

    def on_mount(self) -> None:
        self._judge()

    @on(Input.Changed, "#answer")
    def _judge(self) -> None:
        if self._allowed is not None:
            fine = self._answer() is not None
            verdict = self.query_one("#verdict", Static)
            verdict.update(self._allowed(fine))
            verdict.set_class(not fine, "-error")

    def _answer(self) -> Any:
        return self._read(self.query_one("#answer", Input).value.strip())

    @on(Input.Submitted)
    def _answered(self) -> None:
        if (answer := self._answer()) is not None:
            self.dismiss(answer)


class ConfirmDialog(Dialog[bool]):
    """Asks before something that cannot be taken back; answers True, or None."""

    ACTIONS = (Action("dialog.yes", "yes", "y,enter", footer=80, palette=False), CANCEL)
    BINDINGS = bindings(ACTIONS)

    def __init__(self, title: str, question: str) -> None:
        super().__init__(title)
        self._question = question

    def compose_body(self) -> ComposeResult:
        yield Told(self._question)

    def action_yes(self) -> None:
        self.dismiss(True)
