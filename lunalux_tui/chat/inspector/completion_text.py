"""The exact text that a model for text completion got, every sequence of its template in a colour."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lunalux_tui.theme.styles import ACCENT, BOLD, CHARACTER, MUTED, WARNING, Run

_INJECTED = frozenset(
    {"instruction", "worldInfoDepth", "authorsNote", "depthPrompt", "memory", "postHistory"}
)
"""Parts that are put between the turns."""


def is_text(record: Mapping[str, Any]) -> bool:
    """Whether the turn was sent as one text."""
    return bool(record.get("template"))


def coloured(record: Mapping[str, Any]) -> list[Run]:
    """The whole text in order: sequences stand out, the story string is quiet, what stands at a depth is
    marked, and the reply so far and its beginning are the character's. Nothing is added or left out."""
    marks = sorted({mark for mark in record.get("marks") or () if isinstance(mark, str) and mark}, key=len)
    # The longest first, because one sequence may begin with another.
    pattern = re.compile("|".join(map(re.escape, reversed(marks)))) if marks else None
    runs: list[Run] = []
    for message in record["messages"]:
        runs += _pieces(message["content"], pattern, _style(str(message["slot"])))
    return runs


def _style(slot: str) -> int:
    parts = set(slot.split("+"))
    if parts & _INJECTED:
        return WARNING
    if slot in ("continued", "lastLine"):
        return CHARACTER
    return MUTED if slot in ("storyString", "dialogueExamples", "chatStart") else 0


def _pieces(text: str, pattern: re.Pattern[str] | None, style: int) -> Iterator[Run]:
    """The text with its sequences parted from what stands between them."""
    end = 0
    for mark in pattern.finditer(text) if pattern is not None else ():
        if mark.start() > end:
            yield text[end : mark.start()], style
        yield mark[0], ACCENT | BOLD
        end = mark.end()
    if end < len(text):
        yield text[end:], style


def whole(runs: Sequence[Run]) -> str:
    """The text without colours."""
    return "".join(text for text, _ in runs)
