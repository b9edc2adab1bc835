"""Plain values, drawn from their declarations: a setting that is declared stands here by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from textual import work

from lunalux_core.config.settings import DECLARATIONS, Declaration, Settings, checked
from lunalux_core.errors import InvalidInput
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import LANGUAGES, has, t
from lunalux_tui.parts.ask_dialog import AskDialog
from lunalux_tui.parts.explanation import Explanation
from lunalux_tui.parts.rows import Row
from lunalux_tui.settings.sections import settings_of
from lunalux_tui.settings.sections.base import WORK, SectionView, through

if TYPE_CHECKING:
    from lunalux_tui.theme.themed_app import ThemedApp

MARKS = {"default": " ", "file": "●", "environment": "■", "flag": "▲"}
"""Where a value comes from, at the left of its name."""


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

    def read(self) -> None:
        actions = [Row(ACTION + one.id, one.label, mark="▸") for one in self._actions().values()]
        self.show([*(self.row(known) for known in self.declarations()), *actions])

    def _actions(self) -> Mapping[str, Action]:
        """The actions of the app that stand in this section, by row id."""
        wanted = self.section.actions
        return {ACTION + one.id: one for one in self.lunalux.ACTIONS if one.id in wanted}

    def row(self, known: Declaration) -> Row:
        """A setting with its value."""
        mark = MARKS[self.settings.source(known.key)]
        return Row(known.key, label_of(known), right=shown(known, self.settings.get(known.key)), mark=mark)

    def explain(self, row_id: str) -> Explanation:
        if action := self._actions().get(row_id):
            return Explanation(action.label, action.help)
        known = DECLARATIONS.get(row_id)
        return super().explain(row_id) if known is None else explain(self.settings, known)

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
        known = DECLARATIONS.get(self.chosen)
        if known is None:
            if action := self._actions().get(self.chosen):
                self._run(action)
            return
        if self.settings.source(known.key) == "environment":
            self.notify(locked(known), severity="warning", markup=False)
        elif isinstance(known.default, bool):
            self.lunalux.change_setting(known.key, not self.settings.get(known.key))
        elif known.key == "chat.preset":
            self.host.show_section("presets", enter=True)
        else:
            self._ask(known)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def _ask(self, known: Declaration) -> None:
        answer = await ask_value(self, known)
        if answer is not None:
            self.lunalux.change_setting(known.key, answer)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def _run(self, action: Action) -> None:
        await self.app.run_action(f"app.{action.method}")

    def action_reset(self) -> None:
        known = DECLARATIONS.get(self.chosen)
        if known is not None:
            self.lunalux.reset_setting(known.key)


# -- words -----------------------------------------------------------------------------------------


def label_of(known: Declaration) -> str:
    """The name of a setting; its key where the catalogue has none yet."""
    key = f"setting.{known.key}.label"
    return t(key) if has(key) else known.key


def help_of(known: Declaration) -> str:
    """What a setting does."""
    key = f"setting.{known.key}.help"
    return t(key) if has(key) else known.help


def shown(known: Declaration, value: Any) -> str:
    """A value in the person's language."""
    if isinstance(value, bool):
        return t("settings.on") if value else t("settings.off")
    if isinstance(value, tuple):
        return t("settings.list_comma").join(value) or t("settings.none")
    if known.key == "language" and value in LANGUAGES:
        return LANGUAGES[value]
    key = f"setting.{known.key}.value.{value}"
    if has(key):
        return t(key)
    return str(value) if value != "" else t("settings.none")


def allowed(known: Declaration) -> str:
    """The allowed values in the person's language."""
    if known.choices:
        return t("settings.list_comma").join(shown(known, choice) for choice in known.choices)
    if isinstance(known.default, bool):
        return t("settings.on_or_off")
    if isinstance(known.default, (int, float)):
        return t("settings.range", low=f"{known.low:g}", high=f"{known.high:,.10g}")
    return t("settings.a_list") if isinstance(known.default, tuple) else t("settings.a_text")


def locked(known: Declaration) -> str:
    """Why a value cannot be changed here."""
    return t("settings.locked", variable=known.env)


def explain(settings: Settings, known: Declaration) -> Explanation:
    """All that is known about a setting."""
    source = settings.source(known.key)
    origin = t(f"settings.source.{source}", variable=known.env, file=settings.paths.config_file)
    facts = [
        (t("settings.fact.value"), shown(known, settings.get(known.key))),
        (t("settings.fact.source"), origin),
        (t("settings.fact.default"), shown(known, known.default)),
        (t("settings.fact.allowed"), allowed(known)),
        (t("settings.fact.key"), f"{known.key}  {known.env}".rstrip()),
    ]
    warning = locked(known) if source == "environment" else ""
    if not warning and known.key.startswith("backend."):
        warning = t("settings.restart")
    return Explanation(label_of(known), help_of(known), facts, warning)


async def ask_value(pane: SectionView, known: Declaration) -> Any:
    """The new value of a setting, asked in the way that suits it; None when it stays."""
    if known.key == "ui.theme":
        from lunalux_tui.theme.themes_dialog import ThemesDialog

        return await pane.app.push_screen_wait(ThemesDialog(cast("ThemedApp", pane.app)))
    if known.key == "chat.model":
        from lunalux_tui.parts.models_dialog import ModelsDialog

        return await pane.app.push_screen_wait(ModelsDialog(pane.runtime))
    value = pane.settings.get(known.key)
    if known.choices:
        from lunalux_tui.parts.pick_dialog import PickDialog

        rows = [Row(choice, shown(known, choice)) for choice in known.choices]
        return await pane.app.push_screen_wait(
            PickDialog(label_of(known), rows, current=str(value), hint=help_of(known))
        )
    return await pane.app.push_screen_wait(value_dialog(known, value))


def value_dialog(known: Declaration, value: Any) -> AskDialog[Any]:
    """Asks for a number, a text or a list; answers the value in its own type, or None."""

    def read(text: str) -> Any:
        try:
            return checked(known, text, "")
        except InvalidInput:
            return None

    def told(fine: bool) -> str:
        return t("settings.allowed" if fine else "settings.not_allowed", allowed=allowed(known))

    written = ", ".join(value) if isinstance(value, tuple) else str(value)
    return AskDialog(label_of(known), value=written, hint=help_of(known), read=read, allowed=told)
