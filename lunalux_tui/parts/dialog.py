"""The frame of every dialog: a box with a title, what is asked, and the keys that answer."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from textual.app import ComposeResult, ScreenStackError
from textual.await_complete import AwaitComplete
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen

from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.key_bar import KeyBar
from lunalux_tui.parts.screen import LunaScreen
from lunalux_tui.parts.told import Told

if TYPE_CHECKING:
    from lunalux_tui.parts.host import Host

Result = TypeVar("Result")

CANCEL = Action("dialog.cancel", "cancel", "escape", footer=90, palette=False)


LONGEST_UNDRAWN = 0.25
"""Seconds after which is drawn whatever keeps a dialog from going: nobody sits before a still picture."""


class Undrawn:
    """A while in which the app draws nothing, because a dialog is on its way out."""

    def __init__(self, dialog: Screen[Any]) -> None:
        self._app = dialog.app
        self._host = cast("Host", dialog.app)
        self._held = ExitStack()
        self._held.enter_context(self._app.batch_update())
        self._host.leaving += 1
        self._late = asyncio.get_running_loop().call_later(LONGEST_UNDRAWN, self.end)
        self._ended = False

    def end(self) -> None:
        """Draw what is there now; once."""
        if self._ended:
            return
        self._ended = True
        self._late.cancel()
        self._host.leaving -= 1
        self._held.close()
        with suppress(ScreenStackError):  # the app ends
            self._app.screen.refresh()


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

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Answer and go. What stands behind is drawn once it has gone, not at every step of its way out."""
        undrawn = Undrawn(self)
        closed = super().dismiss(result)

        async def gone() -> None:
            try:
                await closed
            finally:
                # Behind what the app does about a screen that has gone.
                self.app.call_later(undrawn.end)

        self.app.call_later(gone)
        return closed

    def action_cancel(self) -> None:
        self.dismiss(None)


def question(key: str, **params: object) -> str:
    """The words of a dialog."""
    return t(f"dialog.{key}", **params)
