"""What is done to a whole conversation: open, name and search it, walk its tree, set its note and mode."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from lunalux_core.library.cells import object_in
from lunalux_tui.chat.protocols import Asker, Shown, Writing
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.opener import Opener
    from lunalux_tui.chat.protocols import CardEditor, PromptText, TurnStarter


class Found(Shown, Protocol):
    """Where the conversation is shown."""

    def show_found(self, words: Sequence[str]) -> None:
        """Let words that were looked for stand out in the messages."""


class ConversationView(Asker, Writing, Protocol):
    """What these actions ask of the screen."""


class ConversationActions:
    """Actions on the conversation that is open; each asks something first."""

    def __init__(
        self,
        runtime: Runtime,
        opener: Opener,
        shown: Found,
        prompt: PromptText,
        turns: TurnStarter,
        editor: CardEditor,
        view: ConversationView,
    ) -> None:
        self._runtime = runtime
        self._opener = opener
        self._open = opener.chat
        self._shown = shown
        self._prompt = prompt
        self._turns = turns
        self._editor = editor
        self._view = view

    async def choose(self) -> None:
        """Another conversation with the same character or group, or a new one."""
        from lunalux_tui.chat.conversations_dialog import NEW, ConversationsDialog

        chat, opener = self._open, self._opener
        if not chat.row_id:
            return
        current = chat.conversation.id if chat.conversation else ""
        dialog = ConversationsDialog(self._runtime, chat.name, current, **chat.owner)
        answer = await self._view.ask(dialog)
        if answer == NEW:
            await opener.open_again(new=True)
        elif answer and answer != current:
            await opener.open_conversation(answer)
        elif current in dialog.deleted:
            # What stands in the prompt is not to be stored with a conversation that is gone.
            chat.conversation = None
            await opener.open_again()
        # It may have another title now, or be pinned.
        elif current:
            await opener.reload()

    async def new(self) -> None:
        """Begin anew with who is talked with; a conversation in which nothing was said yet is new already."""
        conversation = self._open.conversation
        if conversation is not None:
            now = await self._runtime.library.conversations.get(conversation.id)
            # One message is the greeting of the card.
            if now.length <= 1 and not now.title and not self._prompt.text:
                self._view.say(t("chat.new_already"))
                return
        await self._opener.open_again(new=True)

    async def rename(self) -> None:
        """Give the conversation a title."""
        from lunalux_tui.parts.ask_dialog import AskDialog, ask_kept

        conversation = self._open.conversation
        if conversation is None:
            return
        dialog = AskDialog(t("dialog.rename.title"), value=conversation.title)
        draft = self._runtime.library.drafts.of(f"title:{conversation.id}", conversation.title)
        title = await ask_kept(self._view.ask, dialog, draft)
        if title is not None:
            await self._runtime.library.conversations.rename(conversation.id, title)
            await draft.forget()
            await self._opener.reload()

    async def tree(self) -> None:
        """All branches, and the way to another one."""
        from lunalux_tui.chat.tree_dialog import TreeDialog

        if self._open.conversation is None or self._turns.busy:
            return
        conversations, identity = self._runtime.library.conversations, self._open.conversation.id
        nodes = await conversations.tree(identity)
        head_id = (await conversations.get(identity)).head_id  # turns moved it since the last reading
        message_id = await self._view.ask(TreeDialog(nodes, head_id, conversations.message))
        if message_id:
            await self._opener.reveal(message_id)

    async def search(self) -> None:
        """Find words in messages, and go there."""
        from lunalux_tui.chat.search_dialog import SearchDialog

        chat = self._open
        conversation = chat.conversation.id if chat.conversation else ""
        dialog = SearchDialog(self._runtime, conversation, chat.row_id, in_group=chat.group is not None)
        answer = await self._view.ask(dialog)
        if answer:
            conversation_id, _, message_id = answer.partition(" ")
            await self._opener.open_conversation(conversation_id, message_id)
            self._shown.show_found(dialog.sought)

    async def personas(self) -> None:
        """Who the person is, here and in new conversations."""
        from lunalux_tui.chat.personas_dialog import PersonasDialog

        library, conversation = self._runtime.library, self._open.conversation
        current = (conversation.persona_id if conversation else None) or ""
        persona_id = await self._view.ask(PersonasDialog(self._runtime, current))
        if persona_id:
            await library.personas.choose(persona_id)
            if self._open.conversation is not None:
                await library.conversations.set(self._open.conversation.id, persona_id=persona_id)
        chosen = await library.personas.chosen()
        self._shown.show_persona(chosen.name if chosen else self._runtime.settings.user_name)
        await self._opener.reload()

    async def modes(self) -> None:
        """How replies of this conversation are written."""
        from lunalux_core.dialogue.direction import MODES
        from lunalux_tui.parts.pick_dialog import PickDialog
        from lunalux_tui.parts.rows import Row

        conversation = self._open.conversation
        if conversation is None:
            return
        rows = [
            # No mode is a row, too, and an empty id would be no answer.
            Row(mode or "none", t(f"mode.{mode or 'none'}.label"), t(f"mode.{mode or 'none'}.help"))
            for mode in MODES
        ]
        current = conversation.mode or "none"
        answer = await self._view.ask(
            PickDialog(t("dialog.modes.title"), rows, current=current, two_lines=True)
        )
        if answer:
            mode = "" if answer == "none" else answer
            await self._runtime.library.conversations.set(conversation.id, mode=mode)
            await self._opener.reload()

    async def note(self) -> None:
        """Ask for the author's note and keep it; the next turn sends it."""
        from lunalux_core.dialogue.authors_note import ChatNote
        from lunalux_tui.chat.note_dialog import NoteDialog

        if self._open.conversation is None:
            return
        conversations, identity = self._runtime.library.conversations, self._open.conversation.id
        before = ChatNote.read((await conversations.get(identity)).note)
        drafts, key = self._runtime.library.drafts, f"note:{identity}"

        async def keep(note: ChatNote) -> None:
            await drafts.keep(key, "" if note == before else json.dumps(note.as_json(), ensure_ascii=False))

        draft = await drafts.get(key)
        dialog = NoteDialog(before, draft=ChatNote.read(object_in(draft)) if draft else None, keep=keep)
        note = await self._view.ask(dialog)
        await keep(dialog.unsaved if note is None else note)  # until it stands where it belongs
        if note is None and dialog.unsaved != before:
            self._view.say(t("note.draft_kept"))
        if note is None or note == before:
            return
        await conversations.set(identity, note=note.as_json())
        await drafts.keep(key, "")
        self._view.say(t("note.kept" if note.prompt else "note.gone"))

    async def books(self) -> None:
        """Which worldbooks are in force here, and why; from there, the card that brings one."""
        from lunalux_tui.chat.books_dialog import OWN, BooksDialog

        conversation = self._open.conversation
        if conversation is None:
            return
        answer = await self._view.ask(BooksDialog(self._runtime, conversation.id))
        if answer == OWN and conversation.character_id:
            self._editor.edit_character(conversation.character_id)

    async def start_page(self) -> None:
        """Where the person was last and what is new, and the way there."""
        from lunalux_core.library.recent import mark_seen
        from lunalux_tui.chat.start_page import CHAT, StartPage

        if self._open.conversation is not None:
            # The start page marks what has changed since it was seen, and this one is on screen now.
            await mark_seen(self._runtime.library.database, self._open.conversation.id)
        answer = await self._view.ask(StartPage(self._runtime))
        if answer is None:
            return
        identity = answer.partition(":")[2]
        if answer.startswith(CHAT):
            await self._opener.open_conversation(identity)
        else:
            await self._opener.open_character(identity)
        self._view.action_focus_prompt()

    async def inspect(self) -> None:
        """How the prompt of the last turn came about, and what would be sent now."""
        from lunalux_tui.chat.inspector.inspector_dialog import InspectorDialog

        conversation = self._open.conversation
        if conversation is not None:
            options = self._open.turn_options()
            await self._view.ask(InspectorDialog(self._runtime, conversation.id, self._prompt.text, options))
