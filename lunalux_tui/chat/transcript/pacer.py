"""Joins what streams in, so that the screen is painted a few times a second and not for every token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

FRAMES = 12
"""Paints a second at most. The first piece after a pause is painted at once."""


class Pacer:
    """Collects pieces of a reply and of its reasoning, and hands them on at a steady pace.

    Args:
        paint: takes the new text and the new reasoning.
    """

    def __init__(self, paint: Callable[[str, str], None]) -> None:
        self._paint = paint
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._painted = 0.0

    def text(self, piece: str) -> None:
        self._text.append(piece)
        self._schedule()

    def thinking(self, piece: str) -> None:
        self._thinking.append(piece)
        self._schedule()

    def forget(self) -> None:
        """Drop what was not painted: the whole message is shown instead."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._text.clear()
        self._thinking.clear()

    def _schedule(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(self._painted + 1 / FRAMES, loop.time()), self._flush)

    def _flush(self) -> None:
        text, thinking = "".join(self._text), "".join(self._thinking)
        self.forget()
        self._painted = asyncio.get_running_loop().time()
        self._paint(text, thinking)
