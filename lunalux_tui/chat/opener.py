"""Opens conversations on the chat screen, reads them again, and lets go of those that are gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from lunalux_tui.app.first_frame import FIRST

if TYPE_CHECKING:
    from lunalux_core.library.conversations import Conversation, Message
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.open_chat import OpenChat


class OpenView(Protocol):
    """Where what is open is shown."""

    def stop_turn(self) -> bool:
        """Stop the reply that is coming; False when there is none."""

    async def keep_draft(self) -> None:
        """Store what stands in the prompt with the conversation that is open."""

    def show_conversation(self, messages: Sequence[Message], *, typed: str = "") -> None:
        """Show another conversation, with what was `typed` before there was one."""

    async def show_again(self, *, keep_place: bool = True) -> None:
        """Show the conversation as it is now."""

    def show_members(self) -> None:
        """Show the members of the group as they are now."""

    def show_nothing(self, *, typed: str = "") -> None:
        """Show that nothing is open; what was `typed` stays in the prompt."""

    async def reveal(self, message_id: str) -> None:
        """Bring a message of the conversation into view."""

    def typed(self) -> str:
        """What stands in the prompt."""

    async def refresh_roster(self) -> None:
        """Read the list of characters and groups again."""


class Opener:
    """The only one that changes what is open."""

    def __init__(self, runtime: Runtime, chat: OpenChat, view: OpenView) -> None:
        self.chat = chat
        self._runtime = runtime
        self._view = view

    async def open_character(self, character_id: str, *, new: bool = False) -> None:
        """Open a character's latest conversation, or a new one."""
        chat = self._runtime.chat
        conversation = await (chat.start(character_id) if new else chat.open(character_id))
        await self._runtime.library.characters.touch(character_id)
        await self.open_conversation(conversation.id)

    async def open_group(self, group_id: str, *, new: bool = False) -> None:
        """Open a group's latest conversation, or a new one."""
        chat = self._runtime.chat
        conversation = await (chat.start_group(group_id) if new else chat.open_group(group_id))
        await self._runtime.library.groups.touch(group_id)
        await self.open_conversation(conversation.id)

    async def open_again(self, *, new: bool = False) -> None:
        """Open the latest conversation, or a new one, with who is talked with already."""
        if self.chat.group is not None:
            await self.open_group(self.chat.group.id, new=new)
        elif self.chat.character is not None:
            await self.open_character(self.chat.character.id, new=new)

    async def open_conversation(self, conversation_id: str, message_id: str = "") -> None:
        """Open a conversation, at one of its messages if one is named."""
        self._view.stop_turn()
        library, chat = self._runtime.library, self.chat
        await self._view.keep_draft()
        if message_id:
            await library.conversations.select(message_id)
        conversation = await library.conversations.get(conversation_id)
        if conversation.group_id:
            chat.character, chat.group = None, await library.groups.get(conversation.group_id)
        else:
            chat.character = (await library.characters.get(conversation.character_id)).summary
            chat.group = None
        self.show(conversation, await library.conversations.page(conversation_id, limit=FIRST))
        if message_id:
            await self._view.reveal(message_id)

    def show(self, conversation: Conversation, messages: Sequence[Message]) -> None:
        """Show a conversation that was read, with the character or the group that is set."""
        typed = self._view.typed() if self.chat.conversation is None else ""  # while it opened
        self.chat.conversation = conversation
        self._view.show_conversation(messages, typed=typed)

    async def reload(self, *, keep_place: bool = True) -> None:
        """Read the conversation again after a change of its tree."""
        if self.chat.conversation is not None:
            conversations = self._runtime.library.conversations
            self.chat.conversation = await conversations.get(self.chat.conversation.id)
            await self._view.show_again(keep_place=keep_place)

    async def reveal(self, message_id: str) -> None:
        """Go to a message of the conversation that is open, on whatever branch it is."""
        await self._runtime.library.conversations.select(message_id)
        await self.reload()
        await self._view.reveal(message_id)

    async def group_changed(self) -> None:
        """Read the group that is open again, and show its members as they are now."""
        if self.chat.group is not None:
            self.chat.group = await self._runtime.library.groups.get(self.chat.group.id)
            self._view.show_members()
            await self._view.refresh_roster()

    async def group_deleted(self, group_id: str) -> None:
        """Show nothing of a group any more."""
        if self.chat.group is not None and self.chat.group.id == group_id:
            self._close()
        await self._view.refresh_roster()

    async def character_deleted(self, character_id: str) -> None:
        """Show nothing of a character any more, also not as the member of a group."""
        if self.chat.character is not None and self.chat.character.id == character_id:
            self._close()
        await self.group_changed()
        await self._view.refresh_roster()

    def conversation_gone(self) -> None:
        """Another program deleted the conversation; what stands in the prompt stays."""
        self._close(typed=self._view.typed())

    def _close(self, *, typed: str = "") -> None:
        self.chat.character = self.chat.group = self.chat.conversation = None
        self._view.show_nothing(typed=typed)
