"""Groups on the chat screen: bring characters together, let one of them speak, change who answers."""

from __future__ import annotations

from textual import work

from lunalux_core.library.groups import Group
from lunalux_tui.actions import Action, key_name, keys_of
from lunalux_tui.chat.dialog_actions import WORK, DialogActions
from lunalux_tui.i18n import t

# Many terminals send alt with a letter as escape and that letter, which the prompt would take as text.
SPEAK = Action("group.speak", "speak", "alt+s", footer=33, priority=True)
GROUP_ACTIONS = (
    Action("group.new", "new_group"),
    SPEAK,
    Action("group.members", "members", "alt+g", footer=39, priority=True),
    Action("group.order", "group_order"),
    Action("group.rename", "rename_group"),
    Action("group.delete", "delete_group"),
)
IN_GROUPS = frozenset(one.method for one in GROUP_ACTIONS if one.id != "group.new")
"""Methods that only mean something while a group is open."""


class GroupActions(DialogActions):
    """Actions on the group that is open, and the way to a new one."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in IN_GROUPS:
            return self.group is not None and not (self.busy and action == "speak")
        return super().check_action(action, parameters)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_new_group(self) -> None:
        """Choose characters, name them together, and begin."""
        from lunalux_tui.chat.new_group_dialog import NewGroupDialog
        from lunalux_tui.parts.ask_dialog import AskDialog

        library = self.runtime.library
        characters = await library.characters.list()
        marked = self.character.id if self.character else ""
        answer = await self.app.push_screen_wait(NewGroupDialog(characters, [marked] if marked else []))
        if not answer:
            return
        chosen = answer.split()
        names = {one.id: one.name for one in characters}
        proposal = ", ".join(names[one] for one in chosen)
        dialog = AskDialog(t("dialog.group_name.title"), value=proposal, hint=t("dialog.group_name.hint"))
        name = await self.app.push_screen_wait(dialog)
        if name is None:
            return
        group = await library.groups.create(name, chosen)
        await self.open_group(group.id)
        await self.refresh_roster()
        self.prompt.focus()

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_speak(self) -> None:
        """Let a member speak now, without a word of the person."""
        from lunalux_tui.chat.group_dialog import SpeakerDialog

        if self.group is None or self.conversation is None or self.busy:
            return
        chosen = await self.app.push_screen_wait(SpeakerDialog(self.group))
        if chosen is not None:
            self.let_speak(chosen)

    def let_speak(self, speaker: str) -> None:
        """Start a turn of a member (an id), or of those whose turn it is ("")."""
        from dataclasses import replace

        if self.conversation is None or self.busy:
            return
        options = replace(self.turn_options(), speaker=speaker)
        self.start_turn(self.runtime.chat.speak(self.conversation.id, options))

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_members(self) -> None:
        """Who is in the group, in what order, who is muted, and by what rules they answer."""
        from lunalux_tui.chat.group_dialog import GroupDialog

        if self.group is None:
            return
        chosen = await self.app.push_screen_wait(GroupDialog(self.runtime, self.group))
        await self.group_changed()
        if chosen:
            self.let_speak(chosen)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_group_order(self) -> None:
        from lunalux_tui.chat.group_dialog import order_dialog

        if self.group is None:
            return
        order = await self.app.push_screen_wait(order_dialog(self.group))
        if order:
            await self.runtime.library.groups.set(self.group.id, order=order)
            await self.group_changed()

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_rename_group(self) -> None:
        from lunalux_tui.parts.ask_dialog import AskDialog

        if self.group is None:
            return
        name = await self.app.push_screen_wait(AskDialog(t("dialog.group_name.title"), value=self.group.name))
        if name:
            await self.runtime.library.groups.set(self.group.id, name=name)
            await self.group_changed()

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_delete_group(self) -> None:
        if self.group is not None:
            await self.delete_group(self.group)

    async def delete_group(self, group: Group) -> None:
        """Ask, then delete a group with its conversations; its characters stay."""
        from lunalux_tui.parts.ask_dialog import ConfirmDialog

        question = t("dialog.delete_group.question", name=group.name)
        if not await self.app.push_screen_wait(ConfirmDialog(t("dialog.delete_group.title"), question)):
            return
        self.stop_turn()
        await self.runtime.library.groups.delete(group.id)
        if self.group is not None and self.group.id == group.id:
            self.close_conversation()
        await self.refresh_roster()

    async def open_row(self, row_id: str) -> None:
        """Open what a row of the list stands for: a character, or a group."""
        if row_id in self.groups:
            await self.open_group(row_id)
        else:
            await self.open_character(row_id)

    def nobody_answers(self) -> None:
        if self.group is None:
            return
        key = key_name(next(iter(keys_of(SPEAK, self.lunalux.keymap)), "ctrl+p"))
        words = "cast.all_muted" if all(one.muted for one in self.group.members) else "cast.nobody_answers"
        self.notify(t(words, press=key), markup=False)

    async def group_changed(self) -> None:
        """Read the group that is open again, and draw its members as they are now."""
        if self.group is not None:
            self.show_group(await self.runtime.library.groups.get(self.group.id))
            self.transcript.retranslate()
            await self.refresh_roster()
