"""What screens, dialogs and widgets may ask of the app around them.

A protocol, because the app knows its screens: were it named here, everything would know everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.worker import Worker

    from lunalux_core.account import AccountState
    from lunalux_core.config.settings import Settings
    from lunalux_core.errors import LunaluxError
    from lunalux_core.runtime import Runtime
    from lunalux_tui.actions import Action
    from lunalux_tui.app.first_frame import Opening

Answer = TypeVar("Answer")


class Host(Protocol):
    """The app, as far as it concerns what stands in it. See `app.app.LunaluxApp`."""

    runtime: Runtime
    opening: Opening
    keymap: Mapping[str, str]
    afterwards: Callable[[], object] | None
    leaving: int
    """How many dialogs are on their way out."""

    @property
    def ACTIONS(self) -> Sequence[Action]:
        """What can be done wherever one is."""

    @property
    def account(self) -> AccountState | None:
        """The account as last known."""

    # -- telling and asking ------------------------------------------------------------------------

    def tell(self, error: LunaluxError, severity: Any = "error") -> None:
        """A notice of a failure."""

    def problems(self) -> Sequence[LunaluxError]:
        """What is wrong with the files the person may write."""

    async def push_screen_wait(self, screen: Screen[Answer]) -> Answer | Any:
        """Ask something in a dialog and wait for the answer."""

    # -- settings ----------------------------------------------------------------------------------

    def change_setting(self, key: str, value: object) -> None:
        """Store one setting and put it in force everywhere."""

    def reset_setting(self, key: str) -> None:
        """Take one setting out of the file."""

    def apply_settings(self, settings: Settings) -> None:
        """Put changed settings in force."""

    # -- places ------------------------------------------------------------------------------------

    def all_actions(self) -> Iterator[Action]:
        """Every declared action of the app."""

    def action_settings(self, section: str, at: str = "") -> Worker[None]:
        """Go to a section of the settings, to the row `at` if one is named."""

    def open_character(self, character_id: str) -> Worker[None]:
        """Go to the chat screen and talk with a character."""

    def edit_character(self, character_id: str) -> Worker[None]:
        """Go to the character editor and change a character of the library."""

    def ask_for_name(self) -> None:
        """An account of somebody without a username goes no further."""
