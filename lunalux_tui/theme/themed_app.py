"""The part of the app that wears a theme: choosing, trying on, and using what changed on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.screen import Screen
from textual.theme import Theme

from lunalux_core.errors import InvalidInput, LunaluxError
from lunalux_tui.theme import theme_files
from lunalux_tui.theme.palette import Palette
from lunalux_tui.theme.style_sheet import StyleSheet

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime


class ThemedApp(App[None]):
    """Wears a theme of the package or of the person's folder. NO_COLOR in the environment wins over both."""

    runtime: Runtime

    palette: Palette
    """Colours for the widgets that draw themselves; another theme has another palette."""

    def __init__(self, wanted: str) -> None:
        self._theme_names: list[str] = []
        self.no_colour = "NO_COLOR" in os.environ
        super().__init__(ansi_color=True if self.no_colour else None)
        self.stylesheet = StyleSheet(self.get_css_variables())
        self._theme_problems: list[InvalidInput] = self.use_theme(wanted)

    def tell(self, error: LunaluxError, severity: Any = "error") -> None:
        """Tell a failure; the app says how."""
        raise NotImplementedError

    def theme_names(self) -> list[str]:
        """All themes that can be chosen; files that cannot be read are told once."""
        if not self._theme_names:
            loaded, failed = theme_files.load_themes(self.runtime.paths.themes)
            for theme in loaded.values():
                self.register_theme(theme)
            for problem in failed:
                self.tell(problem, severity="warning")
            self._theme_names = sorted(loaded, key=lambda name: (not theme_files.bundled(name), name))
        return self._theme_names

    def use_theme(self, name: str) -> list[InvalidInput]:
        """Put on a theme, or the default where it cannot be read; returns what is wrong with it."""
        problems: list[InvalidInput] = []
        own = self.runtime.paths.themes
        try:
            theme = theme_files.find_theme(theme_files.NO_COLOUR if self.no_colour else name, own)
        except InvalidInput as error:
            problems.append(error)
            theme = theme_files.find_theme(theme_files.DEFAULT, own)
        self.register_theme(theme)
        self.palette = palette(theme)
        if (
            not self.is_running
        ):  # without the watcher: the style sheet is not made twice before the first frame
            self.set_reactive(App.theme, theme.name)
            self.stylesheet.set_variables(self.get_css_variables())
        elif self.theme == theme.name:  # the same name with other colours
            self._watch_theme(theme.name)
        else:
            self.theme = theme.name
        return problems

    def themes_changed(self, changed: set[str]) -> None:
        """Theme files were written or deleted: tell what is wrong, use what is right."""
        self._theme_names = []
        names, used = self.theme_names(), self.runtime.settings.theme
        if used in changed and used in names:  # a broken file is told; the theme in use stays
            self.use_theme(used)
        for screen in self._every_screen():
            follow = getattr(screen, "follow_themes", None)
            if follow is not None:
                follow()

    def _every_screen(self) -> Iterator[Screen[Any]]:
        for stack in self._screen_stacks.values():
            yield from stack


def palette(theme: Theme) -> Palette:
    """The colours of a theme for widgets that draw themselves."""
    background = theme.background or "#000000"
    surface = theme.surface or background
    return Palette(
        theme.variables, theme.foreground or "#ffffff", background, surface, theme.panel or surface
    )
