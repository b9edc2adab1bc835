"""Quick replies that run by themselves: which are due at a moment, and that they never run for ever.

Only replies of sets that are in force here, and that the person let run by themselves, are due. A reply never
sets itself off again: while it runs it is not due, chains of replies are three deep at most, and one moment
runs 20 of them at most.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lunalux_core.library.quick_replies import StoredSet
    from lunalux_core.stscript.quick_reply_files import Moment, QuickReply

DEEPEST = 3
"""Moments within moments."""
MOST_RUNS = 20
"""Replies that one moment and what follows from it may run."""

QuickReplyRunner = Callable[["QuickReply", bool], Awaitable[bool]]
"""Runs a reply; whether it may have replies of a model made; False ends what else was due."""


class Automation:
    """Runs the quick replies that are due by themselves.

    Args:
        run: runs one reply.
    """

    def __init__(self, run: QuickReplyRunner) -> None:
        self._run = run
        self._replies: list[tuple[str, QuickReply]] = []
        self._running: list[tuple[str, int]] = []
        self._held = 0
        self._depth = 0
        self._runs = 0

    def follow(self, sets: Sequence[StoredSet]) -> None:
        """From now on these sets are in force."""
        self._replies = [
            (stored.id, reply) for stored in sets if stored.automatic for reply in stored.content.replies
        ]

    def waits_for(self, *moments: Moment) -> bool:
        """Whether any reply runs at one of these moments."""
        return any(not reply.moments.isdisjoint(moments) for _, reply in self._replies)

    @property
    def ids(self) -> frozenset[str]:
        """The ids of worldbook entries that set a reply off."""
        return frozenset(reply.automation_id for _, reply in self._replies if reply.automation_id)

    def _due(self, moment: Moment | None, ids: Collection[str]) -> Iterator[tuple[str, QuickReply]]:
        for set_id, reply in self._replies:
            if (moment in reply.moments if moment else reply.automation_id in ids) and (
                (set_id, reply.id) not in self._running
            ):
                yield set_id, reply

    @contextmanager
    def quiet(self, reply: QuickReply) -> Iterator[None]:
        """While a reply runs that lets nothing else run by itself (`preventAutoExecute`), nothing does."""
        # Counted, since such a reply may run while another one does.
        self._held += reply.prevents
        try:
            yield
        finally:
            self._held -= reply.prevents

    async def fire(self, moment: Moment | None, *, turns: bool = True, ids: Collection[str] = ()) -> None:
        """Run what is due, one after another.

        Args:
            moment: None for entries of worldbooks with these `ids`.
            turns: whether replies of a model may be made now.
        """
        if self._held or self._depth >= DEEPEST:
            return
        # A moment of the chat itself, not one that a reply has brought about.
        if not self._depth:
            self._runs = 0
        self._depth += 1
        try:
            # A list, because a reply may change which sets are in force while it runs.
            for set_id, reply in list(self._due(moment, ids)):
                self._runs += 1
                if self._runs > MOST_RUNS:
                    return
                self._running.append((set_id, reply.id))
                try:
                    with self.quiet(reply):
                        if not await self._run(reply, turns):
                            return
                finally:
                    self._running.pop()
        finally:
            self._depth -= 1
