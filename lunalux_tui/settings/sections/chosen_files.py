"""Files that the views of the settings read: asked for in a dialog."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from lunalux_tui.parts.files import read_file
from lunalux_tui.parts.path_dialog import PathDialog

if TYPE_CHECKING:
    from lunalux_tui.settings.sections.section_view import SectionView


async def chosen_files(view: SectionView, title: str, hint: str) -> list[tuple[Path, bytes]]:
    """The files the person names by a path or a pattern, with their contents.

    Raises:
        InvalidInput, LimitExceeded: as `read_file`.
    """
    answer = await view.app.push_screen_wait(PathDialog(title, hint=hint))
    if not answer:
        return []
    named = Path(answer.strip("'\"")).expanduser()
    # `Path.glob` refuses patterns that begin at the root.
    pattern = named.relative_to(named.anchor) if named.anchor else named
    magic = any(mark in str(named) for mark in "*?[")
    # Where nothing fits, the words themselves are the path: a file may have such signs in its name, and the
    # error names what was written.
    paths = (sorted(Path(named.anchor).glob(str(pattern))) if magic else []) or [named]
    return await asyncio.to_thread(lambda: [(path, read_file(path)) for path in paths])
