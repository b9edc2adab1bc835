"""The author's note on the chat screen."""

from __future__ import annotations

from textual import work

from lunalux_tui.i18n import t
from lunalux_tui.screens.chat_base import ChatBase


class NoteActions(ChatBase):
    """Changes the note of the conversation that is open."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "note":
            return self.conversation is not None
        return super().check_action(action, parameters)

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_note(self) -> None:
        """Ask for the note and keep it; the next turn sends it."""
        from lunalux_core.dialogue.authors_note import ChatNote
        from lunalux_tui.dialogs.note import NoteDialog

        if self.conversation is None:
            return
        conversations, identity = self.runtime.library.conversations, self.conversation.id
        before = ChatNote.read((await conversations.get(identity)).note)
        note = await self.app.push_screen_wait(NoteDialog(before))
        if note is None or note == before:
            return
        await conversations.set(identity, note=note.as_json())
        self.notify(t("note.kept" if note.prompt else "note.gone"), markup=False)
