"""Changing the words of a message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from textual.app import ComposeResult
from textual.widgets import TextArea

from lunalux_tui.actions import Action, bindings
from lunalux_tui.parts.dialog import CANCEL, question
from lunalux_tui.parts.draft_dialog import DraftDialog, offer


class EditDialog(DraftDialog[str]):
    """Shows a text for editing; answers the new text, or None: then `text` is what was not saved.

    Args:
        branch: the new words stand beside the old ones.
        key: of title and hint among the questions, where it is no message.
        draft: what was not saved last time, "" for nothing; one undo shows the stored text again.
        keep: keeps what is being written.
    """

    ACTIONS = (Action("dialog.save", "save", "ctrl+s", footer=80, priority=True, palette=False), CANCEL)
    BINDINGS = bindings(ACTIONS)
    SIZE = "-wide"

    def __init__(
        self,
        name: str,
        text: str,
        *,
        branch: bool = False,
        key: str = "",
        draft: str = "",
        keep: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        key = key or ("edit_branch" if branch else "edit")
        hint = question("unsaved") if draft else question(f"{key}.hint")
        super().__init__(question(f"{key}.title", name=name), hint=hint)
        self._text = text
        self._draft = draft
        self.keep = keep
        self.text = draft or text

    def compose_body(self) -> ComposeResult:
        area = TextArea(self._text, soft_wrap=True, show_line_numbers=False, compact=True, id="edit-text")
        yield area

    def on_mount(self) -> None:
        area = self.query_one(TextArea)
        area.focus()
        offer(area, self._draft or self._text)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        self.text = event.text_area.text

    def written(self) -> str:
        self.text = self.query_one(TextArea).text
        return self.text

    def action_save(self) -> None:
        self.dismiss(self.written())
