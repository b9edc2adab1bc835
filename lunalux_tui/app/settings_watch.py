"""Follows the configuration file: what `lunalux model add` or an editor writes is there without a restart."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lunalux_core.config.settings import DECLARATIONS, Settings, load_settings

if TYPE_CHECKING:
    from lunalux_tui.parts.host import Host

Stamp = tuple[int, int, int]


class SettingsWatch:
    """Looks at the file now and then. What the person chose on the command line, or in the app where the
    environment says otherwise, stays in force; a file that cannot be read changes nothing until it can be."""

    def __init__(self, app: Host) -> None:
        self._app = app
        self._file = app.runtime.paths.config_file
        self._stamp = stamp_of(self._file)

    async def look(self) -> None:
        """Put in force what another program wrote."""
        stamp = stamp_of(self._file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
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
