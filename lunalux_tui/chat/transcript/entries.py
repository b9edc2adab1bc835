"""What stands in the transcript: a message or a note, its lines, and the reply that is being written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from textual.strip import Strip

from lunalux_core.library.conversations import Message
from lunalux_tui.render.growing import GrowingText
from lunalux_tui.render.layout import Fold
from lunalux_tui.theme.styles import Line


@dataclass(slots=True)
class Entry:
    """One message, or one note of the program, and the empty line under it."""

    message: Message | None = None
    note: tuple[str, str, bool] | None = None
    opened: dict[Fold, int] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    folds: dict[int, Fold] = field(default_factory=dict)
    strips: dict[tuple[int, bool], Strip] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.message.id if self.message else ""

    @property
    def height(self) -> int:
        return len(self.lines) + 1


@dataclass(slots=True)
class Stream:
    """The reply under way."""

    entry: Entry
    body: GrowingText
    thinking: GrowingText
    head: list[Line] = field(default_factory=list)


def first_difference(before: Sequence[Line], after: Sequence[Line]) -> int:
    """The first line that differs."""
    for index, (old, new) in enumerate(zip(before, after, strict=False)):
        if old is not new and old != new:
            return index
    return min(len(before), len(after))
