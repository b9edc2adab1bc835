"""The prompts of a preset in the order they are sent: switched on and off, moved, rewritten."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.worker import Worker, WorkerFailed

from lunalux_core.llm.tokens import estimator
from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import CANCEL, Dialog, question
from lunalux_tui.parts.edit_dialog import EditDialog
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.preset_choice import (
    PresetChoice,
    builtin_rows,
    own_rows,
    preset_of_row,
    prompt_title,
    put_in_use,
)
from lunalux_tui.parts.reader import Reader
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED, SURFACE

if TYPE_CHECKING:
    from lunalux_core.presets.document import Preset, PresetPrompt


class PresetDialog(Dialog[None]):
    """Changes are kept at once; the first change of a built-in preset makes a copy, which is then in use.

    Args:
        choosing: whether another preset can be chosen here; it is put in use.
    """

    ACTIONS = (
        Action("prompts.toggle", "switch", "enter,space", footer=1, palette=False),
        Action("prompts.edit", "edit", "e", footer=2, palette=False),
        Action("prompts.earlier", "shift(-1)", "shift+up,K", footer=3, palette=False),
        Action("prompts.later", "shift(1)", "shift+down,J", palette=False),
        Action("prompts.other", "other", "o", footer=4, palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)
    SIZE = "-wide -tall"

    def __init__(self, preset: PresetChoice, *, choosing: bool = True) -> None:
        super().__init__("", hint=question("prompts.hint"))
        self._held = preset
        self._choosing = choosing
        self._count = estimator("").text
        self._storing = asyncio.Lock()

    def compose_body(self) -> ComposeResult:
        yield Rows(ground=SURFACE, id="prompt-rows")
        yield Reader(id="prompt-told")

    @property
    def preset(self) -> Preset:
        return self._held.preset

    @property
    def rows(self) -> Rows:
        return self.query_one("#prompt-rows", Rows)

    def on_mount(self) -> None:
        self.rows.focus()
        self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "other":
            return self._choosing
        if action == "edit":
            prompt = self._prompt()
            return prompt is not None and not prompt.marker
        return True

    # -- what is seen ------------------------------------------------------------------------------

    def _show(self) -> None:
        name = clean_line(self.preset.name, 60)
        key = "prompts.title" if self._held.item is not None else "prompts.title_builtin"
        self.query_one("#dialog").border_title = question(key, name=name).replace("[", "\\[")
        self.rows.set_rows([self._row(entry.identifier, entry.enabled) for entry in self.preset.order])
        self._tell()

    def _row(self, identifier: str, enabled: bool) -> Row:
        prompt = self.preset.prompt(identifier)
        if prompt is None or prompt.marker:
            size = question("prompts.filled")
        else:
            size = question("prompts.size", n=f"{self._count(prompt.content):,}")
        return Row(identifier, self._title_of(identifier), right=size, mark="✓" if enabled else " ")

    def _title_of(self, identifier: str) -> str:
        return prompt_title(self.preset, identifier)

    def _prompt(self) -> PresetPrompt | None:
        rows = next(iter(self.query("#prompt-rows").results(Rows)), None)
        return self.preset.prompt(rows.chosen) if rows is not None else None

    @on(Rows.Moved, "#prompt-rows")
    def _tell(self) -> None:
        prompt = self._prompt()
        if prompt is None or prompt.marker:
            runs = [(question("prompts.marker"), MUTED)]
        else:
            where = question("prompts.depth", n=prompt.depth) if prompt.absolute else ""
            head = question("prompts.head", role=t(f"inspector.role.{prompt.role}"))
            runs = [(head, ACCENT | BOLD), *([(where, MUTED)] if where else []), ("", 0), (prompt.content, 0)]
        self.query_one(Reader).show(runs)
        self.refresh_bindings()

    # -- what is changed ---------------------------------------------------------------------------

    @on(Rows.Chosen, "#prompt-rows")
    def action_switch(self) -> None:
        from lunalux_core.presets.document import set_enabled

        for entry in self.preset.order:
            if entry.identifier == self.rows.chosen:
                self._keep(set_enabled(self.preset, entry.identifier, not entry.enabled))

    def action_shift(self, step: int) -> None:
        from lunalux_core.presets.document import set_order

        order = list(self.preset.order)
        at = next((place for place, entry in enumerate(order) if entry.identifier == self.rows.chosen), -1)
        if at >= 0 and 0 <= at + step < len(order):
            order[at], order[at + step] = order[at + step], order[at]
            self._keep(set_order(self.preset, order))

    @work(group="preset-edit", exclusive=True, exit_on_error=False)
    async def action_edit(self) -> None:
        from lunalux_core.presets.document import set_content

        prompt = self._prompt()
        if prompt is None or prompt.marker:
            return
        key = f"prompt:{self._held.row_id}:{prompt.identifier}"
        draft = self.lunalux.runtime.library.drafts.of(key, prompt.content)
        title = self._title_of(prompt.identifier)
        dialog = EditDialog(
            title, prompt.content, key="prompts.edit", draft=await draft.read(), keep=draft.keep
        )
        text = await self.app.push_screen_wait(dialog)
        await draft.keep(dialog.text if text is None else text)  # until it stands where it belongs
        if text is None:
            if dialog.text != prompt.content:
                self.notify(question("draft_kept"), markup=False)
            return
        if text != prompt.content:
            with suppress(WorkerFailed):  # what failed is told by the worker itself
                await self._keep(set_content(self.preset, prompt.identifier, text)).wait()
                await draft.forget()

    def _keep(self, preset: Preset) -> Worker[None]:
        """Show the changed preset and store it."""
        self._held = PresetChoice(self._held.row_id, preset, self._held.item)
        self._show()
        return self._store()

    @work(group="preset", exit_on_error=False)
    async def _store(self) -> None:
        """Store what is shown; one after the other, so that quick changes make one copy."""
        from lunalux_core.presets.document import preset_document

        shelf = self.lunalux.runtime.library.presets
        async with self._storing:
            if (item := self._held.item) is not None:
                await shelf.save(item.id, document=preset_document(self.preset))
                return
            name = question("prompts.copy_name", name=self.preset.name)
            item = await shelf.add(name, preset_document(self.preset))
            self._held = PresetChoice(item.id, replace(self.preset, name=name), item)
        self.notify(question("prompts.copied", name=name), markup=False)
        if self.query("#prompt-rows"):  # it may have been left meanwhile
            self._show()

    @work(group="preset-edit", exclusive=True, exit_on_error=False)
    async def action_other(self) -> None:
        """Put another preset in use and show it."""
        runtime = self.lunalux.runtime
        items = await runtime.library.presets.list()
        rows = [*own_rows(items), *builtin_rows(runtime.settings, items)]
        dialog = PickDialog(question("prompts.pick"), rows, current=self._held.row_id)
        picked = await self.app.push_screen_wait(dialog)
        if picked is not None:
            self._held = preset_of_row(picked, runtime.settings, items)
            await put_in_use(self.lunalux, picked)
            self._show()
