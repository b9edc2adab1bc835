"""Plug-ins: which run, in which order, and what is wrong with one. Nothing of them is executed by looking."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work

from lunalux_core.database import storage_error
from lunalux_core.errors import InvalidInput
from lunalux_core.regular_files import read_regular, write_named
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.ask_dialog import AskDialog, ConfirmDialog, ask_kept
from lunalux_tui.parts.explanation import Explanation
from lunalux_tui.parts.files import path_of
from lunalux_tui.parts.rows import Row
from lunalux_tui.parts.target_file import ask_target
from lunalux_tui.settings.sections.section_view import WORK, SectionView, through

if TYPE_CHECKING:
    from lunalux_core.plugins.loader import PluginInfo


class PluginsSection(SectionView):
    """The plug-ins at hand, those that run first and in their order."""

    DOES = (
        Action("plugins.toggle", "choose", "enter,space", footer=1),
        Action("plugins.import", "import_file", "i,ctrl+o", footer=2),
        Action("plugins.export", "export", "x", footer=3),
        Action("plugins.delete", "delete", "d,delete", footer=4),
        Action("plugins.earlier", "shift(-1)", "shift+up,K", footer=5),
        Action("plugins.later", "shift(1)", "shift+down,J"),
    )
    ACTIONS = through(DOES)
    BINDINGS = bindings(ACTIONS)

    available: Mapping[str, PluginInfo] = {}

    @property
    def info(self) -> PluginInfo | None:
        """The plug-in under the cursor."""
        return self.available.get(self.chosen)

    def read(self) -> None:
        self.available = {info.name: info for info in self.runtime.plugins.available()}
        self.empty = t("plugins.none")
        self.show([self._row(info) for info in self.available.values()])
        self.refresh_bindings()

    def _row(self, info: PluginInfo) -> Row:
        note = t("settings.on") if info.enabled else t("settings.off")
        if info.problem:
            note = t("plugins.problem")
        mark = "✗" if info.problem else "✓" if info.enabled else " "
        return Row(info.name, info.name, right=note, mark=mark)

    def explain(self, row_id: str) -> Explanation:
        info = self.available.get(row_id)
        if info is None:
            return Explanation(self.section.title, t("plugins.how", folder=self.runtime.paths.plugins))
        origin = t("plugins.package") if info.origin == "package" else info.origin or t("plugins.missing")
        state = t("plugins.on" if info.enabled else "plugins.off")
        return Explanation(info.name, state, [(t("settings.fact.source"), origin)], trouble=info.problem)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        info = self.info
        if action == "choose":
            return info is not None
        if action in {"delete", "export"}:
            return info is not None and info.origin not in {"", "package"}
        if action == "shift":
            return info is not None and info.enabled
        return True

    def watch_cursor(self) -> None:
        super().watch_cursor()
        self.refresh_bindings()

    # -- one plug-in -------------------------------------------------------------------------------

    def action_choose(self) -> None:
        if self.info is not None:
            self._switch(self.info)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def _switch(self, info: PluginInfo) -> None:
        others = [entry for entry in self.settings.plugins if _name(entry) != info.name]
        if not info.enabled:
            sure = ConfirmDialog(t("plugins.trust.title"), t("plugins.trust.question", name=info.name))
            if not await self.app.push_screen_wait(sure):
                return
            others.append(self.runtime.plugins.entry(info.name))
        self._store(others)

    def action_shift(self, step: int) -> None:
        entries = list(self.settings.plugins)
        names = [_name(entry) for entry in entries]
        if self.chosen not in names:
            return
        place = names.index(self.chosen)
        to = place + step
        if 0 <= to < len(entries):
            entries[place], entries[to] = entries[to], entries[place]
            self._store(entries)

    def _store(self, entries: Sequence[str]) -> None:
        self.lunalux.change_setting("plugins.enabled", tuple(entries))
        self.read()

    # -- files -------------------------------------------------------------------------------------

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_import_file(self) -> None:
        dialog = AskDialog(t("plugins.import"), hint=t("plugins.import_hint"))
        draft = self.runtime.library.drafts.of("plugin_file")
        answer = await ask_kept(self.app.push_screen_wait, dialog, draft)
        if not answer:
            return
        source = path_of(answer)
        if source.suffix != ".py" or not source.is_file():
            raise InvalidInput(
                "PLUGIN_FILE_INVALID",
                f"{source} is no plug-in file.",
                "Name a Python file (.py); packages are installed with pip.",
                path=str(source),
            )
        target = self.runtime.paths.plugins / source.name
        if target.exists():
            sure = ConfirmDialog(t("settings.overwrite.title"), t("settings.overwrite.question", path=target))
            if not await self.app.push_screen_wait(sure):
                return
        await _copy(source, target)
        await draft.forget()
        self.read()
        self.set_rows(self.rows, at=target.stem)
        self.notify(t("plugins.imported", name=target.stem), markup=False)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_export(self) -> None:
        info = self.info
        if info is None:
            return
        proposal = self.runtime.paths.exports / Path(info.origin).name
        target = await ask_target(self.app.push_screen_wait, t("plugins.export"), proposal)
        if target is not None:
            await _copy(Path(info.origin), target)
            self.notify(t("chat.exported", path=target), markup=False)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_delete(self) -> None:
        info = self.info
        if info is None:
            return
        question = t("plugins.delete.question", path=info.origin)
        if not await self.app.push_screen_wait(ConfirmDialog(t("plugins.delete.title"), question)):
            return
        if info.enabled:
            self._store([entry for entry in self.settings.plugins if _name(entry) != info.name])
        path = Path(info.origin)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error, path) from error
        self.read()


def _name(entry: str) -> str:
    # After the @ stands the digest of the file that was trusted.
    return entry.partition("@")[0]


async def _copy(source: Path, target: Path) -> None:
    await asyncio.to_thread(lambda: write_named(target, read_regular(source)))
