"""What scripts and greetings show as web pages, made fit for a terminal.

A message is cut into parts: text, folds, pages and blocks for a script runtime that Lunalux does not have.
The screen decides how to draw them.

See docs/spec/formats.md: HTML in a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lunalux_core.display.html_text import html_to_markdown


@dataclass(frozen=True, slots=True)
class HtmlPanel:
    """A whole HTML document: shown folded, with the text in it and the source on request."""

    title: str
    lines: int
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Fold:
    """A ``<details>`` element."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class ScriptBlock:
    """EJS or MVU code: hidden, it needs a script runtime."""

    kind: Literal["ejs", "mvu"]
    source: str


DisplayPart = str | HtmlPanel | Fold | ScriptBlock

_SPECIAL = re.compile(
    r"^[ \t]{0,3}(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[\w+-]*)[^\n`]*(?:\n|\Z)"
    r"|(?P<ejs><%)"
    r"|<(?P<mvu>UpdateVariable|StatusPlaceHolderImpl|JSONPatch)\b[^<>]*>"
    r"|(?P<comment><!--)"
    r"|(?P<page><!doctype\s+html[^<>]*>|<html\b[^<>]*>)",
    re.IGNORECASE | re.MULTILINE,
)
_PAGE_START = re.compile(r"\s*<(?:!doctype\s+html|html|head|body|style|script)\b", re.IGNORECASE)
_PAGE_END = re.compile(r"</html\s*>", re.IGNORECASE)
_TITLE = re.compile(r"<(title|h[1-3])\b[^<>]*>([^<]*)<", re.IGNORECASE)
# A noncharacter, which no text may hold: it stands for a fold while the text around it is converted.
_FOLD = re.compile("\ufdd2(\\d+)\ufdd2")


def split(text: str) -> list[DisplayPart]:
    """The parts of a message in order; neighbouring text is one part, empty text none."""
    if "<" not in text:
        return [text] if text else []
    parts: list[DisplayPart] = []
    # Text from `start` on is not in a part yet; `position` is further
    # down where an expression was nothing special.
    start = position = 0
    ends = {mark: text.rfind(mark) for mark in ("-->", "%>")}  # so that no search is made in vain
    while match := _SPECIAL.search(text, position):
        end, part = _special(text, match, ends)
        # Code goes in as it stands: what looks like a tag in it is none.
        if match["fence"] and part is None:
            parts += [*_inline(text[start : match.start()]), text[match.start() : end]]
            start = end
        elif part is not None or match["comment"]:
            parts += _inline(text[start : match.start()])
            parts += [part] if part is not None else []
            start = end
        position = end
    parts += _inline(text[start:])
    return _joined(parts)


def _special(text: str, match: re.Match[str], ends: Mapping[str, int]) -> tuple[int, DisplayPart | None]:
    """Where the special part ends, and what it is; None for code, a comment or nothing special."""
    if match["fence"]:
        return _fence(text, match)
    if match["comment"] or match["ejs"]:
        mark = "-->" if match["comment"] else "%>"
        # Without its end it is ordinary text: a reply may speak of "<%" or be cut there.
        if ends[mark] < match.end():
            return match.end(), None
        end = text.index(mark, match.end()) + len(mark)
        return end, None if match["comment"] else ScriptBlock("ejs", text[match.start() : end])
    if match["mvu"]:
        end = _element_end(text, match)
        return end, ScriptBlock("mvu", text[match.start() : end])
    closing = _PAGE_END.search(text, match.end())
    end = closing.end() if closing else len(text)
    return end, _panel(text[match.start() : end])


def _element_end(text: str, match: re.Match[str]) -> int:
    """An element that is not closed reaches to the end: the reply was cut in the middle of it."""
    # MVU's placeholder for the status bar has no end tag.
    if match.group().endswith("/>") or match["mvu"].lower() == "statusplaceholderimpl":
        return match.end()
    closing = re.compile(rf"</{match['mvu']}\s*>", re.IGNORECASE).search(text, match.end())
    return closing.end() if closing else len(text)


def _fence(text: str, match: re.Match[str]) -> tuple[int, DisplayPart | None]:
    mark = match["fence"]
    closing = re.compile(rf"^[ \t]{{0,3}}{mark[0]}{{{len(mark)},}}[ \t]*$\n?", re.MULTILINE).search(
        text, match.end()
    )
    inside = text[match.end() : closing.start() if closing else len(text)]
    end = closing.end() if closing else len(text)
    is_page = match["language"].lower() in ("html", "htm", "xhtml")
    # Many cards leave the language of the fence out, so a page is also known by how it begins.
    if is_page or (not match["language"] and _PAGE_START.match(inside)):
        return end, _panel(inside)
    return end, None


def _panel(source: str) -> HtmlPanel:
    source = source.strip("\n")
    heading = _TITLE.search(source)
    title = " ".join(heading[2].split()) if heading else ""
    return HtmlPanel(title, source.count("\n") + 1, html_to_markdown(source).strip(), source)


def _inline(text: str) -> list[DisplayPart]:
    """Text with HTML in it, as Markdown and folds."""
    if "<" not in text:
        return [text]
    folds: list[Fold] = []

    def keep(title: str, content: str) -> str:
        folds.append(Fold(title, content))
        return f"\n\ufdd2{len(folds) - 1}\ufdd2\n"

    # A text that has the mark in it could otherwise name folds that are not there.
    pieces = _FOLD.split(html_to_markdown(text.replace("\ufdd2", ""), keep))
    return [folds[int(piece)] if index % 2 else piece for index, piece in enumerate(pieces)]


def _joined(parts: list[DisplayPart]) -> list[DisplayPart]:
    result: list[DisplayPart] = []
    for part in parts:
        if isinstance(part, str) and result and isinstance(result[-1], str):
            result[-1] += part
        elif part != "":
            result.append(part)
    return result
