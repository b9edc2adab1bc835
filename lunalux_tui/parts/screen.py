"""What every screen and dialog of ours shares: failures of its workers become words, never a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from textual import events
from textual.actions import SkipAction
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from lunalux_core.errors import LunaluxError
from lunalux_tui.i18n import t, tell

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime
    from lunalux_tui.parts.host import Host

Result = TypeVar("Result")

TINY = 12
"""Lines of a terminal below which the bar of places is left out."""


class LunaScreen(Screen[Result]):
    """A screen whose workers may fail: run them with `exit_on_error=False`.

    Children declare `ACTIONS` (see `actions`) and set `BINDINGS = bindings(ACTIONS)`. A widget that has
    words of its own implements `retranslate()`; it is called when the language is switched.
    """

    @property
    def lunalux(self) -> Host:
        """The app, as what it is."""
        return cast("Host", self.app)

    @property
    def runtime(self) -> Runtime:
        """The core that the app was started over."""
        return self.lunalux.runtime

    def on_resize(self, event: events.Resize) -> None:
        """Where there are a few lines only, they belong to what one came for."""
        self.set_class(event.size.height < TINY, "-tiny")

    def action_copy_text(self) -> None:
        """Copy what is selected. With nothing selected the clipboard stays as it is, and the key goes on to
        whatever else it means."""
        text = self.get_selected_text()
        if not text or not text.strip():
            raise SkipAction()
        self.app.copy_to_clipboard(text)
        self.notify(t("chat.copied"), markup=False, timeout=2)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        event.stop()
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            self.show_failure(event.worker.error)

    def show_failure(self, error: BaseException) -> None:
        """Tell the person: what happened and what to do, as a notice or as the screen likes it better."""
        if isinstance(error, LunaluxError):
            message, hint = tell(error)
            self.notify(hint or message, title=message if hint else "", severity="error", markup=False)
        else:
            from lunalux_core.diagnostics.crash import crashed

            self.show_failure(crashed(error, self.runtime.paths))
