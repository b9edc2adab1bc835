"""The draft of a message: the text in the prompt, stored with its conversation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lunalux_core.library.conversations import Conversations
    from lunalux_tui.chat.opener import OpenChat


class Words(Protocol):
    """The prompt in which the person writes."""

    @property
    def text(self) -> str:
        """The text in it."""

    def take(self, text: str) -> None:
        """Remove a text that was sent and keep what was typed after it."""


class MessageDraft:
    """Stores the text of the prompt, and removes it from there only once it is stored as a message."""

    def __init__(self, chat: OpenChat, words: Words, conversations: Conversations) -> None:
        self._chat = chat
        self._words = words
        self._conversations = conversations
        self._waiting = ""
        """The text that was sent and is not stored as a message yet."""
        self._nothing_sent = asyncio.Event()
        """Set while no sent text waits to be stored."""
        self._nothing_sent.set()
        self._kept: str | None = ""
        """The draft as it is stored, None while that is unknown."""
        self._writes = 0

    def opened(self, stored: str) -> None:
        """Another conversation is open; `stored` is its draft."""
        self._kept = stored
        self._writes += 1

    def wait(self, text: str) -> None:
        """The text was sent; the prompt keeps it until `stored`."""
        self._waiting = text
        self._nothing_sent.clear()

    def stored(self) -> None:
        """The text is stored as a message: remove it from the prompt."""
        self._words.take(self._waiting)
        self._nothing_waits()

    def turn_over(self) -> bool:
        """A turn ended. True if its text was not stored and so is a draft again."""
        if not self._waiting:
            return False
        self._nothing_waits()
        return True

    def _nothing_waits(self) -> None:
        self._waiting = ""
        self._kept = None  # storing a message also clears the stored draft
        self._nothing_sent.set()

    async def keep(self) -> str:
        """Store the text of the prompt with the conversation; the text as it was stored."""
        # A sent text may become a message or a draft again; wait until that is known.
        await self._nothing_sent.wait()
        conversation, draft = self._chat.conversation, self._words.text
        if conversation is None or draft == self._kept:
            return draft
        self._kept, self._writes = None, self._writes + 1
        number = self._writes
        await self._conversations.set(conversation.id, draft=draft)
        # Not after another write or in another conversation: then this is not the newest draft.
        if number == self._writes and self._chat.conversation is not None:
            from dataclasses import replace

            self._kept = draft
            self._chat.conversation = replace(self._chat.conversation, draft=draft)
        return draft
