"""What the actions of the chat screen may ask of it; what only one needs is declared beside that one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from textual.screen import Screen

    from lunalux_core.dialogue.turn import TurnEvent

Answer = TypeVar("Answer")
Work = Callable[[], Coroutine[Any, Any, None]]
"""What is done in a worker; its coroutine is made only when it runs."""


class Asker(Protocol):
    """Asks the person, and shows the outcome."""

    async def ask(self, dialog: Screen[Answer]) -> Answer | None:
        """Show a dialog and wait for the answer; None when the person left it."""

    def say(self, words: str, *, warn: bool = False, undo: bool = False) -> None:
        """Say what happened, with a way to take it back if `undo`."""


class TurnStarter(Protocol):
    """Runs turns, one at a time."""

    @property
    def busy(self) -> bool:
        """Whether a reply is coming."""

    def start_turn(
        self, events: AsyncIterator[TurnEvent], *, restore: str = "", impersonate: bool = False
    ) -> object:
        """Run a turn. `restore` is what the person sent, `impersonate` whether it writes in their place."""

    def stop_turn(self) -> bool:
        """Stop the reply that is coming; False when there is none."""
