"""The whole library in the forms of other programs: a folder for SillyTavern, one file for Narratium.

What those forms cannot hold is told. `lunalux_core.library.backup` is the form that loses nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lunalux_core.exporting.target import ExportReport, Progress, silent

if TYPE_CHECKING:
    from lunalux_core.library import Library

__all__ = ["ExportReport", "Format", "export_library"]

Format = Literal["sillytavern", "narratium"]


async def export_library(
    library: Library, path: Path, format: Format, progress: Progress = silent
) -> ExportReport:
    """Write everything. For SillyTavern `path` is a folder, or a zip archive when it ends in .zip.

    Raises:
        StorageError: it cannot be written.
    """
    if format == "narratium":
        from lunalux_core.exporting.narratium import write_narratium

        return await write_narratium(library, path, progress)
    from lunalux_core.exporting.sillytavern import write_sillytavern

    return await write_sillytavern(library, path, progress)
