"""Where a script on a conversation shows, asks and streams: a screen, or a terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn import TurnEvent, TurnOptions
    from lunalux_core.errors import LunaluxError


class Surface(Protocol):
    """What a script needs of the program that runs it."""

    @property
    def asks(self) -> bool:
        """Whether there is somebody to ask."""

    @property
    def panes(self) -> Sequence[str]:
        """Names of the panes it can open."""

    def open_pane(self, name: str) -> None:
        """Open one of its panes; nothing waits for the person to leave it."""

    def options(self) -> TurnOptions:
        """What a turn is asked for here."""

    def words(self, key: str, **values: object) -> str:
        """A text of the program's own, in the person's language."""

    def command_help(self, key: str) -> str:
        """What a command does (`Command.help_key`), in the person's language."""

    def told(self, error: LunaluxError) -> str:
        """The sentence of an error, in the person's language."""

    async def echo(self, text: str, severity: str, title: str) -> None:
        """Show a text. `severity` is info, success, warning or error."""

    async def ask_text(self, question: str, default: str) -> str:
        """Ask for a text; "" where the person leaves it."""

    async def show_text(self, text: str) -> None:
        """Show a text until the person closes it."""

    async def choose(self, question: str, labels: Sequence[str]) -> str:
        """Ask for one of several; "" where the person leaves it."""

    async def put_typed(self, text: str) -> None:
        """Put a text in the place of what the person is writing."""

    async def take_turn(self, events: AsyncIterator[TurnEvent], *, impersonate: bool = False) -> None:
        """Run a turn to its end. Raises CancelledError when the person stops it."""

    async def open_chat(self, conversation_id: str) -> None:
        """Show another chat, on which the script goes on."""

    async def messages_changed(self, *, to_end: bool = False) -> None:
        """The messages of the conversation are others now."""

    async def surroundings_changed(self) -> None:
        """The persona, the profile, the preset, worldbooks or sets of quick replies are others now."""

    async def use_model(self, name: str) -> None:
        """Have replies made by another model from now on."""

    async def use_preset(self, key: str) -> None:
        """Use a built-in preset from now on, where no other is in use."""
