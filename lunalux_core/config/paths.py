"""The folders of configuration, data and cache.

`LUNALUX_HOME` puts all three under one folder; otherwise the system's own places are used.

See docs/spec/design.md: The command line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Paths:
    """The three folders and the files of ours within them. Nothing is created by asking."""

    config: Path
    data: Path
    cache: Path

    @property
    def config_file(self) -> Path:
        return self.config / "config.toml"

    @property
    def themes(self) -> Path:
        return self.config / "themes"

    @property
    def plugins(self) -> Path:
        return self.config / "plugins"

    @property
    def library(self) -> Path:
        return self.data / "library.db"

    @property
    def presence(self) -> Path:
        """Locked by every program that has the library open."""
        return self.data / "library.lock"

    @property
    def restore_plan(self) -> Path:
        """Says what a restore has yet to do; there only while one is under way, or was broken off."""
        return self.data / "restore.json"

    @property
    def pictures(self) -> Path:
        return self.data / "pictures"

    @property
    def backend(self) -> Path:
        return self.data / "backend"

    @property
    def credentials(self) -> Path:
        return self.data / "credentials.json"

    @property
    def learnt(self) -> Path:
        """What model servers have taught about themselves."""
        return self.data / "learnt.json"

    @property
    def backups(self) -> Path:
        return self.data / "backups"

    @property
    def exports(self) -> Path:
        return self.data / "exports"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    def own(self, folder: Path) -> None:
        """Make a folder that only its owner can read. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        # Chats are private: other users of the machine need not even see their names.
        if os.name == "posix" and folder.stat().st_mode & 0o077:
            with suppress(OSError):  # it belongs to somebody else, who lets us write there
                folder.chmod(0o700)

    @classmethod
    def find(cls, environ: Mapping[str, str] = os.environ) -> Paths:
        """The folders for this environment."""
        home = environ.get("LUNALUX_HOME")
        if home:
            # Made absolute at once, since the program may change its folder later.
            root = Path(home).expanduser().absolute()
            return cls(root / "config", root / "data", root / "cache")
        from platformdirs import user_cache_path, user_config_path, user_data_path

        return cls(
            user_config_path("lunalux", appauthor=False),
            user_data_path("lunalux", appauthor=False),
            user_cache_path("lunalux", appauthor=False),
        )
