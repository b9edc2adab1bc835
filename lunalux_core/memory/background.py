"""Background tasks of conversations: writing memories and revising trackers while the person goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class BackgroundTasks:
    """Runs background tasks, those of one conversation one after the other."""

    def __init__(self) -> None:
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        """The unfinished tasks of each conversation, in the order in which they run."""
        self._paid: set[str] = set()
        """The conversations whose tasks use a model that costs."""
        self._closed = False

    def start(self, conversation_id: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` after the tasks that the conversation has already; nothing after `close`."""
        if self._closed:
            return
        unfinished = self._unfinished(conversation_id)
        before = unfinished[-1] if unfinished else None
        if before is None:
            self._paid.discard(conversation_id)
        task = asyncio.ensure_future(_after(before, work))
        self._tasks[conversation_id] = [*unfinished, task]

    def running(self, conversation_id: str) -> bool:
        """Whether the conversation has an unfinished task."""
        return bool(self._unfinished(conversation_id))

    def paid(self, conversation_id: str, costs: bool) -> None:
        """Say whether the tasks of the conversation use a model that costs; see `give_way`."""
        if costs:
            self._paid.add(conversation_id)
        else:
            self._paid.discard(conversation_id)

    def give_way(self) -> None:
        """Cancel the tasks that use free models, which may run on the server that is about to reply."""
        for conversation_id in self._tasks:
            # A paid model runs on another machine: it does not slow the reply, and cancelling wastes coins.
            if conversation_id not in self._paid:
                for task in self._unfinished(conversation_id):
                    task.cancel()

    async def settled(self, conversation_id: str) -> None:
        """Wait until the conversation has no unfinished task; a cancelled one counts as finished."""
        while unfinished := self._unfinished(conversation_id):
            await asyncio.wait(unfinished)

    async def close(self) -> None:
        """Cancel all tasks and start no more."""
        self._closed = True
        unfinished = [task for conversation_id in self._tasks for task in self._unfinished(conversation_id)]
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished)

    def _unfinished(self, conversation_id: str) -> list[asyncio.Task[None]]:
        return [task for task in self._tasks.get(conversation_id, ()) if not task.done()]


async def _after(before: asyncio.Task[None] | None, work: Callable[[], Awaitable[None]]) -> None:
    if before is not None:
        await asyncio.wait({before})
    await work()
