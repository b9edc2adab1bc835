"""Changing the words of a message."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import TextArea

from lunalux_tui.actions import Action, bindings
from lunalux_tui.dialogs.base import CANCEL, Dialog, question


class EditDialog(Dialog[str]):
    """Shows a text for editing; answers the new text, or None."""

    ACTIONS = (Action("dialog.save", "save", "ctrl+s", footer=80, priority=True, palette=False), CANCEL)
    BINDINGS = bindings(ACTIONS)
    SIZE = "-wide"

    def __init__(self, name: str, text: str, *, branch: bool = False) -> None:
        key = "edit_branch" if branch else "edit"
        super().__init__(question(f"{key}.title", name=name), hint=question(f"{key}.hint"))
        self._text = text

    def compose_body(self) -> ComposeResult:
        area = TextArea(self._text, soft_wrap=True, show_line_numbers=False, compact=True, id="edit-text")
        yield area

    def on_mount(self) -> None:
        area = self.query_one(TextArea)
        area.focus()
        area.move_cursor(area.document.end)

    def action_save(self) -> None:
        self.dismiss(self.query_one(TextArea).text)
