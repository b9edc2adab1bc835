"""Ends the app in good order when its terminal is gone: a closed window, a cut connection.

A closed window usually sends SIGHUP, but not to a program in a session of its own, which would then read
the end of its input for ever.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from textual.app import App
    from textual.driver import Driver

PROBE_SECONDS = 2.0
"""How often it is checked whether the terminal is still there."""


def watch_terminal(app: App[Any]) -> None:
    """End `app`, drafts kept, on SIGHUP, on SIGTERM, and when its input has hung up."""
    if sys.platform == "win32" or app.is_headless or app.is_web:
        return

    def leave() -> None:
        app.run_worker(app.action_quit(), group="leave", exclusive=True, exit_on_error=False)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGHUP, signal.SIGTERM):
        # Through the loop and not as a plain signal handler: leaving stores drafts, which needs the loop.
        loop.add_signal_handler(number, leave)
    # A terminal that was hung up refuses to be asked about itself.
    app.set_interval(PROBE_SECONDS, lambda: None if os.isatty(0) else leave())


class _TerminalFile:
    """The file that a driver writes to; writing to a terminal that is gone does nothing.

    A failure here would end the driver's writing thread, and the app would wait for it for ever when it ends.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        try:
            return self._file.write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError:
            return

    def fileno(self) -> int:
        return self._file.fileno()


def lasting(driver: type[Driver]) -> type[Driver]:
    """The driver of a Linux terminal, made to survive the loss of its terminal; others as they are."""
    if not driver.__module__.endswith(".linux_driver"):
        return driver

    class Lasting(driver):  # type: ignore[misc, valid-type]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._file = _TerminalFile(self._file)  # type: ignore[has-type, arg-type]

    return Lasting
