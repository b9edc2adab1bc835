"""What display scripts make of the messages in the window: worked out in a thread, newest first.

Messages are drawn as they are stored and again when their look is known, so nothing waits for a script. Only
the window is worked on; what was shown once is remembered by the core.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from lunalux_core.display.cache import depths

if TYPE_CHECKING:
    from lunalux_core.display.cache import Displays
    from lunalux_core.display.scripts import Display, DisplayedMessage
    from lunalux_core.library.conversations import Message
    from lunalux_tui.chat.transcript.transcript import Transcript
    from lunalux_tui.chat.transcript.window import Window

BATCH = 6
"""Messages whose looks come on screen together."""
PATIENCE = 1.0
"""Seconds a finished reply waits for its look; after that it is drawn as it is stored."""


class Run(Protocol):
    """Starts work in the background, as `run_worker` of a screen does."""

    def __call__(self, work: Any, *, group: str, exclusive: bool, exit_on_error: bool) -> object: ...


class MessageDisplay:
    """Keeps the transcript's looks in step with the messages and the scripts."""

    def __init__(self, transcript: Transcript, window: Window, displays: Displays, run: Run) -> None:
        self._transcript = transcript
        self._window = window
        self._displays = displays
        self._run = run
        self._display: Display | None = None
        self._of = ""
        self._old = True

    def follow(self, *, anew: bool = False) -> None:
        """Work out what is missing, soon; `anew` reads the scripts again, for they may have changed."""
        self._old = self._old or anew
        # The method, no coroutine of it: one whose turn never comes is complained about when the app ends.
        work: Any = self._work
        self._run(work, group="looks", exclusive=True, exit_on_error=False)

    async def settled(self, message: Message) -> None:
        """Have the look of a reply that just ended, so that it is not drawn twice."""
        display = self._display
        if display is None or self._of != message.conversation_id or display.key(message, 0) is None:
            return
        work = asyncio.to_thread(display.show, message, 0)
        try:
            look = await asyncio.wait_for(work, PATIENCE)
        except TimeoutError:
            return
        if look is not None:
            self._transcript.sheet.looks[message.id] = look

    async def _work(self) -> None:
        identity = self._window.conversation_id
        if not identity:
            return
        if self._old or self._display is None or self._of != identity:
            self._display = await self._displays.of(identity)
            self._of, self._old = identity, False
        display, messages = self._display, self._transcript.messages
        if display.idle:
            work, gone = self._missing(display, messages)
        else:
            work, gone = await asyncio.to_thread(self._missing, display, messages)
        if gone:
            self._transcript.look(dict.fromkeys(gone))
        for start in range(0, len(work), BATCH):
            batch = work[start : start + BATCH]
            self._transcript.look(await asyncio.to_thread(_looks, display, batch))

    def _missing(
        self, display: Display, messages: list[Message]
    ) -> tuple[list[tuple[Message, int | None]], list[str]]:
        """Messages whose look is unknown or old, newest first; and those that have one and need none."""
        looks = self._transcript.sheet.looks
        work: list[tuple[Message, int | None]] = []
        gone: list[str] = []
        for message, depth in zip(messages, depths(messages, self._window.below), strict=True):
            look = looks.get(message.id)
            key = display.key(message, depth) if message.status != "pending" else None
            if key is None and look is not None:
                gone.append(message.id)
            elif key is not None and (look is None or look.key != key):
                work.append((message, depth))
        return work[::-1], gone


def _looks(display: Display, batch: list[tuple[Message, int | None]]) -> dict[str, DisplayedMessage | None]:
    return {message.id: display.show(message, depth) for message, depth in batch}
