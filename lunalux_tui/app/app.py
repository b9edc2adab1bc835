"""The app around the screens: places, theme, language, keys, help, and what outlives a screen."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from textual import events, work
from textual.reactive import var
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from lunalux_core.errors import InvalidInput, LunaluxError
from lunalux_core.text import clean, clean_line
from lunalux_tui import i18n
from lunalux_tui.actions import Action, bindings, keys_of, reachable
from lunalux_tui.app import places
from lunalux_tui.app.pasted_text import with_clean_pastes
from lunalux_tui.app.terminal_gone import lasting, watch_terminal
from lunalux_tui.app.typed_ahead import TYPED, TypedAhead
from lunalux_tui.i18n import in_a_row, t, tell
from lunalux_tui.parts.removal import removal
from lunalux_tui.parts.screen import START
from lunalux_tui.theme.themed_app import ThemedApp

if TYPE_CHECKING:
    from textual.driver import Driver

    from lunalux_core.account import AccountState
    from lunalux_core.config.settings import Settings
    from lunalux_core.runtime import Runtime
    from lunalux_tui.app.first_frame import Opening
    from lunalux_tui.chat.screen import ChatScreen
    from lunalux_tui.create.screen import CreateScreen
    from lunalux_tui.settings.screen import SettingsScreen

QUIT = Action("app.quit", "quit", "ctrl+q", footer=59, priority=True)

APP_ACTIONS = (
    *places.ACTIONS,
    Action("app.help", "help", "f1", footer=60, priority=True),
    Action("app.help_here", "help", "question_mark", palette=False),
    Action("app.palette", "command_palette", "ctrl+p", footer=61, priority=True, palette=False),
    Action("app.next_theme", "next_theme"),
    Action("app.plugin_panes", "plugin_panes"),
    Action("app.jump", "jump", "f9"),
    Action("app.lab", "lab"),
    Action("app.sign_in_again", "sign_in_again", "f12", footer=1, priority=True),
    Action("app.tour", "tour"),
    Action("app.tour_next", "tour_next", "f7", priority=True),
    Action("app.tour_end", "tour_end", "f8", priority=True),
    QUIT,
    Action("go.back", "leave_place", "escape", footer=58, palette=False),
)


class LunaluxApp(ThemedApp):
    """Lunalux in the terminal. Keeps the runtime; screens find it as `app.runtime`."""

    TITLE = "Lunalux"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    ACTIONS = APP_ACTIONS
    BINDINGS = bindings(APP_ACTIONS)
    MODES: ClassVar = {place.id: place.make for place in places.PLACES if place.id != places.FIRST}
    DEFAULT_MODE = places.FIRST

    afterwards: Callable[[], object] | None = None
    """What to do with the library closed, before the app starts again; None to end."""

    account: var[AccountState | None] = var(None, init=False)
    """The account as last known; whoever shows the wallet watches this one."""

    leaving = 0

    def __init__(self, runtime: Runtime, opening: Opening, *, begin_new: bool = False) -> None:
        self.runtime = runtime
        self.opening = opening
        self.begin_new = begin_new
        self.keymap: Mapping[str, str] = {}
        self._key_problems: list[InvalidInput] = []
        self._typed_ahead = TypedAhead(self, super().on_event, self._is_urgent)
        i18n.use(runtime.settings.lang)
        super().__init__(runtime.settings.theme)

    async def push_screen_wait(self, screen: Screen[Any] | str, *, mode: str | None = None) -> Any:
        """As Textual does it; but a worker that is cancelled before its dialog has come cancels nothing else.

        What the app has still to do runs in this worker then, and waits for screens and widgets that go away:
        cancelled with the worker it would end their message loops, and with them the app's own.
        """
        await asyncio.shield(self._flush_next_callbacks())
        answer = self.push_screen(screen, wait_for_dismiss=True, mode=mode)
        with self._typed_ahead.asking():
            return await asyncio.shield(answer)

    async def on_event(self, event: events.Event) -> None:
        """As Textual does it; but what comes from the terminal waits for what was typed before it."""
        if isinstance(event, TYPED) and not event.is_forwarded:
            await self._typed_ahead.read(event)
        else:
            await super().on_event(event)

    def _is_urgent(self, key: str) -> bool:
        return key in {"escape", "ctrl+c", *keys_of(QUIT, self.keymap)}

    def refresh(self, *, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """As Textual does it; but a dialog that goes away moves nothing of what stands behind it, which would
        be drawn twice after a new layout."""
        return super().refresh(repaint=repaint, layout=layout and not self.leaving, recompose=recompose)

    # -- start -------------------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[Any]:
        """The chat screen; as the default screen it costs one reading of the style sheet less than a mode."""
        return places.PLACES[0].make()

    def get_driver_class(self) -> type[Driver]:
        return lasting(with_clean_pastes(super().get_driver_class()))

    def on_mount(self) -> None:
        watch_terminal(self)
        self.call_after_refresh(self._after_first_frame)

    @work(group=START, exit_on_error=False)
    async def _after_first_frame(self) -> None:
        """Everything that can wait until something is on screen."""
        if not gc.isenabled():
            # What was made until now lives as long as the process; the collector need not look at it again.
            # Not where others run the app: what they had made before would never be freed.
            gc.freeze()
            gc.enable()
        # `fg` gives back an empty screen: without a change of size nothing else paints all of it again.
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        self.add_mode(places.FIRST, places.PLACES[0].make)
        self.read_keymap(self.runtime.settings)
        for problem in self.problems():
            self.tell(problem, severity="warning")
        # `call_later` answers something, and whoever tells of a problem expects nothing.
        self.runtime.on_problem = lambda problem: (self.call_later(self.tell, problem, "warning"), None)[1]
        from lunalux_tui.app.after_first_frame import begin
        from lunalux_tui.app.file_watch import WATCH_SECONDS, FileWatch

        self.set_interval(WATCH_SECONDS, FileWatch(self).look)
        await begin(self)

    def problems(self) -> list[LunaluxError]:
        """What is wrong with the files the person may write: locale, theme, configuration, key map."""
        return [
            *i18n.problems(),
            *self._theme_problems,
            *self.runtime.settings.problems,
            *self._key_problems,
            *self.runtime.problems,
        ]

    def all_actions(self) -> Iterator[Action]:
        """Every declared action of the app."""
        from lunalux_tui.app.declared_actions import all_actions

        return all_actions()

    def read_keymap(self, settings: Settings) -> None:
        """Put the person's own keys in force."""
        before = self.keymap
        self.keymap, self._key_problems = {}, []
        if settings.keys:
            from lunalux_tui.app.own_keys import checked_keymap

            self.keymap, self._key_problems = checked_keymap(
                settings.keys, self.all_actions(), settings.paths.config_file
            )
        if self.keymap or before:
            self.set_keymap(dict(self.keymap))

    # -- telling -----------------------------------------------------------------------------------

    def tell(self, error: LunaluxError, severity: Any = "error") -> None:
        """Show a notice of a failure: what happened, and what to do."""
        message, hint = tell(error)
        self.notify(
            hint or message, title=message if hint else "", severity=severity, markup=False, timeout=8
        )

    def notify(self, message: str, *, title: str = "", markup: bool = False, **how: Any) -> None:
        """Show a notice. Every notice of every widget and plug-in passes here: control sequences are removed,
        and markup is text unless it is asked for."""
        message, severity = clean(message), how.get("severity", "information")
        # Above the prompt there is room; what does not fit lies at the top, never on what is being written.
        in_chat = not title and severity != "error" and self.screen is self.chat and self.chat.is_mounted
        if in_chat and self.chat.status.tell(message, warn=severity == "warning"):
            return
        super().notify(message, title=clean_line(title, 400), markup=markup, **how)

    def copy_to_clipboard(self, text: str) -> None:
        """Copy by the terminal, and by the system where the terminal may not listen. Nothing is copied for
        nothing: what the person copied elsewhere stays."""
        from lunalux_tui.app.clipboard import copy_natively

        text = clean(text)
        if not text:
            return
        super().copy_to_clipboard(text)
        if not self.is_headless and not self.is_web:
            copy_natively(text)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        error = event.worker.error
        if event.state is WorkerState.ERROR and error is not None:
            if isinstance(error, LunaluxError):
                self.tell(error)
            else:
                from lunalux_core.diagnostics.crash import crashed

                self.tell(crashed(error, self.runtime.paths))

    def _fatal_error(self) -> None:
        """A report and a sentence; Textual's own way shows local variables, which may hold a key."""
        from rich.text import Text

        from lunalux_core.diagnostics.crash import crashed

        message, hint = tell(crashed(self._exception or RuntimeError("unknown"), self.runtime.paths))
        self.panic(Text(in_a_row(message, hint)))

    def action_help_quit(self) -> None:
        """Ctrl+c with nothing to copy: stop the reply that comes, else tell how to leave."""
        if self.screen is self.chat and self.chat.objects.turns.stop():
            return
        for active in self.screen.active_bindings.values():
            if active.binding.action in {"quit", "app.quit"}:
                self.notify(t("app.how_to_quit", keys=self.get_key_display(active.binding)), markup=False)
                return

    async def action_quit(self) -> None:
        """Leave; what is being written anywhere is kept as a draft."""
        for screen in self._every_screen():
            keep = getattr(screen, "keep_draft", None)
            try:
                # One draft that cannot be kept must cost neither the others nor the way out.
                if keep is not None:
                    await keep()
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
        if action == "settings":
            return not self._asked_something
        if action == "go":
            return places.exists(str(parameters[0])) and not self._asked_something
        if action == "leave_place":
            return not self.screen.is_modal and self.screen is not self.chat
        if action == "sign_in_again":
            taken = self.account is not None and self.account.status == "taken_over"
            return taken and not self.screen.is_modal
        if action == "plugin_panes":
            return bool(self.runtime.settings.plugins)
        if action in {"tour_next", "tour_end"}:
            return bool(self.chat.query("#tour"))
        return True

    @property
    def _asked_something(self) -> bool:
        """Whether a dialog waits for an answer; the palette is none, for it leads to places."""
        from textual.command import CommandPalette

        return any(screen.is_modal and not isinstance(screen, CommandPalette) for screen in self.screen_stack)

    def action_leave_place(self) -> None:
        """From the root of a place to the chat."""
        self.switch_mode(places.FIRST)

    def action_go(self, place: str) -> None:
        """Show another place of the app."""
        self.switch_mode(place)

    @work(group="open", exclusive=True, exit_on_error=False)
    async def action_settings(self, section: str, at: str = "") -> None:
        """Go to a section of the settings, to the row `at` if one is named."""
        await self.switch_mode("settings")
        cast("SettingsScreen", self.screen).show_section(section, enter=True, at=at)

    @work(group="open", exclusive=True, exit_on_error=False)
    async def open_in_chat(self, open_it: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Go to the chat, and open something there."""
        await self.switch_mode(places.FIRST)
        await open_it()
        await self.chat.objects.roster.refresh()
        self.chat.action_focus_prompt()

    @work(group="open", exclusive=True, exit_on_error=False)
    async def open_character(self, character_id: str) -> None:
        """Go to the chat screen and talk with a character; for "chat now" of other screens."""
        await self.switch_mode(places.FIRST)
        await self.chat.objects.opener.open_character(character_id)
        await self.chat.objects.roster.refresh()

    @work(group="open", exclusive=True, exit_on_error=False)
    async def edit_character(self, character_id: str) -> None:
        """Go to the character editor and change a character of the library."""
        await self.switch_mode("create")
        await cast("CreateScreen", self.screen).edit_character(character_id)

    @work(group="jump", exclusive=True, exit_on_error=False)
    async def action_jump(self) -> None:
        """Go somewhere on the screen by a letter."""
        from lunalux_tui.app.jump import JumpScreen, go_to

        if isinstance(self.screen, JumpScreen):
            return
        target = await self.push_screen_wait(JumpScreen(self.screen))
        if target is not None:
            await go_to(target)

    async def action_tour(self) -> None:
        """Begin the tour, or begin it again."""
        from lunalux_tui.chat.tour import begin_tour

        await self.switch_mode(places.FIRST)
        await begin_tour(self)

    async def action_tour_next(self) -> None:
        """The next tip of the tour."""
        from lunalux_tui.chat.tour import TourBar

        for bar in self.chat.query(TourBar):
            bar.next()

    async def action_tour_end(self) -> None:
        """End the tour."""
        from lunalux_tui.chat.tour import end_tour

        await end_tour(self)

    async def action_plugin_panes(self) -> None:
        """Show or hide the panes of plug-ins beside the conversation."""
        from lunalux_tui.app.plugin_parts import PluginPane

        await self.switch_mode(places.FIRST)
        panes = self.chat.query(PluginPane)
        if panes:
            await removal(panes.remove())
        else:
            await self.chat.query_one("#body").mount(PluginPane(self.chat))

    @work(exit_on_error=False)
    async def action_lab(self) -> None:
        """Show what came of the runs of the laboratory."""
        from lunalux_tui.app.lab_dialog import show_lab

        await show_lab(self.runtime, self.push_screen_wait)

    def action_help(self) -> None:
        from lunalux_tui.app.help_dialog import HelpDialog
        from lunalux_tui.parts.dialog import Dialog

        if isinstance(self.screen, HelpDialog):
            return
        place = getattr(self.screen, "PLACE", "")
        # Sections of the settings have no keys and stand in the palette, where they are looked for.
        actions = [
            action
            for action in reachable(self, self.screen)
            if action.group != "go" or (place and keys_of(action, self.keymap))
        ]
        title, text = (t(f"place.{place}.{part}") if place else "" for part in ("title", "help"))
        if isinstance(self.screen, Dialog):
            title, text = self.screen.dialog_title, self.screen.hint
        self.push_screen(HelpDialog(title, text, actions, self.keymap))

    def action_command_palette(self) -> None:
        from textual.command import CommandPalette

        from lunalux_tui.app.command_palette import Commands, Palette

        if not isinstance(self.screen, CommandPalette):
            self.push_screen(Palette([Commands], placeholder=t("palette.placeholder")))

    # -- settings ----------------------------------------------------------------------------------

    def change_setting(self, key: str, value: object) -> None:
        """Store one setting and put it in force everywhere; told as a notice when it cannot be."""
        from lunalux_core.config.config_file import set_value

        try:
            # Checked first: a value that is refused must not get into the file.
            settings = self.runtime.settings.with_value(key, value, "file")
            set_value(self.runtime.paths.config_file, key, value)
        except LunaluxError as error:
            self.tell(error)
            return
        self.apply_settings(settings)

    def reset_setting(self, key: str) -> None:
        """Take one setting out of the file, so that its default is in force again."""
        from lunalux_core.config.config_file import reset_value
        from lunalux_core.config.settings import declaration

        try:
            reset_value(self.runtime.paths.config_file, key)
        except LunaluxError as error:
            self.tell(error)
            return
        self.apply_settings(self.runtime.settings.with_value(key, declaration(key).default, "default"))

    def apply_settings(self, settings: Settings) -> None:
        """Put changed settings in force: language, theme, and whatever the screens take from them."""
        before = self.runtime.settings
        self.runtime.apply(settings)
        if settings.lang != before.lang:
            self._speak(settings.lang)
        if settings.theme != before.theme:
            for problem in self.use_theme(settings.theme):
                self.tell(problem)
        if settings.keys != before.keys:
            self.read_keymap(settings)
        for screen in self._every_screen():
            follow = getattr(screen, "apply_settings", None)
            if follow is not None:
                follow()

    def switch_language(self, language: str) -> None:
        """Speak another language from now on."""
        self.change_setting("language", language)

    def _speak(self, language: str) -> None:
        i18n.use(language)
        for screen in self._every_screen():
            for node in (screen, *screen.query("*")):
                retranslate = getattr(node, "retranslate", None)
                if retranslate is not None:
                    retranslate()
            screen.refresh(layout=True)

    # -- theme -------------------------------------------------------------------------------------

    def change_theme(self, name: str) -> None:
        self.change_setting("ui.theme", name)

    def action_next_theme(self) -> None:
        """The next of the known themes."""
        names = self.theme_names()
        at = names.index(self.theme) if self.theme in names else -1
        self.change_theme(names[(at + 1) % len(names)])

    # -- account -----------------------------------------------------------------------------------

    async def follow_account(self) -> None:
        """Show the last known account, and whatever it becomes."""
        account = self.runtime.account
        account.snapshot.watchers.append(self._account_changed)
        self.mode_change_signal.subscribe(
            self, lambda _mode: self.call_after_refresh(self._say_what_it_needs)
        )
        self._account_changed(await account.load())

    def _account_changed(self, state: AccountState) -> None:
        self.account = state
        self.refresh_bindings()
        self._say_what_it_needs()

    def _say_what_it_needs(self) -> None:
        self._say_taken_over()
        self.ask_for_name()

    def ask_for_name(self) -> None:
        """An account of somebody without a username goes no further, wherever in the app; the local one needs
        none."""
        state = self.account
        if state is None or not state.signed_in or state.local or state.username or state.offline:
            return
        # A dialog is answered first: the next change of the account or of the place asks again.
        if state.wallet and not self.screen.is_modal:
            self._force_name()

    @work(group="name", exclusive=True, exit_on_error=False)
    async def _force_name(self) -> None:
        from lunalux_tui.account.username_dialog import ForcedUsernameDialog

        # A dialog may have come before this worker's turn.
        if not self.screen.is_modal:
            await self.push_screen_wait(ForcedUsernameDialog(self.runtime.account))

    def _say_taken_over(self) -> None:
        """Say on every screen that another device has the session, as long as it has."""
        if self.account is not None and self.account.status == "taken_over":
            from lunalux_tui.account.taken_over import show_taken_over

            show_taken_over(self._every_screen())

    @work(group="sign_in", exclusive=True, exit_on_error=False)
    async def action_sign_in_again(self) -> None:
        """Take the session back from another device."""
        from lunalux_tui.account.sign_in_dialog import SignInDialog

        email, hint = self.runtime.account.state.email, t("account.notice.taken_over_hint")
        if await self.push_screen_wait(SignInDialog(self.runtime, email=email, hint=hint)):
            self.notify(t("account.welcome"), markup=False)
            self.ask_for_name()

    def words_of_emptiness(self) -> tuple[str, str]:
        """What to say when there is no character: where to get one."""
        return t("chat.empty.title"), t("chat.empty.hint")
