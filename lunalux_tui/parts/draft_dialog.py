"""Dialogs whose words outlive them: kept while they are written, and offered when the dialog opens again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from textual import on
from textual.await_complete import AwaitComplete
from textual.timer import Timer
from textual.widgets import Input, TextArea

from lunalux_tui.parts.dialog import Dialog
from lunalux_tui.parts.form_field import ChoiceField

Result = TypeVar("Result")

PAUSE = 0.6
"""Seconds without a letter after which words are kept, as in the prompt."""


class DraftDialog(Dialog[Result]):
    """Keeps what is being written at each pause of typing, and when the program is left.

    Once it was answered or cancelled, the words belong to whoever showed it: `unsaved` is what was left.
    """

    keep: Callable[[Any], Awaitable[None]] | None = None
    """Where a draft of the words is stored."""

    unsaved: Any = None
    _keep_pause: Timer | None = None
    _over = False

    def written(self) -> Any:
        """What stands in the fields."""
        raise NotImplementedError

    async def store_draft(self) -> None:
        """Store what stands in the fields as a draft; what equals the saved words is no draft."""
        if self.keep is not None:
            await self.keep(self.written())

    def action_cancel(self) -> None:
        self.unsaved = self.written()
        self.dismiss(None)

    async def keep_draft(self) -> None:
        """Keep what is being written; called when the program ends, too."""
        if self.is_mounted and not self._over:
            await self.store_draft()

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(ChoiceField.Changed)
    def keep_soon(self) -> None:
        """Something changed: keep it when typing pauses."""
        if self._keep_pause is not None:
            self._keep_pause.stop()
        self._keep_pause = self.set_timer(PAUSE, self._typing_paused)

    def _typing_paused(self) -> None:
        # In a worker: a library that another program holds must not hold the dialog up.
        self.run_in("draft", self.keep_draft)

    def stop_keeping(self) -> None:
        """From here on nothing is kept: what was written has got where it belongs, or to the caller."""
        self._over = True
        if self._keep_pause is not None:
            self._keep_pause.stop()

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        # A pause that ends later would bring a draft back that the caller has done with.
        self.stop_keeping()
        return super().dismiss(result)


def offer(area: TextArea, draft: str) -> None:
    """Put a draft over the saved text of an area, as an edit: one undo leads back to the saved text."""
    if draft != area.text:
        area.replace(draft, (0, 0), area.document.end)
        # Without it what is typed next would be undone together with the draft.
        area.history.checkpoint()
    area.move_cursor(area.document.end)
