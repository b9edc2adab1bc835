"""What those who reach the chat screen from elsewhere may ask of the app: its start, the tour, plug-ins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lunalux_tui.parts.host import Host

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from textual.worker import Worker

    from lunalux_tui.chat.screen import ChatScreen


class ChatHost(Host, Protocol):
    """The app, with its chat screen."""

    begin_new: bool

    @property
    def chat(self) -> ChatScreen:
        """The chat screen, wherever the person is now."""

    def open_in_chat(self, open_it: Callable[[], Coroutine[Any, Any, None]]) -> Worker[None]:
        """Go to the chat, and open something there."""

    def words_of_emptiness(self) -> tuple[str, str]:
        """What to say when there is no character."""

    async def follow_account(self) -> None:
        """Show the last known account, and whatever it becomes."""

    def theme_names(self) -> list[str]:
        """All themes that can be chosen."""

    def change_theme(self, name: str) -> None:
        """Use another theme from now on."""

    def switch_language(self, language: str) -> None:
        """Speak another language from now on."""

    def notify(self, message: str, *, title: str = "", markup: bool = True) -> None:
        """A notice."""

    def run_worker(
        self, work: Coroutine[Any, Any, None], *, group: str = "default", exit_on_error: bool = True
    ) -> Worker[None]:
        """Do something beside what the person does."""
