"""Fill the room that is left with history, newest first (FORMATS 3.2 item 7, 7.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

MEMORY_SHARE = 8
"""At most one part in so many of the prompt's budget is for the events of messages that were cut."""


class Costly(Protocol):
    @property
    def tokens(self) -> int: ...


T = TypeVar("T")
C = TypeVar("C", bound=Costly)


@dataclass(slots=True)
class Room:
    """Tokens left; pieces take from it in the order of their importance."""

    left: int

    def take(self, *pieces: Costly) -> bool:
        """Take all the pieces or none."""
        cost = sum(piece.tokens for piece in pieces)
        if cost > self.left:
            return False
        self.left -= cost
        return True


class NewestFirst(Generic[T, C]):
    """Turns history into pieces from its end, each once and only if somebody asks for it.

    Of a chat of thousands of messages, those that cannot fit are neither expanded nor counted.
    """

    def __init__(self, entries: Sequence[T], prepare: Callable[[T], C]) -> None:
        self._entries = entries
        self._prepare = prepare
        self._ready: list[C] = []

    def fitting(self, room: Room) -> list[C]:
        """The newest pieces that fit, newest first, up to the first that does not."""
        chosen = []
        for piece in self:
            if not room.take(piece):
                break
            chosen.append(piece)
        return chosen

    def __iter__(self) -> Iterator[C]:
        for index in range(len(self._entries)):
            if index == len(self._ready):
                self._ready.append(self._prepare(self._entries[-1 - index]))
            yield self._ready[index]


def newest_events(events: Sequence[str], fits: Callable[[list[str]], bool]) -> list[str]:
    """The longest run of events up to the newest that fits, oldest first."""
    low, high = 0, len(events)
    while low < high:
        middle = (low + high) // 2
        if fits(list(events[middle:])):
            high = middle
        else:
            low = middle + 1
    return list(events[low:])
