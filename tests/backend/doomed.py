"""What makes a process end at one of its writes, for the tests of crashes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

DIED = 41
"""The status of a process that ended so."""


@dataclass
class Steps:
    """Counts writes, and ends the process at one of them without a word."""

    left: int
    after: bool = False
    seen: int = 0

    def dying(self, write: Any) -> Any:
        async def step(*arguments: Any, **named: Any) -> Any:
            now = self.seen == self.left
            self.seen += 1
            if now and not self.after:
                os._exit(DIED)
            result = await write(*arguments, **named)
            if now:
                os._exit(DIED)
            return result

        return step


class Doomed:
    """A store or a place for objects whose writes are steps."""

    def __init__(self, inner: Any, steps: Steps, names: tuple[str, ...]) -> None:
        self._inner, self._steps, self._names = inner, steps, names

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._inner, name)
        return self._steps.dying(attribute) if name in self._names else attribute
