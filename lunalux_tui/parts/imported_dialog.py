"""What became of an import: a row for each file, and something to do with each of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work

from lunalux_core.text import clean_line
from lunalux_tui.i18n import t, tell
from lunalux_tui.parts.dialog import question
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row

if TYPE_CHECKING:
    from lunalux_core.importing.results import ImportResult
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
        self._results = {str(place): one for place, one in enumerate(sorted(results, key=_rank))}
        self._on: dict[str, bool] = {}
        new = sum(one.status in ("imported", "replaced") for one in results)
        known = sum(one.status == "duplicate" for one in results)
        failed = sum(one.status == "failed" for one in results)
        parts = [("imported", new), ("known", known), ("failed", failed)]
        counts = t("settings.list_comma").join(
            question(f"imported.count.{name}", n=number) for name, number in parts if number
        )
        super().__init__(
            question("imported.title"), self._rows(), hint=f"{counts}. {question('imported.hint')}"
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
        return [self._row(key, one) for key, one in self._results.items()]

    def _row(self, key: str, one: ImportResult) -> Row:
        name = clean_line(one.name or Path(one.path).name, 120)
        if one.status == "failed":
            told = " ".join(part for part in tell(one.error) if part) if one.error is not None else ""
            return Row(key, name, clean_line(told, 300), right=question("imported.failed"), mark="✗")
        detail = "  ".join(clean_line(warning, 200) for warning in one.warnings)
        if not detail and one.kind == "card":
            detail = question("imported.talk")
        if one.kind in SWITCHED and one.id in self._on:
            state = question("imported.on" if self._on[one.id] else "imported.off")
            detail = f"{state}  {detail}"
        mark = "⚠" if one.warnings else "=" if one.status == "duplicate" else "✓"
        return Row(key, name, detail, right=question(f"imported.kind.{one.kind}"), mark=mark)

    def take(self, row_id: str) -> None:
        """Talk with the character of the row, or switch what it is on or off."""
        one = self._results.get(row_id)
        if one is None or one.status == "failed":
            return
        if one.kind == "card":
            self.dismiss(one.id)
        elif one.id in self._on:
            self._switch(one)

    @work(group="imported", exit_on_error=False)
    async def _switch(self, one: ImportResult) -> None:
        shelf = self._shelf(one.kind)
        await shelf.enable(one.id, not self._on[one.id])
        for item in await shelf.list():
            self._on[item.id] = item.enabled
        self.show(self._rows())


def _rank(one: ImportResult) -> tuple[int, str]:
    return (0 if one.status == "failed" else 1 if one.warnings else 2, one.name.casefold())
