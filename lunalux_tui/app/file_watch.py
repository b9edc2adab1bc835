"""Follows the files that other programs write: what `lunalux model add` or an editor writes into the
configuration, and a theme that is saved, are in force without a restart."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lunalux_core.config.settings import DECLARATIONS, Settings, load_settings

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime

Stamp = tuple[int, int, int]

WATCH_SECONDS = 1.0


class Follower(Protocol):
    """The app, which follows the files."""

    runtime: Runtime

    def apply_settings(self, settings: Settings) -> None:
        """Put changed settings in force."""

    def themes_changed(self, changed: set[str]) -> None:
        """Theme files of these names were written or deleted."""


class FileWatch:
    """Looks at the files now and then. What the person chose on the command line, or in the app where the
    environment says otherwise, stays in force; a file that cannot be read changes nothing until it can be."""

    def __init__(self, app: Follower) -> None:
        self._app = app
        self._file, self._themes = app.runtime.paths.config_file, app.runtime.paths.themes
        self._stamp, self._theme_stamps = stamp_of(self._file), stamps_in(self._themes)

    async def look(self) -> None:
        """Put in force what another program wrote."""
        theme_stamps = stamps_in(self._themes)
        if theme_stamps != self._theme_stamps:
            # Files that are new, gone, or have another time or size.
            changed = dict(theme_stamps.items() ^ self._theme_stamps.items())
            self._theme_stamps = theme_stamps
            self._app.themes_changed(set(changed))
        stamp = stamp_of(self._file)
        if stamp != self._stamp:
            self._stamp = stamp
            await self._follow_settings()

    async def _follow_settings(self) -> None:
        now = self._app.runtime.settings
        read = await asyncio.to_thread(load_settings, now.paths)
        if any(problem.code == "CONFIG_UNREADABLE" for problem in read.problems):
            return
        wanted = with_flags(read, now)
        # Where the app changed them while the file was read, what was read is older.
        if self._app.runtime.settings is now and _bare(wanted) != _bare(now):
            self._app.apply_settings(wanted)


def _bare(settings: Settings) -> Settings:
    """What is in force, without what tells how it came to be."""
    return replace(settings, problems=(), sources={})


def with_flags(settings: Settings, former: Settings) -> Settings:
    """What was read, with the values that the command line gave, and those that were chosen in the app in the
    place of a value of the environment."""
    for key in DECLARATIONS:
        source = former.source(key)
        if source == "flag" or (source == "file" and settings.source(key) == "environment"):
            settings = settings.with_value(key, former.get(key), source)
    return settings


def stamp_of(file: Path) -> Stamp:
    """What changes when the file is written; zeros for one that is not there."""
    try:
        status = file.stat()
    except OSError:
        return 0, 0, 0
    # The inode as well: many programs write another file and put it in the place of the old one.
    return status.st_mtime_ns, status.st_size, status.st_ino


def stamps_in(folder: Path) -> dict[str, Stamp]:
    """What changes when a theme of a folder is saved, by the names of the themes."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(".toml")]
    except OSError:
        return {}
    return {name.removesuffix(".toml"): stamp_of(folder / name) for name in names}
