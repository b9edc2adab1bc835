"""What the actions of the chat screen ask of its parts; what only one needs is declared beside that one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.worker import Worker

    from lunalux_core.dialogue.turn import TurnEvent
    from lunalux_tui.parts.screen import Work

Answer = TypeVar("Answer")


class Asker(Protocol):
    """Asks the person, and shows the outcome."""

    async def ask(self, dialog: Screen[Answer]) -> Answer | None:
        """Show a dialog and wait for the answer; None when the person left it."""

    def say(self, words: str, *, warn: bool = False, undo: bool = False) -> None:
        """Say what happened, with a way to take it back if `undo`."""


class Background(Protocol):
    """Does work beside what the person does."""

    def run_in(self, group: str, work: Work, *, exclusive: bool = True) -> Worker[None]:
        """Start work in a group of workers; `exclusive` work takes the place of what runs in the group."""


class PromptText(Protocol):
    """What the person writes (`prompt_field.Prompt`)."""

    @property
    def text(self) -> str:
        """What stands in the prompt."""

    def rewrite(self, text: str) -> None:
        """Put another text in its place; one undo brings that back."""

    def take(self, text: str) -> None:
        """Remove a text that was sent or understood; what was typed after it stays."""

    def point_at(self, text: str, line: int, column: int) -> None:
        """Put the cursor to a place (from 1) of a text, if it still stands there."""


class TurnStarter(Protocol):
    """Runs turns, one at a time (`turn_runner.TurnRunner`)."""

    @property
    def busy(self) -> bool:
        """Whether a reply is coming, or a script runs."""

    def start(
        self, events: AsyncIterator[TurnEvent], *, restore: str = "", impersonate: bool = False
    ) -> object:
        """Run a turn. `restore` is what the person sent, `impersonate` whether it writes in their place."""

    def stop(self) -> bool:
        """Stop the reply that is coming; False when there is none."""


class Shown(Protocol):
    """What is shown beside the messages (`open_view.OpenChatView`)."""

    async def refresh_roster(self) -> None:
        """Read the list of characters and groups again."""

    def show_persona(self, name: str) -> None:
        """Name who the person is here."""


class Writing(Protocol):
    """Where one goes on writing."""

    def action_focus_prompt(self) -> None:
        """Go back to writing."""


class CardEditor(Protocol):
    """Opens the editor of characters (`parts.host.Host`)."""

    def edit_character(self, character_id: str) -> object:
        """Open a card in its editor."""
