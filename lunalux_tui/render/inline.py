"""Inline marks of one paragraph: emphasis, strong, code, links, spoken words.

Role-play reads `*…*` as narration and quotation marks of any script as speech, so both get a style of
their own. Marks that never close stay letters, unless the text is still growing: then they hold to its
end, so that a streaming line does not change its look with its last letter.
"""

from __future__ import annotations

import re

from lunalux_tui.theme.styles import (
    BOLD,
    CODE,
    ITALIC,
    LINK,
    MUTED,
    NARRATION,
    SPEECH,
    STRIKE,
    Run,
)

_SPECIAL = re.compile(r"[\\`*_~\"“”„「」『』\[]")
_TOKEN = re.compile(
    r"\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|(?P<code>(?P<ticks>`+)(?!`)(?P<inside>.+?)(?<!`)(?P=ticks)(?!`))"
    r"|(?P<mark>\*{1,3}|_{1,3}|~~)"
    r"|(?P<quote>[\"“”„「」『』])"
    r"|(?P<link>!?\[(?P<label>[^\[\]\n]{0,300})\]\((?P<target>[^()\s]{0,2000})\))",
    re.DOTALL,
)
_MARKS = {
    "*": ITALIC | NARRATION,
    "_": ITALIC | NARRATION,
    "**": BOLD,
    "__": BOLD,
    "***": BOLD | ITALIC,
    "___": BOLD | ITALIC,
    "~~": STRIKE,
}
_CLOSING = {"“": "”", "„": "“", "「": "」", "『": "』"}
_Span = tuple[int, int, int]


def parse_inline(text: str, base: int = 0, growing: bool = False) -> list[Run]:
    """The runs of a paragraph; newlines are kept in the text."""
    if _SPECIAL.search(text) is None:
        return [(text, base)] if text else []
    return _Parser(text, base, growing).runs()


class _Parser:
    """One paragraph: pieces of text, and spans (first piece, end piece, bits) that style them."""

    def __init__(self, text: str, base: int, growing: bool) -> None:
        self._text = text
        self._base = base
        self._growing = growing
        self._pieces: list[str] = []
        self._spans: list[_Span] = []
        self._open_marks: list[tuple[str, int]] = []
        self._quote: tuple[str, int] | None = None
        self._hidden: set[int] = set()

    def runs(self) -> list[Run]:
        position = 0
        for match in _TOKEN.finditer(self._text):
            self._piece(self._text[position : match.start()])
            position = match.end()
            self._token(match)
        self._piece(self._text[position:])
        self._finish()
        return self._merged()

    def _piece(self, text: str) -> int:
        if text:
            self._pieces.append(text)
            if self._quote and self._quote[0] == '"' and "\n" in text:
                self._end_quote()  # a straight quotation mark that never closed holds to its line's end
        return len(self._pieces)

    def _token(self, match: re.Match[str]) -> None:
        if match["escaped"]:
            self._piece(match["escaped"])
        elif match["code"]:
            self._styled(match["inside"].strip("\n") or " ", CODE)
        elif match["mark"]:
            self._mark(match["mark"], match.start(), match.end())
        elif match["quote"]:
            self._quotation(match["quote"], match.start(), match.end())
        else:
            self._link(match["label"], match["target"], match["link"].startswith("!"))

    def _styled(self, text: str, bits: int) -> None:
        start = len(self._pieces)
        self._spans.append((start, self._piece(text), bits))

    def _mark(self, mark: str, start: int, end: int) -> None:
        before, after = self._text[start - 1 : start], self._text[end : end + 1]
        opens, closes = bool(after.strip()), bool(before.strip())
        if mark[0] == "_":  # snake_case is no emphasis
            opens, closes = opens and not before.isalnum(), closes and not after.isalnum()
        if closes and self._close_mark(mark):
            return
        if opens:
            self._open_marks.append((mark, len(self._pieces)))
        self._piece(mark)

    def _close_mark(self, mark: str) -> bool:
        for index in range(len(self._open_marks) - 1, -1, -1):
            opened, piece = self._open_marks[index]
            if opened == mark and piece + 1 < len(self._pieces):
                del self._open_marks[index:]
                self._hidden.add(piece)
                self._spans.append((piece, len(self._pieces), _MARKS[mark]))
                return True
        if len(mark) == 3:  # closes *a **b*** and **a *b***
            outer = [opened for opened, _ in self._open_marks[-2:]]
            if sorted(outer) == [mark[0], mark[0] * 2]:
                return self._close_mark(outer[1]) and self._close_mark(outer[0])
        return False

    def _quotation(self, mark: str, start: int, end: int) -> None:
        if self._quote is not None:
            self._piece(mark)
            if mark == (_CLOSING.get(self._quote[0]) or '"'):
                self._end_quote()
            return
        before, after = self._text[start - 1 : start], self._text[end : end + 1]
        opens = mark in _CLOSING or (mark == '"' and not before.isalnum() and bool(after.strip()))
        if opens:
            self._quote = (mark, len(self._pieces))
        self._piece(mark)

    def _end_quote(self) -> None:
        if self._quote is not None:
            self._spans.append((self._quote[1], len(self._pieces), SPEECH))
            self._quote = None

    def _link(self, label: str, target: str, image: bool) -> None:
        if image:
            self._styled(f"[{label or 'image'}]", MUTED)
            return
        self._styled(label or target, LINK)
        if target and target != label and not target.startswith("#"):
            self._styled(f" ({target})", MUTED)

    def _finish(self) -> None:
        end = len(self._pieces)
        self._end_quote()
        if self._growing:
            for mark, piece in self._open_marks:
                self._hidden.add(piece)
                self._spans.append((piece, end, _MARKS[mark]))

    def _merged(self) -> list[Run]:
        bits = [self._base] * len(self._pieces)
        for start, end, style in self._spans:
            for index in range(start, end):
                bits[index] |= style
        runs: list[Run] = []
        for index, piece in enumerate(self._pieces):
            if index in self._hidden:
                continue
            if runs and runs[-1][1] == bits[index]:
                runs[-1] = (runs[-1][0] + piece, bits[index])
            else:
                runs.append((piece, bits[index]))
        return runs
