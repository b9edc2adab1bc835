"""The app ends in good order when its terminal is gone: a closed window, a cut connection.

A closed window usually sends SIGHUP, but not to a program in a session of its own, which would then read
the end of its input for ever.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lunalux_tui.shell import LunaluxApp

SECONDS = 2.0


def watch_terminal(app: LunaluxApp) -> None:
    """End `app`, drafts kept, on SIGHUP, on SIGTERM, and when its input has hung up."""
    if sys.platform == "win32" or app.is_headless or app.is_web:
        return

    def leave() -> None:
        app.run_worker(app.action_quit(), group="leave", exclusive=True, exit_on_error=False)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGHUP, signal.SIGTERM):
        loop.add_signal_handler(number, leave)
    # A terminal that was hung up refuses to be asked about itself.
    app.set_interval(SECONDS, lambda: None if os.isatty(0) else leave())
