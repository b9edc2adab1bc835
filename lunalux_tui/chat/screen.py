"""The chat screen: talk with a character."""

from __future__ import annotations

from textual import on, work
from textual.events import DescendantFocus

from lunalux_tui.actions import bindings
from lunalux_tui.chat.actions import CHAT_ACTIONS
from lunalux_tui.chat.bars import Suggestions
from lunalux_tui.chat.group_actions import GROUP_ACTIONS, GroupActions
from lunalux_tui.chat.note_actions import NoteActions
from lunalux_tui.chat.prompt import Prompt
from lunalux_tui.chat.roster import Roster
from lunalux_tui.chat.transcript.transcript import Transcript
from lunalux_tui.i18n import t
from lunalux_tui.parts.rows import Rows


class ChatScreen(NoteActions, GroupActions):
    """Wires the parts to each other; see the classes it is made of for what can be done."""

    ACTIONS = (*CHAT_ACTIONS, *GROUP_ACTIONS)
    BINDINGS = bindings(ACTIONS)
    PLACE = "chat"
    AUTO_FOCUS = ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what cannot be done now."""
        if action == "stop":
            return self.busy
        if action in {"regenerate", "continue_reply", "impersonate", "swipe", "edit", "delete", "truncate"}:
            return not self.busy and self.conversation is not None
        if action == "edit_character":
            return self.character is not None
        if action in {"conversations", "new_conversation"}:
            return self.character is not None or self.group is not None
        if action in {"tree", "rename", "export", "modes", "copy", "copy_code", "undo", "redo", "hide"}:
            return self.conversation is not None
        return super().check_action(action, parameters)

    # -- the prompt --------------------------------------------------------------------------------

    @on(Prompt.Submitted)
    def _submitted(self, event: Prompt.Submitted) -> None:
        self.send(event.text)

    @on(Prompt.Paused)
    @work(group="draft", exclusive=True, exit_on_error=False)
    async def _paused(self) -> None:
        await self.keep_draft()

    @on(Prompt.Left)
    def _left_prompt(self) -> None:
        if not self.stop_turn():
            self.transcript.focus()
            if not self.transcript.selected and not self.transcript.streaming:
                self.transcript.select_step(0)

    @on(Suggestions.Picked)
    def _picked(self, event: Suggestions.Picked) -> None:
        self.prompt.rewrite(event.text)
        self.prompt.focus()

    def key_escape(self) -> None:
        """Escape in any other place: stop the reply, else go back to writing."""
        if not self.stop_turn():
            self.action_focus_prompt()

    def action_focus_prompt(self) -> None:
        self.transcript.selected = ""
        self.prompt.focus()
        self.remove_class("-list")

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        self.status.browsing = event.widget is self.transcript

    def on_screen_resume(self) -> None:
        """Back from a dialog or another place, where scripts, presets and names may have changed."""
        if self.conversation is not None:
            self.call_after_refresh(self.surroundings_changed)

    # -- the transcript ----------------------------------------------------------------------------

    @on(Transcript.OlderWanted)
    @work(group="older", exit_on_error=False)
    async def _older(self) -> None:
        await self.window.older()
        self.looks.follow()

    @on(Transcript.NewerWanted)
    @work(group="newer", exit_on_error=False)
    async def _newer(self) -> None:
        await self.window.newer()
        self.looks.follow()

    # -- the characters ----------------------------------------------------------------------------

    def action_toggle_list(self) -> None:
        """Show or hide the list of characters; on a narrow screen it lies over the conversation."""
        self.toggle_class("-list" if self.has_class("-narrow") else "-no-list")

    def action_find_character(self) -> None:
        self.remove_class("-no-list")
        if self.has_class("-narrow"):
            self.add_class("-list")
        self.roster.find()

    def action_only_favourites(self) -> None:
        self.roster.favourites = not self.roster.favourites

    @on(Roster.Searched)
    @work(group="roster", exclusive=True, exit_on_error=False)
    async def _searched(self) -> None:
        await self.refresh_roster()

    @on(Rows.Chosen, "#roster-rows")
    @work(group="open", exclusive=True, exit_on_error=False)
    async def _chosen(self, event: Rows.Chosen) -> None:
        await self.open_row(event.id)
        self.action_focus_prompt()

    def action_edit_character(self) -> None:
        """Change the card of the character that is open."""
        if self.character is not None:
            self.lunalux.edit_character(self.character.id)

    @work(group="roster", exclusive=True, exit_on_error=False)
    async def action_favourite(self) -> None:
        chosen = self.roster.rows.chosen
        found = [one for one in await self.runtime.library.characters.list() if one.id == chosen]
        if found:
            await self.runtime.library.characters.set_favourite(chosen, not found[0].favourite)
            await self.refresh_roster()

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_delete_character(self) -> None:
        from lunalux_tui.parts.ask_dialog import ConfirmDialog

        chosen = self.roster.rows.chosen
        if not chosen:
            return
        if chosen in self.groups:
            await self.delete_group(self.groups[chosen])
            return
        name = (await self.runtime.library.characters.get(chosen)).name
        question = ConfirmDialog(
            t("dialog.delete_character.title"), t("dialog.delete_character.question", name=name)
        )
        if await self.app.push_screen_wait(question):
            await self.runtime.library.characters.delete(chosen)
            if self.character is not None and self.character.id == chosen:
                self.close_conversation()
            await self.group_changed()
            await self.refresh_roster()
