"""Where SillyTavern keeps a person's data on each system, and how much lies there; no file is opened."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MOST = 100_000
"""Files that are counted; a folder of more is counted no further."""
INSTALLED = ("SillyTavern", "sillytavern", "SillyTavern-Launcher/SillyTavern", "SillyTavern-release")
AROUND = ("", "Documents", "Desktop", "Downloads", "git", "src", "code", "Projects", "apps", "AI", "ai")
"""Folders of the home in which people put it."""


@dataclass(frozen=True, slots=True)
class OtherHome:
    """The data of one person in SillyTavern: their folder, and how much lies in it."""

    path: Path
    characters: int
    chats: int
    books: int


def places(home: Path, environ: Mapping[str, str], platform: str = sys.platform) -> Iterator[Path]:
    """The folders in which data of SillyTavern would lie, whether they are there or not."""
    for around in AROUND:
        for name in INSTALLED:
            yield home / around / name
    yield from _system_places(home, environ, platform)


def _system_places(home: Path, environ: Mapping[str, str], platform: str) -> Iterator[Path]:
    if platform == "win32":
        for name in INSTALLED:
            yield Path(environ.get("SystemDrive", "C:") + "\\") / name
        if roaming := environ.get("APPDATA"):
            yield Path(roaming) / "SillyTavern"
    elif platform == "darwin":
        yield home / "Library" / "Application Support" / "SillyTavern"
    else:
        yield Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "SillyTavern"
        yield Path("/opt/SillyTavern")
        yield Path("/home/node/app")  # in its own container


def find(home: Path, environ: Mapping[str, str], platform: str = sys.platform) -> list[OtherHome]:
    """The data that is there, the most chats first; folders that are closed to us are passed over."""
    homes: dict[Path, OtherHome] = {}
    for place in places(home, environ, platform):
        for folder in _people(place):
            try:
                real = folder.resolve()
                if real not in homes and (counted := count(folder)) is not None:
                    homes[real] = counted
            except OSError:
                continue
    return sorted(homes.values(), key=lambda home: (-home.chats, -home.characters, str(home.path)))


def _people(place: Path) -> Iterator[Path]:
    """The folders of people in an installation: data/NAME, or public/ in old versions."""
    yield place / "public"
    try:
        with os.scandir(place / "data") as entries:
            yield from sorted(
                Path(entry.path)
                for entry in entries
                if entry.is_dir() and not entry.name.startswith(("_", "."))
            )
    except OSError:
        return


def count(folder: Path) -> OtherHome | None:
    """How much lies in the folder of a person; None where it is none, or empty."""
    characters = _files(folder / "characters", (".png", ".json", ".charx"))
    books = _files(folder / "worlds", (".json",))
    chats = _files(folder / "group chats", (".jsonl",))
    try:
        with os.scandir(folder / "chats") as entries:
            for entry in entries:
                if entry.is_dir():
                    chats += _files(Path(entry.path), (".jsonl",))
                if chats > MOST:
                    break
    except OSError:
        pass
    return OtherHome(folder, characters, chats, books) if characters or chats or books else None


def _files(folder: Path, endings: tuple[str, ...]) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(
                entry.name.lower().endswith(endings) for entry, _ in zip(entries, range(MOST), strict=False)
            )
    except OSError:
        return 0
