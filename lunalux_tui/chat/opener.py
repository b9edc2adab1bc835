"""What is open on the chat screen, and how it is opened, read again, followed and let go of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from lunalux_core.errors import LunaluxError, NotFound
from lunalux_core.library.recent import mark_seen
from lunalux_tui.app.first_frame import FIRST
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lunalux_core.dialogue.turn import TurnOptions
    from lunalux_core.documents.picture_refs import PictureRef
    from lunalux_core.library import Library
    from lunalux_core.library.character_list import CharacterSummary
    from lunalux_core.library.conversations import Conversation, Message
    from lunalux_core.library.groups import Group
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.protocols import Shown, TurnStarter
    from lunalux_tui.chat.transcript.transcript import Transcript


@dataclass
class OpenChat:
    """Which conversation is open. The screen changes it; its parts and actions read it here.

    Attributes:
        character: who is talked with, None in a group.
        group: the group, None with a single character.
        conversation: as it was last read from the library.
        pictures: what goes with the next message.
    """

    character: CharacterSummary | None = None
    group: Group | None = None
    conversation: Conversation | None = None
    pictures: tuple[PictureRef, ...] = ()

    @property
    def name(self) -> str:
        """Who is talked with: the character, or the group."""
        return self.character.name if self.character else self.group.name if self.group else ""

    @property
    def row_id(self) -> str:
        """Id of the row in the list that is open."""
        return self.character.id if self.character else self.group.id if self.group else ""

    @property
    def owner(self) -> Mapping[str, str]:
        """Whose conversation it is, as the library's functions are told."""
        return {"group_id": self.row_id} if self.group else {"character_id": self.row_id}

    def turn_options(self) -> TurnOptions:
        """What a turn is asked for here."""
        from lunalux_core.dialogue.turn import TurnOptions

        return TurnOptions(mode=self.conversation.mode if self.conversation else "")

    def sent_options(self) -> TurnOptions:
        """What a turn with new words is asked for: the pictures that wait go with them."""
        options = self.turn_options()
        if not self.pictures:
            return options
        from lunalux_core.documents.picture_refs import Attachment

        return replace(options, pictures=tuple(map(Attachment, self.pictures)))


class OpenView(Protocol):
    """Where what is open is shown."""

    def stop_turn(self) -> bool:
        """Stop the reply that is coming; False when there is none."""

    async def keep_draft(self) -> str:
        """Store what stands in the prompt with the conversation that is open; the text as it was stored."""

    def show_conversation(self, messages: Sequence[Message], *, typed: str = "") -> None:
        """Show another conversation, with what was `typed` while it was opened behind its draft."""

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
        kept = await self._view.keep_draft()
        conversation = await (chat.start(character_id) if new else chat.open(character_id))
        await self._runtime.library.characters.touch(character_id)
        self._view.stop_turn()
        await self._open(conversation.id, kept)

    async def open_group(self, group_id: str, *, new: bool = False) -> None:
        """Open a group's latest conversation, or a new one."""
        chat = self._runtime.chat
        kept = await self._view.keep_draft()
        conversation = await (chat.start_group(group_id) if new else chat.open_group(group_id))
        await self._runtime.library.groups.touch(group_id)
        self._view.stop_turn()
        await self._open(conversation.id, kept)

    async def open_again(self, *, new: bool = False) -> None:
        """Open the latest conversation, or a new one, with who is talked with already."""
        if self.chat.group is not None:
            await self.open_group(self.chat.group.id, new=new)
        elif self.chat.character is not None:
            await self.open_character(self.chat.character.id, new=new)

    async def open_conversation(self, conversation_id: str, message_id: str = "") -> None:
        """Open a conversation, at one of its messages if one is named."""
        self._view.stop_turn()
        await self.go_on_with(conversation_id, message_id)

    async def go_on_with(self, conversation_id: str, message_id: str = "") -> None:
        """`open_conversation` for a script, which is not stopped by that."""
        await self._open(conversation_id, await self._view.keep_draft(), message_id)

    async def _open(self, conversation_id: str, kept: str, message_id: str = "") -> None:
        """Show a conversation.

        Args:
            kept: what stood in the prompt when it was asked for, and is stored with the one that is left.
        """
        library, chat = self._runtime.library, self.chat
        if chat.conversation is not None:
            # The one that is left, too: replies came while somebody looked at it.
            await mark_seen(library.database, chat.conversation.id)
        await mark_seen(library.database, conversation_id)
        if message_id:
            await library.conversations.select(message_id)
        conversation = await library.conversations.get(conversation_id)
        character, group = None, None
        if conversation.group_id:
            group = await library.groups.get(conversation.group_id)
        else:
            character = (await library.characters.get(conversation.character_id)).summary
        messages = await library.conversations.page(conversation_id, limit=FIRST)
        # A library that another program holds answers late. What was written behind the kept text meanwhile
        # is meant for the conversation that was asked for; a text that is another one by now is kept again.
        while chat.conversation is not None and not self._view.typed().startswith(kept):
            kept = await self._view.keep_draft()
        # All at once: what happens between two waits finds a conversation with those who talk in it.
        left, typed = chat.conversation, self._view.typed()
        added = typed.removeprefix(kept) if left is not None else typed
        chat.character, chat.group = character, group
        self._show(conversation, messages, added)
        if added and left is not None and left.id != conversation.id:
            await library.conversations.set(left.id, draft=kept)  # a pause has stored all of it there
        if message_id:
            await self._view.reveal(message_id)

    def show(self, conversation: Conversation, messages: Sequence[Message]) -> None:
        """Show a conversation that was read, with the character or the group that is set."""
        self._show(conversation, messages, self._view.typed() if self.chat.conversation is None else "")

    def _show(self, conversation: Conversation, messages: Sequence[Message], typed: str) -> None:
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
        # Its branch first: a message is on screen only as a part of the path that is shown.
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


class LibraryWatcher:
    """Looks whether another program wrote, and if so, whether what is on screen is still all there is: the
    list of characters and the open conversation."""

    def __init__(
        self, library: Library, opener: Opener, transcript: Transcript, shown: Shown, turns: TurnStarter
    ) -> None:
        self._library = library
        self._opener = opener
        self._open = opener.chat
        self._transcript = transcript
        self._shown = shown
        self._turns = turns
        self._looking = self._outdated = False

    async def look(self) -> None:
        """Read the conversation again if another program changed it; while a reply comes, after that."""
        if self._looking:
            return
        self._looking = True
        try:
            if await self._library.database.changed_elsewhere():
                self._outdated = True
                await self._shown.refresh_roster()
            if self._outdated and not self._turns.busy:
                self._outdated = False
                await self._catch_up()
        except LunaluxError:
            return  # whoever wants something of the library is told
        finally:
            self._looking = False

    async def _catch_up(self) -> None:
        shown, transcript = self._open.conversation, self._transcript
        if shown is None:
            return
        conversations = self._library.conversations
        try:
            now = await conversations.get(shown.id)
            # Two more than are shown, or what another program added would push the first ones out unseen.
            page = await conversations.page(shown.id, limit=len(transcript.messages) + 2)
        except NotFound:
            self._gone()
            return
        conversation = self._open.conversation
        if conversation is None or conversation.id != shown.id or self._turns.busy:
            self._outdated = True
        elif now.title != shown.title or list(page) != transcript.messages[-len(page) :]:
            notes = transcript.notes
            await self._opener.reload()
            for words, hint, error in notes:  # what the program said is not answered by that
                transcript.note(words, hint, error=error, go_there=False)

    def _gone(self) -> None:
        """Another program deleted the conversation."""
        self._opener.conversation_gone()
        self._transcript.note(t("chat.gone_elsewhere"), t("chat.choose_character"), error=False)
