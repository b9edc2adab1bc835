"""Files that the views of the settings read and write: asked for in a dialog, told in a notice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from lunalux_core.database import storage_error
from lunalux_tui.i18n import t
from lunalux_tui.parts.ask_dialog import ConfirmDialog
from lunalux_tui.parts.files import path_of, read_file
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


async def ask_target(view: SectionView, title: str, proposal: Path, hint: str = "") -> Path | None:
    """Where to write; a file that is there is replaced only when the person says so."""
    answer = await view.app.push_screen_wait(PathDialog(title, value=str(proposal), hint=hint))
    if not answer:
        return None
    path = path_of(answer)
    if path.exists():
        sure = ConfirmDialog(t("settings.overwrite.title"), t("settings.overwrite.question", path=path))
        if not await view.app.push_screen_wait(sure):
            return None
    return path


def write(path: Path, text: str) -> None:
    """Write a text. Raises StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Documents of strangers may hold halves of surrogate pairs, which have no UTF-8.
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise storage_error(error, path) from error
