"""Files that the person names in a dialog: reading, naming exports, importing cards."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lunalux_core.errors import LunaluxError
from lunalux_core.regular_files import path_of, read_regular
from lunalux_core.text import clean_line
from lunalux_tui.i18n import note

if TYPE_CHECKING:
    from lunalux_core.importing.import_results import ImportResult
    from lunalux_core.runtime import Runtime

__all__ = ["export_name", "import_paths", "importable_paths", "path_of", "read_file", "split_paths"]

LARGEST_CHAT = 64 * 1024 * 1024
LARGEST_PASTE = 64 * 1024
IMPORTABLE = frozenset(
    {
        *(".png", ".json", ".charx", ".byaf", ".jsonl", ".jpg", ".jpeg", ".zip", ".yaml", ".yml"),
        *(".webp", ".gif", ".bmp", ".avif"),
    }
)


@dataclass(slots=True)
class ImportReport:
    """What became of the files of one import; `notes` are sentences about what differs here."""

    imported: int = 0
    duplicates: int = 0
    failed: list[LunaluxError] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    results: list[ImportResult] = field(default_factory=list)

    @property
    def only(self) -> str:
        """The character to open afterwards, when there is exactly one."""
        return self.ids[0] if len(self.ids) == 1 else ""


async def import_paths(runtime: Runtime, arguments: Sequence[str]) -> ImportReport:
    """Import files of every kind, folders, archives and globs without holding up the screen."""

    def work() -> ImportReport:
        from lunalux_core.importing import gather, import_files

        report = ImportReport()
        for result in import_files(runtime.library, runtime.paths, gather(arguments)):
            report.results.append(result)
            if result.status == "failed" and result.error is not None:
                report.failed.append(result.error)
                continue
            if result.kind == "card":
                # Duplicates too: the character that was there already can be opened just as well.
                report.ids.append(result.id)
            else:
                report.others[result.kind] = report.others.get(result.kind, 0) + 1
            report.notes += [f"{Path(result.path).name}: {note(warning)}" for warning in result.warnings]
            if result.status == "duplicate":
                report.duplicates += 1
            else:
                report.imported += 1
        return report

    return await asyncio.to_thread(work)


_NO_PATH = (OSError, ValueError, RuntimeError)
"""Too long for a name; with a zero in it; ~ of somebody who is not here."""


def _exists(word: str) -> bool:
    try:
        return Path(word).expanduser().exists()
    except _NO_PATH:
        return False


def split_paths(text: str) -> list[str]:
    """The paths in what a person typed or dropped: one a line, or quoted and blank-separated as terminals
    paste dropped files. A single path may have blanks in it.
    """
    lines = [_of_address(line.strip()) for line in text.splitlines() if line.strip()]
    if len(lines) != 1 or _exists(lines[0]):
        return lines
    try:
        # On Windows a backslash parts folders and escapes nothing.
        words = shlex.split(lines[0], posix=os.name == "posix")
    except ValueError:
        return lines
    paths = [_of_address(word.strip("\"'")) for word in words]
    # Several words of which none is there are one path with blanks; the error then names all of it.
    plain = len(paths) > 1 and not any(_exists(word) for word in paths)
    return lines if plain else paths


def _of_address(word: str) -> str:
    """The path of a `file://` address, as some terminals paste dropped files; other words as they are."""
    if not word.startswith("file://") or " " in word:
        return word
    from urllib.parse import unquote

    return unquote(word.removeprefix("file://"))


def importable_paths(text: str) -> list[str]:
    """The files a pasted text names, if it names nothing else: so do terminals with dropped files."""
    # Every paste into the prompt comes through here: the disk is asked only about what could be a path.
    if len(text) > LARGEST_PASTE or "." not in text:
        return []
    paths = split_paths(text)
    try:
        good = all(
            Path(path).suffix.lower() in IMPORTABLE and Path(path).expanduser().is_file() for path in paths
        )
    except _NO_PATH:
        return []
    return paths if good else []


def read_file(path: Path) -> bytes:
    """The bytes of a file. Raises as `read_regular`."""
    return read_regular(path, LARGEST_CHAT)


def export_name(character: str, title: str, ending: str) -> str:
    """A file name from outside words that cannot leave its folder and every system takes."""
    words = clean_line(f"{character} {title}".strip(), 80)
    safe = re.sub(r'[\\/:*?"<>|\s]+', "-", words).strip("-. ")
    return f"{safe or 'conversation'}.{ending}"
