"""A message's text cut into blocks: the Markdown that people and models write in chats, and tame HTML.

Not CommonMark on purpose: a single newline is a line break, four spaces are no code block, and what looks
odd stays text. HTML follows FORMATS 4.6: whole documents become a folded panel, `<details>` a fold, what
only a browser could run is dropped, unknown tags are unwrapped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Literal

BlockKind = Literal["text", "heading", "quote", "item", "rule", "fence", "table", "fold", "panel"]


@dataclass(frozen=True, slots=True)
class Block:
    """One block.

    `level` is the depth of a heading, a quote or a list item; `mark` the bullet or number of an item, the
    language of a fence, or the summary of a fold. `close` says that no blank line stands before it.
    """

    kind: BlockKind
    text: str
    level: int = 0
    mark: str = ""
    close: bool = False


_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`\n]*$")
_HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*$")
_RULE = re.compile(r"^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$")
_ITEM = re.compile(r"^(\s*)([-*+•]|\d{1,4}[.)])\s+(.*)$")
_QUOTE = re.compile(r"^ {0,3}((?:>\s?)+)(.*)$")
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$")
_DETAILS = re.compile(r"<details\b[^>]*>|</details\s*>", re.IGNORECASE)
_SUMMARY = re.compile(r"\s*<summary\b[^>]*>(.*?)</summary\s*>", re.IGNORECASE | re.DOTALL)

_DROPPED = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(style|script|head|template)\b[^>]*>.*?(?:</\1\s*>|\Z)"
    r"|<(\w+)\b[^>]*display\s*:\s*none[^>]*>.*?</\2\s*>",
    re.IGNORECASE | re.DOTALL,
)
_SCRIPTED = re.compile(r"<%.*?(?:%>|\Z)|<UpdateVariable>.*?(?:</UpdateVariable>|\Z)", re.DOTALL | re.IGNORECASE)
_BLOCK_TAG = re.compile(
    r"<(/?)(p|div|section|article|center|ul|ol|li|h[1-6]|hr|table|tbody|thead|tr|td|th|blockquote|pre|"
    r"output|outputformat|status_block)\b[^<>]*>",
    re.IGNORECASE,
)
_DOCUMENT = re.compile(r"<!doctype html|<html\b|<body\b|<script\b|<style\b|<div\b", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")


def parse_blocks(text: str, folds: bool = True) -> list[Block]:
    """The blocks of a text, in order. Without `folds`, what stands in `<details>` is text like the rest."""
    text = tame(text)
    if not folds:
        text = _DETAILS.sub("\n", text)
    return list(_with_folds(text) if _DETAILS.search(text) else _blocks(text))


def tame(text: str) -> str:
    """HTML outside fences as Markdown; what only a browser could show is dropped (FORMATS 4.6)."""
    if "<" not in text:
        return text
    pieces = re.split(r"(^ {0,3}(?:```|~~~).*?(?:^ {0,3}(?:```|~~~)\s*$|\Z))", text, flags=re.S | re.M)
    return "".join(piece if index % 2 else _tamed(piece) for index, piece in enumerate(pieces))


def _tamed(text: str) -> str:
    text = _SCRIPTED.sub("", _DROPPED.sub("", text))
    return _BLOCK_TAG.sub(_as_markdown, text)


def _as_markdown(match: re.Match[str]) -> str:
    closing, name = bool(match[1]), match[2].lower()
    if name == "hr":
        return "\n\n---\n\n"
    if name == "li":
        return "" if closing else "\n- "
    if name in {"td", "th"}:
        return "  " if closing else ""
    if name == "tr":
        return "\n" if closing else ""
    if name.startswith("h") and name[1:].isdigit():
        return "\n\n" if closing else f"\n\n{'#' * int(name[1])} "
    if name in {"output", "outputformat", "tbody", "thead"}:
        return ""
    if name == "status_block" and not closing:
        return "\n\n"
    return "\n\n" if name in {"p", "blockquote", "pre", "table", "ul", "ol", "status_block"} else "\n"


def plain_text(html: str) -> str:
    """The readable text of an HTML document."""
    lines = (line.strip() for line in unescape(_TAG.sub("", _tamed(html))).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def code_blocks(text: str) -> list[str]:
    """The contents of all fences of a text, for copying."""
    return [block.text for block in parse_blocks(text) if block.kind in {"fence", "panel"}]


def _blocks(text: str) -> Iterator[Block]:
    lines = text.split("\n")
    at = 0
    gap = True
    while at < len(lines):
        if not lines[at].strip():
            gap, at = True, at + 1
            continue
        block, at = _next_block(lines, at, not gap)
        yield block
        gap = False


def _with_folds(text: str) -> Iterator[Block]:
    position = depth = start = 0
    for match in _DETAILS.finditer(text):
        if match.group().startswith("</"):
            depth = max(depth - 1, 0)
            if depth == 0 and start:
                yield _fold(text[start : match.start()])
                position, start = match.end(), 0
        else:
            if depth == 0:
                yield from _blocks(text[position : match.start()])
                start = match.end()
            depth += 1
    if start:
        yield _fold(text[start:])
    else:
        yield from _blocks(_DETAILS.sub("\n", text[position:]))


def _fold(inside: str) -> Block:
    summary = _SUMMARY.match(inside)
    title = " ".join(plain_text(summary[1]).split()) if summary else ""
    return Block("fold", inside[summary.end() :] if summary else inside, mark=title)


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
    panel = language == "html" or (language in {"", "xml", "text"} and _DOCUMENT.search(text[:2000]))
    return Block("panel" if panel else "fence", text, mark=language, close=close), end + 1


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
