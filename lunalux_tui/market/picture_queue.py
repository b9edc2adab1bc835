"""The queue that brings the pictures of the cards in view, while the person looks at something else.

Pictures of strangers are opened under limits; one that cannot be had or shown is simply not there, and the
card keeps its monogram. A missing one is asked for again after a pause that doubles.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from lunalux_core.errors import LunaluxError, NetworkError
from lunalux_core.library.market_cache import MarketCard
from lunalux_tui.render.picture_drawing import Drawing, Lines

KEPT = 600
"""Pictures held in memory; some 20 KB each."""

AT_ONCE = 4
QUIET_SECONDS = 10
"""After a failure of the network no picture is asked for this long."""

MISSING_SECONDS, LONGEST_SECONDS = 20.0, 1800.0
"""A picture that was not there is asked for again after so long at first, and at last."""


@dataclass(slots=True)
class _MissingPicture:
    """A picture that could not be had: when to try again (monotonic seconds), and after which pause."""

    again_at: float
    pause: float


class PictureQueue:
    """Brings the pictures of the cards in view, a few at a time, the newest wish first.

    Args:
        fetch: gives the bytes of a card's picture.
        forget: throws away the kept bytes of a card's picture, which are none.
        draw: makes a drawing of the bytes (run in a thread); ValueError where they are no picture.
        start: runs a coroutine as a worker of the screen.
        later: calls back after so many seconds.
        ready: hears the id of a card whose picture has come.
        write: sends a sequence to the terminal.
    """

    def __init__(
        self,
        *,
        fetch: Callable[[MarketCard], Awaitable[bytes]],
        forget: Callable[[MarketCard], Awaitable[None]],
        draw: Callable[[bytes], Drawing],
        start: Callable[[Coroutine[Any, Any, None]], object],
        later: Callable[[float, Callable[[], None]], object],
        ready: Callable[[str], None],
        write: Callable[[str], None],
    ) -> None:
        self._fetch = fetch
        self._forget = forget
        self._draw = draw
        self._start = start
        self._later = later
        self._ready = ready
        self._write = write
        self._kept: OrderedDict[str, Drawing] = OrderedDict()
        self._missing: dict[str, _MissingPicture] = {}
        self._coming: set[str] = set()
        self._in_view: tuple[MarketCard, ...] = ()
        self._wanted: list[MarketCard] = []
        self._running = 0
        self._quiet_until = 0.0
        self._asleep = False

    def get(self, card: MarketCard) -> Lines | None:
        """The picture of a card, when it has come."""
        kept = self._kept.get(_key(card))
        return kept.lines if kept is not None else None

    def want(self, cards: Iterable[MarketCard]) -> None:
        """Bring the pictures of these cards; what was wanted before and has not begun is dropped."""
        self._in_view = tuple(cards)
        now = time.monotonic()
        waiting = [self._again_at(card) for card in self._in_view if self._lacks(card)]
        self._wanted = [card for card in self._in_view if self._lacks(card) and self._again_at(card) <= now]
        while self._running < min(AT_ONCE, len(self._wanted)):
            self._running += 1
            self._start(self._work())
        if (later := [at for at in waiting if at > now]) and not self._asleep:
            self._asleep = True
            # A moment after it is due, or the clock could say once more that it is not.
            self._later(min(later) - now + 0.1, self._wake)

    def retry(self) -> None:
        """Try the pictures again that could not be had: the list is fresh, and so are its addresses."""
        self._quiet_until = 0.0
        self._missing.clear()

    def close(self) -> None:
        """Let the terminal forget the pictures."""
        for drawing in self._kept.values():
            self._write(drawing.drop)
        self._kept.clear()

    def _wake(self) -> None:
        self._asleep = False
        self.want(self._in_view)

    def _lacks(self, card: MarketCard) -> bool:
        return bool(card.thumbnail) and _key(card) not in self._kept and _key(card) not in self._coming

    def _again_at(self, card: MarketCard) -> float:
        missing = self._missing.get(_key(card))
        return max(self._quiet_until, missing.again_at if missing is not None else 0.0)

    async def _work(self) -> None:
        try:
            while self._wanted:
                card = self._wanted.pop(0)
                key = _key(card)
                self._coming.add(key)
                try:
                    await self._bring(card, key)
                finally:
                    self._coming.discard(key)
        finally:
            self._running -= 1

    async def _bring(self, card: MarketCard, key: str) -> None:
        try:
            drawing = await asyncio.to_thread(self._draw, await self._fetch(card))
        except NetworkError:
            # The others would fail as well, each after its own wait.
            self._wanted.clear()
            self._quiet_until = time.monotonic() + QUIET_SECONDS
        except LunaluxError:
            self._miss(key)
        except ValueError:
            await self._forget(card)
            self._miss(key)
        else:
            self._missing.pop(key, None)
            self._kept[key] = drawing
            self._write(drawing.upload)
            self._ready(card.id)
            while len(self._kept) > KEPT:
                self._write(self._kept.popitem(last=False)[1].drop)
            return
        # Or `want` would take it for one that is on its way.
        self._coming.discard(key)
        self.want(self._in_view)  # sets the alarm for the next try

    def _miss(self, key: str) -> None:
        before = self._missing.get(key)
        pause = min(before.pause * 2, LONGEST_SECONDS) if before is not None else MISSING_SECONDS
        self._missing[key] = _MissingPicture(time.monotonic() + pause, pause)


def _key(card: MarketCard) -> str:
    """A picture's address without its signature, which changes with every list."""
    return card.thumbnail.partition("?")[0]
