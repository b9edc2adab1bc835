"""Streams whose reader left after they had begun: they go on to their end, for whoever asks again."""

from __future__ import annotations

import asyncio


class Unwatched:
    """What goes on in this process. Whoever closes the services ends it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # there is nobody to tell it to

    async def finish(self, seconds: float) -> None:
        """Wait for them; what is not done after `seconds` goes on."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)

    async def aclose(self) -> None:
        """Cut what is still under way; each gives its coins back."""
        cut = set(self._tasks)
        for task in cut:
            task.cancel()
        if cut:
            await asyncio.wait(cut)
