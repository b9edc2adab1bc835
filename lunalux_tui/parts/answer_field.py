"""Input fields of one line: a paste comes in whole, and where enter does something the footer tells of it."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.widgets import Input

from lunalux_core.text import clean
from lunalux_tui.actions import Action, bindings


def in_one_line(text: str) -> str:
    """A text from outside for a field of one line."""
    return clean(text).strip("\n").replace("\n", " ")


class OneLineInput(Input):
    """An input that takes a paste of several lines whole, with blanks for its line ends."""

    def on_paste(self, event: events.Paste) -> None:
        # Textual's own handler, which would run as well, takes only the first line of a paste.
        event.prevent_default()
        event.stop()
        self.put(in_one_line(event.text))

    def put(self, pasted: str) -> None:
        """Insert a text in place of the selection."""
        start, end = sorted(self.selection)
        self.replace(pasted, start, end)


class AnswerField(OneLineInput):
    """One line that is the answer."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("dialog.accept", "submit", "enter", footer=80, palette=False),
    )
    BINDINGS = bindings(ACTIONS)


class NarrowField(OneLineInput):
    """Words that narrow a list; enter takes the marked row, where there is one."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("dialog.choose", "submit", "enter", footer=80, palette=False),
    )
    BINDINGS = bindings(ACTIONS)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # Only screens with a list say whether there is a row to take.
        if action == "submit" and not getattr(self.screen, "can_choose", True):
            return False
        return super().check_action(action, parameters)
