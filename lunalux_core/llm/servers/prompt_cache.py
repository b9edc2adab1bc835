"""Where a prompt is marked, so that a provider keeps what comes before the mark (Claude's `cache_control`).

A mark pays where the same beginning is sent again, and costs a quarter more where it is not. What stays the
same is not guessed from what a part is called: it is seen by comparing a prompt with those sent before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lunalux_core.llm.model import Message

Block = tuple[str, str]
"""A role and a text; the leading ones with the role `system` are the instructions."""

RECENT = 8
"""Prompts of one model that are remembered: some chats, a few tasks beside them."""
MISSES = 3
"""After so many prompts in a row that share nothing with earlier ones, nothing is marked until one does."""


class SentPrompts:
    """The prompts that a model was sent last, as hashes of their blocks."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, ...]] = deque(maxlen=RECENT)
        self._misses = 0

    def keep(self, blocks: Sequence[Block]) -> None:
        """A prompt was taken by the server."""
        hashes = _hashes(blocks)
        shared, before = self._nearest(hashes)
        self._misses = 0 if shared or not self._recent else self._misses + 1
        if before is not None and shared == len(before):
            self._recent.remove(before)  # the same chat, further on
        self._recent.append(hashes)

    def marks(self, blocks: Sequence[Block]) -> frozenset[int]:
        """The blocks to mark, by index: the last stable instruction; in the history the end of what was sent
        before, and the end of what will be the same next time. At most three."""
        lead = next((place for place, (role, _) in enumerate(blocks) if role != "system"), len(blocks))
        hashes = _hashes(blocks)
        shared, before = self._nearest(hashes)
        if not shared:
            if self._misses >= MISSES:
                return frozenset()
            ends = _turn_ends(blocks, lead)
            return frozenset([*([lead - 1] if lead else []), *ends[-1:], *ends[-3:-2]])
        if shared < lead:  # all below it is new every time
            return frozenset([shared - 1])
        grown = max(0, len(hashes) - len(before or ()))
        history = {shared - 1, min(shared + grown, len(blocks)) - 1}
        return frozenset([*([lead - 1] if lead else []), *(place for place in history if place >= lead)])

    def _nearest(self, hashes: tuple[int, ...]) -> tuple[int, tuple[int, ...] | None]:
        """The remembered prompt that shares most blocks at the beginning, and how many."""
        shared, nearest = 0, None
        for lengths in reversed(self._recent):
            same = next(
                (place for place, (a, b) in enumerate(zip(lengths, hashes, strict=False)) if a != b),
                min(len(lengths), len(hashes)),
            )
            if same > shared:
                shared, nearest = same, lengths
        return shared, nearest


def block_of(role: str, message: Message) -> Block:
    """A message as a block: its pictures count as well."""
    if not message.pictures:
        return role, message.content
    return role, "\0".join((*(picture.ref.hash for picture in message.pictures), message.content))


def marked_part(text: str) -> dict[str, object]:
    """A text that is the end of what is to be kept."""
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}


def _hashes(blocks: Sequence[Block]) -> tuple[int, ...]:
    return tuple(map(hash, blocks))


def _turn_ends(blocks: Sequence[Block], lead: int) -> list[int]:
    """The last block of each turn of the history: of neighbours with one role."""
    last = len(blocks) - 1
    return [
        place
        for place in range(lead, len(blocks))
        if place == last or blocks[place][0] != blocks[place + 1][0]
    ]
