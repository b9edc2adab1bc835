"""Where a call goes on: in which conversation, and at which place of its tree."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.character_api.calls import CompletionCall
    from lunalux_core.chat.chat import Chat
    from lunalux_core.library import Library
    from lunalux_core.library.conversations import Conversation, Message

CONVERSATIONS = "character_api.conversations"
"""Key of the program's memory: the conversation of each client with each character."""
LONGEST_TITLE = 60
LOOKED_AT = 400
"""Messages on the path in which the history of a client is looked for, the newest first."""


class Places:
    """Finds the conversations of clients.

    Args:
        client: the key that all calls come with; only its hash is stored.
    """

    def __init__(self, library: Library, chat: Chat, client: str) -> None:
        self._library = library
        self._chat = chat
        self._client = sha256(client.encode()).hexdigest()[:16]
        # Two first calls at once would begin two conversations, of which one is lost from sight.
        self._beginning = asyncio.Lock()

    async def conversation(self, call: CompletionCall, character_id: str) -> Conversation:
        """The one that is named, else that of this client and character.

        Raises:
            NotFound: CONVERSATION_NOT_FOUND. InvalidInput: CONVERSATION_OF_ANOTHER.
        """
        if not call.conversation:
            return await self._own(character_id, call.user)
        place = await self._library.conversations.get(call.conversation)
        if place.character_id != character_id:
            raise InvalidInput(
                "CONVERSATION_OF_ANOTHER",
                f"Conversation {call.conversation} is not one of {call.model}'s.",
                f"`lunalux conversation list {character_id}` shows theirs.",
                conversation=call.conversation,
                name=call.model,
            )
        return place

    async def _own(self, character_id: str, user: str) -> Conversation:
        key = f"{self._client} {character_id} {user}"
        async with self._beginning:
            conversations = await self._library.state.get(CONVERSATIONS, {})
            if isinstance(conversations, dict) and isinstance(conversations.get(key), str):
                try:
                    return await self._library.conversations.get(conversations[key])
                except NotFound:
                    pass  # the person deleted it: the client begins anew
            title = f"API {clean_line(user, LONGEST_TITLE)}".strip()
            place = await self._chat.start(character_id, title=title)

            # Over what is stored by then: another call may have noted its place meanwhile.
            def remember(before: Any) -> dict[str, Any]:
                return {**(before if isinstance(before, dict) else {}), key: place.id}

            await self._library.state.update(CONVERSATIONS, remember)
            return place

    async def go_to(self, place: Conversation, call: CompletionCall) -> str:
        """Make the last reply that the client knows the last message, so that the turn goes on from there.

        A client sends its whole history with each call. Where its last reply stands further up in the tree,
        it has gone back to it: what followed stays as a branch. Where the tree has these words under that
        reply already, another reply to them is asked for: the id of the message is given back. "" is for
        words that are new. A history that the conversation does not know changes nothing, and the words
        stand at its end.
        """
        last = next((line.text.strip() for line in reversed(call.history) if line.role == "assistant"), "")
        if not last or not place.head_id:
            return ""
        path = await self._library.conversations.page(place.id, limit=LOOKED_AT)
        replies = [at for at, message in enumerate(path) if message.role == "assistant"]
        at = next((at for at in reversed(replies) if _says(path[at], last)), len(path) - 1)
        # Also where no message has these words: then the new ones stand at the end.
        if at == len(path) - 1:
            return ""
        below = path[at + 1]
        if below.role == "user" and call.text and _says(below, call.text.strip()):
            return below.id
        await self._chat.edits.truncate(path[at].id)
        return ""


def _says(message: Message, words: str) -> bool:
    """Whether a client has a message as these words: as they were before scripts changed them, or after."""
    return words in {message.content.strip(), message.raw.strip()}
