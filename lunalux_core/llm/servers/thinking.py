"""Split a model's reasoning from its answer while the text is still coming.

Only blocks at the very beginning count, between the marks of any family (`marks`), in any case; the same
words further on belong to the story. A block that is never closed is reasoning to
its end: the model ran out of tokens inside it. Where only the closing mark comes, the text before it has been
given out already; the output contract takes it back (`dialogue.output_contract`).

See docs/spec/formats.md: Built-in presets and the output contract.
"""

from __future__ import annotations

import re

from lunalux_core.llm.servers.marks import LONGEST, Marks, marks
from lunalux_core.llm.stop_cut import begun

_LEADING_BLANKS = 4096


class ThinkingSplitter:
    """Incremental; holds back at most an unfinished mark (and blanks before the first one)."""

    def __init__(self, tag_marks: Marks | None = None) -> None:
        self._marks = tag_marks or marks()
        self._longest = max(len(opening) for opening, _ in self._marks.openings)
        self._state = "before"
        self._held = ""
        self._closings: tuple[str, ...] = ()
        self._closed_one = False
        self._block_begun = False
        self._tail = ""

    def feed(self, text: str) -> tuple[str, str]:
        """Take more raw text, return (answer, reasoning) that are certain now."""
        if self._state == "answer":
            return (self._without_tail(text) if self._tail else text), ""
        self._held += text
        answer, thinking = "", ""
        while self._held and self._state != "answer":
            if self._state == "before":
                if not self._open():
                    break
            else:
                thinking += self._take_thinking()
                if self._state == "inside":
                    break
        if self._state == "answer":
            answer, self._held = self._held, ""
            if self._tail:
                answer = self._without_tail(answer)
        return answer, thinking

    def close(self) -> tuple[str, str]:
        """The text is over: return (answer, reasoning) still held back."""
        pending, self._held = self._held, ""
        if self._state == "inside":
            return "", pending
        return pending.lstrip() if self._closed_one else pending, ""

    def _open(self) -> bool:
        """Decide what the text begins with. False: it takes more text to know."""
        begin = self._held.lstrip()
        low = begin[: self._longest].lower()
        for opening, closings in self._marks.openings:
            if low.startswith(opening):
                self._held = begin[len(opening) :]
                self._state, self._closings, self._block_begun = "inside", closings, False
                return True
        leads = [lead for lead in self._marks.leads if self._closed_one or not lead.after_thought]
        for lead in leads:
            if low.startswith(lead.mark):
                rest = begin[len(lead.mark) :]
                end = rest[:LONGEST].find(lead.until)
                if end >= 0:
                    self._held = rest[end + len(lead.until) :]
                    self._state, self._tail = "answer", lead.tail
                    return True
                if len(rest) < LONGEST:
                    return False
        possible = (*(opening for opening, _ in self._marks.openings), *(lead.mark for lead in leads))
        # Blanks alone could go on for ever: beyond so many the text is the answer.
        if len(self._held) < _LEADING_BLANKS and any(mark.startswith(low) for mark in possible):
            return False
        if self._closed_one:
            self._held = begin
        self._state = "answer"
        return True

    def _take_thinking(self) -> str:
        if not self._block_begun:
            self._held = self._held.lstrip()
            self._block_begun = bool(self._held)
        match = re.search("|".join(map(re.escape, self._closings)), self._held, re.IGNORECASE)
        if match:
            # A mark that begins the answer is read once more, as that.
            leads = any(match[0].lower() == lead.mark for lead in self._marks.leads)
            end = match.start() if leads else match.end()
            thinking, self._held = self._held[: match.start()], self._held[end:]
            self._state, self._closed_one = "before", True
            return thinking
        # The end may be the first half of a closing mark; it waits for the next piece.
        keep = max(begun_any_case(self._held, closing) for closing in self._closings)
        thinking, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return thinking

    def _without_tail(self, text: str) -> str:
        """The answer after a mark that began it: held back where one that ends it may have begun."""
        text, self._held = self._held + text, ""
        text = text.replace(self._tail, "")
        keep = begun_any_case(text, self._tail.lower())
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def begun_any_case(text: str, mark: str) -> int:
    """How many characters at the end of `text` may be the beginning of the lower-cased `mark`."""
    return begun(text[-(len(mark) - 1) :].lower(), mark) if len(mark) > 1 else 0
