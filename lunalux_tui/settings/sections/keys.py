"""Keys: every action with its keys; a new one is given by pressing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from textual import work

from lunalux_core.config.config_file import set_keys
from lunalux_tui.actions import Action, bindings, key_name, keys_of
from lunalux_tui.i18n import t
from lunalux_tui.parts.explanation import Explanation
from lunalux_tui.parts.rows import Row
from lunalux_tui.settings.key_dialog import PressDialog
from lunalux_tui.settings.sections.section_view import WORK, SectionView, through

EVERYWHERE = {"app", "go"}
"""Groups whose keys work on every screen."""


class KeysSection(SectionView):
    """All actions, grouped as help groups them."""

    DOES = (
        Action("keys.change", "choose", "enter,space", footer=1, palette=False),
        Action("keys.add", "add", "a", footer=2),
        Action("keys.reset", "reset", "r,delete", footer=3),
        Action("keys.reset_all", "reset_all"),
    )
    ACTIONS = through(DOES)
    BINDINGS = bindings(ACTIONS)

    actions_by_id: Mapping[str, Action] = {}

    @property
    def under_cursor(self) -> Action | None:
        return self.actions_by_id.get(self.chosen)

    def read(self) -> None:
        actions = sorted(self.lunalux.all_actions(), key=lambda action: _ORDER.get(action.group, len(_ORDER)))
        self.actions_by_id = {action.id: action for action in actions}
        own = self.settings.keys
        rows = [
            Row(action.id, _title(action), right=self._keys(action), mark="●" if action.id in own else " ")
            for action in actions
        ]
        self.show(rows)
        self.refresh_bindings()

    def _keys(self, action: Action) -> str:
        return "  ".join(key_name(key) for key in keys_of(action, self.lunalux.keymap))

    def explain(self, row_id: str) -> Explanation:
        action = self.actions_by_id.get(row_id)
        if action is None:
            return super().explain(row_id)
        default = "  ".join(key_name(key) for key in keys_of(action, {})) or t("settings.none")
        facts = [
            (t("keys.where"), t(f"group.{action.group}")),
            (t("keys.keys"), self._keys(action) or t("settings.none")),
            (t("settings.fact.default"), default),
            (t("settings.fact.key"), f"[keys] {action.id}"),
        ]
        return Explanation(action.label, action.help, facts)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "reset":
            return self.chosen in self.settings.keys
        if action == "reset_all":
            return bool(self.settings.keys)
        return True

    def watch_cursor(self) -> None:
        super().watch_cursor()
        self.refresh_bindings()

    # -- changing ----------------------------------------------------------------------------------

    def action_choose(self) -> None:
        self._press(add=False)

    def action_add(self) -> None:
        self._press(add=True)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def _press(self, *, add: bool) -> None:
        action = self.under_cursor
        if action is None:
            return
        key = await self.app.push_screen_wait(PressDialog(action, self._taken(action)))
        if not key:
            return
        before = keys_of(action, self.lunalux.keymap) if add else []
        self._store({action.id: ",".join(dict.fromkeys([*before, key]))})

    def _taken(self, action: Action) -> Mapping[str, str]:
        """What a key does already where this action works."""
        # An action with priority gets its key before the field that is being written in.
        taken = {} if action.priority else dict.fromkeys(editing_keys(), t("keys.editing"))
        for other in self.actions_by_id.values():
            near = other.group == action.group or EVERYWHERE & {other.group, action.group}
            if other.id != action.id and near:
                taken |= dict.fromkeys(keys_of(other, self.lunalux.keymap), other.label)
        return taken

    def action_reset(self) -> None:
        if self.chosen:
            self._store({self.chosen: None})

    def action_reset_all(self) -> None:
        self._store(dict.fromkeys(self.settings.keys))

    def _store(self, changes: Mapping[str, str | None]) -> None:
        """Write the keys of some actions into `[keys]`; None gives the default back."""
        set_keys(self.runtime.paths.config_file, changes)
        keys = {**self.settings.keys, **changes}
        bound = {action_id: keys_ for action_id, keys_ in keys.items() if keys_ is not None}
        self.lunalux.apply_settings(replace(self.settings, keys=bound))


def editing_keys() -> set[str]:
    """Keys that edit text wherever it is written."""
    from textual.binding import Binding
    from textual.widgets import Input, TextArea

    # Textual declares several keys as one text between commas; this takes them apart.
    text_bindings = Binding.make_bindings([*TextArea.BINDINGS, *Input.BINDINGS])
    return {binding.key for binding in text_bindings}


def _title(action: Action) -> str:
    return t("keys.row", group=t(f"group.{action.group}"), label=action.label)


_ORDER = {
    group: place
    for place, group in enumerate(("app", "go", "prompt", "chat", "browse", "roster", "market", "details"))
}
