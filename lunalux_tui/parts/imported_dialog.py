"""What became of an import: a row for each file, and something to do with each of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work

from lunalux_core.importing.document_import import OFF
from lunalux_core.text import clean_line
from lunalux_tui.i18n import in_a_row, note, t, tell
from lunalux_tui.parts.dialog import question
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.read_dialog import ReadDialog
from lunalux_tui.parts.rows import Row

if TYPE_CHECKING:
    from lunalux_core.importing.import_results import ImportResult
    from lunalux_core.library.shelf import Shelf
    from lunalux_core.runtime import Runtime

SWITCHED = ("worldbook", "regex", "preset")
"""Kinds of files that are switched on and off; ⏎ does it here."""


class ImportedDialog(PickDialog):
    """Answers the id of a character that is to be opened, or None. Failures stand first, then what differs
    here, then the rest; words narrow the list."""

    TWO_LINES = True

    def __init__(self, runtime: Runtime, results: Sequence[ImportResult]) -> None:
        self._runtime = runtime
        self._results = {str(place): result for place, result in enumerate(sorted(results, key=_rank))}
        self._on: dict[str, bool] = {}
        new = sum(result.status in ("imported", "replaced") for result in results)
        duplicates = sum(result.status == "duplicate" for result in results)
        failed = sum(result.status == "failed" for result in results)
        parts = [("imported", new), ("known", duplicates), ("failed", failed)]
        counts = t("settings.list_comma").join(
            question(f"imported.count.{name}", n=number) for name, number in parts if number
        )
        super().__init__(
            question("imported.title"),
            self._rows(),
            hint=in_a_row(question("imported.counts", counts=counts), question("imported.hint")),
        )

    def on_mount(self) -> None:
        super().on_mount()
        self._read_switches()

    @work(group="imported", exit_on_error=False)
    async def _read_switches(self) -> None:
        for kind in SWITCHED:
            for item in await self._shelf(kind).list():
                self._on[item.id] = item.enabled
        self.show(self._rows())

    def _shelf(self, kind: str) -> Shelf:
        library = self._runtime.library
        return {"worldbook": library.worldbooks, "preset": library.presets}.get(kind, library.scripts)

    def _rows(self) -> list[Row]:
        return [self._row(key, result) for key, result in self._results.items()]

    def _row(self, key: str, result: ImportResult) -> Row:
        name = clean_line(result.name or Path(result.path).name, 120)
        if result.status == "failed":
            told = in_a_row(*tell(result.error)) if result.error is not None else ""
            return Row(key, name, clean_line(told, 300), right=question("imported.failed"), mark="✗")
        # That a document is off is told by its state, which can be changed in this list.
        warnings = [warning for warning in result.warnings if warning not in OFF.values()]
        detail = "  ".join(clean_line(note(warning), 200) for warning in warnings)
        if not detail and result.kind == "card":
            detail = question("imported.talk")
        if result.kind in SWITCHED and result.id in self._on:
            state = question("imported.on" if self._on[result.id] else "imported.off")
            detail = f"{state}  {detail}"
        mark = "⚠" if result.warnings else "=" if result.status == "duplicate" else "✓"
        return Row(key, name, detail, right=question(f"imported.kind.{result.kind}"), mark=mark)

    def take(self, row_id: str) -> None:
        """Talk with the character of the row, switch what it is on or off, or say why it failed."""
        result = self._results.get(row_id)
        if result is None:
            return
        if result.status == "failed":
            row = self._row(row_id, result)
            self.app.push_screen(ReadDialog(row.title, row.detail))
        elif result.kind == "card":
            self.dismiss(result.id)
        elif result.id in self._on:
            self._switch(result)

    @work(group="imported", exit_on_error=False)
    async def _switch(self, result: ImportResult) -> None:
        shelf = self._shelf(result.kind)
        await shelf.enable(result.id, not self._on[result.id])
        # All of them: a preset that is switched on switches another one off.
        for item in await shelf.list():
            self._on[item.id] = item.enabled
        self.show(self._rows())


def _rank(result: ImportResult) -> tuple[int, str]:
    return (0 if result.status == "failed" else 1 if result.warnings else 2, result.name.casefold())
