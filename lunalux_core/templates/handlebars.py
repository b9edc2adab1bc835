"""The story string's syntax: the small part of Handlebars that SillyTavern's story strings use.

`{{field}}`, `{{#if field}}…{{else}}…{{/if}}`, `{{#unless field}}`, chains with `{{else if field}}`, comments,
`\\{{` for braces that are text, and `~` at a brace for the white space beside it. A block's tag that stands
alone on a line takes the line with it. Any other name is handed on: it may be a macro. Nothing is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from lunalux_core.errors import InvalidInput

MAX_DEPTH = 50
"""Blocks nested deeper than in any template."""

_FIELD = re.compile(r"(?:this\.|\./|@root\.)?([A-Za-z_][\w]*)\Z")
_COMMENT = re.compile(r"\{\{~?!--.*?--~?\}\}|\{\{~?!.*?\}\}", re.DOTALL)
_ENDS_LINE = re.compile(r"\r?\n[^\S\n]*\Z")
_ENDS_LINE_OR_TEXT = re.compile(r"(?:\A|\r?\n)[^\S\n]*\Z")
_BEGINS_LINE = re.compile(r"\A[^\S\n]*?\r?\n")
_BEGINS_LINE_OR_TEXT = re.compile(r"\A[^\S\n]*?(?:\r?\n|\Z)")


@dataclass(slots=True)
class _Text:
    """Text outside braces; `written` is as it stood before white space was taken from it."""

    written: str
    value: str = ""
    left_cut: bool = False
    right_cut: bool = False

    def __post_init__(self) -> None:
        self.value = self.written


@dataclass(slots=True)
class _Value:
    """`{{name}}`; what is no field is handed on as it is written."""

    name: str
    open: bool = False
    close: bool = False


@dataclass(slots=True)
class _Comment:
    open: bool = False
    close: bool = False


@dataclass(slots=True)
class _Block:
    """`{{#if name}}` with what follows `{{else}}`; `inverted` for `unless`.

    The flags tell which braces have a `~`: of the opening tag, the else, and the closing tag.
    """

    name: str
    inverted: bool
    place: int
    word: str
    open_open: bool = False
    open_close: bool = False
    else_open: bool = False
    else_close: bool = False
    close_open: bool = False
    close_close: bool = False
    body: list[_Node] = field(default_factory=list)
    other: list[_Node] | None = None
    chained: bool = False


_Node = _Text | _Value | _Comment | _Block


class Template:
    """A parsed story string."""

    def __init__(self, nodes: list[_Node]) -> None:
        self._nodes = nodes

    def render(self, values: Mapping[str, str], other: Callable[[str], str]) -> str:
        """The text.

        Args:
            other: gives what stands for a pair of braces whose name is no field.
        """
        return "".join(_rendered(self._nodes, values, other))


def _rendered(nodes: list[_Node], values: Mapping[str, str], other: Callable[[str], str]) -> list[str]:
    pieces: list[str] = []
    for node in nodes:
        match node:
            case _Text():
                pieces.append(node.value)
            case _Value():
                field_name = _field(node.name)
                value = values.get(field_name)
                pieces.append(other(node.name) if value is None else value)
            case _Block():
                holds = bool(values.get(_field(node.name))) != node.inverted
                pieces += _rendered(node.body if holds else node.other or [], values, other)
            case _Comment():
                pass
    return pieces


def _field(name: str) -> str:
    match = _FIELD.match(name)
    return match[1] if match else name


@lru_cache(maxsize=32)
def parse(text: str) -> Template:
    """Parse a story string.

    Raises:
        InvalidInput: TEMPLATE_SYNTAX, with line and column.
    """
    nodes = _Parser(text).run()
    _tidy(nodes, root=True)
    return Template(nodes)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._root: list[_Node] = []
        self._open: list[_Block] = []

    @property
    def _here(self) -> list[_Node]:
        if not self._open:
            return self._root
        block = self._open[-1]
        return block.body if block.other is None else block.other

    def run(self) -> list[_Node]:
        position = 0
        while (start := self._text.find("{{", position)) >= 0:
            before = self._text[position:start]
            if before.endswith("\\") and not before.endswith("\\\\"):
                after = self._text.find("{{", start + 2)
                # an escaped pair of braces is text up to the next pair, which may be escaped itself
                end = len(self._text) if after < 0 else after
                while end > start + 2 and after >= 0 and self._text[end - 1] == "\\":
                    end -= 1
                self._add_text(before[:-1] + self._text[start:end])
                position = end
                continue
            # Two backslashes are one backslash, and the braces after them count.
            self._add_text(before[:-1] if before.endswith("\\\\") else before)
            position = self._tag(start)
        self._add_text(self._text[position:])
        if self._open:
            block = self._open[-1]
            raise self._wrong(block.place, "open", f"{{{{#{block.word}}}}} is never closed", word=block.word)
        return self._root

    def _add_text(self, text: str) -> None:
        if not text:
            return
        here = self._here
        if here and isinstance(here[-1], _Text):
            # One text of what an escape parted: whether a line ends here is judged by the whole of it.
            here[-1] = _Text(here[-1].written + text)
        else:
            here.append(_Text(text))

    def _tag(self, start: int) -> int:
        """Read what begins at `start`; returns where it ends."""
        comment = _COMMENT.match(self._text, start)
        if comment:
            self._here.append(_Comment(comment[0].startswith("{{~"), comment[0].endswith("~}}")))
            return comment.end()
        # Three braces ask for no escaping, and here nothing is ever escaped.
        triple = self._text.startswith("{{{", start)
        closing = "}}}" if triple else "}}"
        end = self._text.find(closing, start)
        if end < 0:
            raise self._wrong(start, "braces", "the braces that open here are never closed")
        inner = self._text[start + len(closing) : end]
        if "{{" in inner:
            within = start + len(closing) + inner.index("{{")
            raise self._wrong(within, "nested", "there are braces inside of braces")
        trimmed = inner.removeprefix("~").removesuffix("~")
        self._inside(trimmed.strip(), start, inner.startswith("~"), inner.endswith("~") and len(inner) > 1)
        return end + len(closing)

    def _inside(self, inner: str, start: int, open: bool, close: bool) -> None:
        if not inner:
            raise self._wrong(start, "empty", "there is nothing between the braces")
        if inner.startswith("#"):
            self._begin(inner[1:].strip(), start, open, close)
        elif inner.startswith("/") and not inner.startswith("//"):
            self._end(inner[1:].strip(), start, open, close)
        elif inner in ("else", "^") or re.match(r"else\s+(if|unless)\s", inner):
            self._else(inner, start, open, close)
        else:
            self._here.append(_Value(inner.removeprefix("&").strip(), open, close))

    def _begin(self, inner: str, start: int, open: bool, close: bool) -> None:
        word, _, name = inner.partition(" ")
        if word not in ("if", "unless"):
            reason = f"{{{{#{word}}}}} is not known here, only {{{{#if}}}} and {{{{#unless}}}} are"
            raise self._wrong(start, "unknown", reason, word=word)
        block = self._block(word, name.strip(), start)
        block.open_open, block.open_close = open, close
        self._here.append(block)
        self._open.append(block)
        if len(self._open) > MAX_DEPTH:
            raise self._wrong(start, "deep", f"blocks are nested more than {MAX_DEPTH} deep", most=MAX_DEPTH)

    def _block(self, word: str, name: str, start: int) -> _Block:
        if not _FIELD.match(name):
            raise self._wrong(start, "field", f"{{{{#{word}}}}} needs the name of one field", word=word)
        return _Block(name, word == "unless", start, word)

    def _else(self, inner: str, start: int, open: bool, close: bool) -> None:
        if not self._open or self._open[-1].other is not None:
            raise self._wrong(start, "else", "{{else}} does not belong to any block")
        block = self._open[-1]
        block.else_open, block.else_close, block.other = open, close, []
        # `else if` is a block inside the other branch; one closing tag ends both.
        if inner.startswith("else") and inner != "else":
            _, word, name = inner.split(None, 2)
            below = self._block(word, name.strip(), start)
            below.chained = True
            block.other.append(below)
            self._open.append(below)

    def _end(self, word: str, start: int, open: bool, close: bool) -> None:
        outer = next((block for block in reversed(self._open) if not block.chained), None)
        if outer is None:
            raise self._wrong(start, "closing", f"{{{{/{word}}}}} closes nothing", word=word)
        if outer.word != word:
            line, _ = self._at(outer.place)
            reason = f"{{{{/{word}}}}} cannot close {{{{#{outer.word}}}}} of line {line}"
            raise self._wrong(start, "crossed", reason, word=word, opened=outer.word, opened_line=line)
        while self._open[-1] is not outer:
            self._open.pop()
        self._open.pop()
        outer.close_open, outer.close_close = open, close

    def _at(self, place: int) -> tuple[int, int]:
        line = self._text.count("\n", 0, place) + 1
        return line, place - (self._text.rfind("\n", 0, place) + 1) + 1

    def _wrong(self, place: int, kind: str, reason: str, **params: object) -> InvalidInput:
        line, column = self._at(place)
        return InvalidInput(
            "TEMPLATE_SYNTAX",
            f"The story string cannot be read, line {line}, column {column}: {reason}.",
            "Correct it there.",
            line=line,
            column=column,
            reason=reason,
            kind=kind,
            **params,
        )


# -- white space ---------------------------------------------------------------------------------------


def _tidy(nodes: list[_Node], *, root: bool) -> None:
    """Take the white space that belongs to tags: beside a `~`, and of lines that hold nothing but a tag."""
    for index, node in enumerate(nodes):
        if isinstance(node, _Text):
            continue
        opens_alone = closes_alone = False
        if isinstance(node, _Block):
            opens_alone, closes_alone = _tidy_block(node)
            open, close = node.open_open, node.close_close
        else:
            open, close = node.open, node.close
        # Both look at the text as it was written: a cut for a neighbour must not make a tag stand alone.
        before = _line_ends(nodes, index, root)
        after = _line_begins(nodes, index, root)
        if close:
            _cut_start(nodes, index + 1, all=True)
        if open:
            _cut_end(nodes, index - 1, all=True)
        if isinstance(node, _Comment) and before and after:
            _cut_start(nodes, index + 1)
            _cut_end(nodes, index - 1)
        if isinstance(node, _Block) and opens_alone and before:
            _cut_start(node.body, 0)
            _cut_end(nodes, index - 1)
        if isinstance(node, _Block) and closes_alone and after:
            _cut_start(nodes, index + 1)
            last = node.body if node.other is None else node.other
            _cut_end(last, len(last) - 1)


def _tidy_block(block: _Block) -> tuple[bool, bool]:
    """The inside of a block; whether its opening and its closing tag are alone on the inner side."""
    _tidy(block.body, root=False)
    first = last = block.body
    if block.other is not None:
        _tidy(block.other, root=False)
        first = last = block.other
        chained = block.other[0] if block.other else None
        if isinstance(chained, _Block) and chained.chained:
            first = chained.body
            while isinstance(chained, _Block) and chained.chained:
                last = chained.body if chained.other is None else chained.other
                chained = last[-1] if last else None
    opens = _line_begins(block.body, -1, False)
    closes = _line_ends(first, len(first), False)
    if block.open_close:
        _cut_start(block.body, 0, all=True)
    if block.other is not None:
        if block.else_open:
            _cut_end(block.body, len(block.body) - 1, all=True)
        if block.else_close:
            _cut_start(first, 0, all=True)
        if block.close_open:
            _cut_end(last, len(last) - 1, all=True)
        if _line_ends(block.body, len(block.body), False) and _line_begins(first, -1, False):
            _cut_end(block.body, len(block.body) - 1)
            _cut_start(first, 0)
    elif block.close_open:
        _cut_end(block.body, len(block.body) - 1, all=True)
    return opens, closes


def _line_ends(nodes: list[_Node], index: int, root: bool) -> bool:
    """Whether a line ends right before the node at `index`, blanks not counted."""
    if index <= 0:
        return root
    before = nodes[index - 1]
    # Only the very first text of a template begins a line without a newline in it.
    pattern = _ENDS_LINE if index >= 2 or not root else _ENDS_LINE_OR_TEXT
    return isinstance(before, _Text) and pattern.search(before.written) is not None


def _line_begins(nodes: list[_Node], index: int, root: bool) -> bool:
    """Whether a line begins right after the node at `index`, blanks not counted."""
    if index + 1 >= len(nodes):
        return root
    after = nodes[index + 1]
    pattern = _BEGINS_LINE if index + 2 < len(nodes) or not root else _BEGINS_LINE_OR_TEXT
    return isinstance(after, _Text) and pattern.match(after.written) is not None


def _cut_start(nodes: list[_Node], index: int, *, all: bool = False) -> None:
    """Take blanks and one newline from the start of a text, or all white space."""
    node = nodes[index] if 0 <= index < len(nodes) else None
    # A text loses one newline at each end at most, though two tags may stand there.
    if not isinstance(node, _Text) or (node.right_cut and not all):
        return
    value = node.value.lstrip() if all else re.sub(r"\A[ \t]*\r?\n?", "", node.value)
    node.right_cut, node.value = value != node.value, value


def _cut_end(nodes: list[_Node], index: int, *, all: bool = False) -> None:
    """Take blanks from the end of a text, or all white space."""
    node = nodes[index] if 0 <= index < len(nodes) else None
    if not isinstance(node, _Text) or (node.left_cut and not all):
        return
    value = node.value.rstrip() if all else node.value.rstrip(" \t")
    node.left_cut, node.value = value != node.value, value
