"""Market pictures: strangers' PNG files in, 400×400 WebP out, decoded outside the server's process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from lunalux_core.environment import worker_environment
from lunalux_core.errors import InvalidInput

WORKER = Path(__file__).with_name("thumbnail_worker.py")
TIMEOUT_SECONDS = 20
MAX_RESULT_BYTES = 1024 * 1024


class Thumbnailer:
    """Runs at most `at_once` worker processes."""

    def __init__(self, at_once: int = 2, timeout_s: float = TIMEOUT_SECONDS) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._timeout_s = timeout_s

    async def make(self, png: bytes) -> bytes:
        """The thumbnail of `png`.

        Raises:
            InvalidInput: code INVALID_CARD, the picture cannot be decoded within its limits.
        """
        async with self._slots:
            return await asyncio.to_thread(self._run, png)

    def _run(self, png: bytes) -> bytes:
        # A thread and `subprocess`, not asyncio's: the latter needs a child watcher that the event loop
        # of an embedding program may not have.
        command = [sys.executable, "-I", str(WORKER)]
        try:
            process = subprocess.run(
                command,
                input=png,
                capture_output=True,
                timeout=self._timeout_s,
                check=False,
                env=worker_environment(),
                close_fds=True,
            )
        except subprocess.TimeoutExpired:
            raise _unusable() from None
        if process.returncode != 0 or not 0 < len(process.stdout) <= MAX_RESULT_BYTES:
            raise _unusable()
        return process.stdout


def _unusable() -> InvalidInput:
    return InvalidInput(
        "INVALID_CARD",
        "The card's picture cannot be decoded.",
        "Save the picture as an ordinary PNG of at most 4096 × 4096 pixels and try again.",
    )
