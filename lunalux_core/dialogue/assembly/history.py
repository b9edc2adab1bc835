"""Fill the remaining tokens with history, newest first, and keep the events of messages that do not fit.

See docs/spec/formats.md: SillyTavern assembly, Context and token counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from lunalux_core.dialogue.assembly.injections import Injection
from lunalux_core.dialogue.assembly.prompt_material import HistoryMessage, PromptMaterial

MEMORY_SHARE = 8
"""The events of messages that did not fit get at most one part in so many of the free tokens."""

HistoryEntry = HistoryMessage | Injection
"""An element of a history: a message, or a text that is inserted between messages at a depth."""


class Costly(Protocol):
    """Anything that has a number of tokens."""

    @property
    def tokens(self) -> int: ...


@dataclass(slots=True)
class Room:
    """The tokens that are left; the more important parts take theirs first."""

    left: int

    def take(self, *pieces: Costly) -> bool:
        """Subtract the tokens of all pieces if they fit together; else change nothing and return False."""
        cost = 0
        for piece in pieces:
            cost += piece.tokens
        if cost > self.left:
            return False
        self.left -= cost
        return True


C = TypeVar("C", bound=Costly)


@dataclass(frozen=True, slots=True)
class HistoryFill(Generic[C]):
    """The part of a history that fits, and what was left out.

    Args:
        pieces, dropped: what is sent and which messages are not, both oldest first.
        injections_dropped: how many texts at a depth are not sent.
        memory: a piece with the events of dropped messages, `events` of them.
    """

    pieces: tuple[C, ...] = ()
    dropped: tuple[HistoryMessage, ...] = ()
    injections_dropped: int = 0
    memory: C | None = None
    events: int = 0


class _NewestFirst(Generic[C]):
    """Turns entries into pieces, beginning with the last, each once and only on demand.

    So in a chat of thousands of messages those that cannot fit are neither expanded nor counted.
    """

    def __init__(self, entries: Sequence[HistoryEntry], prepare: Callable[[HistoryEntry], C]) -> None:
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
        # A second iteration begins with the pieces that the first one prepared. Iterates over a copy,
        # because the loop below appends to the list.
        yield from self._ready.copy()
        for index in range(len(self._ready), len(self._entries)):
            piece = self._prepare(self._entries[-1 - index])
            self._ready.append(piece)
            yield piece


def fill_history(
    room: Room,
    entries: Sequence[HistoryEntry],
    material: PromptMaterial,
    prepare: Callable[[HistoryEntry], C],
    remember: Callable[[Sequence[str]], C],
) -> HistoryFill[C]:
    """Take the newest entries that fit; if some do not, reserve a share of the tokens for their events.

    Args:
        prepare: makes the piece of an entry; called newest first, once for each entry that is needed.
        remember: makes one piece from events, oldest first.
    """
    newest = _NewestFirst(entries, prepare)
    trial = Room(room.left)
    # First without a reserve: only then is it known whether anything is cut, and so whether events need one.
    chosen = newest.fitting(trial)
    memory, events = None, 0
    if (len(chosen) < len(entries) or material.omitted) and _events(entries, material):
        # Then with the reserve; what this drops in addition is included in the events.
        share = room.left // MEMORY_SHARE
        trial = Room(room.left - share)
        chosen = newest.fitting(trial)
        lost = _events(entries[: len(entries) - len(chosen)], material)
        remembered = _newest_fitting(lost, lambda lines: remember(lines).tokens <= share)
        memory, events = (remember(remembered), len(remembered)) if remembered else (None, 0)
        # Tokens that the events did not need are free again.
        trial.left += share - (memory.tokens if memory else 0)
    room.left = trial.left
    left_out = entries[: len(entries) - len(chosen)]
    # Texts at a depth may be left out too; they are counted separately, because they are not messages.
    dropped = tuple(entry for entry in left_out if isinstance(entry, HistoryMessage))
    return HistoryFill(tuple(reversed(chosen)), dropped, len(left_out) - len(dropped), memory, events)


def last_message(entries: Sequence[HistoryEntry]) -> int | None:
    """The index of the newest message, ignoring texts at a depth; None if there is none."""
    indexes = range(len(entries) - 1, -1, -1)
    return next((index for index in indexes if isinstance(entries[index], HistoryMessage)), None)


def nothing_filled(entries: Sequence[HistoryEntry]) -> HistoryFill[C]:
    """The result for a preset that sends no history."""
    dropped = tuple(entry for entry in entries if isinstance(entry, HistoryMessage))
    return HistoryFill(dropped=dropped, injections_dropped=len(entries) - len(dropped))


def _events(entries: Sequence[HistoryEntry], material: PromptMaterial) -> list[str]:
    texts = (entry.event for entry in entries if isinstance(entry, HistoryMessage))
    return [*material.earlier_events, *filter(None, texts)]


def _newest_fitting(events: Sequence[str], fits: Callable[[Sequence[str]], bool]) -> Sequence[str]:
    """The newest events, as many as fit."""
    # Binary search: each test counts tokens, and a long chat has thousands of events.
    low, high = 0, len(events)
    while low < high:
        middle = (low + high) // 2
        if fits(events[middle:]):
            high = middle
        else:
            low = middle + 1
    return events[low:]
