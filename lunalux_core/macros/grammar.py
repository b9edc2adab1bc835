"""The shape of macro text: braces, names, arguments, blocks. Nothing is evaluated here.

`parse` finds the outermost ``{{…}}`` of a text, each with those inside it, in one pass and without
recursion. What a macro's head and arguments are is worked out when it is asked for, always in time
proportional to its own text.

See docs/spec/formats.md: Macro syntax.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

SPACE = " \t\n\v\f\r\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
"""What ECMAScript calls white space, as the inside of a character class."""
SPACES = "".join(map(chr, (*range(9, 14), 32, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029)))
SPACES += "\u202f\u205f\u3000\ufeff"

_BRACES = re.compile(r"\{{2,}|\}{2,}|<(?:user|bot|char|group|charifnotgroup)>", re.IGNORECASE)
_HEAD = re.compile(
    rf"[{SPACE}]*(?P<flags>(?:(?!//)[!?~#/>][{SPACE}]*)*)"
    rf"(?:(?P<variable>[.$])[{SPACE}]*(?P<key>[a-zA-Z](?:[\w-]*\w)?)[{SPACE}]*"
    r"(?P<operator>\+\+|--|\?\?=|\?\?|\|\|=|\|\||-=|\+=|==|!=|>=|<=|>|<|=)?"
    rf"|(?P<special>//|time_UTC(?=[+-]\d+[{SPACE}]*\}}))"
    # What is glued after a name ("{{char's}}", "{{user.name}}") is passed over, as by SillyTavern's lexer.
    rf"|(?P<name>[a-zA-Z][\w-]*+)[^{SPACE}:|{{}}]*+(?=[{SPACE}:|}}]))",
    re.IGNORECASE | re.ASCII,
)

_MARKERS = {"<bot>": "char"}
"""Markers that are not called like the macro they stand for."""

_TOKEN = re.compile("\ufdd1(\\d+)\ufdd1")


def literal_token(number: int) -> str:
    """Stands in a template for a value that must be inserted unread; it holds a code that is no character."""
    return f"\ufdd1{number}\ufdd1"


def fill_literals(text: str, values: Sequence[str]) -> str:
    """The text with every token of `literal_token` replaced by its value."""
    if not values:
        return text
    return _TOKEN.sub(lambda match: values[int(match[1])] if int(match[1]) < len(values) else "", text)


@dataclass(slots=True)
class Span:
    """A stretch of text with the macros that stand directly in it, `items[first:last]`.

    `partners[i]` is the index of the closing tag that belongs to the opening `items[i]` and the reverse;
    an item in `verbatim` is left as it is written.
    """

    start: int
    end: int
    items: list[Macro]
    first: int
    last: int
    partners: dict[int, int] = field(default_factory=dict)
    verbatim: set[int] = field(default_factory=set)

    def part(self, start: int, end: int, first: int, last: int) -> Span:
        """A smaller stretch of the same level."""
        return Span(start, end, self.items, first, last, self.partners, self.verbatim)

    def direct(self) -> Iterator[tuple[int, Macro]]:
        """The items with their indices, without those inside blocks."""
        index = self.first
        while index < self.last:
            yield index, self.items[index]
            partner = self.partners.get(index, index)
            index = (partner if index < partner < self.last else index) + 1


@dataclass(slots=True)
class Macro:
    """One ``{{…}}`` or ``<USER>``-like marker; `start` and `end` include the braces."""

    start: int
    end: int
    children: list[Macro] = field(default_factory=list)
    name: str = ""
    """As written; empty if what is between the braces is no macro at all."""
    flags: str = ""
    variable: str = ""
    """``.`` or ``$`` for the shorthand ``{{.name operator value}}``; then `name` is the variable's."""
    operator: str = ""
    arguments: list[Span] = field(default_factory=list)
    marker: bool = False

    @property
    def key(self) -> str:
        """The name by which macros are found: case does not matter."""
        return self.name.lower()

    @property
    def closing(self) -> bool:
        return "/" in self.flags


def parse(text: str, accepts_block: Callable[[Macro], bool]) -> Span:
    """The whole text as a span.

    Args:
        accepts_block: whether a macro, as written, may be followed by a body and a closing tag.
    """
    level: list[Macro] = []
    open_macros: list[Macro] = []
    for match in _BRACES.finditer(text):
        run = match.group()
        if run[0] == "<":
            (open_macros[-1].children if open_macros else level).append(
                Macro(match.start(), match.end(), name=_MARKERS.get(run.lower(), run[1:-1]), marker=True)
            )
        elif run[0] == "{":  # of "{{{" the last two open, the others are text
            open_macros.append(Macro(match.end() - 2, 0))
        else:
            # Innermost first: the parts of a macro are known when the one around it is read.
            for position in range(match.start() + 2, match.end() + 1, 2):
                if not open_macros:
                    break
                macro = open_macros.pop()
                macro.end = position
                _read_head(text, macro)
                (open_macros[-1].children if open_macros else level).append(macro)
    for unclosed in open_macros:  # their braces are text, what stands in them is not
        level.extend(unclosed.children)
    span = Span(0, len(text), level, 0, len(level))
    _pair(span, accepts_block)
    for macro in _everything(level):
        for argument in macro.arguments:
            _pair(argument, accepts_block)
    return span


def _everything(level: list[Macro]) -> Iterator[Macro]:
    waiting = list(level)
    while waiting:
        macro = waiting.pop()
        waiting.extend(macro.children)
        yield macro


def _read_head(text: str, macro: Macro) -> None:
    head = _HEAD.match(text, macro.start + 2, macro.end)
    if head is None or head.end() > macro.end - 2:
        return
    macro.flags = "".join(head["flags"].split())
    stop = macro.end - 2
    if head["variable"]:
        rest = _skip_space(text, head.end(), stop)
        takes_value = bool(head["operator"]) and head["operator"] not in ("++", "--")
        if takes_value:
            macro.arguments = [_argument(text, macro, rest, stop, 0)[0]]
        elif rest < stop:
            return  # words after a finished expression: not the shorthand
        macro.variable, macro.name = head["variable"], head["key"]
        macro.operator = head["operator"] or ""
        return
    macro.name = head["special"] or head["name"]
    macro.arguments = _arguments(text, macro, head.end(), stop)
    if macro.name == "//" and text.startswith("/", head.end()):
        macro.flags += "/"  # {{///}} closes {{//}}


def _arguments(text: str, macro: Macro, start: int, stop: int) -> list[Span]:
    position = _skip_space(text, start, stop)
    if text.startswith("::", position):
        arguments, child = [], 0
        position += 2
        while True:
            edge, after = _separator(text, macro.children, position, stop, child)
            argument, child = _argument(text, macro, position, edge, child)
            arguments.append(argument)
            if edge == stop:
                return arguments
            position, child = edge + 2, after
    if text.startswith(":", position):
        position += 1
    argument, _ = _argument(text, macro, position, stop, 0)
    return [argument] if argument.start < argument.end else []


def _separator(text: str, children: list[Macro], start: int, stop: int, child: int) -> tuple[int, int]:
    """Where the next ``::`` outside nested macros stands (`stop` if none), and the first child after it."""
    while True:
        edge = text.find("::", start, stop)
        if edge < 0:
            return stop, len(children)
        # The children come in order, so one walk over them serves all arguments.
        while child < len(children) and children[child].end <= edge:
            child += 1
        if child == len(children) or children[child].start > edge:
            return edge, child
        start = children[child].end


def _argument(text: str, macro: Macro, start: int, end: int, first: int) -> tuple[Span, int]:
    """The span of one argument without the white space around it, and the first child after it."""
    last = first
    while last < len(macro.children) and macro.children[last].end <= end:
        last += 1
    start = _skip_space(text, start, end)
    while end > start and text[end - 1] in SPACES:
        end -= 1
    return Span(start, end, macro.children, first, last), last


def _skip_space(text: str, start: int, end: int) -> int:
    while start < end and text[start] in SPACES:
        start += 1
    return start


def _pair(span: Span, accepts_block: Callable[[Macro], bool]) -> None:
    """Find the blocks of a span: ``{{x}}…{{/x}}``, case aside, the innermost opening first.

    A closing tag without opening stays as written, and so do both tags around a body for which the macro
    has no use.
    """
    opened: dict[str, list[int]] = {}
    inline: dict[str, deque[int]] = {}
    outside: list[int] = []  # inline macros that are in no block, in order
    for index in range(span.first, span.last):
        macro = span.items[index]
        if macro.marker or macro.variable or not macro.name:
            continue
        if not macro.closing:
            if accepts_block(macro):
                opened.setdefault(macro.key, []).append(index)
            else:
                inline.setdefault(macro.key, deque()).append(index)
                outside.append(index)
        elif opened.get(macro.key):
            opening = opened[macro.key].pop()
            span.partners[opening], span.partners[index] = index, opening
            while outside and outside[-1] > opening:
                inside = outside.pop()
                candidates = inline[span.items[inside].key]
                if candidates and candidates[-1] == inside:
                    candidates.pop()
        else:
            span.verbatim.add(index)
            if inline.get(macro.key):
                span.verbatim.add(inline[macro.key].popleft())
