"""Presets: the built-in ones and those of the shelf; one is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import work

from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.explanation import Explanation
from lunalux_tui.parts.preset_choice import (
    BUILTIN,
    builtin_rows,
    own_rows,
    preset_of_row,
    prompt_title,
    put_in_use,
)
from lunalux_tui.parts.rows import Row
from lunalux_tui.settings.sections.section_view import WORK, through
from lunalux_tui.settings.sections.shelf import SHELF_ACTIONS, ShelfSection

if TYPE_CHECKING:
    from lunalux_core.presets.document import Preset


NOT_OF_PRESETS = {"choose", "new", "shift(-1)", "shift(1)"}


class PresetsSection(ShelfSection):
    """Enter puts the preset under the cursor in use."""

    KIND = "preset"
    DOES = (
        Action("shelf.use", "choose", "enter,space", footer=1),
        *(action for action in SHELF_ACTIONS if action.method not in NOT_OF_PRESETS),
    )
    ACTIONS = through(DOES)
    BINDINGS = bindings(ACTIONS)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self.chosen) if action == "edit" else super().check_action(action, parameters)

    def listed(self) -> list[Row]:
        items = self.items.values()
        return [*own_rows(items), *builtin_rows(self.settings, items)]

    def action_choose(self) -> None:
        if self.chosen:
            self._use(self.chosen)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def _use(self, row_id: str) -> None:
        await put_in_use(self.lunalux, row_id)
        await self.reread()

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_edit(self) -> None:
        """Show the prompts of the preset under the cursor: switched, moved, rewritten."""
        from lunalux_tui.parts.preset_dialog import PresetDialog

        if self.chosen:
            choice = preset_of_row(self.chosen, self.settings, self.items.values())
            await self.app.push_screen_wait(PresetDialog(choice, choosing=False))
            await self.reread()

    def explain(self, row_id: str) -> Explanation:
        preset = self._preset(row_id)
        if preset is None:
            return super().explain(row_id)
        slots = [(preset.prompt(identifier), enabled) for identifier, enabled in preset.order]
        names = [prompt_title(preset, prompt.identifier) for prompt, enabled in slots if prompt and enabled]
        facts = [(t("shelf.preset.slots"), t("settings.list_comma").join(names))]
        if row_id.startswith(BUILTIN):
            from lunalux_core.presets.builtin import builtin_presets

            builtins = {preset.key: preset for preset in builtin_presets(self.settings.lang)}
            builtin = builtins[row_id.removeprefix(BUILTIN)]
            return Explanation(
                builtin.title, builtin.summary, [(t("settings.fact.key"), builtin.key), *facts]
            )
        return Explanation(self.items[row_id].name, t("shelf.preset.own"), facts)

    def _preset(self, row_id: str) -> Preset | None:
        from lunalux_core.errors import LunaluxError

        try:
            return preset_of_row(row_id, self.settings, self.items.values()).preset
        except (LunaluxError, KeyError):
            return None  # the list shows its name; the chat tells what is wrong with it

    def exported(self) -> tuple[str, Any]:
        from lunalux_core.presets.document import preset_document

        if self.item is not None:
            return super().exported()
        preset = self._preset(self.chosen)
        assert preset is not None
        return preset.name, preset_document(preset)
