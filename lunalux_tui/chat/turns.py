"""One turn on the chat screen: the worker that turns events of the core into calls on widgets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from textual.timer import Timer

from lunalux_core.dialogue.turn import (
    Billed,
    BindingDropped,
    PluginFailed,
    ReplyKept,
    Reread,
    ScriptSkipped,
    TemplateFailed,
    TextDelta,
    ThinkingDelta,
    TurnCompleted,
    TurnEvent,
    TurnStarted,
    WorldbookOverflowed,
)
from lunalux_core.errors import LunaluxError, NotFound
from lunalux_core.library.conversations import Message
from lunalux_tui.app.notifications import reply_done
from lunalux_tui.i18n import t, tell

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from lunalux_tui.chat.transcript.display import MessageDisplay
    from lunalux_tui.chat.view import ChatView


class Turns:
    """Runs one turn at a time for a chat screen; keeps send lock, status and clock in step with it."""

    def __init__(self, screen: ChatView, looks: MessageDisplay) -> None:
        self._screen = screen
        self._looks = looks
        self._reply: Message | None = None
        self._began = 0.0
        self._clock: Timer | None = None
        self._impersonated: list[str] | None = None
        self._skipped: dict[str, str] = {}

    async def run(
        self, events: AsyncIterator[TurnEvent], *, restore: str = "", impersonate: bool = False
    ) -> None:
        """Iterate one turn to its end. `restore` goes back into the prompt when nothing could be stored."""
        self._start(impersonate)
        started = False
        try:
            async with aclosing(cast("AsyncGenerator[TurnEvent, None]", events)) as steps:
                async for event in steps:
                    started = True
                    await self._handle(event)
        except LunaluxError as error:
            self._keep_impersonated()
            await self._settle()
            self._screen.show_error(error)
            if not started and restore and not self._screen.prompt.text:
                self._screen.prompt.fill(restore)
        except asyncio.CancelledError:
            self._keep_impersonated()
            self._screen.call_later(self._settle)
            raise
        else:
            await self._settle()
        finally:
            self._stop()

    def _keep_impersonated(self) -> None:
        """What came of the person's words before it broke off is a draft."""
        if self._impersonated:
            self._screen.prompt.rewrite("".join(self._impersonated))

    def _start(self, impersonate: bool) -> None:
        screen = self._screen
        screen.busy = True
        self._reply = None
        self._impersonated = [] if impersonate else None
        self._skipped = {}
        self._began = time.monotonic()
        screen.status.writer = t("status.you") if impersonate else screen.character_name
        screen.status.seconds = 0
        screen.suggestions.suggestions = ()
        screen.transcript.clear_notes()
        self._clock = screen.set_interval(1, self._tick)

    def _tick(self) -> None:
        self._screen.status.seconds = int(time.monotonic() - self._began)

    def _stop(self) -> None:
        screen = self._screen
        if self._clock is not None:
            self._clock.stop()
            self._clock = None
        self._tell_skipped()
        screen.busy = False
        screen.status.writer = ""
        screen.turn_over()

    def _tell_skipped(self) -> None:
        """One notice for all scripts of a turn that were skipped: a card may bring hundreds that fail."""
        skipped, self._skipped = self._skipped, {}
        if skipped:
            script, reason = next(iter(skipped.items()))
            text = t("chat.script_skipped", n=len(skipped), script=script, reason=reason)
            self._screen.notify(text, severity="warning", markup=False)

    async def _handle(self, event: TurnEvent) -> None:
        screen = self._screen
        match event:
            case TurnStarted():
                await self._started(event)
            case TextDelta():
                if self._impersonated is not None:
                    self._impersonated.append(event.text)
                else:
                    screen.transcript.stream_text(event.text)
            case ThinkingDelta():
                screen.transcript.stream_thinking(event.text)
            case Reread():
                if self._impersonated is not None:
                    self._impersonated = [event.text]
                else:
                    screen.transcript.restream(event.text, event.thinking)
            case Billed():
                screen.billed(event)
            case BindingDropped():
                screen.transcript.note(t("chat.binding_dropped"), error=False)
            case PluginFailed():
                screen.notify(event.message, title=event.plugin, severity="warning", markup=False)
            case ScriptSkipped():
                self._skipped.setdefault(event.script, event.reason)
            case WorldbookOverflowed():
                text = t("chat.worldbook_overflow", n=event.entries, budget=event.budget)
                screen.notify(text, severity="warning", markup=False)
            case TemplateFailed():
                screen.notify(" ".join(tell(event.error)), severity="warning", markup=False)
            case ReplyKept():
                screen.notify(t("chat.reply_kept"), severity="warning", markup=False)
            case TurnCompleted():
                await self._completed(event)

    async def _started(self, event: TurnStarted) -> None:
        screen = self._screen
        self._reply = event.reply
        if event.user_message is not None:
            screen.words_stored()  # before anything that a stop could interrupt
            await screen.window.show_end(event.user_message)
            screen.remember_words()
            self._looks.follow()
        elif event.reply is not None:
            await screen.window.reload()
        if event.reply is not None:
            screen.status.writer = event.reply.name
            screen.transcript.begin_stream(event.reply)
        elif event.user_message is not None:
            screen.nobody_answers()

    async def _completed(self, event: TurnCompleted) -> None:
        screen = self._screen
        if event.message is None:
            self._impersonated = None
            screen.prompt.rewrite(event.text)
        else:
            await self._looks.settled(event.message)
            self._reply = None
            screen.transcript.end_stream(event.message)
            screen.last_reply(event.message)
            self._looks.follow(anew=True)
        reply_done(
            screen.app,
            screen.runtime.settings,
            name=screen.character_name,
            text=event.text if event.message is None else event.message.content,
            seconds=time.monotonic() - self._began,
        )

    async def _settle(self) -> None:
        """Show the reply as it is stored, however the turn ended."""
        reply, self._reply = self._reply, None
        screen = self._screen
        if reply is not None:
            try:
                stored = await screen.runtime.library.conversations.message(reply.id)
            except NotFound:
                stored = None
            if not screen.transcript.streaming:  # it was stopped before its beginning was shown
                await screen.reload()
                return
            screen.transcript.end_stream(stored)
            if stored is not None:
                screen.last_reply(stored)
                self._looks.follow()
        elif screen.transcript.streaming:
            screen.transcript.end_stream(None)
