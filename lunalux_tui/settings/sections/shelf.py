"""Worldbooks and regex scripts: what is on the shelf, brought in, taken out, switched and put in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from textual import work
from textual.binding import BindingType

from lunalux_core.ids import uuid4
from lunalux_core.library.shelf import Shelf, ShelfItem, ShelfKind
from lunalux_core.regular_files import write_named
from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import in_a_list, t
from lunalux_tui.parts.ask_dialog import AskDialog, ask_kept
from lunalux_tui.parts.explanation import Explanation
from lunalux_tui.parts.files import export_name
from lunalux_tui.parts.rows import Row
from lunalux_tui.parts.target_file import ask_target
from lunalux_tui.settings.sections.chosen_files import chosen_files
from lunalux_tui.settings.sections.section_view import WORK, SectionView, through

SHELF_ACTIONS = (
    Action("shelf.toggle", "choose", "enter,space", footer=1),
    Action("shelf.edit", "edit", "e", footer=2),
    Action("shelf.new", "new", "n", footer=3),
    Action("shelf.import", "import_files", "i,ctrl+o", footer=4),
    Action("shelf.export", "export", "x", footer=5),
    Action("shelf.rename", "rename", "R", footer=6),
    Action("shelf.delete", "delete", "d,delete", footer=7),
    Action("shelf.undo", "undo", "u", footer=8),
    Action("shelf.earlier", "shift(-1)", "shift+up,K", footer=9),
    Action("shelf.later", "shift(1)", "shift+down,J"),
)


class ShelfSection(SectionView):
    """The documents of one kind, in the order they are used."""

    DOES: ClassVar[tuple[Action, ...]] = SHELF_ACTIONS
    ACTIONS: ClassVar[tuple[Action, ...]] = through(DOES)
    BINDINGS: ClassVar[list[BindingType]] = bindings(ACTIONS)
    KIND: ClassVar[ShelfKind]

    items: Mapping[str, ShelfItem] = {}
    """What is on the shelf, by id, in order."""

    deleted: tuple[tuple[ShelfItem, tuple[str, ...]], ...] = ()
    """What was deleted here, newest last, each with the order there was."""

    @property
    def shelf(self) -> Shelf:
        library = self.runtime.library
        return {"worldbook": library.worldbooks, "preset": library.presets, "regex": library.scripts}[
            self.KIND
        ]

    @property
    def item(self) -> ShelfItem | None:
        """The document under the cursor."""
        return self.items.get(self.chosen)

    def read(self) -> None:
        self._begin()

    @work(group="read", exclusive=True, exit_on_error=False)
    async def _begin(self) -> None:
        await self.reread()

    async def reread(self, at: str | None = None) -> None:
        """Read the shelf, and put the cursor on the row `at`."""
        self.items = {item.id: item for item in await self.shelf.list()}
        self.empty = t(f"shelf.{self.KIND}.none")
        self.show(self.listed(), at=at)
        self.refresh_bindings()

    def listed(self) -> list[Row]:
        """The rows to show."""
        return [
            Row(item.id, item.name, right=self.note(item), mark="✓" if item.enabled else " ")
            for item in self.items.values()
        ]

    def note(self, item: ShelfItem) -> str:
        """A few words at the right of a document."""
        return t("settings.on") if item.enabled else t("settings.off")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "undo":
            return bool(self.deleted)
        if action in {"rename", "delete", "shift", "edit"}:
            return self.item is not None
        if action in {"export", "choose"}:
            return bool(self.chosen)
        return True

    def watch_cursor(self) -> None:
        super().watch_cursor()
        self.refresh_bindings()

    # -- one document ------------------------------------------------------------------------------

    def action_choose(self) -> None:
        if self.item is not None:
            self._switch(self.item)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def _switch(self, item: ShelfItem) -> None:
        await self.shelf.enable(item.id, not item.enabled)
        await self.reread()

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_edit(self) -> None:
        """Open the document under the cursor, and show what became of it."""
        if self.item is not None:
            await self.open(self.item)
            await self.reread(at=self.chosen)

    async def open(self, item: ShelfItem) -> None:
        """Show what stands in a document, to be changed."""

    def blank(self, name: str) -> Any:
        """A new document of the kind."""

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_new(self) -> None:
        """A new document, and into it. It is switched off: nothing is used that nobody has seen."""
        draft = self.runtime.library.drafts.of(f"shelf_new:{self.KIND}")
        name = await ask_kept(self.app.push_screen_wait, AskDialog(t(f"shelf.{self.KIND}.new")), draft)
        if name and (name := clean_line(name, 200)):
            item = await self.shelf.add(name, self.blank(name), enabled=False)
            await draft.forget()
            await self.reread(at=item.id)
            await self.open(item)
            await self.reread(at=item.id)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_rename(self) -> None:
        item = self.item
        if item is None:
            return
        draft = self.runtime.library.drafts.of(f"shelf_name:{item.id}", item.name)
        dialog = AskDialog(t("shelf.rename"), value=item.name)
        if name := await ask_kept(self.app.push_screen_wait, dialog, draft):
            await self.shelf.save(item.id, name=clean_line(name, 200))
            await draft.forget()
            await self.reread()

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_delete(self) -> None:
        item = self.item
        if item is None:
            return
        order = tuple(self.items)
        await self.shelf.delete(item.id)
        self.deleted = (*self.deleted, (item, order))
        self.notify(t("shelf.deleted", name=item.name), markup=False)
        await self.reread()

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_undo(self) -> None:
        if not self.deleted:
            return
        *rest, (item, order) = self.deleted
        self.deleted = tuple(rest)
        back = await self.shelf.add(item.name, item.document, enabled=item.enabled)
        # It comes back under another id, also for the orders of what was deleted before it.
        names = {item.id: back.id}
        self.deleted = tuple(
            (other, tuple(names.get(item_id, item_id) for item_id in ids)) for other, ids in self.deleted
        )
        await self.shelf.reorder([names.get(item_id, item_id) for item_id in order])
        await self.reread(at=back.id)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_shift(self, step: int) -> None:
        ids = list(self.items)
        if self.item is None:
            return
        place = ids.index(self.item.id)
        to = place + step
        if 0 <= to < len(ids):
            ids[place], ids[to] = ids[to], ids[place]
            await self.shelf.reorder(ids)
            await self.reread()

    # -- files -------------------------------------------------------------------------------------

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_import_files(self) -> None:
        from lunalux_core.importing.shelf_documents import (
            put,
            read_document,
            read_worldbook_document,
            shelf_documents,
        )

        reading = read_worldbook_document if self.KIND == "worldbook" else read_document
        last, new, old = "", 0, 0
        for path, data in await chosen_files(self, t(f"shelf.{self.KIND}.import"), t("shelf.import_hint")):
            document, _ = reading(data, path.name)
            for entry in shelf_documents(self.KIND, document, path.stem):
                stored = await self.runtime.library.database.write(
                    lambda c, entry=entry: put(
                        c, self.KIND, entry.name, entry.document, enabled=self.KIND == "regex"
                    )  # type: ignore[misc]
                )
                last, new, old = stored.item.id, new + stored.is_new, old + (not stored.is_new)
                for note in entry.notes:
                    self.notify(note, title=path.name, severity="warning", markup=False)
        if last:
            told = "imported_known" if old else "imported"
            key = f"shelf.regex.{told}" if self.KIND == "regex" else f"shelf.{told}"
            self.notify(t(key, n=new, known=old), markup=False)
            await self.reread(at=last)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_export(self) -> None:
        name, document = self.exported()
        proposal = self.runtime.paths.exports / export_name(name, "", "json")
        target = await ask_target(self.app.push_screen_wait, t("shelf.export"), proposal)
        if target is not None:
            # Documents of strangers may hold halves of surrogate pairs, which have no UTF-8.
            data = (json.dumps(document, ensure_ascii=False, indent=4) + "\n").encode("utf-8", "replace")
            await asyncio.to_thread(write_named, target, data)
            self.notify(t("chat.exported", path=target), markup=False)

    def exported(self) -> tuple[str, Any]:
        """Name and document of what the cursor stands on."""
        assert self.item is not None
        return self.item.name, self.item.document


class WorldbooksSection(ShelfSection):
    """Books that are searched in every chat."""

    KIND = "worldbook"

    async def open(self, item: ShelfItem) -> None:
        from lunalux_tui.create.book_screen import BookScreen

        await self.app.push_screen_wait(BookScreen(item))

    def blank(self, name: str) -> Any:
        return {"entries": {}}

    def note(self, item: ShelfItem) -> str:
        return t("shelf.worldbook.entries", n=len(_entries(item)))

    def explain(self, row_id: str) -> Explanation:
        item = self.items.get(row_id)
        if item is None:
            return super().explain(row_id)
        names = [_title(entry) for entry in _entries(item)]
        text = t("settings.list_comma").join(name for name in names[:40] if name)
        state = t("shelf.worldbook.on" if item.enabled else "shelf.worldbook.off")
        return Explanation(item.name, state, [(t("shelf.worldbook.holds"), text)] if text else [])


class ScriptsSection(ShelfSection):
    """Regex scripts in the order they run."""

    KIND = "regex"

    async def open(self, item: ShelfItem) -> None:
        from lunalux_tui.settings.script_screen import ScriptScreen

        await self.app.push_screen_wait(ScriptScreen(item))

    def blank(self, name: str) -> Any:
        return {
            "id": uuid4(),
            "scriptName": name,
            "findRegex": "",
            "replaceString": "",
            "trimStrings": [],
            "placement": [2],
            "disabled": False,
            "markdownOnly": True,
            "promptOnly": False,
            "runOnEdit": True,
            "substituteRegex": 0,
            "minDepth": None,
            "maxDepth": None,
        }

    def explain(self, row_id: str) -> Explanation:
        item = self.items.get(row_id)
        if item is None or not isinstance(item.document, dict):
            return super().explain(row_id)
        script = item.document
        state = t("shelf.regex.on" if item.enabled else "shelf.regex.off")
        if item.enabled and script.get("disabled"):
            state = t("shelf.regex.off_inside")
        numbers = [number for number in script.get("placement") or () if number in {1, 2, 5, 6}]
        places = [t(f"shelf.regex.place.{number}") for number in numbers]
        facts = [
            (t("shelf.regex.find"), str(script.get("findRegex", ""))),
            (t("shelf.regex.replace"), str(script.get("replaceString", "")) or t("settings.none")),
            (t("shelf.regex.in"), t("settings.list_comma").join(places) or t("settings.none")),
        ]
        return Explanation(item.name, state, facts)


def _title(entry: Mapping[str, Any]) -> str:
    """What an entry is called: its comment, else its keys."""
    keys = entry.get("key") or entry.get("keys") or ""
    words = in_a_list(str(key) for key in keys) if isinstance(keys, list) else str(keys)
    return clean_line(str(entry.get("comment") or words), 60)


def _entries(item: ShelfItem) -> list[Mapping[str, Any]]:
    entries = item.document.get("entries", {}) if isinstance(item.document, dict) else {}
    listed = entries.values() if isinstance(entries, dict) else entries
    return [entry for entry in listed if isinstance(entry, dict)]
