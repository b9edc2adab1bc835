"""One value of the settings, checked while it is typed."""

from __future__ import annotations

from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, Static

from lunalux_core.config.settings import Declaration, checked
from lunalux_core.errors import InvalidInput
from lunalux_tui.i18n import t
from lunalux_tui.parts.answer_field import AnswerField
from lunalux_tui.parts.dialog import Dialog


class SettingDialog(Dialog[Any]):
    """Asks for a number, a text or a list; answers the value in its own type, or None."""

    def __init__(self, known: Declaration, value: Any, label: str, help: str, allowed: str) -> None:
        super().__init__(label, hint=help)
        self._known = known
        self._allowed = allowed
        self._value = ", ".join(value) if isinstance(value, tuple) else str(value)

    def compose_body(self) -> ComposeResult:
        yield AnswerField(self._value, id="answer")
        yield Static("", id="verdict", markup=False)

    def on_mount(self) -> None:
        self._judge()

    @on(Input.Changed, "#answer")
    def _judge(self) -> None:
        self._say(wrong=self._read() is None)

    def _say(self, *, wrong: bool) -> None:
        verdict = self.query_one("#verdict", Static)
        key = "settings.not_allowed" if wrong else "settings.allowed"
        verdict.update(t(key, allowed=self._allowed))
        verdict.set_class(wrong, "-error")

    def _read(self) -> Any:
        try:
            return checked(self._known, self.query_one("#answer", Input).value.strip(), "")
        except InvalidInput:
            return None

    @on(Input.Submitted)
    def _answered(self) -> None:
        value = self._read()
        if value is not None:
            self.dismiss(value)
