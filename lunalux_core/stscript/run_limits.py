"""The bounds of one run: steps, working time, nesting, and the text that is made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lunalux_core.stscript.faults import Fault

_YIELD_EVERY = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one script may do.

    Args:
        script: characters of its text.
        steps: commands and turns of loops.
        seconds: processor time of the program while the script works, so that a busy machine runs what an
            idle one runs; waiting for a person or in /delay does not count.
        waiting: seconds it may wait in /delay altogether.
        nesting: closures inside closures, written or called.
        text: characters of one value.
        made: characters of all values together, so also what can be kept.
    """

    script: int = 500_000
    steps: int = 100_000
    seconds: float = 10.0
    waiting: float = 600.0
    nesting: int = 50
    text: int = 1_000_000
    made: int = 20_000_000


class Budget:
    """What is left of the limits."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._steps = 0
        self._made = 0
        self._depth = 0
        self._waited = 0.0
        self._until = time.process_time() + limits.seconds

    async def step(self) -> None:
        """One more command, or one more turn of a loop. Lets the rest of the app go on now and then."""
        self._steps += 1
        if self._steps > self.limits.steps:
            raise Fault("SCRIPT_TOO_MANY_STEPS", limit=self.limits.steps)
        self.check()
        if self._steps % _YIELD_EVERY == 0:
            await asyncio.sleep(0)

    def check(self) -> None:
        """For one command that works long: raises where the time is up."""
        if time.process_time() > self._until:
            raise Fault("SCRIPT_TOO_SLOW", limit=f"{self.limits.seconds:g}")

    def make(self, size: int) -> None:
        """That many characters more have been made, or are about to be."""
        self._made += size
        if size > self.limits.text:
            raise Fault("SCRIPT_TOO_LARGE", limit=self.limits.text)
        if self._made > self.limits.made:
            raise Fault("SCRIPT_TOO_LARGE", limit=self.limits.made)

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """One closure inside another."""
        if self._depth >= self.limits.nesting:
            raise Fault("SCRIPT_TOO_DEEP", limit=self.limits.nesting)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """What the program does in here is not the script's work."""
        start = time.process_time()
        try:
            yield
        finally:
            self._until += time.process_time() - start

    async def sleep(self, seconds: float) -> None:
        """Wait, as far as the script may."""
        # Counted before the wait: a script that may not wait so long fails at once, not after it.
        self._waited += seconds
        if self._waited > self.limits.waiting:
            raise Fault("SCRIPT_TOO_SLOW", limit=f"{self.limits.waiting:g}")
        with self.waiting():
            await asyncio.sleep(seconds)
