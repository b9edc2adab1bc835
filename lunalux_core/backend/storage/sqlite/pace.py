"""When to wait for the disk right where one stands, on the event loop, instead of on the writer's thread.

The way to a thread and back costs as much as a transaction does on a quick disk, and leaves a cold cache
behind. So while the disk is seen to be quick, transactions are made in place; a slow one sends them back to
the thread, for twice as long each time, so that the program that draws the screen never waits for a disk.
"""

from __future__ import annotations

QUICK_SECONDS = 0.003
"""What a person cannot notice, and what the event loop may be held up for."""
FIRST_PROOF, LAST_PROOF = 8, 8192
CHECKPOINT_EVERY = 100


class Pace:
    """Judges by the transactions of late. One per store, used by one thread at a time."""

    def __init__(self) -> None:
        self._wanted = FIRST_PROOF
        self._quick_in_a_row = 0
        self._until_checkpoint = CHECKPOINT_EVERY

    def in_place(self) -> bool:
        """Whether the next transaction may be made in place.

        Now and then it may not, because copying the log into the file, which is slow, is left to the thread.
        """
        if self._quick_in_a_row < self._wanted:
            return False
        self._until_checkpoint -= 1
        if self._until_checkpoint > 0:
            return True
        self._until_checkpoint = CHECKPOINT_EVERY
        return False

    def note(self, seconds: float, *, in_place: bool) -> None:
        """How long a transaction took."""
        if seconds < QUICK_SECONDS:
            self._quick_in_a_row += 1
        elif in_place:
            self._quick_in_a_row = 0
            self._wanted = min(2 * self._wanted, LAST_PROOF)
        elif self._quick_in_a_row < self._wanted:
            self._quick_in_a_row = 0  # a slow one once the pace is known is the thread's own checkpoint
