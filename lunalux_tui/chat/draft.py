"""The draft: what stands in the prompt, stored with its conversation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lunalux_core.library.conversations import Conversations
    from lunalux_tui.chat.opener import OpenChat


class Words(Protocol):
    """Where the person writes."""

    @property
    def text(self) -> str:
        """What stands there."""

    def take(self, text: str) -> None:
        """Remove a text that was sent; what was typed after it stays."""


class Draft:
    """Keeps what is written, and clears it only when it is known to be stored as a message."""

    def __init__(self, chat: OpenChat, words: Words, conversations: Conversations) -> None:
        self._chat = chat
        self._words = words
        self._conversations = conversations
        self._waiting = ""
        """What was sent and is not known to be stored yet."""
        self._known = asyncio.Event()
        """Whether nothing waits."""
        self._known.set()
        self._kept: str | None = ""
        """The draft as it is stored, None while nobody can tell."""
        self._writes = 0

    def opened(self, stored: str) -> None:
        """Another conversation is open; `stored` is its draft."""
        self._kept = stored
        self._writes += 1

    def wait(self, text: str) -> None:
        """The person's words are on their way; the prompt keeps them until they are stored."""
        self._waiting = text
        self._known.clear()

    def stored(self) -> None:
        """The person's words are on disk: only now the prompt is cleared of them."""
        self._words.take(self._waiting)
        self._nothing_waits()

    def turn_over(self) -> bool:
        """A turn ended, for whatever reason. True when its words were not stored and are a draft again."""
        if not self._waiting:
            return False
        self._nothing_waits()
        return True

    def _nothing_waits(self) -> None:
        self._waiting = ""
        self._kept = None  # words that were stored have left the draft too
        self._known.set()

    async def keep(self) -> None:
        """Store what stands in the prompt with the conversation."""
        # While words are on their way, nobody knows whether they become a message or a draft again.
        await self._known.wait()
        conversation, draft = self._chat.conversation, self._words.text
        if conversation is None or draft == self._kept:
            return
        self._kept, self._writes = None, self._writes + 1
        number = self._writes
        await self._conversations.set(conversation.id, draft=draft)
        # Another write, or another conversation, came meanwhile: what was stored here is not the newest.
        if number == self._writes and self._chat.conversation is not None:
            from dataclasses import replace

            self._kept = draft
            self._chat.conversation = replace(self._chat.conversation, draft=draft)
