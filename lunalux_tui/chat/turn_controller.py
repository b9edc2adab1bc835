"""One turn on the chat screen: shows the events of the core."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol, cast

from lunalux_core.dialogue.turn import (
    Billed,
    BindingDropped,
    PicturesNamed,
    PluginFailed,
    ProfileLacks,
    PromptRead,
    ReplyCorrection,
    ReplyKept,
    ScriptSkipped,
    ServerModelChanged,
    Shortened,
    SideReply,
    TemplateFailed,
    TextDelta,
    TextsCut,
    ThinkingDelta,
    TurnCompleted,
    TurnEvent,
    TurnStarted,
    WorldbookOverflowed,
)
from lunalux_core.errors import LunaluxError, NotFound
from lunalux_core.library.conversations import Message
from lunalux_core.text import clean_line
from lunalux_tui.i18n import in_a_list, in_a_row, note, t, tell

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from lunalux_core.library.conversations import Conversations


class TurnView(Protocol):
    """Where a turn is shown. `chat.turn_display.TurnDisplay` is one; a list of calls is enough for a test."""

    @property
    def streaming(self) -> bool:
        """Whether a reply that is not whole stands on screen."""

    def turn_began(self, *, impersonated: bool) -> None:
        """Somebody writes; `impersonated` when it is done in the person's place."""

    async def path_changed(self, words: Message | None) -> None:
        """The conversation goes on after words that were just stored, or (None) after an earlier message."""

    def reply_began(self, reply: Message | None) -> None:
        """A reply comes, or (None) the words stay without one."""

    def reply_grew(self, text: str = "", thinking: str = "", *, anew: bool = False) -> None:
        """More of the reply; `anew` in place of all that was shown."""

    async def reply_ended(self, message: Message | None, *, whole: bool = False) -> None:
        """The reply as it is stored, None when nothing of it is. `whole` unless it broke off."""

    def prompt_read(self, percent: int) -> None:
        """So much of the prompt has been read; nothing of the reply has come yet."""

    async def version_stored(self, number: int, of: int) -> None:
        """Another version of the reply stands beside it: the `number`-th of `of`."""

    def words_written(self, text: str) -> None:
        """Words in the person's place, for them to change and send."""

    def billed(self, event: Billed) -> None:
        """What the reply cost."""

    def warn(self, words: str, *, title: str = "", stays: bool = False) -> None:
        """A notice; one that `stays` stands in the conversation."""

    def turn_failed(self, error: LunaluxError, restore: str) -> None:
        """The turn broke off; `restore` is what was sent and could not be stored."""

    def reply_done(self, text: str, seconds: float) -> None:
        """A reply came to its own end after so long."""

    def turn_over(self) -> None:
        """Nobody writes any more."""

    def call_later(self, callback: Callable[[], Coroutine[Any, Any, None]]) -> object:
        """Do this when what runs now has ended."""


class TurnController:
    """Runs one turn at a time; however it ends, the screen then shows what is stored."""

    def __init__(self, view: TurnView, conversations: Conversations) -> None:
        self._view = view
        self._conversations = conversations
        self._reply: Message | None = None
        self._began = 0.0
        self._impersonated: list[str] | None = None
        self._skipped: dict[str, str] = {}

    async def run(
        self, events: AsyncIterator[TurnEvent], *, restore: str = "", impersonate: bool = False
    ) -> None:
        """Iterate one turn to its end. `restore` goes back to the person when nothing could be stored."""
        self._start(impersonate)
        started = False
        try:
            # Closed here and now; a generator that is dropped ends whenever it is collected.
            async with aclosing(cast("AsyncGenerator[TurnEvent, None]", events)) as steps:
                async for event in steps:
                    started = True
                    await self._handle(event)
        except LunaluxError as error:
            self._keep_impersonated()
            await self._settle()
            # Once a turn has begun, the words are stored and stand in the conversation.
            self._view.turn_failed(error, "" if started else restore)
        except asyncio.CancelledError:
            self._keep_impersonated()
            # Reading what is stored takes a while, which somebody who stops a reply does not wait for.
            self._view.call_later(self._settle)
            raise
        else:
            await self._settle()
        finally:
            self._tell_skipped()
            self._view.turn_over()

    def _start(self, impersonate: bool) -> None:
        self._reply = None
        self._impersonated = [] if impersonate else None
        self._skipped = {}
        self._began = time.monotonic()
        self._view.turn_began(impersonated=impersonate)

    def _keep_impersonated(self) -> None:
        """What came of the person's words before it broke off is a draft."""
        if self._impersonated:
            self._view.words_written("".join(self._impersonated))

    def _tell_skipped(self) -> None:
        """One notice for all scripts of a turn that were skipped: a card may bring hundreds that fail."""
        skipped, self._skipped = self._skipped, {}
        if skipped:
            script, reason = next(iter(skipped.items()))
            words = t("chat.script_skipped", n=len(skipped), script=script, reason=note(reason))
            self._view.warn(words)

    async def _handle(self, event: TurnEvent) -> None:
        match event:
            case TurnStarted():
                await self._started(event)
            case TextDelta():
                if self._impersonated is not None:
                    self._impersonated.append(event.text)
                else:
                    self._view.reply_grew(event.text)
            case ThinkingDelta():
                self._view.reply_grew(thinking=event.text)
            case ReplyCorrection():
                if self._impersonated is not None:
                    self._impersonated = [event.text]
                else:
                    self._view.reply_grew(event.text, event.thinking, anew=True)
            case Billed():
                self._view.billed(event)
            case PromptRead():
                self._view.prompt_read(event.done * 100 // event.total)
            case ScriptSkipped():
                self._skipped.setdefault(event.script, event.reason)
            case SideReply():
                await self._view.version_stored(event.number, event.of)
            case TurnCompleted():
                await self._completed(event)
            case _:
                self._warn(event)

    def _warn(self, event: TurnEvent) -> None:
        """Show a warning that did not end the turn."""
        view = self._view
        match event:
            case BindingDropped():
                view.warn(t("chat.binding_dropped"), stays=True)
            case PluginFailed():
                view.warn(event.message, title=event.plugin)
            case WorldbookOverflowed():
                view.warn(t("chat.worldbook_overflow", n=event.entries, budget=event.budget))
            case TemplateFailed():
                view.warn(in_a_row(*tell(event.error)))
            case TextsCut():
                names = in_a_list(t(f"chat.cut_text.{name}") for name in event.names)
                view.warn(t("chat.texts_cut", names=names, window=f"{event.window:,}"))
            case Shortened():
                view.warn(t("chat.shortened", window=f"{event.window:,}"))
            case ServerModelChanged():
                view.warn(server_changed(event))
            case ReplyKept():
                view.warn(t("chat.reply_kept"))
            case PicturesNamed(model=model):
                view.warn(t("chat.pictures_named", model=model))
            case ProfileLacks(gap=gap):
                view.warn(t(f"chat.profile_lacks.{gap.part}", profile=gap.profile, name=gap.name))

    async def _started(self, event: TurnStarted) -> None:
        self._reply = event.reply
        # Words in the person's place are no message, so that nothing has changed in the conversation.
        if event.user_message is not None or event.reply is not None:
            await self._view.path_changed(event.user_message)
            if not event.follows:
                self._view.reply_began(event.reply)

    async def _completed(self, event: TurnCompleted) -> None:
        if event.message is None:
            self._impersonated = None
            self._view.words_written(event.text)
        else:
            # Shown as it came with the event: reading it again would cost a transaction.
            await self._view.reply_ended(event.message, whole=True)
            self._reply = None
        text = event.text if event.message is None else event.message.content
        self._view.reply_done(text, time.monotonic() - self._began)

    async def _settle(self) -> None:
        """Show the reply as it is stored, however the turn ended."""
        reply, self._reply = self._reply, None
        if reply is not None:
            try:
                stored = await self._conversations.message(reply.id)
            except NotFound:
                stored = None
            await self._view.reply_ended(stored)
        elif self._view.streaming:
            await self._view.reply_ended(None)


def server_changed(event: ServerModelChanged) -> str:
    """The sentence for a server that answers with another model than before."""
    key = "chat.server_changed" if event.now else "chat.server_empty"
    return t(key, before=clean_line(event.before, 80), now=clean_line(event.now, 80))
