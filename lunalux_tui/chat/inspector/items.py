"""One row of the inspector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lunalux_tui.theme.styles import Run


@dataclass(frozen=True, slots=True)
class Item:
    """One row: what it says, what can be read about it, and `text` for copying and for the filter.

    What is `told` are paragraphs, or pieces of one text where they are `joined`.
    """

    title: str
    detail: str = ""
    right: str = ""
    mark: str = ""
    text: str = ""
    told: Callable[[], Sequence[Run]] = field(default=tuple, compare=False)
    joined: bool = False

    def holds(self, words: Sequence[str]) -> bool:
        """Whether all the words stand anywhere in it."""
        whole = f"{self.title} {self.detail} {self.right} {self.text}".casefold()
        return all(word in whole for word in words)
