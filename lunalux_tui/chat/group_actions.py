"""Groups on the chat screen: bring characters together, let one of them speak, change who answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from lunalux_core.library.groups import Group
from lunalux_tui.actions import first_key, key_name
from lunalux_tui.chat.action_declarations import SPEAK
from lunalux_tui.chat.protocols import Asker, Writing
from lunalux_tui.i18n import in_a_list, t

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.opener import Opener
    from lunalux_tui.chat.protocols import Shown, TurnStarter


class GroupView(Asker, Writing, Protocol):
    """What these actions ask of the screen."""


class GroupActions:
    """Actions on the group that is open, and the way to a new one."""

    def __init__(
        self, runtime: Runtime, opener: Opener, shown: Shown, turns: TurnStarter, view: GroupView
    ) -> None:
        self._runtime = runtime
        self._opener = opener
        self._open = opener.chat
        self._shown = shown
        self._turns = turns
        self._view = view

    async def new(self) -> None:
        """Choose characters, name them together, and begin."""
        from lunalux_tui.chat.new_group_dialog import NewGroupDialog
        from lunalux_tui.parts.ask_dialog import AskDialog, ask_kept

        library = self._runtime.library
        characters = await library.characters.list()
        marked = [self._open.character.id] if self._open.character else []
        answer = await self._view.ask(NewGroupDialog(characters, marked))
        if not answer:
            return
        chosen = answer.split()
        names = {character.id: character.name for character in characters}
        proposal = in_a_list(names[character_id] for character_id in chosen)
        dialog = AskDialog(t("dialog.group_name.title"), value=proposal, hint=t("dialog.group_name.hint"))
        draft = library.drafts.of(f"group_name:{' '.join(sorted(chosen))}", proposal)
        name = await ask_kept(self._view.ask, dialog, draft)
        # An empty name is an answer: the group is then called after its members.
        if name is None:
            return
        group = await library.groups.create(name, chosen)
        await draft.forget()
        await self._opener.open_group(group.id)
        await self._shown.refresh_roster()
        self._view.action_focus_prompt()

    async def speak(self) -> None:
        """Let a member speak now, without a word of the person."""
        from lunalux_tui.chat.group_dialog import SpeakerDialog

        group = self._open.group
        if group is None or self._open.conversation is None or self._turns.busy:
            return
        chosen = await self._view.ask(SpeakerDialog(group))
        if chosen is not None:
            self.let_speak(chosen)

    def let_speak(self, speaker: str = "") -> None:
        """Start a turn of a member (an id), or of those whose turn it is ("")."""
        from dataclasses import replace

        conversation = self._open.conversation
        if conversation is not None and not self._turns.busy:
            options = replace(self._open.turn_options(), speaker=speaker)
            self._turns.start(self._runtime.chat.speak(conversation.id, options))

    async def members(self) -> None:
        """Who is in the group, in what order, who is muted, and by what rules they answer."""
        from lunalux_tui.chat.group_dialog import GroupDialog

        if self._open.group is None:
            return
        chosen = await self._view.ask(GroupDialog(self._runtime, self._open.group))
        # What was changed in there is stored already, however the dialog was left.
        await self._opener.group_changed()
        if chosen:
            self.let_speak(chosen)

    async def order(self) -> None:
        """How it is decided who answers."""
        from lunalux_tui.chat.group_dialog import order_dialog

        group = self._open.group
        if group is None:
            return
        order = await self._view.ask(order_dialog(group))
        if order:
            await self._runtime.library.groups.set(group.id, order=order)
            await self._opener.group_changed()

    async def auto_delay(self) -> None:
        """How long the group waits before it goes on by itself."""
        from lunalux_core.library.groups import LONGEST_DELAY
        from lunalux_tui.parts.ask_dialog import AskDialog

        group = self._open.group
        if group is None:
            return

        def read(line: str) -> int | None:
            # The length first: Python refuses to read a number of thousands of digits.
            return int(line) if line.isdecimal() and len(line) < 6 and int(line) <= LONGEST_DELAY else None

        seconds = await self._view.ask(
            AskDialog(
                t("cast.delay.title"),
                value=str(group.auto_delay),
                read=read,
                allowed=lambda _: t("cast.delay.allowed", high=LONGEST_DELAY),
            )
        )
        if seconds is not None:
            await self._runtime.library.groups.set(group.id, auto_delay=seconds)
            await self._opener.group_changed()

    async def rename(self) -> None:
        """Give the group another name."""
        from lunalux_tui.parts.ask_dialog import AskDialog, ask_kept

        group = self._open.group
        if group is None:
            return
        dialog = AskDialog(t("dialog.group_name.title"), value=group.name)
        draft = self._runtime.library.drafts.of(f"group_name:{group.id}", group.name)
        if name := await ask_kept(self._view.ask, dialog, draft):
            await self._runtime.library.groups.set(group.id, name=name)
            await draft.forget()
            await self._opener.group_changed()

    async def delete_open(self) -> None:
        """Delete the group that is open."""
        if self._open.group is not None:
            await self.delete(self._open.group)

    async def delete(self, group: Group) -> None:
        """Ask, then delete a group with its conversations; its characters stay."""
        from lunalux_tui.parts.ask_dialog import ConfirmDialog

        question = t("dialog.delete_group.question", name=group.name)
        if await self._view.ask(ConfirmDialog(t("dialog.delete_group.title"), question)):
            # A reply under way writes into a conversation that goes with the group.
            self._turns.stop()
            await self._runtime.library.groups.delete(group.id)
            await self._opener.group_deleted(group.id)


def why_nobody_answers(group: Group, keymap: Mapping[str, str]) -> str:
    """What to say when words stay without a reply, and the key that lets somebody speak."""
    words = "cast.all_muted" if all(member.muted for member in group.members) else "cast.nobody_answers"
    return t(words, press=first_key(SPEAK, keymap) or key_name("ctrl+p"))
