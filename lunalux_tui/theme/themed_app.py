"""The part of the app that wears a theme: choosing, trying on, and reading again what changed on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.screen import Screen
from textual.theme import Theme

from lunalux_core.errors import InvalidInput, LunaluxError
from lunalux_tui.theme import theme_files
from lunalux_tui.theme.palette import Palette

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime

Stamp = tuple[tuple[str, int, int], ...]
"""The theme files of a folder with their times and sizes."""

WATCH_SECONDS = 1.0


class ThemedApp(App[None]):
    """Wears a theme of the package or of the person's folder. NO_COLOR in the environment wins over both."""

    runtime: Runtime

    def __init__(self, wanted: str) -> None:
        self._theme_names: list[str] = []
        self.no_colour = "NO_COLOR" in os.environ
        super().__init__(ansi_color=True if self.no_colour else None)
        self._stamp: Stamp = ()
        self._theme_problems: list[InvalidInput] = self.use_theme(wanted)

    def tell(self, error: LunaluxError, severity: Any = "error") -> None:
        """Tell a failure; the app says how."""
        raise NotImplementedError

    @property
    def palette(self) -> Palette:
        """Colours for the widgets that draw themselves."""
        return self._palette

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
        self._palette = palette(theme)
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

    # -- the person's folder -----------------------------------------------------------------------

    def watch_themes(self) -> None:
        """Look at the themes folder every second: a file that is saved is in use at once."""
        self._stamp = stamp_of(self.runtime.paths.themes)
        self.set_interval(WATCH_SECONDS, self._look)

    def _look(self) -> None:
        stamp = stamp_of(self.runtime.paths.themes)
        if stamp == self._stamp:
            return
        # Names of files that are new, gone, or have another time or size.
        changed = {entry[0] for entry in set(stamp) ^ set(self._stamp)}
        self._stamp, self._theme_names = stamp, []
        self.themes_changed(changed)

    def themes_changed(self, changed: set[str]) -> None:
        """Theme files were written or deleted: tell what is wrong, use what is right."""
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


def stamp_of(folder: Path) -> Stamp:
    """What changes when a theme is saved; () for a folder that is not there."""
    try:
        with os.scandir(folder) as entries:
            files = [(entry.name, entry.stat()) for entry in entries if entry.name.endswith(".toml")]
    except OSError:
        return ()
    return tuple(sorted((name.removesuffix(".toml"), stat.st_mtime_ns, stat.st_size) for name, stat in files))


def palette(theme: Theme) -> Palette:
    """The colours of a theme for widgets that draw themselves."""
    background = theme.background or "#000000"
    surface = theme.surface or background
    return Palette(
        theme.variables, theme.foreground or "#ffffff", background, surface, theme.panel or surface
    )
