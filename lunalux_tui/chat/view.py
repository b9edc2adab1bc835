"""What the runner of turns and the display of messages need of the chat screen."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from textual.app import App
    from textual.timer import Timer
    from textual.worker import Worker

    from lunalux_core.dialogue.turn import Billed
    from lunalux_core.errors import LunaluxError
    from lunalux_core.library.conversations import Message
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.bars import StatusBar, Suggestions
    from lunalux_tui.chat.prompt import Prompt
    from lunalux_tui.chat.transcript.transcript import Transcript
    from lunalux_tui.chat.transcript.window import Window


class ChatView(Protocol):
    """The chat screen (`chat.screen.ChatScreen`) as a turn sees it."""

    busy: bool

    @property
    def app(self) -> App[object]: ...
    @property
    def runtime(self) -> Runtime: ...
    @property
    def transcript(self) -> Transcript: ...
    @property
    def prompt(self) -> Prompt: ...
    @property
    def status(self) -> StatusBar: ...
    @property
    def suggestions(self) -> Suggestions: ...
    @property
    def window(self) -> Window: ...
    @property
    def character_name(self) -> str: ...

    # -- what a turn does to it --------------------------------------------------------------------

    def billed(self, event: Billed) -> None: ...
    def words_stored(self) -> None: ...
    def nobody_answers(self) -> None: ...
    def last_reply(self, message: Message | None) -> None: ...
    def turn_over(self) -> None: ...
    def show_error(self, error: LunaluxError) -> None: ...

    # -- what every screen can do ------------------------------------------------------------------

    def call_later(self, callback: Callable[..., Any]) -> bool: ...
    def set_interval(self, interval: float, callback: Callable[[], Any]) -> Timer: ...
    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: Literal["information", "warning", "error"] = "information",
        markup: bool = True,
    ) -> None: ...
    def run_worker(
        self,
        work: Coroutine[Any, Any, Any] | Callable[[], Coroutine[Any, Any, Any]],
        *,
        group: str = "default",
        exit_on_error: bool = True,
        exclusive: bool = False,
    ) -> Worker[Any]: ...

    async def reload(self, *, keep_place: bool = True) -> None:
        """Read the conversation again after a change of its tree."""

    def remember_words(self) -> None:
        """What the person said in the window can be brought back into the prompt."""
