"""The frame of every dialog: a box with a title, what is asked, and the keys that answer."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.screen import KeyBar, LunaScreen
from lunalux_tui.parts.told import Told

Result = TypeVar("Result")

CANCEL = Action("dialog.cancel", "cancel", "escape", footer=90, palette=False)


class Dialog(ModalScreen[Result], LunaScreen[Result], Generic[Result]):
    """A modal question. Escape answers None."""

    CSS_PATH = str(Path(__file__).with_name("dialog.tcss"))
    ACTIONS: ClassVar[tuple[Action, ...]] = (CANCEL,)
    BINDINGS = bindings((CANCEL,))
    # Of the class and not of the object, or those of a child would have no effect.
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (18, "-high")]  # noqa: RUF012
    SIZE: ClassVar[str] = ""
    """CSS class of the box: "" as small as its contents, "-tall" for lists, "-wide" for texts."""

    def __init__(self, title: str, *, hint: str = "") -> None:
        super().__init__()
        self.dialog_title = title
        self.hint = hint

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes=self.SIZE) as box:
            # Textual reads a border title as markup, and names of people and characters have brackets in
            # them.
            box.border_title = self.dialog_title.replace("[", "\\[")
            if self.hint:
                yield Told(self.hint, classes="hint")
            yield from self.compose_body()
            yield KeyBar()

    def compose_body(self) -> ComposeResult:
        """What stands in the box."""
        yield from ()

    def action_cancel(self) -> None:
        self.dismiss(None)


def question(key: str, **params: object) -> str:
    """The words of a dialog."""
    return t(f"dialog.{key}", **params)
