"""Evaluation of parsed macro text. `expansion` is the public face.

See docs/spec/formats.md: Macro syntax.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from lunalux_core.macros.builtins import BUILTINS
from lunalux_core.macros.context import MacroContext
from lunalux_core.macros.grammar import SPACES, Macro, Span, fill_literals, parse
from lunalux_core.macros.macro_registry import Builtin, Call
from lunalux_core.macros.shorthand import OPERATIONS, is_false
from lunalux_core.macros.variables import Variables

MAX_DEPTH = 64
"""Macros nested deeper stay as they are written."""
MAX_OUTPUT = 4_000_000
"""Characters all macros of one text may produce together; the macros after that stay as they are written."""

_ESCAPED_BRACE = re.compile(r"\\([{}])")
_SHORTHAND = re.compile(r"([.$])([a-zA-Z](?:[\w-]*\w)?)", re.ASCII)


class ExpansionRun:
    """One expansion: what is shared by a text and the card fields inserted in it."""

    def __init__(
        self,
        context: MacroContext,
        variables: Variables,
        literals: Sequence[str] = (),
        value_filter: Callable[[str], str] | None = None,
        hide_unknown: bool = False,
    ) -> None:
        self.context = context
        self.variables = variables
        self.literals = literals
        self.value_filter = value_filter
        self.hide_unknown = hide_unknown
        self.unknown: dict[str, None] = {}
        self.used: set[str] = set()
        self.left = MAX_OUTPUT
        self.open_fields: set[str] = set()

    def document(self, text: str, depth: int, literals: Sequence[str] | None = None) -> str:
        values = self.literals if literals is None else literals
        document = _Document(self, text, values)
        return document.render(parse(text, self._accepts_block), depth)

    def definition(self, name: str) -> Builtin | None:
        value = self.context.extra.get(name)
        return Builtin(0, 0, lambda _: value) if value is not None else BUILTINS.get(name)

    def _accepts_block(self, macro: Macro) -> bool:
        if macro.key == "if":
            return len(macro.arguments) == 1
        definition = self.definition(macro.key)
        if definition is None:
            return True
        if macro.key in ("//", "comment"):
            return not macro.arguments
        return definition.most is not None and definition.takes(len(macro.arguments) + 1)

    def card_field(self, name: str, depth: int) -> str:
        text = str(getattr(self.context, name))
        # A field that names itself, directly or through another, gives nothing: it would have no end.
        if self.context.fields_expanded or name in self.open_fields:
            return "" if name in self.open_fields else text
        self.open_fields.add(name)
        try:
            return self.document(text, depth + 1, ())
        finally:
            self.open_fields.discard(name)


class _Document:
    """Rendering of one parsed text."""

    def __init__(self, run: ExpansionRun, text: str, literals: Sequence[str]) -> None:
        self._run = run
        self._text = text
        self._literals = literals

    def render(self, span: Span, depth: int) -> str:
        if depth > MAX_DEPTH:
            return self._plain(span.start, span.end)
        pieces: list[str] = []
        position = span.start
        for index, macro in span.direct():
            pieces.append(self._plain(position, macro.start))
            position = macro.end
            partner = span.partners.get(index)
            if macro.closing or index in span.verbatim:
                pieces.append(self._plain(macro.start, macro.end))
            elif partner is not None and index < partner < span.last:
                closing = span.items[partner]
                body = span.part(macro.end, closing.start, index + 1, partner)
                pieces.append(self._evaluate(macro, body, depth, closing))
                position = closing.end
            else:
                pieces.append(self._evaluate(macro, None, depth, None))
        pieces.append(self._plain(position, span.end))
        return "".join(pieces)

    def _plain(self, start: int, end: int) -> str:
        """Text outside macros: ``\\{`` is a brace, tokens are their values."""
        text = self._text[start:end]
        if "\\" in text:
            text = _ESCAPED_BRACE.sub(r"\1", text)
        return fill_literals(text, self._literals)

    def _evaluate(self, macro: Macro, body: Span | None, depth: int, closing: Macro | None) -> str:
        end = closing.end if closing else macro.end
        # The limit is used up: what follows stays as it is written.
        if self._run.left <= 0:
            return self._plain(macro.start, end)
        if macro.variable:
            return self._insert(self._shorthand(macro, depth))
        if not macro.name:
            return self._around(macro, depth)
        # Before the arguments are expanded: the branch that is not taken must not change variables.
        if macro.key == "if" and len(macro.arguments) + (body is not None) == 2:
            return self._if(macro, body, depth)
        arguments = [self.render(argument, depth + 1) for argument in macro.arguments]
        content = None if body is None else self.render(body, depth + 1)
        definition = self._run.definition(macro.key)
        value = None
        if definition is not None:
            # `#` keeps the white space of a body.
            trimmed = [] if content is None else [content if "#" in macro.flags else trim_block(content)]
            value = self._call(definition, macro, [*arguments, *trimmed], depth, content is not None)
        elif macro.key != "if":
            self._run.unknown.setdefault(macro.name)
            if self._run.hide_unknown:
                return content or ""
        if value is not None:
            return self._insert(value)
        written = self._as_written(macro, arguments)
        return written if closing is None else written + (content or "") + self._plain(closing.start, end)

    def _call(
        self, definition: Builtin, macro: Macro, arguments: list[str], depth: int, is_block: bool
    ) -> str | None:
        if not definition.takes(len(arguments)):
            return None
        run = self._run
        call = Call(
            arguments=arguments,
            context=run.context,
            variables=run.variables,
            # `pick` must give the same at the same place of the same text, each time a chat is shown.
            place=f"{macro.start}\0{self._text}" if macro.key == "pick" else "",
            is_block=is_block,
            used=run.used,
            card_field=lambda name: run.card_field(name, depth),
        )
        return definition.run(call)

    def _insert(self, value: str) -> str:
        if self._run.value_filter is not None:
            value = self._run.value_filter(value)
        # Every inserted value counts, also inside of others: doubling macros would grow exponentially.
        self._run.left -= len(value)
        return value

    def _as_written(self, macro: Macro, arguments: Sequence[str]) -> str:
        """The macro verbatim, except that the macros in its arguments are expanded."""
        pieces: list[str] = []
        position = macro.start
        for argument, value in zip(macro.arguments, arguments, strict=True):
            pieces += (self._plain(position, argument.start), value)
            position = argument.end
        return "".join((*pieces, self._plain(position, macro.end)))

    def _around(self, macro: Macro, depth: int) -> str:
        """Braces that are no macro: text, with macros in it."""
        inside = Span(macro.start + 2, macro.end - 2, macro.children, 0, len(macro.children))
        return "{{" + self.render(inside, depth + 1) + "}}"

    def _shorthand(self, macro: Macro, depth: int) -> str:
        variables = self._run.variables
        scope = variables.local if macro.variable == "." else variables.global_

        def value() -> str:
            return self.render(macro.arguments[0], depth + 1).strip(SPACES)

        return OPERATIONS[macro.operator](scope, macro.name, value)

    def _if(self, macro: Macro, body: Span | None, depth: int) -> str:
        content = macro.arguments[1] if body is None else body
        holds = self._condition(macro.arguments[0], depth)
        other = next(
            (index for index, item in content.direct() if item.key == "else" and not item.closing), None
        )
        if other is None:
            chosen = content if holds else None
        else:
            mark = content.items[other]
            chosen = (
                content.part(content.start, mark.start, content.first, other)
                if holds
                else content.part(mark.end, content.end, other + 1, content.last)
            )
        if chosen is None:
            return ""
        result = self.render(chosen, depth + 1)
        return result if "#" in macro.flags else trim_block(result)

    def _condition(self, span: Span, depth: int) -> bool:
        """A value, a name of a macro or a variable; ``!`` turns it round."""
        inverted = self._text.startswith("!", span.start) and span.start < span.end
        if inverted:
            span = span.part(span.start + 1, span.end, span.first, span.last)
        value = self.render(span, depth + 1).strip(SPACES)
        shorthand = _SHORTHAND.fullmatch(value)
        if shorthand:
            variables = self._run.variables
            value = (variables.local if shorthand[1] == "." else variables.global_).get(shorthand[2])
        elif (definition := self._run.definition(value.lower())) and definition.least == 0:
            named = Macro(span.start, span.end, name=value)
            value = self._call(definition, named, [], depth, False) or ""
        return is_false(value) == inverted


def trim_block(content: str) -> str:
    """A block's content without the white space around it and without its common indentation."""
    lines = content.split("\n")
    first = next((line for line in lines if line.strip(SPACES)), "")
    indent = len(first) - len(first.lstrip(" \t"))
    if indent:
        lines = [_dedent(line, indent) for line in lines]
    return "\n".join(lines).strip(SPACES)


def _dedent(line: str, indent: int) -> str:
    own = len(line) - len(line.lstrip(" \t"))
    return line[indent:] if own >= indent else line.lstrip(SPACES)
