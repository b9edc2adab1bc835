"""A turn while it runs, on the chat screen: the reply grows, the status tells, the draft goes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, cast

from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import keymap_of

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn import Billed
    from lunalux_core.errors import LunaluxError
    from lunalux_core.library.conversations import Message
    from lunalux_tui.chat.opener import OpenChat
    from lunalux_tui.chat.pane import ChatPane
    from lunalux_tui.parts.host import Host

LONG_SECONDS = 5
"""A reply that came sooner needs no notification."""


class TurnDisplay:
    """Shows a turn in the pane (it is the `turn_controller.TurnView` of the app)."""

    def __init__(self, chat: OpenChat, pane: ChatPane) -> None:
        self._open = chat
        self._pane = pane
        # Each piece of a reply asks for these.
        self._transcript, self._status, self._prompt = pane.transcript, pane.status, pane.prompt

    @property
    def streaming(self) -> bool:
        return self._transcript.streaming

    def turn_began(self, *, impersonated: bool) -> None:
        self._status.writer = t("status.you") if impersonated else self._open.name
        self._pane.suggestions.suggestions = ()
        self._transcript.clear_notes()

    async def path_changed(self, words: Message | None) -> None:
        pane = self._pane
        if words is None:
            await pane.window.reload()
            return
        pane.draft.stored()  # before anything that a stop could interrupt
        if self._open.pictures and words.pictures:
            self._open.pictures = ()
            await pane.show_pictures(())
        await pane.window.show_end(words)
        pane.remember_words()
        pane.message_display.follow()

    def reply_began(self, reply: Message | None) -> None:
        if reply is not None:
            self._status.writer = reply.name
            self._transcript.begin_stream(reply)
        elif self._open.group is not None:
            from lunalux_tui.chat.group_actions import why_nobody_answers

            self._pane.notify(why_nobody_answers(self._open.group, keymap_of(self._pane)), markup=False)

    def reply_grew(self, text: str = "", thinking: str = "", *, anew: bool = False) -> None:
        self._status.prompt_percent = None
        if anew:
            self._transcript.restream(text, thinking)
        elif thinking:
            self._transcript.stream_thinking(thinking)
        else:
            self._transcript.stream_text(text)

    async def reply_ended(self, message: Message | None, *, whole: bool = False) -> None:
        pane = self._pane
        if message is not None and whole:
            await pane.message_display.settled(message)
        elif not self.streaming:  # it was stopped before its beginning was shown
            await pane.reload()
            return
        self._transcript.end_stream(message)
        if message is not None:
            pane.last_reply(message)
            pane.message_display.follow(anew=whole)

    def prompt_read(self, percent: int) -> None:
        self._status.prompt_percent = percent

    async def version_stored(self, number: int, of: int) -> None:
        # What is on screen stays: only the number of versions in its heading is another.
        await self._pane.window.recount()

    def words_written(self, text: str) -> None:
        self._prompt.rewrite(text)
        self._transcript.selected = ""
        self._prompt.focus()

    def billed(self, event: Billed) -> None:
        """Show the cost at once; the core has told the account of its new wallet."""
        self._status.billing = {"method": event.method, "cost": event.cost}

    def warn(self, words: str, *, title: str = "", stays: bool = False) -> None:
        if stays:
            self._transcript.note(words, error=False)
        else:
            self._pane.notify(words, title=title, severity="warning", markup=False)

    def turn_failed(self, error: LunaluxError, restore: str) -> None:
        self._pane.show_error(error)
        # What was typed meanwhile is not written over.
        if restore and not self._prompt.text:
            self._prompt.fill(restore)

    def reply_done(self, text: str, seconds: float) -> None:
        long = seconds >= LONG_SECONDS
        settings = cast("Host", self._pane.app).runtime.settings
        if not (long or settings.bell):
            return
        from lunalux_tui.app.notifications import reply_done

        reply_done(self._pane.app, settings, name=self._open.name, text=text, long=long)

    def turn_over(self) -> None:
        self._status.writer, self._status.prompt_percent = "", None
        if self._pane.draft.turn_over():
            # Words that could not be sent are a draft again, and stored as one.
            self._prompt.post_message(self._prompt.Paused(self._prompt.text))

    def call_later(self, callback: Callable[[], Coroutine[Any, Any, None]]) -> object:
        return self._pane.call_later(callback)
