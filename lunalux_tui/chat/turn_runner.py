"""Turns and scripts on the chat screen: begun and stopped, one at a time, and what is done behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol

from textual.worker import Worker, WorkerCancelled, WorkerFailed

from lunalux_tui.chat.protocols import Asker, Background
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from textual import Logger

    from lunalux_core.dialogue.turn import TurnEvent
    from lunalux_core.library.conversations import Conversations
    from lunalux_tui.chat.auto_mode import AutoMode
    from lunalux_tui.chat.opener import OpenChat
    from lunalux_tui.chat.pane import ChatPane
    from lunalux_tui.chat.quick_replies import QuickReplies
    from lunalux_tui.chat.roster import Roster
    from lunalux_tui.chat.turn_controller import TurnController

TURN = "turn"
"""Group of the worker that runs a turn."""
SCRIPT = "script"
"""Group of the worker that runs a script of the person's."""


class RunnerView(Asker, Background, Protocol):
    """What is asked of the screen."""

    busy: bool
    """Whether a reply is coming, or a script runs; keys follow it."""

    @property
    def log(self) -> Logger: ...

    def stop_in(self, group: str) -> None:
        """Call off what runs in a group of workers."""


class TurnParts(Protocol):
    """What goes along with turns."""

    @property
    def replies_in_use(self) -> QuickReplies | None:
        """The quick replies in force, None where there were none since the start."""

    @property
    def auto_mode_in_use(self) -> AutoMode | None:
        """What lets a group go on by itself, None where none did since the start."""


class TurnRunner:
    """Runs each turn, and each script, in a worker of its own."""

    def __init__(
        self,
        conversations: Conversations,
        chat: OpenChat,
        pane: ChatPane,
        roster: Roster,
        parts: TurnParts,
        view: RunnerView,
    ) -> None:
        self._conversations = conversations
        self._open = chat
        self._pane = pane
        self._roster = roster
        self._parts = parts
        self._view = view

    @cached_property
    def controller(self) -> TurnController:
        """What shows the events of a turn; made by the first one, since the first frame does without it."""
        from lunalux_tui.chat.turn_controller import TurnController
        from lunalux_tui.chat.turn_display import TurnDisplay

        return TurnController(TurnDisplay(self._open, self._pane), self._conversations)

    @property
    def busy(self) -> bool:
        """Whether a reply is coming, or a script runs."""
        return self._view.busy

    # -- turns -------------------------------------------------------------------------------------

    def start(
        self, events: AsyncIterator[TurnEvent], *, restore: str = "", impersonate: bool = False
    ) -> Worker[None]:
        """Run a turn; there is never more than one. The words to `restore` stay until they are stored."""
        if restore:
            self._pane.draft.wait(restore)
        return self._view.run_in(TURN, partial(self._turn, events, restore, impersonate))

    async def _turn(self, events: AsyncIterator[TurnEvent], restore: str, impersonate: bool) -> None:
        self._view.busy = True
        replies = self._parts.replies_in_use
        try:
            if replies is not None:
                events = replies.watched(events)
            await self.controller.run(events, restore=restore, impersonate=impersonate)
        finally:
            self._view.busy = self._pane.status.scripting
            self._follow_last_words()
        replies = self._parts.replies_in_use  # a set may have been put in force meanwhile
        if replies is not None and replies.due and not self.busy:
            self.run_as_script(replies.after_reply)
        if self._open.group is not None and (auto_mode := self._parts.auto_mode_in_use) is not None:
            auto_mode.follow()

    async def run_to_end(self, events: AsyncIterator[TurnEvent], *, impersonate: bool = False) -> None:
        """Run a turn within a script, to its end; one that is stopped stops the script."""
        try:
            await self.start(events, impersonate=impersonate).wait()
            replies = self._parts.replies_in_use
            if replies is not None and replies.due:
                await replies.after_reply()
        except WorkerFailed as failure:
            self._view.log.error("turn failed", error=repr(failure.error))  # shown as that of any worker
        except WorkerCancelled:  # so it ends when the turn is stopped, and also when the script itself is
            raise asyncio.CancelledError from None

    def stop(self) -> bool:
        """Stop the reply that is coming, and the script that runs; False when there is neither. A group that
        goes on by itself does so no longer."""
        group, auto_mode = self._open.group, self._parts.auto_mode_in_use
        goes_on = auto_mode is not None and group is not None and group.auto_mode
        if auto_mode is not None and goes_on and (self.busy or auto_mode.waiting):
            self._view.run_in("auto", partial(auto_mode.switch, False))
            if not self.busy:
                return True
        if not self.busy:
            return False
        self._view.stop_in(SCRIPT)
        self._view.stop_in(TURN)
        return True

    # -- scripts -----------------------------------------------------------------------------------

    def run_as_script(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something in the place of a script; there is never more than one."""
        if self.busy:
            self._view.say(t("chat.busy"))
            return
        self._view.busy = self._pane.status.scripting = True
        self._pane.transcript.clear_notes()
        self._view.run_in(SCRIPT, partial(self._script, work))

    async def _script(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        finally:
            self._view.busy = self._pane.status.scripting = False
            self._follow_last_words()

    def _follow_last_words(self) -> None:
        self._view.run_in("last_words", self._show_last_words)

    async def _show_last_words(self) -> None:
        """Let the list say what was said last in the conversation that is open."""
        conversation = self._open.conversation
        if conversation is not None:
            words = await self._conversations.last_words_of(conversation.id)
            if words is not None:
                self._roster.said(words)
