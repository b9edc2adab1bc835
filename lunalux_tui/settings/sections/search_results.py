"""What a search of the settings finds: settings of all sections, sections, and the keys of actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lunalux_core.config.settings import DECLARATIONS
from lunalux_tui.actions import Action, key_name, keys_of
from lunalux_tui.i18n import t
from lunalux_tui.parts.explanation import Explanation
from lunalux_tui.parts.rows import Row
from lunalux_tui.settings.sections import BY_ID, SECTIONS, section_of
from lunalux_tui.settings.sections.setting_values import ValuesSection, help_of, label_of, shown

SECTION, KEY = "section ", "key "
"""What begins the id of a row that is no setting."""


class SearchResults(ValuesSection):
    """Enter changes a setting that was found, and leads to a section or to the keys."""

    words = ""
    _by_id: Mapping[str, Action] = {}

    def seek(self, words: str) -> None:
        """Search for other words."""
        self.words = words
        self.read()

    def _show_values(self) -> None:
        self._by_id = {action.id: action for action in self.lunalux.all_actions()}
        self.empty = t("settings.nothing_found")
        self.show([*self._sections(), *self._settings(), *self._keys()])

    def _sections(self) -> Iterator[Row]:
        for section in SECTIONS:
            # Sections of plain values are found by their settings.
            if section.view and self._fits(section.title, section.help, section.id):
                yield Row(SECTION + section.id, section.title, right=t("settings.a_section"), mark="▸")

    def _settings(self) -> Iterator[Row]:
        for declaration in DECLARATIONS.values():
            section, value = section_of(declaration.key), self.settings.get(declaration.key)
            words = (label_of(declaration), help_of(declaration), declaration.help, declaration.key)
            if section and self._fits(*words, section.title, shown(declaration, value), str(value)):
                yield self.row(declaration)

    def _keys(self) -> Iterator[Row]:
        for action in self._by_id.values():
            keys = "  ".join(key_name(key) for key in keys_of(action, self.lunalux.keymap))
            if self._fits(action.label, action.help, action.id, keys, t(f"group.{action.group}")):
                title = f"{t(f'group.{action.group}')} · {action.label}"
                yield Row(KEY + action.id, title, right=keys, mark="▸")

    def _fits(self, *texts: str) -> bool:
        text = " ".join(texts).casefold()
        return all(word in text for word in self.words.casefold().split())

    def explain(self, row_id: str) -> Explanation:
        if row_id.startswith(SECTION):
            section = BY_ID[row_id.removeprefix(SECTION)]
            return Explanation(section.title, section.help)
        if action := self._by_id.get(row_id.removeprefix(KEY)):
            return Explanation(action.label, action.help, [(t("settings.fact.key"), f"[keys] {action.id}")])
        return super().explain(row_id)

    def action_choose(self) -> None:
        if self.chosen.startswith(SECTION):
            self.host.show_section(self.chosen.removeprefix(SECTION), enter=True)
        elif self.chosen.startswith(KEY):
            self.host.show_section("keys", enter=True, at=self.chosen.removeprefix(KEY))
        else:
            super().action_choose()
