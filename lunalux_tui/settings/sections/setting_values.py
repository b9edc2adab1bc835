"""Plain values, drawn from their declarations: a setting that is declared stands here by itself."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from textual import work

from lunalux_core.config.settings import DECLARATIONS, Declaration, Settings, checked
from lunalux_core.errors import InvalidInput, LunaluxError
from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import LANGUAGES, has, t
from lunalux_tui.parts.ask_dialog import AskDialog, ask_kept
from lunalux_tui.parts.explanation import Explanation
from lunalux_tui.parts.rows import Row
from lunalux_tui.settings.sections import settings_of
from lunalux_tui.settings.sections.section_view import WORK, SectionView, through

if TYPE_CHECKING:
    from lunalux_tui.theme.themed_app import ThemedApp

MARKS = {"default": " ", "file": "●", "environment": "■", "flag": "▲"}
"""Where a value comes from, at the left of its name."""

PRESET = "chat.preset"
ACTION = "action "
"""Begins the id of a row that is an action."""


class ValuesSection(SectionView):
    """The settings of one section."""

    DOES = (
        Action("settings.change", "choose", "enter,space", footer=1, palette=False),
        Action("settings.reset", "reset", "r,delete", footer=2),
    )
    ACTIONS = through(DOES)
    BINDINGS = bindings(ACTIONS)

    def declarations(self) -> list[Declaration]:
        """The settings to show."""
        return settings_of(self.section)

    preset = ""
    """Name of the preset in use, once it is read."""

    def read(self) -> None:
        if any(declaration.key == PRESET for declaration in self.declarations()):
            self._read_preset()
        self._show_values()

    @work(group="preset", exclusive=True, exit_on_error=False)
    async def _read_preset(self) -> None:
        """The preset in use has a name; that of the shelf goes before the setting."""
        from lunalux_tui.parts.preset_choice import in_use

        with suppress(LunaluxError, KeyError):
            self.preset = clean_line((await in_use(self.lunalux)).preset.name, 80)
        self._show_values()

    def _show_values(self) -> None:
        actions = [Row(ACTION + action.id, action.label, mark="▸") for action in self._actions().values()]
        self.show([*(self.row(declaration) for declaration in self.declarations()), *actions])

    def _actions(self) -> Mapping[str, Action]:
        """The actions of the app that stand in this section, by row id."""
        wanted = self.section.actions
        return {ACTION + action.id: action for action in self.lunalux.ACTIONS if action.id in wanted}

    def row(self, declaration: Declaration) -> Row:
        """A setting with its value."""
        mark = MARKS[self.settings.source(declaration.key)]
        return Row(
            declaration.key,
            label_of(declaration),
            right=self._shown(declaration),
            mark=mark,
        )

    def _shown(self, declaration: Declaration) -> str:
        """The value as it is in force."""
        if declaration.key == PRESET and self.preset:
            return self.preset
        return shown(declaration, self.settings.get(declaration.key))

    def explain(self, row_id: str) -> Explanation:
        if action := self._actions().get(row_id):
            return Explanation(action.label, action.help)
        declaration = DECLARATIONS.get(row_id)
        return super().explain(row_id) if declaration is None else explain(self.settings, declaration)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing to reset where the default is in force, or the environment decides."""
        if action == "reset":
            return self.settings.source(self.chosen) in {"file", "flag"}
        return True

    def watch_cursor(self) -> None:
        super().watch_cursor()
        self.refresh_bindings()

    # -- changing ----------------------------------------------------------------------------------

    def action_choose(self) -> None:
        declaration = DECLARATIONS.get(self.chosen)
        if declaration is None:
            if action := self._actions().get(self.chosen):
                self._run(action)
            return
        if self.settings.source(declaration.key) == "environment":
            self.notify(locked(declaration), severity="warning", markup=False)
        elif isinstance(declaration.default, bool):
            self.lunalux.change_setting(declaration.key, not self.settings.get(declaration.key))
        elif declaration.key == PRESET:
            self.host.show_section("presets", enter=True)
        else:
            self._ask(declaration)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def _ask(self, declaration: Declaration) -> None:
        answer = await ask_value(self, declaration)
        if answer is not None:
            self.lunalux.change_setting(declaration.key, answer)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def _run(self, action: Action) -> None:
        # In a worker, because an action may wait for a dialog, which Textual allows nowhere else.
        await self.app.run_action(f"app.{action.method}")

    def action_reset(self) -> None:
        declaration = DECLARATIONS.get(self.chosen)
        if declaration is not None:
            self.lunalux.reset_setting(declaration.key)


# -- words -----------------------------------------------------------------------------------------


def label_of(declaration: Declaration) -> str:
    """The name of a setting; its key where the catalogue has none yet."""
    key = f"setting.{declaration.key}.label"
    return t(key) if has(key) else declaration.key


def help_of(declaration: Declaration) -> str:
    """What a setting does."""
    key = f"setting.{declaration.key}.help"
    return t(key) if has(key) else declaration.help


def shown(declaration: Declaration, value: Any) -> str:
    """A value in the person's language."""
    if isinstance(value, bool):
        return t("settings.on") if value else t("settings.off")
    if isinstance(value, tuple):
        return t("settings.list_comma").join(value) or t("settings.none")
    if declaration.key == "language" and value in LANGUAGES:
        return LANGUAGES[value]
    key = f"setting.{declaration.key}.value.{value}"
    if has(key):
        return t(key)
    if isinstance(value, int):
        return f"{value:,}"
    return str(value) if value != "" else t("settings.none")


def allowed(declaration: Declaration) -> str:
    """The allowed values in the person's language."""
    if declaration.choices:
        return t("settings.list_comma").join(shown(declaration, choice) for choice in declaration.choices)
    if isinstance(declaration.default, bool):
        return t("settings.on_or_off")
    if isinstance(declaration.default, (int, float)):
        return t("settings.range", low=f"{declaration.low:.10g}", high=f"{declaration.high:.10g}")
    return t("settings.a_list") if isinstance(declaration.default, tuple) else t("settings.a_text")


def locked(declaration: Declaration) -> str:
    """Why a value cannot be changed here."""
    return t("settings.locked", variable=declaration.env)


def explain(settings: Settings, declaration: Declaration) -> Explanation:
    """All that is known about a setting."""
    source = settings.source(declaration.key)
    origin = t(f"settings.source.{source}", variable=declaration.env, file=settings.paths.config_file)
    facts = [
        (t("settings.fact.value"), shown(declaration, settings.get(declaration.key))),
        (t("settings.fact.source"), origin),
        (t("settings.fact.default"), shown(declaration, declaration.default)),
        (t("settings.fact.allowed"), allowed(declaration)),
        (t("settings.fact.key"), f"{declaration.key}  {declaration.env}".rstrip()),
    ]
    warning = locked(declaration) if source == "environment" else ""
    if not warning and declaration.key.startswith("backend."):
        warning = t("settings.restart")
    return Explanation(label_of(declaration), help_of(declaration), facts, warning)


async def ask_value(view: SectionView, declaration: Declaration) -> Any:
    """The new value of a setting, asked in the way that suits it; None when it stays."""
    if declaration.key == "ui.theme":
        from lunalux_tui.theme.themes_dialog import ThemesDialog

        return await view.app.push_screen_wait(ThemesDialog(cast("ThemedApp", view.app)))
    if declaration.key == "chat.model":
        from lunalux_tui.parts.models_dialog import ModelsDialog

        return await view.app.push_screen_wait(ModelsDialog(view.runtime))
    value = view.settings.get(declaration.key)
    if declaration.choices:
        from lunalux_tui.parts.pick_dialog import PickDialog

        rows = [Row(choice, shown(declaration, choice)) for choice in declaration.choices]
        return await view.app.push_screen_wait(
            PickDialog(label_of(declaration), rows, current=str(value), hint=help_of(declaration))
        )
    dialog = value_dialog(declaration, value)
    if not isinstance(declaration.default, (str, tuple)):  # a number is no words
        return await view.app.push_screen_wait(dialog)
    # The caller changes the setting at once, so that an answer needs no draft.
    draft = view.runtime.library.drafts.of(f"setting:{declaration.key}", dialog.unsaved)
    answer = await ask_kept(view.app.push_screen_wait, dialog, draft)
    if answer is not None:
        await draft.forget()
    return answer


def value_dialog(declaration: Declaration, value: Any) -> AskDialog[Any]:
    """Asks for a number, a text or a list; answers the value in its own type, or None."""

    def read(text: str) -> Any:
        try:
            return checked(declaration, text, "")
        except InvalidInput:
            return None

    def told(fine: bool) -> str:
        return t("settings.allowed" if fine else "settings.not_allowed", allowed=allowed(declaration))

    written = ", ".join(value) if isinstance(value, tuple) else str(value)
    return AskDialog(label_of(declaration), value=written, hint=help_of(declaration), read=read, allowed=told)
