"""The frame of every dialog: a box with a title, what is asked, and the keys that answer."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar, cast

from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.containers import Vertical
from textual.screen import ModalScreen

from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.screen import KeyBar, LunaScreen
from lunalux_tui.parts.told import Told

if TYPE_CHECKING:
    from lunalux_tui.parts.host import Host

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

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Answer and go. What stands behind is drawn once it has gone, not at every step of its way out."""
        app, host, held = self.app, cast("Host", self.app), ExitStack()
        held.enter_context(app.batch_update())
        host.leaving += 1
        closed = super().dismiss(result)

        def show() -> None:
            host.leaving -= 1
            held.close()
            app.screen.refresh()

        async def gone() -> None:
            try:
                await closed
            finally:
                # Behind what the app and the screen do about one that has gone.
                app.call_later(app.screen.call_later, show)

        app.call_later(gone)
        return closed

    def action_cancel(self) -> None:
        self.dismiss(None)


def question(key: str, **params: object) -> str:
    """The words of a dialog."""
    return t(f"dialog.{key}", **params)
