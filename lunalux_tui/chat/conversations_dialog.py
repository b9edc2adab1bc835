"""The conversations with a character: open, start, rename, delete, export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work

from lunalux_tui.actions import Action, bindings
from lunalux_tui.chat.roster import said_by
from lunalux_tui.i18n import t
from lunalux_tui.parts.ask_dialog import AskDialog, ConfirmDialog, ask_kept
from lunalux_tui.parts.dialog import CANCEL, question
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row
from lunalux_tui.render.message import moment

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime


NEW = "new"


class ConversationsDialog(PickDialog):
    """Answers the id of a conversation, or `NEW`; renames and deletes in place."""

    ACTIONS = (
        Action("conversations.new", "new", "ctrl+n", footer=81, priority=True, palette=False),
        Action("conversations.rename", "rename", "ctrl+e", footer=82, priority=True, palette=False),
        Action("conversations.pin", "pin", "ctrl+o", footer=84, priority=True, palette=False),
        Action("conversations.delete", "delete", "ctrl+d", footer=83, priority=True, palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)
    TWO_LINES = True
    SIZE = "-tall -broad"
    ABOUT_A_ROW = frozenset({"rename", "pin", "delete"})

    def __init__(
        self, runtime: Runtime, name: str, current: str, *, character_id: str = "", group_id: str = ""
    ) -> None:
        super().__init__(question("conversations.title", name=name), current=current)
        self._runtime = runtime
        self._character_id = character_id or None
        self._group_id = group_id or None
        self._pinned: set[str] = set()
        self.deleted: set[str] = set()

    def on_mount(self) -> None:
        super().on_mount()
        self._begin()

    @work(exit_on_error=False)
    async def _begin(self) -> None:
        await self._read()

    async def _read(self) -> None:
        conversations = await self._runtime.library.conversations.list(
            self._character_id, group_id=self._group_id, pinned_first=True
        )
        last = {
            conversation.id: conversation
            for conversation in await self._runtime.library.conversations.last_words()
        }
        self._pinned = {chat.id for chat in conversations if chat.pinned}
        rows = [
            Row(
                chat.id,
                chat.title or question("conversations.untitled", when=moment(chat.created_at)),
                said_by(last[chat.id]) if chat.id in last else "",
                right=f"{t('conversations.length', n=chat.length)}  {moment(chat.updated_at)}",
                mark="▲" if chat.pinned else "",
            )
            for chat in conversations
        ]
        # Only at first: later readings leave the cursor where the person put it.
        self.show(rows, at=None if self.rows.chosen else self._current)

    def action_new(self) -> None:
        self.dismiss(NEW)

    @work(exit_on_error=False)
    async def action_rename(self) -> None:
        chosen = self.rows.chosen
        if not chosen:
            return
        now = (await self._runtime.library.conversations.get(chosen)).title
        draft = self._runtime.library.drafts.of(f"title:{chosen}", now)
        dialog = AskDialog(question("rename.title"), value=now)
        title = await ask_kept(self.app.push_screen_wait, dialog, draft)
        if title is not None:
            await self._runtime.library.conversations.rename(chosen, title)
            await draft.forget()
            await self._read()

    @work(exit_on_error=False)
    async def action_pin(self) -> None:
        """Keep the conversation at the top of the list, or let it go."""
        if chosen := self.rows.chosen:
            await self._runtime.library.conversations.set(chosen, pinned=int(chosen not in self._pinned))
            await self._read()

    @work(exit_on_error=False)
    async def action_delete(self) -> None:
        chosen = self.rows.chosen
        if not chosen:
            return
        named = next((row.title for row in self.rows.rows if row.id == chosen), "")
        asked = question("delete_conversation.question", title=named)
        sure = ConfirmDialog(question("delete_conversation.title"), asked)
        if await self.app.push_screen_wait(sure):
            await self._runtime.library.conversations.delete(chosen)
            # The screen has to know, since one of them may be open there.
            self.deleted.add(chosen)
            await self._read()
