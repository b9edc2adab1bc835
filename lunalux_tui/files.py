"""Files that the person names in a dialog: reading, naming exports, importing cards."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lunalux_core.errors import InvalidInput, LimitExceeded, LunaluxError
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime

LARGEST_CHAT = 64 * 1024 * 1024


@dataclass(slots=True)
class ImportReport:
    """What became of the files of one import."""

    imported: int = 0
    duplicates: int = 0
    failed: list[LunaluxError] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    @property
    def only(self) -> str:
        """The character to open afterwards, when there is exactly one."""
        return self.ids[0] if len(self.ids) == 1 else ""


async def import_paths(runtime: Runtime, arguments: Sequence[str]) -> ImportReport:
    """Import card files, folders and globs without holding up the screen."""

    def work() -> ImportReport:
        from lunalux_core.importing import expand, import_files

        report = ImportReport()
        for result in import_files(runtime.library, runtime.paths, expand(arguments)):
            if result.status == "failed" and result.error is not None:
                report.failed.append(result.error)
                continue
            report.ids.append(result.id)
            if result.status == "duplicate":
                report.duplicates += 1
            else:
                report.imported += 1
        return report

    return await asyncio.to_thread(work)


def read_file(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        InvalidInput: FILE_UNREADABLE. LimitExceeded: FILE_TOO_LARGE.
    """
    try:
        if path.stat().st_size > LARGEST_CHAT:
            raise LimitExceeded(
                "FILE_TOO_LARGE",
                f"{path} is larger than {LARGEST_CHAT // 1024 // 1024} MB.",
                "Choose a smaller file.",
                path=str(path),
                limit=LARGEST_CHAT,
            )
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInput(
            "FILE_UNREADABLE",
            f"{path} cannot be read: {reason}.",
            "Check the path and its permissions.",
            path=str(path),
            reason=reason,
        ) from error


def export_name(character: str, title: str, ending: str) -> str:
    """A file name from outside words that cannot leave its folder and every system takes."""
    words = clean_line(f"{character} {title}".strip(), 80)
    safe = re.sub(r'[\\/:*?"<>|\s]+', "-", words).strip("-. ")
    return f"{safe or 'conversation'}.{ending}"
