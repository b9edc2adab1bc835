"""Which part of a conversation the transcript holds, and what display scripts make of its messages.

A page at first, more when the person scrolls. The window never grows beyond `MOST` messages, so a walk
through ten thousand of them needs no more memory than a walk through six hundred: what leaves at one end can
be read again from the library.

Messages are drawn as they are stored and again when their display scripts have run, so nothing waits for a
script. Only the window is worked on, in a thread, newest first; the core remembers what was shown once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from lunalux_core.display.display_cache import depths
from lunalux_core.errors import NotFound
from lunalux_core.library.conversations import PAGE, Conversations, Message
from lunalux_tui.chat.transcript.transcript import Transcript

if TYPE_CHECKING:
    from lunalux_core.display.display_cache import Displays
    from lunalux_core.display.display_scripts import Display, DisplayedMessage
    from lunalux_core.library.conversations import Message
    from lunalux_tui.chat.transcript.thumbnails import Thumbnails
    from lunalux_tui.chat.transcript.transcript import Transcript

FIRST = 30
"""Messages that are read at least when a conversation is read again."""

MOST = 600


class Window:
    """The messages on screen of one conversation."""

    def __init__(self, conversations: Conversations, transcript: Transcript) -> None:
        self._conversations = conversations
        self._transcript = transcript
        self._conversation_id = ""
        self._above = False
        self._below: list[tuple[str, bool]] = []
        """Ids of the messages below the window, and which of them are hidden."""
        self._busy = False

    @property
    def conversation_id(self) -> str:
        """The conversation that is shown."""
        return self._conversation_id

    @property
    def below(self) -> int:
        """How many messages stand below the window, hidden ones not counted."""
        return sum(not hidden for _, hidden in self._below)

    def show(self, conversation_id: str, page: Sequence[Message]) -> None:
        """Show the newest messages of a conversation, already read (at most `FIRST`)."""
        self._conversation_id = conversation_id
        self._above = bool(page) and bool(page[0].parent_id)
        self._below = []
        self._transcript.show(page)

    def clear(self) -> None:
        self.show("", ())

    async def reload(self, *, keep_place: bool = False) -> None:
        """Read the messages in the window again; after an edit, a swipe, a deletion."""
        if not self._conversation_id:
            return
        # Two more than are shown: the person's words and a reply may have come. Away from the end, back to
        # it.
        size = max(len(self._transcript.messages) + 2, FIRST) if not self._below else FIRST
        shown = self._conversation_id
        page = await self._conversations.page(shown, limit=min(size, MOST))
        # Another conversation was opened meanwhile; this page is none of it. So everywhere below.
        if shown != self._conversation_id:
            return
        self._above = bool(page) and bool(page[0].parent_id)
        self._below = []
        self._transcript.show(page, keep_place=keep_place)

    async def recount(self) -> None:
        """Read the newest message again: it stands as it is, with other versions beside it."""
        messages = self._transcript.messages
        if self._below or not messages:
            return
        shown = self._conversation_id
        try:
            message = await self._conversations.message(messages[-1].id)
        except NotFound:  # it was deleted meanwhile
            await self.reload()
            return
        if shown == self._conversation_id:
            self._transcript.update(message)

    async def older(self) -> None:
        """Read the page above the window, if there is one."""
        messages = self._transcript.messages
        if self._busy or not self._above or not messages:
            return
        self._busy = True
        try:
            shown = self._conversation_id
            page = await self._conversations.page(shown, before=messages[0].id)
            if shown != self._conversation_id:
                return
            self._above = bool(page) and bool(page[0].parent_id)
            self._transcript.prepend(page)
            surplus = len(page) + len(messages) - MOST
            # A reply that streams stands at the end and must stay in the window.
            if surplus > 0 and not self._transcript.streaming:
                self._below[:0] = [(message.id, message.hidden) for message in messages[-surplus:]]
                self._transcript.keep_first(MOST)
        finally:
            self._busy = False

    async def first(self) -> None:
        """Go to the first message of the conversation; while a reply comes, one page up."""
        if self._transcript.streaming:
            await self.older()
        elif self._above and not self._busy:
            self._busy = True
            try:
                shown = self._conversation_id
                path = await self._conversations.path_ids(shown)
                # A path is read upwards, so the first page begins at its last message.
                page = await self._conversations.path(path[:PAGE][-1][0], PAGE)
                if shown != self._conversation_id:
                    return
                self._above, self._below = False, list(path[PAGE:])
                self._transcript.show(page, keep_place=True)
            finally:
                self._busy = False
        self._transcript.page("first")

    async def last(self) -> None:
        """Go to the newest message of the conversation."""
        if self._below:
            await self.reload()
        self._transcript.page("last")

    async def newer(self) -> None:
        """Read the page below the window, if it does not hold the newest messages."""
        if self._busy or not self._below:
            return
        self._busy = True
        try:
            following, shown = self._below[:PAGE], self._conversation_id
            page = await self._conversations.path(following[-1][0], len(following))
            if shown != self._conversation_id:
                return
            self._above, self._below = True, self._below[PAGE:]
            self._transcript.extend(page, max(len(self._transcript.messages) + len(page) - MOST, 0))
        finally:
            self._busy = False

    async def show_end(self, message: Message) -> None:
        """Show a message that was just stored at the end, and what another program stored before it."""
        messages = self._transcript.messages
        if self._below or (messages[-1].id if messages else "") != message.parent_id:
            await self.reload()
        else:
            self._transcript.append(message)

    async def reveal(self, message_id: str) -> None:
        """Bring a message of the path on screen into the window and into view."""
        # Bounded, in case the message is not on this path.
        for _ in range(10_000 // PAGE):
            if any(message.id == message_id for message in self._transcript.messages) or not self._above:
                break
            await self.older()
        self._transcript.selected = message_id
        self._transcript.reveal(message_id)


BATCH = 6
"""Messages that are redisplayed together."""
PATIENCE = 1.0
"""Seconds a finished reply waits for its display scripts; after that it is drawn as it is stored."""


class WorkStarter(Protocol):
    """Starts work in the background, as `run_worker` of a screen does."""

    def __call__(self, work: Any, *, group: str, exclusive: bool, exit_on_error: bool) -> object: ...


class MessageDisplay:
    """Keeps the transcript's displayed messages in step with the messages and the scripts."""

    def __init__(
        self,
        transcript: Transcript,
        window: Window,
        displays: Displays,
        run: WorkStarter,
        picture: Callable[[str], Awaitable[bytes]],
    ) -> None:
        self._transcript = transcript
        self._window = window
        self._displays = displays
        self._run = run
        self._display: Display | None = None
        self._of = ""
        self._old = True
        self._picture = picture
        self._thumbnails: Thumbnails | None = None

    def follow(self, *, anew: bool = False) -> None:
        """Work out what is missing, soon; `anew` reads the scripts again, for they may have changed."""
        self._old = self._old or anew
        # The method, no coroutine of it: one whose turn never comes is complained about when the app ends.
        work: Any = self._work
        self._run(work, group="message-display", exclusive=True, exit_on_error=False)

    async def _draw_pictures(self) -> None:
        if self._thumbnails is None:
            from lunalux_tui.chat.transcript.thumbnails import Thumbnails

            self._thumbnails = Thumbnails(self._transcript, self._picture)
        await self._thumbnails.follow()

    async def settled(self, message: Message) -> None:
        """Have the display of a reply that just ended, so that it is not drawn twice."""
        display = self._display
        if display is None or self._of != message.conversation_id or display.key(message, 0) is None:
            return
        work = asyncio.to_thread(display.show, message, 0)
        try:
            displayed = await asyncio.wait_for(work, PATIENCE)
        except TimeoutError:
            return
        if displayed is not None:
            self._transcript.text_layout.displayed[message.id] = displayed

    async def _work(self) -> None:
        identity = self._window.conversation_id
        if not identity:
            return
        if self._old or self._display is None or self._of != identity:
            self._display = await self._displays.of(identity)
            self._of, self._old = identity, False
        display, messages = self._display, self._transcript.messages
        if self._thumbnails is not None or any(message.pictures for message in messages):
            await self._draw_pictures()
        if display.idle:
            work, gone = self._missing(display, messages)
        else:
            work, gone = await asyncio.to_thread(self._missing, display, messages)
        if gone:
            self._transcript.redisplay(dict.fromkeys(gone))
        for start in range(0, len(work), BATCH):
            batch = work[start : start + BATCH]
            self._transcript.redisplay(await asyncio.to_thread(_displayed, display, batch))

    def _missing(
        self, display: Display, messages: list[Message]
    ) -> tuple[list[tuple[Message, int | None]], list[str]]:
        """Messages whose display is missing or old, newest first; and those that have one and need none."""
        displayed_messages = self._transcript.text_layout.displayed
        work: list[tuple[Message, int | None]] = []
        gone: list[str] = []
        for message, depth in zip(messages, depths(messages, self._window.below), strict=True):
            displayed = displayed_messages.get(message.id)
            # A reply that streams is drawn as it comes.
            key = display.key(message, depth) if message.status != "pending" else None
            if key is None and displayed is not None:
                gone.append(message.id)
            elif key is not None and (displayed is None or displayed.key != key):
                work.append((message, depth))
        return work[::-1], gone


def _displayed(
    display: Display, batch: list[tuple[Message, int | None]]
) -> dict[str, DisplayedMessage | None]:
    return {message.id: display.show(message, depth) for message, depth in batch}
