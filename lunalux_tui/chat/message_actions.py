"""What a person does to messages: send, generate again, swipe, edit, delete, copy."""

from __future__ import annotations

from textual import work

from lunalux_core.library.conversations import Message
from lunalux_tui.chat.screen_base import ChatBase
from lunalux_tui.i18n import t


class MessageActions(ChatBase):
    """Actions on the chosen message, or on the last one when none is chosen."""

    def target(self) -> Message | None:
        """The message an action means."""
        messages = self.transcript.messages
        chosen = [message for message in messages if message.id == self.transcript.selected]
        return chosen[0] if chosen else messages[-1] if messages else None

    def target_reply(self) -> Message | None:
        """The chosen message, or the last reply of the character when none is chosen."""
        if self.transcript.selected:
            return self.target()
        messages = self.transcript.messages
        return messages[-1] if messages else None

    # -- turns -------------------------------------------------------------------------------------

    def send(self, text: str) -> None:
        """Say something; the prompt keeps it until it is stored."""
        if self.busy:
            return
        if self.conversation is None:
            self.notify(t("chat.choose_character"), markup=False)
            return
        self.words_wait(text)
        events = self.runtime.chat.send(self.conversation.id, text.strip(), self.turn_options())
        self.start_turn(events, restore=text)

    def action_stop(self) -> None:
        self.stop_turn()

    def action_regenerate(self) -> None:
        message = self.target_reply()
        if message is not None and not self.busy:
            self.start_turn(self.runtime.chat.regenerate(message.id, self.turn_options()))

    def action_continue_reply(self) -> None:
        if self.conversation is not None and not self.busy:
            self.start_turn(self.runtime.chat.continue_(self.conversation.id, self.turn_options()))

    def action_impersonate(self) -> None:
        if self.conversation is not None and not self.busy:
            events = self.runtime.chat.impersonate(self.conversation.id, self.turn_options())
            self.start_turn(events, impersonate=True)

    @work(group="edit", exit_on_error=False)
    async def action_swipe(self, step: int) -> None:
        message = self.target()
        if message is None or self.busy:
            return
        shown = await self.runtime.chat.swipe(message.id, step)
        if shown is not None:
            chosen = bool(self.transcript.selected)
            await self.reload()
            self.transcript.selected = shown.id if chosen else ""
            self.transcript.reveal(shown.id)  # another version is read from its beginning
        elif message.role == "assistant" and message.parent_id:
            self.start_turn(self.runtime.chat.regenerate(message.id, self.turn_options(), "swipe"))

    # -- edits -------------------------------------------------------------------------------------

    @work(group="edit", exit_on_error=False)
    async def action_edit(self, as_branch: bool = False) -> None:
        from lunalux_tui.parts.edit_dialog import EditDialog

        message = self.target()
        if message is None or self.busy:
            return
        drafts, of = self.runtime.library.drafts, f"edit:{message.id}"

        async def keep(text: str) -> None:
            await drafts.keep(of, "" if text == message.content else text)

        dialog = EditDialog(
            message.name, message.content, branch=as_branch, draft=await drafts.get(of), keep=keep
        )
        text = await self.app.push_screen_wait(dialog)
        if text is None:
            await keep(dialog.text)
            if dialog.text != message.content:
                self.notify(t("chat.edit_kept"), markup=False)
            return
        await keep(text)  # until it stands where it belongs
        if text == message.content:
            return
        if as_branch:
            await self.runtime.chat.edit_as_branch(message.id, text)
        else:
            await self.runtime.chat.edit(message.id, text)
        await drafts.keep(of, "")
        await self.reload()

    @work(group="edit", exit_on_error=False)
    async def action_delete(self, only_this: bool = False) -> None:
        message = self.target()
        if message is None or self.busy:
            return
        await self.runtime.chat.delete(message.id, only_this=only_this)
        await self.reload()
        self.notify(t("chat.deleted"), markup=False)

    @work(group="edit", exit_on_error=False)
    async def action_truncate(self) -> None:
        message = self.target()
        if message is None or self.busy:
            return
        await self.runtime.chat.truncate(message.id)
        await self.reload()
        self.notify(t("chat.truncated"), markup=False)

    @work(group="edit", exit_on_error=False)
    async def action_hide(self) -> None:
        message = self.target()
        if message is not None and not self.busy:
            await self.runtime.chat.hide(message.id, not message.hidden)
            await self.reload()

    @work(group="edit", exit_on_error=False)
    async def action_undo(self) -> None:
        await self._replay(redo=False)

    @work(group="edit", exit_on_error=False)
    async def action_redo(self) -> None:
        await self._replay(redo=True)

    async def _replay(self, *, redo: bool) -> None:
        if self.conversation is None or self.busy:
            return
        chat = self.runtime.chat
        done = await (chat.redo if redo else chat.undo)(self.conversation.id)
        if done is None:
            self.notify(t("chat.nothing_to_redo" if redo else "chat.nothing_to_undo"), markup=False)
            return
        await self.reload()
        words = "chat.redone" if redo else "chat.undone"
        self.notify(t(words if done.shown else f"{words}_beside"), markup=False)

    # -- reading -----------------------------------------------------------------------------------

    def action_copy(self) -> None:
        message = self.target()
        if message is not None:
            self.app.copy_to_clipboard(message.content)
            self.notify(t("chat.copied"), markup=False)

    def action_copy_code(self) -> None:
        from lunalux_tui.render.blocks import code_blocks

        message = self.target()
        found = code_blocks(self.transcript.sheet.text(message)) if message else []
        if found:
            self.app.copy_to_clipboard("\n\n".join(found))
        self.notify(t("chat.code_copied" if found else "chat.no_code"), markup=False)

    def action_fold(self) -> None:
        message = self.target()
        if message is not None and not self.transcript.toggle_fold(message.id):
            self.transcript.selected = message.id

    def action_suggestion(self, number: int) -> None:
        text = self.suggestions.pick(number)
        if text:
            self.prompt.rewrite(text)
            self.prompt.focus()
