"""Input fields whose enter is declared, so that the footer tells of it."""

from __future__ import annotations

from typing import ClassVar

from textual.widgets import Input

from lunalux_tui.actions import Action, bindings


class AnswerField(Input):
    """One line that is the answer."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("dialog.accept", "submit", "enter", footer=80, palette=False),
    )
    BINDINGS = bindings(ACTIONS)


class NarrowField(Input):
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
