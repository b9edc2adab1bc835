"""The app around the screens: places, theme, language, keys, help, and what outlives a screen."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import work
from textual.app import App
from textual.reactive import var
from textual.screen import Screen
from textual.theme import Theme
from textual.worker import Worker, WorkerState

from lunalux_core.errors import InvalidInput, LunaluxError
from lunalux_tui import i18n, places, themes
from lunalux_tui.actions import Action, bindings, checked_keymap, reachable
from lunalux_tui.hangup import watch_terminal
from lunalux_tui.i18n import t, tell
from lunalux_tui.render.palette import Palette

if TYPE_CHECKING:
    from lunalux_core.account import AccountState
    from lunalux_core.runtime import Runtime
    from lunalux_core.settings import Settings
    from lunalux_tui.opening import Opening
    from lunalux_tui.screens.chat import ChatScreen

APP_ACTIONS = (
    *places.ACTIONS,
    Action("app.help", "help", "f1", footer=60, priority=True),
    Action("app.palette", "command_palette", "ctrl+p", footer=61, priority=True, palette=False),
    Action("app.next_theme", "next_theme"),
    Action("app.quit", "quit", "ctrl+q", footer=59, priority=True),
)


class LunaluxApp(App[None]):
    """Lunalux in the terminal. Keeps the runtime; screens find it as `app.runtime`."""

    TITLE = "Lunalux"
    CSS_PATH = "lunalux.tcss"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    ACTIONS = APP_ACTIONS
    BINDINGS = bindings(APP_ACTIONS)
    MODES: ClassVar = {place.id: place.make for place in places.PLACES if place.id != places.FIRST}
    DEFAULT_MODE = places.FIRST

    account: var[AccountState | None] = var(None, init=False)
    """The account as last known; whoever shows the wallet watches this one."""

    def __init__(self, runtime: Runtime, opening: Opening, *, begin_new: bool = False) -> None:
        self.runtime = runtime
        self.opening = opening
        self.begin_new = begin_new
        self.keymap: Mapping[str, str] = {}
        self._theme_names: list[str] = []
        self._no_colour = "NO_COLOR" in os.environ
        i18n.use(runtime.settings.lang)
        super().__init__(ansi_color=True if self._no_colour else None)
        self._problems = self._choose_theme(runtime.settings.theme)

    # -- start -------------------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[Any]:
        """The chat screen; as the default screen it costs one reading of the style sheet less than a mode."""
        return places.PLACES[0].make()

    def on_mount(self) -> None:
        watch_terminal(self)
        self.call_after_refresh(self._after_first_frame)

    @work(group="start", exit_on_error=False)
    async def _after_first_frame(self) -> None:
        """Everything that can wait until something is on screen."""
        gc.freeze()
        gc.enable()
        self.add_mode(places.FIRST, places.PLACES[0].make)
        self._read_keymap(self.runtime.settings)
        for problem in (*self._problems, *self.runtime.settings.problems):
            self.tell(problem, severity="warning")
        from lunalux_tui.start import begin

        await begin(self)

    def _read_keymap(self, settings: Settings) -> None:
        self.keymap, wrong = checked_keymap(settings.keys, places.all_actions())
        if self.keymap:
            self.set_keymap(dict(self.keymap))
        for problem in wrong:
            self.tell(problem, severity="warning")

    # -- telling -----------------------------------------------------------------------------------

    def tell(self, error: LunaluxError, severity: Any = "error") -> None:
        """A notice of a failure: what happened, what to do."""
        message, hint = tell(error)
        self.notify(
            hint or message, title=message if hint else "", severity=severity, markup=False, timeout=8
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        error = event.worker.error
        if event.state is WorkerState.ERROR and error is not None:
            if isinstance(error, LunaluxError):
                self.tell(error)
            else:
                self.log.error("worker failed", error=repr(error))
                text = t("app.unexpected", reason=f"{type(error).__name__}: {error}")
                self.notify(text, severity="error", markup=False)

    async def action_quit(self) -> None:
        """Leave; what stands in the prompt is kept as a draft."""
        try:
            await self.chat.keep_draft()
        except LunaluxError as error:
            self.log.error("draft not kept", error=repr(error))
        self.exit()

    # -- places ------------------------------------------------------------------------------------

    @property
    def chat(self) -> ChatScreen:
        """The chat screen, wherever the person is now."""
        stack = self._screen_stacks[places.FIRST]
        return cast("ChatScreen", stack[0])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "go":
            return places.exists(str(parameters[0])) and not self.screen.is_modal
        return True

    def action_go(self, place: str) -> None:
        """Show another place of the app."""
        self.switch_mode(place)

    @work(group="open", exclusive=True, exit_on_error=False)
    async def open_character(self, character_id: str) -> None:
        """Go to the chat screen and talk with a character; for "chat now" of other screens."""
        await self.switch_mode(places.FIRST)
        await self.chat.open_character(character_id)
        await self.chat.refresh_roster()

    def action_help(self) -> None:
        from lunalux_tui.dialogs.help import HelpDialog

        if isinstance(self.screen, HelpDialog):
            return
        place = getattr(self.screen, "PLACE", places.FIRST)
        self.push_screen(HelpDialog(place, list(reachable(self, self.screen)), self.keymap))

    def action_command_palette(self) -> None:
        from textual.command import CommandPalette

        from lunalux_tui.commands import Commands

        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette([Commands], placeholder=t("palette.placeholder")))

    # -- settings ----------------------------------------------------------------------------------

    def change_setting(self, key: str, value: object) -> None:
        """Store one setting and put it in force everywhere; told as a notice when it cannot be."""
        from lunalux_core.config_file import set_value

        try:
            settings = self.runtime.settings.with_value(key, value, "file")
            set_value(self.runtime.paths.config_file, key, value)
        except LunaluxError as error:
            self.tell(error)
            return
        self.apply_settings(settings)

    def apply_settings(self, settings: Settings) -> None:
        """Put changed settings in force: language, theme, and whatever the screens take from them."""
        before = self.runtime.settings
        self.runtime.apply(settings)
        if settings.lang != before.lang:
            self._speak(settings.lang)
        if settings.theme != before.theme:
            for problem in self._choose_theme(settings.theme):
                self.tell(problem)
        for screen in self._all_screens():
            follow = getattr(screen, "apply_settings", None)
            if follow is not None:
                follow()

    def switch_language(self, language: str) -> None:
        """Speak another language from now on."""
        self.change_setting("language", language)

    def _speak(self, language: str) -> None:
        i18n.use(language)
        for screen in self._all_screens():
            for node in (screen, *screen.query("*")):
                retranslate = getattr(node, "retranslate", None)
                if retranslate is not None:
                    retranslate()
            screen.refresh(layout=True)

    def _all_screens(self) -> Iterator[Screen[Any]]:
        for stack in self._screen_stacks.values():
            yield from stack

    # -- theme -------------------------------------------------------------------------------------

    @property
    def palette(self) -> Palette:
        """Colours for the widgets that draw themselves."""
        return self._palette

    def theme_names(self) -> list[str]:
        """All themes that can be chosen; files that cannot be read are told once."""
        if not self._theme_names:
            loaded, failed = themes.load_themes(self.runtime.paths.themes)
            for theme in loaded.values():
                self.register_theme(theme)
            for problem in failed:
                self.tell(problem, severity="warning")
            self._theme_names = sorted(loaded)
        return self._theme_names

    def change_theme(self, name: str) -> None:
        self.change_setting("ui.theme", name)

    def action_next_theme(self) -> None:
        """The next of the known themes."""
        names = self.theme_names()
        at = names.index(self.theme) if self.theme in names else -1
        self.change_theme(names[(at + 1) % len(names)])

    def _choose_theme(self, name: str) -> list[InvalidInput]:
        problems: list[InvalidInput] = []
        try:
            theme = themes.find_theme(
                themes.NO_COLOUR if self._no_colour else name, self.runtime.paths.themes
            )
        except InvalidInput as error:
            problems.append(error)
            theme = themes.find_theme(themes.DEFAULT, self.runtime.paths.themes)
        self.register_theme(theme)
        self._palette = palette(theme)
        if self.is_running:
            self.theme = theme.name
        else:  # without the watcher, so that the style sheet is not made twice before the first frame
            self.set_reactive(App.theme, theme.name)
            self.stylesheet.set_variables(self.get_css_variables())
        return problems

    # -- account -----------------------------------------------------------------------------------

    async def watch_account(self) -> None:
        """Show the last known account, and whatever it becomes."""
        account = self.runtime.account
        account.watchers.append(self._account_changed)
        self.account = await account.load()

    def _account_changed(self, state: AccountState) -> None:
        self.account = state

    def words_of_emptiness(self) -> tuple[str, str]:
        """What to say when there is no character: where to get one."""
        return t("chat.empty.title"), t("chat.empty.hint")


def palette(theme: Theme) -> Palette:
    """The colours of a theme for widgets that draw themselves."""
    background = theme.background or "#000000"
    surface = theme.surface or background
    return Palette(
        theme.variables, theme.foreground or "#ffffff", background, surface, theme.panel or surface
    )
