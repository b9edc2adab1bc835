"""Where data lives and how large it is; everything out as one file, and back in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work

from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.ask_dialog import ConfirmDialog
from lunalux_tui.parts.explanation import Explanation
from lunalux_tui.parts.files import path_of
from lunalux_tui.parts.path_dialog import PathDialog
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.progress_dialog import ProgressDialog, size_name
from lunalux_tui.parts.rows import Row
from lunalux_tui.parts.target_file import ask_target
from lunalux_tui.settings.sections.section_view import WORK, SectionView, through

if TYPE_CHECKING:
    from lunalux_core.exporting import ExportReport

NAMES = (
    *("config", "library", "pictures", "backend", "cache"),
    *("themes", "plugins", "backups", "exports", "logs"),
)


OTHER_FORMS: Mapping[str, str] = {"sillytavern": ".zip", "narratium": ".json"}
"""Forms of other programs, with the ending of the file that is proposed."""


class DataSection(SectionView):
    """Files and folders of the program."""

    DOES = (
        Action("data.copy", "choose", "enter,y", footer=3),
        Action("data.back_up", "back_up", "b", footer=1),
        Action("data.restore", "restore", "o", footer=2),
        Action("data.export_all", "export_all", "x", footer=4),
    )
    ACTIONS = through(DOES)
    BINDINGS = bindings(ACTIONS)

    sizes: Mapping[str, int] = {}

    def place(self, name: str) -> Path:
        """A file or folder by name."""
        paths = self.runtime.paths
        if name == "config":
            return paths.config_file
        path: Path = getattr(paths, name)
        return path

    def read(self) -> None:
        self._show()
        self._measure()

    def _show(self) -> None:
        sizes = {name: size_name(size) for name, size in self.sizes.items()}
        self.show([Row(name, t(f"data.{name}.label"), right=sizes.get(name, "")) for name in NAMES])

    @work(group="read", exclusive=True, exit_on_error=False)
    async def _measure(self) -> None:
        self.sizes = {name: await asyncio.to_thread(size_of, self.place(name)) for name in NAMES}
        self._show()

    def explain(self, row_id: str) -> Explanation:
        if row_id not in NAMES:
            return super().explain(row_id)
        facts = [(t("data.where"), str(self.place(row_id)))]
        if row_id == "library":
            facts.append((t("data.secrets"), self._secrets()))
        return Explanation(t(f"data.{row_id}.label"), t(f"data.{row_id}.help"), facts)

    def _secrets(self) -> str:
        place = self.runtime.credentials.place
        return t("data.keyring") if place == "keyring" else place

    def action_choose(self) -> None:
        if self.chosen:
            self.app.copy_to_clipboard(str(self.place(self.chosen)))
            self.notify(t("data.copied"), markup=False, timeout=2)

    # -- everything at once ------------------------------------------------------------------------

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_back_up(self) -> None:
        from lunalux_core.library.backup import BackupReport, back_up

        name = f"lunalux-{time.strftime('%Y-%m-%d')}.zip"
        target = await ask_target(
            self.app.push_screen_wait, t("data.back_up.title"), self.runtime.paths.backups / name
        )
        if target is None:
            return
        writing = partial(back_up, self.runtime.library, self.runtime.paths, target)
        report = await self.app.push_screen_wait(
            ProgressDialog[BackupReport](t("data.back_up.title"), writing)
        )
        if report is not None:
            self.notify(
                t(
                    "data.back_up.done",
                    characters=report.characters,
                    conversations=report.conversations,
                    size=size_name(report.size),
                    path=report.path,
                ),
                markup=False,
            )
            self.read()

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_export_all(self) -> None:
        """The whole library in the form of another program."""
        from lunalux_core.exporting import ExportReport, export_library

        title = t("data.export_all.title")
        rows = [
            Row(name, t(f"data.export_all.{name}"), t(f"data.export_all.{name}_help")) for name in OTHER_FORMS
        ]
        form = await self.app.push_screen_wait(PickDialog(title, rows, two_lines=True))
        if form is None:
            return
        name = f"{form}-{time.strftime('%Y-%m-%d')}{OTHER_FORMS[form]}"
        target = await ask_target(
            self.app.push_screen_wait,
            title,
            self.runtime.paths.exports / name,
            t(f"data.export_all.{form}_path"),
            folder=form == "sillytavern",
        )
        if target is None:
            return
        writing = partial(export_library, self.runtime.library, target, form)  # type: ignore[arg-type]
        dialog = ProgressDialog[ExportReport](title, writing, _characters)
        report = await self.app.push_screen_wait(dialog)
        if report is not None:
            self.notify(told(report), markup=False, timeout=15 if report.lost else 5)
            self.read()

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_restore(self) -> None:
        from lunalux_core.library.backup import put_in_place, unpack

        paths = self.runtime.paths
        answer = await self.app.push_screen_wait(
            PathDialog(t("data.restore.title"), value=str(newest(paths.backups)), hint=t("data.restore.hint"))
        )
        if not answer:
            return
        source = path_of(answer)
        question = t("data.restore.question", path=source, folder=paths.backups)
        if not await self.app.push_screen_wait(ConfirmDialog(t("data.restore.title"), question)):
            return
        reading = partial(asyncio.to_thread, unpack, paths, source)
        fresh = await self.app.push_screen_wait(ProgressDialog[Path](t("data.restore.title"), reading))
        if fresh is not None:
            # The app holds the library open; the folders are exchanged when it has ended.
            self.lunalux.afterwards = partial(put_in_place, paths, fresh)
            self.app.exit()


def told(report: ExportReport) -> str:
    """What was exported and where it is, and what the form could not hold."""
    counts = [t(f"data.export_all.count.{kind}", n=number) for kind, number in report.counts.items()]
    what = t("settings.list_comma").join(counts) or t("data.export_all.nothing")
    lost = [t(f"data.export_all.lost.{kind}", n=number) for kind, number in report.lost.items()]
    return "\n".join([t("data.export_all.done", what=what, path=report.path), *lost])


def _characters(number: float) -> str:
    return t("data.export_all.count.characters", n=int(number))


def newest(folder: Path) -> Path | str:
    """The backup of a folder that was written last, "" where there is none."""
    archives = sorted(folder.glob("*.zip"), key=lambda path: path.stat().st_mtime) if folder.is_dir() else []
    return archives[-1] if archives else ""


def size_of(path: Path) -> int:
    """Bytes of a file, or of everything in a folder; 0 for what is not there."""
    try:
        if path.is_file():
            # SQLite keeps what was written last in files beside the database.
            beside = [path, *path.parent.glob(f"{path.name}-*")] if path.suffix == ".db" else [path]
            return sum(file.stat().st_size for file in beside)
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else 0
    except OSError:
        return 0
