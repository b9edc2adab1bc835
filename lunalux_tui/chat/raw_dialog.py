"""A message as it came: the model's own words, what is stored, and which scripts change what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult

from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import CANCEL, Dialog, question
from lunalux_tui.parts.reader import Reader

if TYPE_CHECKING:
    from lunalux_core.library.conversations import Message


class RawDialog(Dialog[None]):
    """Shows the raw reply until it is closed; y copies it."""

    ACTIONS = (Action("raw.copy", "copy", "y", footer=80, palette=False), CANCEL)
    BINDINGS = bindings(ACTIONS)
    SIZE = "-wide"

    def __init__(self, message: Message) -> None:
        self._text = message.raw or message.content
        same = self._text == message.content
        hint = question("raw.same" if same else "raw.hint")
        super().__init__(question("raw.title", name=message.name), hint=hint)

    def compose_body(self) -> ComposeResult:
        yield Reader(id="raw-text")

    def on_mount(self) -> None:
        reader = self.query_one(Reader)
        reader.show([(self._text, 0)])
        reader.focus()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._text)
        self.notify(t("chat.copied"), markup=False)
