"""Which part of a conversation the transcript holds: a page at first, more when the person scrolls.

The window never grows beyond `MOST` messages, so a walk through ten thousand of them needs no more memory
than a walk through six hundred: what leaves at one end can be read again from the library.
"""

from __future__ import annotations

from collections.abc import Sequence

from lunalux_core.library.conversations import PAGE, Conversations, Message
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
        size = max(len(self._transcript.messages) + 2, FIRST) if not self._below else FIRST
        page = await self._conversations.page(self._conversation_id, limit=min(size, MOST))
        self._above = bool(page) and bool(page[0].parent_id)
        self._below = []
        self._transcript.show(page, keep_place=keep_place)

    async def older(self) -> None:
        """Read the page above the window, if there is one."""
        messages = self._transcript.messages
        if self._busy or not self._above or not messages:
            return
        self._busy = True
        try:
            page = await self._conversations.page(self._conversation_id, before=messages[0].id)
            self._above = bool(page) and bool(page[0].parent_id)
            self._transcript.prepend(page)
            surplus = len(page) + len(messages) - MOST
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
                path = await self._conversations.path_ids(self._conversation_id)
                page = await self._conversations.path(path[:PAGE][-1][0], PAGE)
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
            next_ones, self._below = self._below[:PAGE], self._below[PAGE:]
            page = await self._conversations.path(next_ones[-1][0], len(next_ones))
            self._above = True
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
        for _ in range(10_000 // PAGE):
            if any(message.id == message_id for message in self._transcript.messages) or not self._above:
                break
            await self.older()
        self._transcript.selected = message_id
        self._transcript.reveal(message_id)
