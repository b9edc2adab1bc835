"""The way into the app: what is slow to read is read while what is slow to import is imported."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from lunalux_core.errors import LunaluxError


def run(settings: Any = None, character: str = "", conversation: str = "", new: bool = False) -> int:
    """Open the app and return the exit code of the process.

    Args:
        settings: a `Settings`; by default read from file and environment.
        character: name or id of a character to begin with.
        conversation: id of a conversation to begin with.
        new: begin a new conversation.
    """
    import gc
    import sys

    _show_on_the_terminal()
    if (getattr(sys.__stderr__, "encoding", None) or "").lower() not in {"utf-8", "utf8"}:
        from lunalux_tui.app import plain_terminal

        plain_terminal.prepare()
    gc.disable()  # until the first frame is out: what is made before it lives as long as the app
    from lunalux_core.config.settings import load_settings

    code, afterwards = asyncio.run(_run(settings or load_settings(), character, conversation, new))
    while afterwards is not None:
        problem = _do_afterwards(afterwards)
        # The work may have changed the configuration file.
        settings = load_settings()
        if problem is not None:  # the app opens again as it was, and says why
            settings = replace(settings, problems=(*settings.problems, problem))
        code, afterwards = asyncio.run(_run(settings, "", "", False))
    return code


def _do_afterwards(work: Callable[[], object]) -> LunaluxError | None:
    """Do what the closed app left to be done; the error where it cannot be."""
    from lunalux_core.errors import LunaluxError

    try:
        work()
    except LunaluxError as error:
        return error
    return None


def _show_on_the_terminal() -> None:
    """Draw on stdout where stderr, which Textual draws on, goes elsewhere: nothing would be seen."""
    import sys

    drawn, shown = sys.__stderr__, sys.__stdout__
    if shown is not None and shown.isatty() and not (drawn is not None and drawn.isatty()):
        # By `vars`, because type checkers hold the name for final.
        vars(sys)["__stderr__"] = shown


def _tell_alt_digits_apart() -> None:
    """Take alt with a digit for what it is: Textual has it for the sign that Option types on a Mac (¡ ™ £),
    which terminals there send as that sign by themselves."""
    from textual._ansi_sequences import ANSI_SEQUENCES_KEYS

    for digit in "1234567890":
        cast("dict[str, object]", ANSI_SEQUENCES_KEYS).pop(f"\x1b{digit}", None)


async def _run(
    settings: Any, character: str, conversation: str, new: bool
) -> tuple[int, Callable[[], object] | None]:
    """The exit code, and what is to be done with the library closed before the app starts again."""
    from lunalux_core.runtime import Runtime
    from lunalux_tui.app.first_frame import read_opening

    async with Runtime.open(settings) as runtime:
        reading = asyncio.create_task(read_opening(runtime, character, conversation, new))
        await asyncio.sleep(0)  # the database thread works while this thread imports
        from lunalux_tui.app.app import LunaluxApp

        _tell_alt_digits_apart()
        app = LunaluxApp(runtime, await reading, begin_new=new)
        await app.run_async()
        return app.return_code or 0, app.afterwards
