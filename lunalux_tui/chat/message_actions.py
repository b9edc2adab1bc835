"""What a person does to messages: send, generate again, swipe, edit, delete, copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from lunalux_core.library.conversations import Message
from lunalux_tui.chat.protocols import Asker
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.dialogue.direction import Direction
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.opener import Opener
    from lunalux_tui.chat.protocols import PromptText, TurnStarter


class MessageList(Protocol):
    """The messages on screen (`transcript.transcript.Transcript`)."""

    selected: str
    """Id of the message that was chosen, "" when none is."""

    @property
    def messages(self) -> Sequence[Message]:
        """Oldest first."""

    def reveal(self, message_id: str) -> None:
        """Bring a message into view."""

    def text(self, message: Message) -> str:
        """The words of a message as they are shown."""

    def toggle_fold(self, message_id: str) -> bool:
        """Fold or unfold the reasoning; False when there is none."""


class MessageView(Asker, Protocol):
    """What these actions ask of the screen."""

    def copy(self, text: str) -> None:
        """Put a text into the clipboard."""


class MessageActions:
    """Actions on the chosen message, or on the last one when none is chosen."""

    def __init__(
        self,
        runtime: Runtime,
        opener: Opener,
        shown: MessageList,
        prompt: PromptText,
        turns: TurnStarter,
        view: MessageView,
    ) -> None:
        self._runtime = runtime
        self._opener = opener
        self._open = opener.chat
        self._shown = shown
        self._prompt = prompt
        self._turns = turns
        self._view = view

    @property
    def target(self) -> Message | None:
        """The message an action means."""
        messages = self._shown.messages
        chosen = [message for message in messages if message.id == self._shown.selected]
        return chosen[0] if chosen else messages[-1] if messages else None

    @property
    def _free_target(self) -> Message | None:
        """The message an action means, None while a reply is coming."""
        return None if self._turns.busy else self.target

    # -- turns -------------------------------------------------------------------------------------

    def send(self, text: str, *, direction: Direction | None = None, replies: int = 1) -> None:
        """Say something; the prompt keeps it until it is stored.

        Without a `direction` an instruction for the reply may stand among the words: `((…))`.
        """
        from lunalux_core.dialogue.direction import Direction, split_instruction

        if self._turns.busy:
            self._view.say(t("chat.busy"))
            return
        conversation = self._open.conversation
        if conversation is None:
            self._view.say(t("chat.choose_character"))
            return
        chat, options, words = self._runtime.chat, self._open.sent_options(), text.strip()
        if direction is None:
            words, instruction = split_instruction(words)
            direction = Direction(instruction)
        options = replace(options, direction=direction, replies=replies)
        if words or options.pictures:
            self._turns.start(chat.send(conversation.id, words, options), restore=text)
        else:
            # Nothing but an instruction stood there, and that becomes no message.
            self._prompt.take(text)
            self._turns.start(chat.answer(conversation.id, options), restore=text)

    def regenerate(self) -> None:
        """Ask for the reply again."""
        message = self._free_target
        if message is not None:
            self._turns.start(self._runtime.chat.regenerate(message.id, self._open.turn_options()))

    def continue_reply(self) -> None:
        """Let the last reply go on."""
        conversation = self._open.conversation
        if conversation is not None and not self._turns.busy:
            self._turns.start(self._runtime.chat.continue_(conversation.id, self._open.turn_options()))

    def impersonate(self) -> None:
        """Let the model write in the person's place."""
        conversation = self._open.conversation
        if conversation is not None and not self._turns.busy:
            events = self._runtime.chat.impersonate(conversation.id, self._open.turn_options())
            self._turns.start(events, impersonate=True)

    async def ask_price(self, words: str, model_id: str) -> None:
        """A reply that became dearer is made, and paid, when the person agrees to its price."""
        from lunalux_tui.parts.ask_dialog import ConfirmDialog

        question = ConfirmDialog(t("chat.price.title"), t("chat.price.question", message=words))
        if await self._view.ask(question):
            await self._runtime.account.prices.agree(model_id)
            self.regenerate()

    async def swipe(self, step: int) -> None:
        """Show the version before or after; after the last one a new one is made."""
        message = self._free_target
        if message is None:
            return
        version = await self._runtime.chat.edits.swipe(message.id, step)
        if version is not None:
            chosen = bool(self._shown.selected)
            await self._opener.reload()
            self._shown.selected = version.id if chosen else ""
            self._shown.reveal(version.id)  # another version is read from its beginning
        elif message.is_reply:
            options = self._open.turn_options()
            self._turns.start(self._runtime.chat.regenerate(message.id, options, "swipe"))

    # -- edits -------------------------------------------------------------------------------------

    async def edit(self, as_branch: bool = False) -> None:
        """Change the words of a message, in its place or beside it."""
        from lunalux_tui.parts.edit_dialog import EditDialog

        message = self._free_target
        if message is None:
            return
        edits, drafts, key = self._runtime.chat.edits, self._runtime.library.drafts, f"edit:{message.id}"

        async def keep(text: str) -> None:
            await drafts.keep(key, "" if text == message.content else text)

        dialog = EditDialog(
            message.name, message.content, branch=as_branch, draft=await drafts.get(key), keep=keep
        )
        text = await self._view.ask(dialog)
        if text is None:
            await keep(dialog.text)
            if dialog.text != message.content:
                self._view.say(t("chat.edit_kept"))
            return
        await keep(text)  # until it stands where it belongs
        if text == message.content:
            return
        await (edits.edit_as_branch if as_branch else edits.edit)(message.id, text)
        await drafts.keep(key, "")
        await self._opener.reload()
        self._view.say(t("chat.edited"), undo=True)

    async def delete(self, only_this: bool = False) -> None:
        """Take a message away, with what follows it unless `only_this`."""
        message = self._free_target
        if message is not None:
            followed = 0 if only_this else self._after(message)
            await self._runtime.chat.edits.delete(message.id, only_this=only_this)
            await self._opener.reload()
            words = t("chat.deleted_with", n=followed) if followed else t("chat.deleted")
            self._view.say(words, undo=True)

    def _after(self, message: Message) -> int:
        """How many messages of the path follow one."""
        ids = [message.id for message in self._shown.messages]
        return len(ids) - 1 - ids.index(message.id) if message.id in ids else 0

    async def truncate(self) -> None:
        """Take away all that follows a message."""
        message = self._free_target
        if message is not None:
            await self._runtime.chat.edits.truncate(message.id)
            await self._opener.reload()
            self._view.say(t("chat.truncated"), undo=True)

    async def hide(self) -> None:
        """Keep a message from the model, or send it again."""
        message = self._free_target
        if message is not None:
            await self._runtime.chat.edits.hide(message.id, not message.hidden)
            await self._opener.reload()

    async def mark(self) -> None:
        """Give this place of the story a name; the tree shows it."""
        from lunalux_tui.parts.ask_dialog import AskDialog, ask_kept

        message = self._free_target
        if message is None:
            return
        dialog = AskDialog(t("dialog.mark.title"), value=message.mark)
        draft = self._runtime.library.drafts.of(f"mark:{message.id}", message.mark)
        name = await ask_kept(self._view.ask, dialog, draft)
        if name is not None:
            await self._runtime.chat.edits.mark(message.id, name)
            await draft.forget()
            await self._opener.reload()
            self._view.say(t("chat.marked" if name.strip() else "chat.unmarked"), undo=True)

    async def undo(self) -> None:
        """Take the last change back."""
        await self._replay(redo=False)

    async def redo(self) -> None:
        """Make the change again that was taken back."""
        await self._replay(redo=True)

    async def _replay(self, *, redo: bool) -> None:
        conversation = self._open.conversation
        if conversation is None or self._turns.busy:
            return
        edits = self._runtime.chat.edits
        change = await (edits.redo if redo else edits.undo)(conversation.id)
        if change is None:
            self._view.say(t("chat.nothing_to_redo" if redo else "chat.nothing_to_undo"))
            return
        await self._opener.reload()
        words = "chat.redone" if redo else "chat.undone"
        self._view.say(t(words if change.shown else f"{words}_beside"))

    # -- reading -----------------------------------------------------------------------------------

    def copy(self) -> None:
        """Copy the words of a message."""
        message = self.target
        if message is not None:
            self._view.copy(message.content)
            self._view.say(t("chat.copied"))

    def copy_code(self) -> None:
        """Copy the blocks of code of a message, as it is shown."""
        from lunalux_tui.render.markdown import code_blocks

        message = self.target
        blocks = code_blocks(self._shown.text(message)) if message else []
        if blocks:
            self._view.copy("\n\n".join(blocks))
        self._view.say(t("chat.code_copied" if blocks else "chat.no_code"))

    def fold(self) -> None:
        """Fold or unfold the reasoning of a message; one without any is chosen."""
        message = self.target
        if message is not None and not self._shown.toggle_fold(message.id):
            self._shown.selected = message.id
