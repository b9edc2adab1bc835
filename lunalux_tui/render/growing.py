"""A text that streams in: what is finished is laid out once, only the open end again and again."""

from __future__ import annotations

import re

from lunalux_tui.render.blocks import LONGEST
from lunalux_tui.render.layout import MOST_SHOWN, Words, lay_out
from lunalux_tui.theme.styles import Line

HTML_PATIENCE = 20_000
"""Characters after which even HTML is settled as it stands."""

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)
_HOLDS = re.compile(r"<[a-z!%]", re.IGNORECASE)
"""HTML is understood as a whole: while a tag stands in the open end, nothing of it is settled."""


class GrowingText:
    """Lines of a text that only ever gets longer.

    Attributes:
        text: the text so far.
        lines: all lines so far.
        settled: how many of them cannot change any more.
    """

    def __init__(self, width: int, text: str = "", base: int = 0, words: Words = Words()) -> None:
        self._width = width
        self._base = base
        self._words = words
        self.text = ""
        self._open = ""
        self._continues = False
        self.lines: list[Line] = []
        self.settled = 0
        if text:
            self.add(text)

    def add(self, more: str) -> None:
        """Lay out with `more` at the end."""
        room = MOST_SHOWN - len(self.text)
        self.text += more
        if room <= 0:
            return
        self._open += more[:room]
        del self.lines[self.settled :]
        while (cut := self._cut()) is not None:
            self._settle(*cut)
        self._lay_out(self._open, growing=True)

    def _cut(self) -> tuple[str, str, bool] | None:
        """What can be settled, what stays open, and whether the open part goes on without a gap."""
        text = self._open
        if len(text) < HTML_PATIENCE and _HOLDS.search(text):
            return None
        gap = text.rfind("\n\n")
        fences = _FENCE.findall(text[:gap] if gap > 0 else "")
        if gap > 0 and len(fences) % 2 == 0:
            return text[:gap], text[gap + 2 :].lstrip("\n"), False
        if len(text) <= LONGEST:
            return None
        at = max(text.rfind("\n", 1, LONGEST), text.rfind(" ", LONGEST // 2, LONGEST))
        at = at if at > 0 else LONGEST
        fences = _FENCE.findall(text[:at])
        reopened = f"{fences[-1]}\n" if len(fences) % 2 else ""
        return text[:at], reopened + text[at:].removeprefix("\n").removeprefix(" "), True

    def _settle(self, done: str, rest: str, continues: bool) -> None:
        self._lay_out(done, growing=False)
        self.settled = len(self.lines)
        self._open = rest
        self._continues = continues

    def _lay_out(self, text: str, *, growing: bool) -> None:
        laid = lay_out(text, self._width, base=self._base, growing=growing, words=self._words).lines
        if laid and self.lines and not self._continues:
            self.lines.append(())
        self.lines.extend(laid)
