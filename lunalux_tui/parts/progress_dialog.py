"""Something that takes its time: how far it is, and a way to stop it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from textual import work
from textual.app import ComposeResult
from textual.widgets import Static

from lunalux_core.errors import LunaluxError
from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import Dialog
from lunalux_tui.parts.panel import meter
from lunalux_tui.parts.told import Told

Result = TypeVar("Result")
Progress = Callable[[int, int], None]

WIDTH = 40


class Stopped(Exception):
    """The person does not want to wait."""


class ProgressDialog(Dialog[Result], Generic[Result]):
    """Runs a piece of work and answers what it returns; None when it was stopped or failed.

    Args:
        work: called with a function that it tells, from any thread, how much is done, and of how much.
        amount: writes such a number; bytes by default.
    """

    def __init__(
        self,
        title: str,
        work: Callable[[Progress], Awaitable[Result]],
        amount: Callable[[float], str] | None = None,
    ) -> None:
        super().__init__(title)
        self._work = work
        self._amount = amount or size_name
        self._stopped = False
        self._at = (0, 0)

    def compose_body(self) -> ComposeResult:
        yield Told(id="progress")

    def on_mount(self) -> None:
        self._show()
        # The work tells from its own thread, and more often than anybody can see: it is looked at instead.
        self.set_interval(0.1, self._show)
        self._begin()

    @work(exit_on_error=False)
    async def _begin(self) -> None:
        try:
            self.dismiss(await self._work(self._told))
        except Stopped:
            self.dismiss(None)
        except LunaluxError as error:
            self.show_failure(error)
            self.dismiss(None)

    def _told(self, done: int, total: int) -> None:
        self._at = (done, total)
        # Only the work itself can break off between two of its steps; `action_cancel` merely asks for it.
        if self._stopped:
            raise Stopped

    def _show(self) -> None:
        done, total = self._at
        full, empty = meter(done / total if total else 0, WIDTH)
        text = t("settings.progress", done=self._amount(done), total=self._amount(total))
        self.query_one("#progress", Static).update(f"{full}{empty}\n{text}")

    def action_cancel(self) -> None:
        self._stopped = True


def size_name(size: float) -> str:
    """A size in bytes as people write it."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError
