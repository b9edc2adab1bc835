"""The author's note on the chat screen."""

from __future__ import annotations

import json

from textual import work

from lunalux_core.library.cells import object_in
from lunalux_tui.chat.screen_base import ChatBase
from lunalux_tui.i18n import t


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
        from lunalux_tui.chat.note_dialog import NoteDialog

        if self.conversation is None:
            return
        conversations, identity = self.runtime.library.conversations, self.conversation.id
        before = ChatNote.read((await conversations.get(identity)).note)
        drafts, of = self.runtime.library.drafts, f"note:{identity}"

        async def keep(note: ChatNote) -> None:
            await drafts.keep(of, "" if note == before else json.dumps(note.as_json(), ensure_ascii=False))

        kept = await drafts.get(of)
        dialog = NoteDialog(before, draft=ChatNote.read(object_in(kept)) if kept else None, keep=keep)
        note = await self.app.push_screen_wait(dialog)
        await keep(dialog.unsaved if note is None else note)  # until it stands where it belongs
        if note is None and dialog.unsaved != before:
            self.notify(t("note.draft_kept"), markup=False)
        if note is None or note == before:
            return
        await conversations.set(identity, note=note.as_json())
        await drafts.keep(of, "")
        self.notify(t("note.kept" if note.prompt else "note.gone"), markup=False)
