"""The Markdown that people and models write in chats: a text cut into blocks, and the marks inside of one.

Not CommonMark on purpose: a single newline is a line break, four spaces are no code block, and what looks
odd stays text. HTML is made fit by the core before: pages become a folded panel, `<details>`
a fold, what only a browser could run is hidden.

Role-play reads `*…*` as narration and quotation marks of any script as speech, so both get a style of
their own. Marks that never close stay letters, unless the text is still growing: then they hold to its
end, so that a streaming line does not change its look with its last letter.

See docs/spec/formats.md: HTML in a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

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

BlockKind = Literal["text", "heading", "quote", "item", "rule", "fence", "table", "fold", "panel", "script"]

LONGEST = 3000
"""Characters of a paragraph; a longer one is cut at a word, so that no line can be expensive."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block.

    `level` is the depth of a heading, a quote or a list item; `mark` the bullet or number of an item, the
    language of a fence, or the title of a fold. `close` says that no blank line stands before it. `source`
    is what a panel was made of.
    """

    kind: BlockKind
    text: str
    level: int = 0
    mark: str = ""
    close: bool = False
    source: str = ""


_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`\n]*$")
_HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*$")
_RULE = re.compile(r"^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$")
_ITEM = re.compile(r"^(\s*)([-*+•]|\d{1,4}[.)])\s+(.*)$")
_QUOTE = re.compile(r"^ {0,3}((?:>\s?)+)(.*)$")
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$")


def parse_blocks(text: str) -> list[Block]:
    """The blocks of a text, in order."""
    if "<" not in text:
        return list(_blocks(text))
    from lunalux_core.display.html import Fold, HtmlPanel, split

    blocks: list[Block] = []
    for part in split(text):
        if isinstance(part, str):
            blocks.extend(_blocks(part))
        elif isinstance(part, Fold):
            blocks.append(Block("fold", part.text, mark=part.title))
        elif isinstance(part, HtmlPanel):
            blocks.append(Block("panel", part.text, level=part.lines, mark=part.title, source=part.source))
        elif not part.source.endswith("/>"):
            blocks.append(Block("script", "", mark=part.kind, source=part.source))
    return blocks


def code_blocks(text: str) -> list[str]:
    """The contents of all fences of a text, for copying."""
    blocks = (block for block in parse_blocks(text) if block.kind in {"fence", "panel"})
    return [block.source or block.text for block in blocks]


def _blocks(text: str) -> Iterator[Block]:
    lines = text.split("\n")
    at = 0
    gap = True
    while at < len(lines):
        if not lines[at].strip():
            gap, at = True, at + 1
            continue
        block, at = _next_block(lines, at, not gap)
        yield from _short(block) if block.kind == "text" and len(block.text) > LONGEST else (block,)
        gap = False


def _short(block: Block) -> Iterator[Block]:
    """A long paragraph as several close ones."""
    text, close = block.text, block.close
    while len(text) > LONGEST:
        cut = max(text.rfind("\n", 1, LONGEST), text.rfind(" ", LONGEST // 2, LONGEST))
        cut = cut if cut > 0 else LONGEST
        yield Block("text", text[:cut], close=close)
        text, close = text[cut:].removeprefix("\n").removeprefix(" "), True
    yield Block("text", text, close=close)


def _next_block(lines: list[str], at: int, close: bool) -> tuple[Block, int]:
    line = lines[at]
    if fence := _FENCE.match(line):
        return _fence(lines, at, fence, close)
    if heading := _HEADING.match(line):
        return Block("heading", heading[2], level=len(heading[1]), close=close), at + 1
    if _RULE.match(line):
        return Block("rule", "", close=close), at + 1
    if _QUOTE.match(line):
        return _quoted(lines, at, close)
    if item := _ITEM.match(line):
        return _item(lines, at, item, close)
    if "|" in line and at + 1 < len(lines) and "|" in lines[at + 1] and _TABLE_RULE.match(lines[at + 1]):
        return _table(lines, at, close)
    return _paragraph(lines, at, close)


def _fence(lines: list[str], at: int, fence: re.Match[str], close: bool) -> tuple[Block, int]:
    mark = fence[1]
    end = at + 1
    while end < len(lines) and not re.fullmatch(rf" {{0,3}}{mark[0]}{{{len(mark)},}}\s*", lines[end]):
        end += 1
    text = "\n".join(lines[at + 1 : end])
    language = fence[2].lower()
    # One that never closes goes to the end of the text.
    return Block("fence", text, mark=language, close=close), end + 1


def _quoted(lines: list[str], at: int, close: bool) -> tuple[Block, int]:
    first = _QUOTE.match(lines[at])
    assert first is not None
    level = first[1].count(">")
    inside = []
    while at < len(lines) and (match := _QUOTE.match(lines[at])) and match[1].count(">") == level:
        inside.append(match[2])
        at += 1
    return Block("quote", "\n".join(inside), level=level, close=close), at


def _item(lines: list[str], at: int, item: re.Match[str], close: bool) -> tuple[Block, int]:
    indent = len(item[1].expandtabs(4))
    inside = [item[3]]
    at += 1
    while at < len(lines) and lines[at].strip() and lines[at].startswith("  ") and not _ITEM.match(lines[at]):
        inside.append(lines[at].strip())
        at += 1
    mark = "•" if item[2] in "-*+•" else item[2]
    return Block("item", "\n".join(inside), level=min(indent // 2, 6), mark=mark, close=close), at


def _paragraph(lines: list[str], at: int, close: bool) -> tuple[Block, int]:
    end = at + 1
    while end < len(lines) and lines[end].strip() and not _starts_block(lines[end]):
        end += 1
    return Block("text", "\n".join(lines[at:end]), close=close), end


def _starts_block(line: str) -> bool:
    return any(pattern.match(line) for pattern in (_FENCE, _HEADING, _RULE, _QUOTE, _ITEM))


def _table(lines: list[str], at: int, close: bool) -> tuple[Block, int]:
    end = at
    while end < len(lines) and "|" in lines[end]:
        end += 1
    return Block("table", "\n".join(lines[at:end]), close=close), end


_SPECIAL = re.compile(r"[\\`*_~\"“”„「」『』\[]")
# The parts of a link are bounded, or every open bracket of a hostile text would be read to its end.
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
            # There has to be something between the two marks.
            if opened == mark and piece + 1 < len(self._pieces):
                # What was opened within and never closed stays letters.
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
