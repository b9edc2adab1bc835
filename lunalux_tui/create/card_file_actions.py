"""Files of the character in the editor: cards in and out, the picture, its JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lunalux_core.documents.json_text import dump_json
from lunalux_core.editor import draft_files as draft_files
from lunalux_core.text import clean_line
from lunalux_tui.i18n import t
from lunalux_tui.parts.files import export_name, path_of, read_file, split_paths
from lunalux_tui.parts.path_dialog import PathDialog
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row
from lunalux_tui.parts.target_file import ask_target

if TYPE_CHECKING:
    from lunalux_core.cards.export import ExportFormat
    from lunalux_core.editor.draft import Draft
    from lunalux_tui.create.editor_view import EditorView
    from lunalux_tui.create.open_draft import OpenDraft

LARGEST_COPY = 72_000
"""Characters that every terminal with OSC 52 takes; many cut off longer ones without a word."""

EXPORTS: dict[str, tuple[ExportFormat, Literal["v2", "v3"] | None]] = {
    "png": ("png", None),
    "png_v2": ("png", "v2"),
    "json": ("json", None),
    "json_v2": ("json", "v2"),
    "json_v3": ("json", "v3"),
    "charx": ("charx", None),
}


class CardFileActions:
    """Each asks what it needs to know, and tells how it went."""

    def __init__(self, view: EditorView, open_draft: OpenDraft) -> None:
        self._view = view
        self._open = open_draft

    @property
    def _draft(self) -> Draft:
        return self._open.draft

    # -- cards that come in --------------------------------------------------------------------------

    async def ask_and_bring(self) -> None:
        """Bring a card file into the form, with its picture; undo takes it back."""
        answer = await self._view.ask(
            PathDialog(t("create.import.title"), hint=t("create.import.hint"), placeholder="~/cards/name.png")
        )
        if answer:
            await self.bring(answer)

    async def bring(self, written: str) -> None:
        """Read the card file that is named."""
        path = path_of(split_paths(written)[0])
        data = await asyncio.to_thread(read_file, path)
        snapshot, notes = await asyncio.to_thread(draft_files.read_snapshot, data, path.name)
        self._draft.become(snapshot, "basics")
        self._view.draft_replaced()
        name = draft_files.snapshot_name(snapshot) or t("create.nameless")
        message = "\n".join([t("create.import.done", name=clean_line(name, 60)), *notes])
        self._view.notify(message, markup=False, timeout=6)

    # -- the picture ---------------------------------------------------------------------------------

    async def choose_picture(self) -> None:
        """Choose the picture."""
        from lunalux_tui.create.picture_dialog import PictureDialog

        answer = await self._view.ask(PictureDialog())
        if answer:
            data = await asyncio.to_thread(read_file, Path(answer))
            self._draft.attach(await asyncio.to_thread(draft_files.read_picture, data))
            self._view.draft_replaced()

    def take_picture_away(self) -> None:
        """Take the picture away."""
        self._draft.attach(None)
        self._view.draft_replaced()
        self._view.tell_undo("create.picture.removed")

    # -- cards that go out ---------------------------------------------------------------------------

    async def export(self) -> None:
        """Write a card file."""
        kinds = [
            Row(kind, t(f"create.export.{kind}.title"), t(f"create.export.{kind}.help")) for kind in EXPORTS
        ]
        picked = await self._view.ask(PickDialog(t("create.export.title"), kinds, two_lines=True))
        if picked is not None:
            target, spec = EXPORTS[picked]
            snapshot = self._draft.snapshot
            await self._write(target, lambda: draft_files.export(snapshot, target, spec))

    async def save_json(self) -> None:
        """Write what the preview shows."""
        document = self._draft.document
        await self._write("json", lambda: (dump_json(document, indent=2) + "\n").encode())

    async def _write(self, ending: str, content: Callable[[], bytes]) -> None:
        name = export_name(self._draft.card.name, "", ending)
        where, hint = self._view.runtime.paths.exports / name, t("create.export.where_hint")
        path = await ask_target(self._view.ask, t("create.export.where"), where, hint)
        if path is None:
            return
        data = await asyncio.to_thread(content)
        await asyncio.to_thread(draft_files.write_export, path, data)
        self._view.notify(t("create.export.done", path=str(path)), markup=False, timeout=5)

    async def copy_json(self) -> None:
        """The card as JSON into the clipboard, as far as the terminal has one."""
        document = self._draft.document
        text = await asyncio.to_thread(lambda: dump_json(document, indent=2))
        if not self._view.copy(text):
            self._view.notify(t("create.copy.cannot"), markup=False, severity="warning")
            return
        if len(text.encode()) > LARGEST_COPY:
            message = t("create.copy.long", n=f"{len(text):,}")
            self._view.notify(message, markup=False, severity="warning", timeout=6)
        else:
            self._view.notify(t("create.copy.done"), markup=False, timeout=2)
