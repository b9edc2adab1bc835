"""A value of a worldbook entry: a number within bounds, a text, or a list of texts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, Static

from lunalux_tui.i18n import t
from lunalux_tui.parts.answer_field import AnswerField
from lunalux_tui.parts.dialog import Dialog


@dataclass(frozen=True, slots=True)
class EntryValue:
    """The answer; None is a value too: as in the settings."""

    value: Any


class EntryValueDialog(Dialog[EntryValue]):
    """Asks for a value; answers it in its own type, or None."""

    def __init__(self, title: str, hint: str, kind: str, value: str, low: int, high: int) -> None:
        super().__init__(title, hint=hint)
        self._kind = kind
        self._value = value
        self._bounds = (low, high)

    def compose_body(self) -> ComposeResult:
        yield AnswerField(self._value, id="answer")
        yield Static("", id="verdict", markup=False)

    def on_mount(self) -> None:
        self._judge()

    @on(Input.Changed, "#answer")
    def _judge(self) -> None:
        verdict = self.query_one("#verdict", Static)
        low, high = (f"{bound:,}" for bound in self._bounds)
        allowed = t(f"create.entry.allowed.{self._kind.replace(' ', '_')}", low=low, high=high)
        verdict.update(allowed)
        verdict.set_class(self._read() is None, "-error")

    def _read(self) -> EntryValue | None:
        text = self.query_one("#answer", Input).value.strip()
        match self._kind:
            case "text":
                return EntryValue(text)
            case "texts":
                parts = text.replace("，", ",").split(",")
                return EntryValue(tuple(part.strip() for part in parts if part.strip()))
            case "optional number" if not text:
                return EntryValue(None)
        try:
            number = float(text)
        except ValueError:
            return None
        low, high = self._bounds
        if not math.isfinite(number) or not low <= number <= high or not number.is_integer():
            return None
        return EntryValue(int(number))

    @on(Input.Submitted)
    def _answered(self) -> None:
        if (answer := self._read()) is not None:
            self.dismiss(answer)
