"""What the sections of the settings screen share: rows, a word on each of them, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from textual.worker import Worker, WorkerState

from lunalux_tui.actions import Action
from lunalux_tui.parts.explanation import Explanation
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.parts.screen import LunaScreen
from lunalux_tui.settings.sections import Section

if TYPE_CHECKING:
    from lunalux_core.config.settings import Settings
    from lunalux_core.runtime import Runtime
    from lunalux_tui.parts.host import Host

WORK = "settings"
"""The group of the workers that ask something."""


def through(actions: Sequence[Action]) -> tuple[Action, ...]:
    """The same actions, run by the screen on the view that is shown: by key and from the palette alike."""
    return tuple(replace(action, method=f"screen.section('{action.id}')") for action in actions)


class SettingsHost(Protocol):
    """The settings screen (`settings.screen.SettingsScreen`) as its sections see it."""

    def show_section(self, section_id: str, *, enter: bool = False, at: str = "") -> None:
        """Show a section; `enter` puts the cursor into it, on the row `at` if one is named."""

    def explain(self) -> None:
        """Explain what the cursor stands on."""

    def show_failure(self, error: BaseException) -> None:
        """Tell a failure."""


class SectionView(Rows):
    """A list of things to set. Children say what the rows are and what can be done with one (`DOES`).

    Their workers may fail: run them with `exit_on_error=False`, and the screen tells.
    """

    DOES: ClassVar[tuple[Action, ...]] = ()
    ACTIONS: ClassVar[tuple[Action, ...]] = ()
    TWO_LINES: ClassVar[bool] = False
    VALUES = True

    def __init__(self, section: Section) -> None:
        super().__init__(two_lines=self.TWO_LINES, ground=0, id=f"section-view-{section.id}")
        self.section = section

    @property
    def lunalux(self) -> Host:
        return cast("Host", self.app)

    @property
    def runtime(self) -> Runtime:
        return self.lunalux.runtime

    @property
    def settings(self) -> Settings:
        return self.runtime.settings

    @property
    def host(self) -> SettingsHost:
        """The screen the view stands on."""
        return cast("SettingsHost", self.screen)

    def on_mount(self) -> None:
        self.read()

    def read(self) -> None:
        """Read again what is shown, and show it."""
        raise NotImplementedError

    def explain(self, row_id: str) -> Explanation:
        """What the row under the cursor means; "" when there is none."""
        return Explanation(self.section.title, self.section.help)

    def retranslate(self) -> None:
        self.read()

    def show(self, rows: list[Row], *, at: str | None = None) -> None:
        """Show these rows, and explain the one under the cursor."""
        self.set_rows(rows, at=at)
        self.host.explain()

    def go_to(self, row_id: str) -> None:
        """Put the cursor on a row."""
        self.set_rows(self.rows, at=row_id)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        event.stop()
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            cast("LunaScreen[None]", self.screen).show_failure(event.worker.error)
