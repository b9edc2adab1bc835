"""Split a model's reasoning from its answer while the text is still coming.

Only a block at the very beginning counts, as `<think>…</think>` or `<thinking>…</thinking>` in any case
(FORMATS 3.4); the same words further on belong to the story. A block that is never closed is reasoning to
its end: the model ran out of tokens inside it. A template that writes the opening tag into the prompt, so
that only the closing one arrives, cannot be recognised here: that text has been shown already.
"""

from __future__ import annotations

import re

_OPENERS = ("<think>", "<thinking>")
_CLOSERS = ("</think>", "</thinking>")
_CLOSER = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_LEADING_BLANKS = 4096


class ThinkingSplitter:
    """Incremental; holds back at most an unfinished tag (and blanks before the first one)."""

    def __init__(self) -> None:
        self._state = "before"
        self._held = ""
        self._closed_one = False
        self._block_begun = False

    def feed(self, text: str) -> tuple[str, str]:
        """Take more raw text, return (answer, reasoning) that are certain now."""
        if self._state == "answer":
            return text, ""
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
        return answer, thinking

    def close(self) -> tuple[str, str]:
        """The text is over: return (answer, reasoning) still held back."""
        held, self._held = self._held, ""
        if self._state == "inside":
            return "", held
        return held.lstrip() if self._closed_one else held, ""

    def _open(self) -> bool:
        """Decide what the text begins with. False: it takes more text to know."""
        begin = self._held.lstrip()
        low = begin[:10].lower()
        opener = next((tag for tag in _OPENERS if low.startswith(tag)), None)
        if opener:
            self._held = begin[len(opener) :]
            self._state, self._block_begun = "inside", False
            return True
        if len(self._held) < _LEADING_BLANKS and any(tag.startswith(low) for tag in _OPENERS):
            return False
        if self._closed_one:
            self._held = begin
        self._state = "answer"
        return True

    def _take_thinking(self) -> str:
        if not self._block_begun:
            self._held = self._held.lstrip()
            self._block_begun = bool(self._held)
        match = _CLOSER.search(self._held)
        if match:
            thinking, self._held = self._held[: match.start()], self._held[match.end() :]
            self._state, self._closed_one = "before", True
            return thinking
        keep = _tag_begun(self._held)
        thinking, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return thinking


def _tag_begun(text: str) -> int:
    """How many characters at the end of `text` may be the beginning of a closing tag."""
    start = text.rfind("<", max(0, len(text) - len(_CLOSERS[1]) + 1))
    if start < 0:
        return 0
    tail = text[start:].lower()
    return len(tail) if any(tag.startswith(tail) for tag in _CLOSERS) else 0
