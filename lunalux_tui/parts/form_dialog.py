"""A dialog that sends something and stays open until it went through: errors stand in it, nothing is lost."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from lunalux_core.errors import LunaluxError
from lunalux_tui.i18n import t, tell
from lunalux_tui.parts.dialog import Dialog
from lunalux_tui.parts.key_bar import KeyBar
from lunalux_tui.parts.told import Told

Result = TypeVar("Result")


class FormDialog(Dialog[Result]):
    """Fields, and under them what is going on or what went wrong."""

    CSS_PATH = [Dialog.CSS_PATH, str(Path(__file__).with_name("form_dialog.tcss"))]  # type: ignore[assignment]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (22, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        # Decided when the key is read: what comes after it in the same moment (a password manager, a slow
        # line) belongs to the next field already.
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
    ]
    busy = False
    finished = False

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes=self.SIZE) as box:
            box.border_title = self.dialog_title.replace("[", "\\[")
            if self.hint:
                yield Told(self.hint, classes="hint")
            yield from self.compose_body()
            with Vertical(id="foot"):
                yield Told(id="outcome")
                yield KeyBar()

    def say(self, text: str, *, error: bool = False, good: bool = False) -> None:
        """Write a line under the fields; "" takes it away."""
        outcome = self.query_one("#outcome", Static)
        outcome.update(text)
        outcome.set_class(error, "-error")
        outcome.set_class(good, "-good")
        outcome.set_class(bool(text), "-some")
        if text:
            # The lines said take room from the fields, which is known only after the layout.
            self.call_after_refresh(self._show_focused)

    def _show_focused(self) -> None:
        if self.focused is not None:
            self.focused.scroll_visible(animate=False)

    def send(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what the dialog is for, once at a time."""
        # A second enter, also one in the moment before the dialog goes, must not send or pay twice.
        if self.busy or self.finished:
            # Python complains about a coroutine that nobody awaits.
            work.close()
            return
        self.busy = True
        self.say(t("account.working"))
        self.run_worker(self._send(work), group="send", exit_on_error=False)

    def finish(self, result: Result | None) -> None:
        """It went through: nothing more is sent, and the dialog answers."""
        self.finished = True
        self.dismiss(result)

    async def _send(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except LunaluxError as error:
            self.say("\n".join(part for part in tell(error) if part), error=True)
        finally:
            self.busy = False

    def show_failure(self, error: BaseException) -> None:
        """What nobody expected is told in the dialog too."""
        self.log.error("worker failed", error=repr(error))
        self.say(t("app.unexpected", reason=f"{type(error).__name__}: {error}"), error=True)
