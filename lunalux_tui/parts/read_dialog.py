"""Something to read: a text that scrolls."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from lunalux_tui.parts.dialog import Dialog
from lunalux_tui.parts.told import Told


class ReadDialog(Dialog[None]):
    """Shows a text until it is closed."""

    SIZE = "-wide"

    def __init__(self, title: str, text: str, *, hint: str = "") -> None:
        super().__init__(title, hint=hint)
        self._text = text

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="reading", can_focus=True):
            yield Told(self._text)

    def on_mount(self) -> None:
        self.query_one("#reading").focus()
