"""HTML to readable Markdown, for a terminal. Nothing is executed, fetched or trusted.

The standard library's parser needs quadratic time on some broken documents, and every card is a candidate,
so tags are found by one expression that never looks beyond the next ``<``. Broken HTML costs formatting,
never words.

See docs/spec/formats.md: HTML in a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html import unescape

MAX_DEPTH = 100
"""Elements nested deeper are unwrapped."""

_TOKEN = re.compile(
    # Code in backticks is kept whole; its length is bounded, so that a
    # lone backtick does not cost a scan each time.
    r"(?P<code>`[^`\n<]{0,500}<[^`\n]{0,500}`)"
    # The possessive repeats (*+) allow no way back: an unfinished tag costs linear time.
    r"|<(?P<close>/?)(?P<name>[a-zA-Z][\w:.-]*)(?P<attributes>(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*+|[^<>]*+)>"
    r"|<[!?][^<>]*>"
)
_ATTRIBUTE = re.compile(r"""([a-zA-Z][\w:-]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")
_HIDDEN_STYLE = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)

_RAW = frozenset({"script", "style", "template", "noscript", "iframe", "object", "svg", "title"})
_DROPPED = frozenset({"head", "select", "datalist"})
_VOID = frozenset(
    {"br", "hr", "img", "input", "meta", "link", "wbr", "source", "track", "col", "base", "area"}
)
_WRAPPED = {
    **dict.fromkeys(("b", "strong"), "**"),
    **dict.fromkeys(("i", "em", "cite"), "*"),
    **dict.fromkeys(("s", "del", "strike"), "~~"),
    **dict.fromkeys(("code", "kbd", "tt", "samp"), "`"),
}
_BLOCKS = frozenset(
    {"div", "section", "article", "header", "footer", "main", "nav", "aside", "figure", "figcaption", "form"}
    | {"fieldset", "legend", "center", "dl", "dt", "dd", "ul", "ol", "body", "html", "button", "address"}
    | {"thead", "tbody", "tfoot", "caption", "label"}
)
_IMPLIED_END = {
    "li": "li",
    "p": "p",
    "tr": "tr",
    "td": "td",
    "th": "td",
    "dt": "dd",
    "dd": "dt",
    "option": "option",
}


@dataclass(slots=True)
class _Element:
    name: str
    hidden: bool = False
    pieces: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    count: int = 0
    summary: str = ""


def html_to_markdown(source: str, on_details: Callable[[str, str], str] | None = None) -> str:
    """Readable text of an HTML fragment or document; words between tags stay as they are.

    Args:
        on_details: gets summary and text of each outermost ``<details>``; what it returns stands for it.
    """
    if "<" not in source:
        return source
    return _Converter(on_details).run(source)


class _Converter:
    def __init__(self, on_details: Callable[[str, str], str] | None) -> None:
        self._on_details = on_details
        self._stack = [_Element("")]

    def run(self, source: str) -> str:
        position = 0
        while match := _TOKEN.search(source, position):
            self._text(source[position : match.start()])
            position = match.end()
            if match["code"]:
                self._stack[-1].pieces.append(match["code"])
            elif match["name"] is None:
                continue
            elif match["close"]:
                self._close(match["name"].lower())
            else:
                position = self._open(match, source)
        self._text(source[position:])
        while len(self._stack) > 1:
            self._pop()
        return re.sub(r"\n{3,}", "\n\n", "".join(self._stack[0].pieces))

    def _text(self, text: str) -> None:
        if not text:
            return
        text = unescape(text)
        # Inside of an element line breaks are layout of the HTML;
        # outside they are the reply's own paragraphs.
        if len(self._stack) > 1 and not any(element.name == "pre" for element in self._stack):
            text = re.sub(r"[ \t]*\n[ \t]*", "\n", text)
        self._stack[-1].pieces.append(text)

    def _open(self, match: re.Match[str], source: str) -> int:
        """The position from which to read on."""
        name = match["name"].lower()
        attributes = _attributes(match["attributes"])
        # Nothing in these is text, not even what looks like a tag; one that
        # is not closed takes the rest, as in a browser.
        if name in _RAW:
            end = re.compile(rf"</{name}\s*>", re.IGNORECASE).search(source, match.end())
            return match.end() if match["attributes"].endswith("/") else end.end() if end else len(source)
        if name in _VOID:
            self._stack[-1].pieces.append(_void(name, attributes))
        # Deeper elements are not opened, so that a card cannot make the stack grow without end.
        elif not match["attributes"].endswith("/") and len(self._stack) <= MAX_DEPTH:
            self._end_implied(name)
            hidden = name in _DROPPED or "hidden" in attributes
            hidden = hidden or bool(_HIDDEN_STYLE.search(attributes.get("style", "")))
            self._stack.append(_Element(name, hidden))
        return match.end()

    def _end_implied(self, name: str) -> None:
        """An item, cell or row that starts ends the one before it, which need not be closed in HTML."""
        last = self._stack[-1].name
        if last and (_IMPLIED_END.get(name) == last or (name in ("td", "th") and last in ("td", "th"))):
            self._pop()
        elif name == "tr" and last in ("td", "th"):
            self._pop()
            self._end_implied(name)

    def _close(self, name: str) -> None:
        # An end without a beginning must not close what is open around it.
        if not any(element.name == name for element in self._stack[1:]):
            return
        while self._stack[-1].name != name:
            self._pop()
        self._pop()

    def _pop(self) -> None:
        element = self._stack.pop()
        parent = self._stack[-1]
        if not element.hidden:
            parent.pieces.append(self._rendered(element, "".join(element.pieces), parent))

    def _rendered(self, element: _Element, content: str, parent: _Element) -> str:
        name = element.name
        if name in _WRAPPED:
            return _wrap(content, _WRAPPED[name])
        if name in ("h1", "h2", "h3", "h4", "h5", "h6"):
            return f"\n\n{'#' * int(name[1])} {' '.join(content.split())}\n\n" if content.strip() else ""
        if name in ("td", "th"):
            parent.rows.append([" ".join(content.split())])
            return ""
        if name == "tr":
            # The table may stand further up: thead, tbody or a form lie between.
            self._table().rows.append([cell for row in element.rows for cell in row] or [content.strip()])
            return ""
        if name == "table":
            return f"\n\n{content.strip()}\n{_table(element.rows)}\n\n"
        if name == "li":
            parent.count += 1
            mark = f"{parent.count}. " if parent.name == "ol" else "- "
            return "\n" + mark + content.strip().replace("\n", "\n" + " " * len(mark))
        if name == "blockquote":
            return "\n\n> " + content.strip().replace("\n", "\n> ") + "\n\n"
        if name == "pre":
            return f"\n\n```\n{content.strip()}\n```\n\n"
        if name == "p":
            return f"\n\n{content.strip()}\n\n"
        if name == "summary":
            parent.summary = " ".join(content.split())
            return ""
        if name == "details":
            return self._details(element.summary, content.strip())
        if name == "rt":
            return f"({content.strip()})"
        if name in _BLOCKS:
            return f"\n{content.strip()}\n"
        return content

    def _table(self) -> _Element:
        return next((each for each in reversed(self._stack) if each.name == "table"), self._stack[-1])

    def _details(self, summary: str, content: str) -> str:
        outermost = not any(element.name == "details" for element in self._stack)
        # A fold on the screen cannot hold another: an inner one becomes text under a heading.
        if self._on_details is not None and outermost:
            return self._on_details(summary, re.sub(r"\n{3,}", "\n\n", content))
        return f"\n\n{_wrap(f'▸ {summary}'.strip(), '**')}\n\n{content}\n\n"


def _attributes(text: str) -> dict[str, str]:
    return {
        match[1].lower(): unescape(match[2] or match[3] or match[4] or "")
        for match in _ATTRIBUTE.finditer(text)
    }


def _void(name: str, attributes: dict[str, str]) -> str:
    if name == "br":
        return "\n"
    if name == "hr":
        return "\n\n---\n\n"
    if name == "img":
        label = " ".join((attributes.get("alt") or attributes.get("title") or "").split())
        return f"[image: {label}]" if label else "[image]"
    return ""


def _wrap(content: str, mark: str) -> str:
    """Markdown marks must touch the words and cannot reach over a blank line."""
    words = content.strip()
    if not words or "\n\n" in words:
        return content
    start = content.index(words)
    return content[:start] + mark + words + mark + content[start + len(words) :]


def _table(rows: list[list[str]]) -> str:
    if not rows:
        return ""
    width = max(map(len, rows))
    lines = ["| " + " | ".join([*row, *[""] * (width - len(row))]) + " |" for row in rows]
    # Markdown has no table without a head, so the first row is taken for it.
    lines.insert(1, "|" + " --- |" * width)
    return "\n" + "\n".join(lines)
