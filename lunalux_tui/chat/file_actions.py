"""Files on the chat screen: a conversation to a file, chats and cards from files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lunalux_core.text import clean_line
from lunalux_tui.i18n import in_a_list, note, t

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.opener import Opener
    from lunalux_tui.chat.protocols import Asker, Shown

SHOWN_NAMES = 5
"""How many of the files that were dropped are named."""
SHOWN_NOTES = 8


class Notes(Protocol):
    """The transcript, as where the program tells what is to stay."""

    def note(self, message: str, hint: str = "", *, error: bool = True) -> None:
        """Say something that stays."""


class FileActions:
    """Exports what is open, imports what is named or dropped."""

    def __init__(self, runtime: Runtime, opener: Opener, shown: Shown, notes: Notes, view: Asker) -> None:
        self._runtime = runtime
        self._opener = opener
        self._open = opener.chat
        self._shown = shown
        self._notes = notes
        self._view = view

    async def export(self) -> None:
        """Ask for a path and write the conversation there; the ending chooses the format."""
        from lunalux_core.chat.conversation_files import export_conversation, format_of
        from lunalux_core.regular_files import write_named
        from lunalux_tui.parts.files import export_name
        from lunalux_tui.parts.target_file import ask_target

        conversation = self._open.conversation
        if conversation is None:
            return
        proposal = self._runtime.paths.exports / export_name(self._open.name, conversation.title, "md")
        path = await ask_target(self._view.ask, t("dialog.export.title"), proposal, t("dialog.export.hint"))
        if path is None:
            return
        text = await export_conversation(self._runtime.library, conversation.id, format_of(path))
        # Imported texts may hold halves of surrogate pairs, which have no UTF-8.
        await asyncio.to_thread(write_named, path, text.encode("utf-8", "replace"))
        self._view.say(t("chat.exported", path=path))

    async def import_chat(self) -> None:
        """Ask for the file of a chat, and open it as a conversation with who is talked with."""
        from lunalux_core.chat.group_chat_files import import_chat
        from lunalux_tui.parts.files import path_of, read_file
        from lunalux_tui.parts.path_dialog import PathDialog

        if not self._open.row_id:
            return
        dialog = PathDialog(t("dialog.import_chat.title"), hint=t("dialog.import_chat.hint"))
        answer = await self._view.ask(dialog)
        if not answer:
            return
        path = path_of(answer)
        library, data = self._runtime.library, read_file(path)
        imported = await import_chat(library, data, path.name, path=path, **self._open.owner)
        await self._opener.open_conversation(imported.conversation_id)
        self._view.say(t("chat.chat_imported", n=imported.messages))
        if imported.notes:
            self._notes.note(
                t("chat.import_notes"), "\n".join(map(note, imported.notes[:SHOWN_NOTES])), error=False
            )
        await self._shown.refresh_roster()

    async def import_named(self) -> None:
        """Ask for the files of cards, and import them."""
        from lunalux_tui.chat.moving_in import found_elsewhere, row_of
        from lunalux_tui.parts.files import split_paths
        from lunalux_tui.parts.path_dialog import PathDialog

        offers = [row_of(home) for home in await found_elsewhere()]
        title, hint = t("dialog.import_cards.title"), t("dialog.import_cards.hint")
        dialog = PathDialog(title, hint=hint, offers=offers)
        answer = await self._view.ask(dialog)
        if answer:
            await self.import_cards(split_paths(answer))

    async def import_dropped(self, paths: Sequence[str]) -> bool:
        """Import files that were dropped on the prompt; False if that was not meant."""
        from lunalux_tui.parts.ask_dialog import ConfirmDialog

        names = in_a_list(clean_line(Path(path).name, 60) for path in paths[:SHOWN_NAMES])
        question = t("dialog.import_pasted.question", names=names)
        if not await self._view.ask(ConfirmDialog(t("dialog.import_pasted.title"), question)):
            return False
        await self.import_cards(paths)
        return True

    async def import_cards(self, paths: Sequence[str]) -> None:
        """Import files of every kind, show what became of each, and open a single new character."""
        from lunalux_tui.parts.files import import_paths
        from lunalux_tui.parts.imported_dialog import ImportedDialog

        view = self._view
        view.say(t("chat.importing"))
        report = await import_paths(self._runtime, list(paths))
        await self._shown.refresh_roster()
        # One card is opened and needs no list of what became of it.
        if len(report.results) == 1 and report.only:
            await self._opener.open_character(report.only)
            if report.notes:
                self._notes.note(t("chat.import_notes"), "\n".join(report.notes[:SHOWN_NOTES]), error=False)
            view.say(t("chat.one_imported" if report.imported else "chat.one_known"))
            return
        chosen = await view.ask(ImportedDialog(self._runtime, report.results))
        if chosen or report.only:
            await self._opener.open_character(chosen or report.only)
