"""What opens a dialog from the chat screen: conversations, tree, search, model, persona, mode, files."""

from __future__ import annotations

from pathlib import Path

from textual import on, work

from lunalux_core.text import clean_line
from lunalux_tui.chat.prompt import Prompt
from lunalux_tui.chat.tool_actions import WORK as WORK
from lunalux_tui.chat.tool_actions import ToolActions
from lunalux_tui.i18n import t


class DialogActions(ToolActions):
    """Actions that ask something first; each runs as the only worker of its group."""

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_conversations(self) -> None:
        from lunalux_tui.chat.conversations_dialog import NEW, ConversationsDialog

        if not self.opened:
            return
        current = self.conversation.id if self.conversation else ""
        of = {"group_id": self.opened} if self.group else {"character_id": self.opened}
        dialog = ConversationsDialog(self.runtime, self.character_name, current, **of)
        answer = await self.app.push_screen_wait(dialog)
        if answer == NEW:
            await self.open_again(new=True)
        elif answer and answer != current:
            await self.open_conversation(answer)
        elif current in dialog.deleted:
            self.conversation = None
            await self.open_again()
        elif current:
            await self.reload()

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_new_conversation(self) -> None:
        await self.open_again(new=True)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_rename(self) -> None:
        from lunalux_tui.parts.ask_dialog import AskDialog

        if self.conversation is None:
            return
        dialog = AskDialog(t("dialog.rename.title"), value=self.conversation.title)
        title = await self.app.push_screen_wait(dialog)
        if title is not None:
            await self.runtime.library.conversations.rename(self.conversation.id, title)
            await self.reload()

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_tree(self) -> None:
        from lunalux_tui.chat.tree_dialog import TreeDialog

        if self.conversation is None or self.busy:
            return
        conversations = self.runtime.library.conversations
        nodes = await conversations.tree(self.conversation.id)
        message_id = await self.app.push_screen_wait(TreeDialog(nodes, self.conversation.head_id))
        if message_id:
            await conversations.select(message_id)
            await self.reload()
            await self.window.reveal(message_id)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_search(self) -> None:
        from lunalux_tui.chat.search_dialog import SearchDialog

        conversation = self.conversation.id if self.conversation else ""
        dialog = SearchDialog(self.runtime, conversation, self.opened, in_group=self.group is not None)
        answer = await self.app.push_screen_wait(dialog)
        if answer:
            conversation_id, _, message_id = answer.partition(" ")
            await self.open_conversation(conversation_id, message_id)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_models(self) -> None:
        from lunalux_tui.parts.models_dialog import ModelsDialog

        name = await self.app.push_screen_wait(ModelsDialog(self.runtime))
        if name:
            self.lunalux.change_setting("chat.model", name)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_personas(self) -> None:
        from lunalux_tui.chat.personas_dialog import PersonasDialog

        library = self.runtime.library
        current = (self.conversation.persona_id if self.conversation else None) or ""
        persona_id = await self.app.push_screen_wait(PersonasDialog(self.runtime, current))
        if persona_id:
            await library.personas.choose(persona_id)
            if self.conversation is not None:
                await library.conversations.set(self.conversation.id, persona_id=persona_id)
        chosen = await library.personas.chosen()
        self.header.persona = chosen.name if chosen else self.runtime.settings.user_name
        await self.reload()

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_modes(self) -> None:
        from lunalux_core.dialogue.modes import MODES
        from lunalux_tui.parts.pick_dialog import PickDialog
        from lunalux_tui.parts.rows import Row

        if self.conversation is None:
            return
        rows = [
            Row(mode or "none", t(f"mode.{mode or 'none'}.label"), t(f"mode.{mode or 'none'}.help"))
            for mode in MODES
        ]
        dialog = PickDialog(
            t("dialog.modes.title"), rows, current=self.conversation.mode or "none", two_lines=True
        )
        answer = await self.app.push_screen_wait(dialog)
        if answer:
            mode = "" if answer == "none" else answer
            await self.runtime.library.conversations.set(self.conversation.id, mode=mode)
            self.status.mode = mode
            await self.reload()

    # -- files -------------------------------------------------------------------------------------

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_export(self) -> None:
        from lunalux_core.chat.files import export_conversation, format_of
        from lunalux_core.database import storage_error
        from lunalux_tui.parts.ask_dialog import AskDialog
        from lunalux_tui.parts.files import export_name, path_of

        if self.conversation is None:
            return
        proposal = self.runtime.paths.exports / export_name(
            self.character_name, self.conversation.title, "md"
        )
        dialog = AskDialog(t("dialog.export.title"), value=str(proposal), hint=t("dialog.export.hint"))
        answer = await self.app.push_screen_wait(dialog)
        if not answer:
            return
        path = path_of(answer)
        text = await export_conversation(self.runtime.library, self.conversation.id, format_of(path))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="replace")
        except OSError as error:
            raise storage_error(error, path) from error
        self.notify(t("chat.exported", path=path), markup=False)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_import_chat(self) -> None:
        from lunalux_core.chat.group_files import import_chat
        from lunalux_tui.parts.ask_dialog import AskDialog
        from lunalux_tui.parts.files import path_of, read_file

        if not self.opened:
            return
        dialog = AskDialog(t("dialog.import_chat.title"), hint=t("dialog.import_chat.hint"))
        answer = await self.app.push_screen_wait(dialog)
        if answer:
            path = path_of(answer)
            data = read_file(path)
            of = {"group_id": self.opened} if self.group else {"character_id": self.opened}
            done = await import_chat(self.runtime.library, data, path.name, **of)
            await self.open_conversation(done.conversation_id)
            self.notify(t("chat.chat_imported", n=done.messages), markup=False)
            if done.notes:
                self.transcript.note(t("chat.import_notes"), "\n".join(done.notes[:8]), error=False)
            await self.refresh_roster()

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_import_cards(self) -> None:
        from lunalux_tui.parts.ask_dialog import AskDialog

        dialog = AskDialog(t("dialog.import_cards.title"), hint=t("dialog.import_cards.hint"))
        answer = await self.app.push_screen_wait(dialog)
        if answer:
            from lunalux_tui.parts.files import split_paths

            await self.import_cards(split_paths(answer))

    @on(Prompt.FilesPasted)
    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def _files_pasted(self, event: Prompt.FilesPasted) -> None:
        """Files dropped on the prompt are imported, if that was meant; else their paths are a text."""
        from lunalux_tui.parts.ask_dialog import ConfirmDialog

        names = ", ".join(clean_line(Path(path).name, 60) for path in event.paths[:5])
        question = t("dialog.import_pasted.question", names=names)
        if await self.app.push_screen_wait(ConfirmDialog(t("dialog.import_pasted.title"), question)):
            await self.import_cards(event.paths)
        else:
            self.prompt.put(event.text)

    async def import_cards(self, arguments: list[str]) -> None:
        """Import files of every kind, tell what became of them, and open a single new character."""
        from lunalux_tui.i18n import tell
        from lunalux_tui.parts.files import import_paths

        report = await import_paths(self.runtime, arguments)
        await self.refresh_roster()
        if report.only:
            await self.open_character(report.only)
        for failure in report.failed[:5]:
            message, hint = tell(failure)
            self.transcript.note(message, hint)
        if report.notes:
            self.transcript.note(t("chat.import_notes"), "\n".join(report.notes[:8]))
        text = t(
            "chat.cards_imported", n=report.imported, duplicates=report.duplicates, failed=len(report.failed)
        )
        self.notify(text, severity="warning" if report.failed else "information", markup=False)
