"""Where to write a file: asked for in a dialog, and asked again before one that is there is replaced."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from lunalux_tui.i18n import t
from lunalux_tui.parts.ask_dialog import ConfirmDialog
from lunalux_tui.parts.files import path_of
from lunalux_tui.parts.path_dialog import PathDialog


async def ask_target(
    ask: Callable[[Any], Awaitable[Any]], title: str, proposal: Path, hint: str = "", *, folder: bool = False
) -> Path | None:
    """The path a person chooses to write to; what is there is replaced only when the person says so.

    Args:
        ask: shows a dialog and waits for its answer, which is None when the person left it.
        folder: a folder is written to as it is; otherwise it stands for the proposed name in it.

    Raises:
        InvalidInput: PATH_UNUSABLE.
    """
    answer = await ask(PathDialog(title, value=str(proposal), hint=hint))
    if not answer:
        return None
    path = path_of(answer)
    if path.is_dir() and not folder:
        path /= proposal.name
    if path.exists():
        question = t("settings.overwrite.question", path=path)
        if not await ask(ConfirmDialog(t("settings.overwrite.title"), question)):
            return None
    return path
