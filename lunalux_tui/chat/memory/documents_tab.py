"""The documents that replies of this conversation may draw on: seen, added from files, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lunalux_core.errors import LunaluxError
from lunalux_core.library.bank_documents import Document
from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.chat.memory.tab import Tab, TabEntry
from lunalux_tui.i18n import in_a_row, t, tell
from lunalux_tui.parts.rows import Row
from lunalux_tui.render.message import moment
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime

WORDS = "memory_pane.document"


class DocumentsTab(Tab):
    """The list of documents."""

    KIND = "documents"
    ACTIONS = (
        Action("documents.add", "add", "a", footer=1, palette=False),
        Action("documents.delete", "delete", "d,delete", footer=2, palette=False),
        Action("documents.filter", "filter", "slash,ctrl+f", footer=3, palette=False),
        Action("documents.copy", "copy", "y", palette=False),
    )
    BINDINGS = bindings(ACTIONS)

    def __init__(self, runtime: Runtime, conversation_id: str) -> None:
        super().__init__(runtime, conversation_id)
        self._documents: dict[str, Document] = {}
        self._character = ""
        """Who is talked with; "" in a group, whose members keep their documents with themselves."""
        self._reading = 0
        """Files that are being read."""

    async def read(self) -> None:
        library = self.runtime.library
        place = await library.conversations.get(self.conversation_id)
        self._character = place.character_id
        documents = await library.documents.list(await library.documents.reach_of(place))
        self._documents = {document.id: document for document in documents}
        self.show([_entry(document) for document in documents])

    def state(self) -> str:
        return t("memory_pane.document.reading", n=self._reading) if self._reading else ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what cannot be done now."""
        if action in {"delete", "copy"} and self.is_mounted:
            return self.chosen in self._documents
        return True

    def action_add(self) -> None:
        self.start(self._add)

    async def _add(self) -> None:
        from lunalux_tui.parts.files import split_paths
        from lunalux_tui.parts.path_dialog import PathDialog
        from lunalux_tui.parts.pick_dialog import PickDialog

        dialog = PathDialog(t("memory_pane.document.which"), hint=t("memory_pane.document.kinds"))
        answer = await self.ask(dialog)
        paths = split_paths(answer) if answer else []
        if not paths:
            return
        scopes = ["conversation", *(["character"] if self._character else []), "all"]
        rows = [Row(scope, t(f"{WORDS}.scope.{scope}"), t(f"{WORDS}.scope_told.{scope}")) for scope in scopes]
        scope = await self.ask(PickDialog(t("memory_pane.document.for_whom"), rows, two_lines=True))
        if scope:
            await self._store(paths, scope)

    async def _store(self, paths: Sequence[str], scope: str) -> None:
        """Read the files one after another; what cannot be read is told, and the others go on."""
        from lunalux_core.bank.document_files import document_of
        from lunalux_tui.parts.files import path_of

        # Ids of the chat and of the character it belongs to; without either it is for all.
        owner = {"conversation": (self.conversation_id, ""), "all": ("", "")}
        conversation, character = owner.get(scope, ("", self._character))
        added, failed = 0, ""
        self._reading += len(paths)
        self.post_message(self.Counted())
        for path in paths:
            try:
                # In a thread: a long document takes a while to be read and divided.
                document, passages = await asyncio.to_thread(
                    document_of, path_of(path), conversation, character
                )
                await self.runtime.library.documents.add(document, passages)
                added += 1
            except LunaluxError as error:
                failed = in_a_row(*tell(error))
            finally:
                self._reading -= 1
                self.post_message(self.Counted())
        await self.read()
        if failed:
            self.say(failed, warn=True)
        else:
            self.say(t("memory_pane.document.added", n=added))

    def action_delete(self) -> None:
        document = self._documents.get(self.chosen)
        if document is not None:
            self.start(self._delete, document)

    async def _delete(self, document: Document) -> None:
        from lunalux_tui.parts.ask_dialog import ConfirmDialog

        question = t("memory_pane.document.delete_question", name=document.name)
        if await self.ask(ConfirmDialog(t("memory_pane.document.delete_title"), question)):
            await self.runtime.library.documents.delete(document.id)
            await self.read()
            self.say(t("memory_pane.document.deleted", name=document.name))


def _entry(document: Document) -> TabEntry:
    size = t("memory_pane.document.size", n=document.passages, tokens=f"{document.tokens:,}")
    scope = t(f"memory_pane.document.scope.{document.scope}")
    row = Row(document.id, clean_line(document.name, 120), f"{scope} · {size}", document.kind)
    told = [
        (document.name, ACCENT | BOLD),
        (f"{document.kind} · {t(f'memory_pane.document.scope_told.{document.scope}')}", MUTED),
        (size, MUTED),
        (t("memory_pane.document.since", when=moment(document.created_at)), MUTED),
        ("", 0),
        (t("memory_pane.document.told"), 0),
    ]
    return TabEntry(row, document.name, lambda: told)
