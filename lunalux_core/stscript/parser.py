"""Text to closures and commands (the grammar stands in docs/scripts.md).

The order in which signs are looked for is part of the language: a backslash counts as an escape where the
sign after it is looked for, and is text elsewhere.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from typing import Protocol

from lunalux_core.errors import LunaluxError
from lunalux_core.macros.grammar import SPACE, SPACES
from lunalux_core.stscript.closure import Closure, Step
from lunalux_core.stscript.faults import Fault, ScriptSource, located
from lunalux_core.stscript.script_values import is_false, is_true
from lunalux_core.stscript.unsupported_commands import unknown_code

STRICT_ESCAPING = "STRICT_ESCAPING"
FLAGS = (STRICT_ESCAPING, "REPLACE_GETVAR")
"""What /parser-flag can switch. The second changes nothing: no value is expanded twice in any case."""

# ASCII as in JavaScript: a name in other letters begins no named argument.
_NAMED = re.compile(r"(\w+)=", re.A)
_SPACE = re.compile(f"[{SPACE}]")
_BACKSLASHES = re.compile(r"\\*")
_BREAK = re.compile(rf"/break(?:[{SPACE}]|\||:\}}|\Z)")
_BREAKPOINT = re.compile(rf"/breakpoint[{SPACE}]*\|")
_COMMENT = re.compile("/[/#]")
_BRACES = re.compile(r"\{\{|\}\}")
_PLAIN = re.compile(r"[^\\|:{]+")
_PLAIN_QUOTED = re.compile(r'[^\\|:"]+')
_PLAIN_COMMENT = re.compile(r"[^\\|]+")
_PLAIN_BLOCK = re.compile(r"[^\\*/]+")


class ArgumentSyntax(Protocol):
    """How a command wants its unnamed argument read.

    `split` parts it at white space, the first `split_count` parts only where that is not 0; `raw_quotes`
    leaves quotes in it. `offered` is False for a command that the host cannot do.
    """

    @property
    def split(self) -> bool: ...
    @property
    def split_count(self) -> int: ...
    @property
    def raw_quotes(self) -> bool: ...


class Commands(Protocol):
    """The commands that a script may name."""

    def get(self, name: str, at: int = 0) -> ArgumentSyntax | None:
        """A command by its name, which stands at an index of the script."""

    def offered(self, name: str) -> bool: ...


def parse(
    source: ScriptSource,
    commands: Commands,
    flags: Mapping[str, bool] | None = None,
    *,
    nesting: int = 50,
    whole_quotes: bool = False,
) -> Closure:
    """The text of a script, parsed into a closure.

    Args:
        flags: parser flags that are on at its start.
        nesting: how deep closures may stand in each other.
        whole_quotes: a quoted last argument ends where its quote does. Where it does not and a count of
            arguments is split off, one more character is taken after the quote, be it the bar.

    Raises:
        ScriptError: what is wrong, with line and column.
    """
    return _Parser(source, commands, flags or {}, nesting, whole_quotes).root()


class _Parser:
    def __init__(
        self,
        source: ScriptSource,
        commands: Commands,
        flags: Mapping[str, bool],
        nesting: int,
        whole_quotes: bool,
    ) -> None:
        self.source = source
        self.text = source.text
        self.commands = commands
        self.flags = {name: bool(flags.get(name)) for name in FLAGS}
        self.nesting = nesting
        self.whole_quotes = whole_quotes
        self.index = 0
        self.jumped = False
        self.depth = 0
        # Found once: to look from each character of a quote to the end of the text would take squared time.
        self.blank_from = len(self.text.rstrip(SPACES))
        self._macro_ends: tuple[list[int], list[int]] | None = None
        self._run_end = (0, 0)

    # Signs

    def take(self, length: int = 1) -> str:
        self.jumped = False
        text = self.text[self.index : self.index + length]
        self.index += length
        return text

    def take_plain(self, pattern: re.Pattern[str]) -> str:
        """Characters that begin no sign, at once."""
        if self.jumped:
            return ""
        match = pattern.match(self.text, self.index)
        if match is None:
            return ""
        self.index = match.end()
        return match[0]

    def sees(self, sign: str | re.Pattern[str], offset: int = 0) -> bool:
        """Whether a sign stands here. One that is escaped is not one, and its backslash is passed over."""
        place = self.index + offset - self.jumped
        escapes = self._backslashes(place)
        at = place + escapes
        if isinstance(sign, str):
            here = self.text.startswith(sign, at)
        else:
            here = sign.match(self.text, at) is not None
        if here and not escapes:
            return True
        # The sign that was escaped is text: `take` comes to it next, without its backslash.
        if here and not self.jumped and offset == 0:
            self.index += 1
            self.jumped = True
        return False

    def _backslashes(self, place: int) -> int:
        if not self.text.startswith("\\", place):
            return 0
        if not self.flags[STRICT_ESCAPING]:
            return 1
        start, end = self._run_end
        if not start <= place < end:
            # Kept for the whole run of backslashes: counting from each of them would take squared time.
            run = _BACKSLASHES.match(self.text, place)
            end = run.end() if run else place
            self._run_end = (place, end)
        return end - place

    def skip_space(self) -> None:
        while self.index < len(self.text) and self.text[self.index] in SPACES:
            self.take()

    def ended(self) -> bool:
        """Whether nothing but white space is left."""
        # As SillyTavern asks it: white space here and more of it after, so one last blank is still text.
        return self.index >= len(self.text) or self.blank_from <= self.index < len(self.text) - 1

    def in_macro(self) -> bool:
        """Whether the text so far has more {{ than }}: a bar in a macro is text."""
        # Counted once for the whole text: a look at every bar would make long scripts slow.
        if self._macro_ends is None:
            ends, depths, depth = [0], [0], 0
            for brace in _BRACES.finditer(self.text):
                depth = depth + 1 if brace[0] == "{{" else max(0, depth - 1)
                ends.append(brace.end())
                depths.append(depth)
            self._macro_ends = (ends, depths)
        ends, depths = self._macro_ends
        return depths[bisect_right(ends, self.index) - 1] > 0

    def fail(self, code: str, at: int, command: str = "", **params: object) -> LunaluxError:
        place = self.source.place(min(at, len(self.text)))
        return located(Fault(code, **params), command, place)

    # Closures

    def root(self) -> Closure:
        return self.closure(None, 0)

    def closure(self, parent: Closure | None, start: int) -> Closure:
        if self.depth > self.nesting:
            raise self.fail("SCRIPT_TOO_DEEP", start, limit=self.nesting)
        self.depth += 1
        if parent is not None:
            self.take(2)
        begin = self.index
        closure = Closure(self.source, parent.scope if parent is not None else None)
        self.skip_space()
        while self.sees_named():
            closure.arguments.append(self.named(closure, start))
            self.skip_space()
        self.body(closure, start)
        closure.raw = self.text[begin : self.index]
        if parent is not None:
            self.take(2)
        if self.sees("()"):
            self.take(2)
            closure.immediate = True
        self.depth -= 1
        return closure

    def body(self, closure: Closure, start: int) -> None:
        injects = True
        while not self.closure_end(start):
            step = self.statement(closure, start)
            if step is not None:
                # These two take the pipe whatever stands before them.
                if step.name not in (":", "break"):
                    step.injects = injects
                closure.steps.append(step)
                injects = injects if step.name == "break" else True
            self.skip_space()
            if self.sees("|"):
                self.take()
                if self.sees("|"):
                    injects = False
                    self.take()
            self.skip_space()

    def statement(self, closure: Closure, start: int) -> Step | None:
        """One command; None for comments, flags and plain text, which do nothing."""
        if self.sees("/*"):
            self.block_comment()
        elif self.sees(_COMMENT):
            self.comment()
        elif self.sees("/parser-flag "):
            self.parser_flag(closure, start)
        elif self.sees("/:") and not self.sees(":}", 1):
            return self.run_shorthand(closure, start)
        elif self.sees(_BREAKPOINT):
            self.take(len("/breakpoint"))
        elif self.sees(_BREAK):
            return self.break_(closure, start)
        elif self.sees("/"):
            return self.command(closure, start)
        else:
            while not self.command_end(start):
                if not self.take_plain(_PLAIN):
                    self.take()
        return None

    def closure_end(self, start: int) -> bool:
        # Only the end of the text ends the script itself.
        if self.depth == 1:
            return self.index >= len(self.text)
        if self.index + 1 >= len(self.text):
            raise self.fail("SCRIPT_UNCLOSED_CLOSURE", start)
        return self.sees(":}")

    def command_end(self, start: int) -> bool:
        return self.closure_end(start) or (self.sees("|") and not self.in_macro())

    # Statements

    def block_comment(self) -> None:
        start, depth = self.index, 1
        self.take(2)
        while depth:
            if self.index + 1 >= len(self.text):
                raise self.fail("SCRIPT_UNCLOSED_COMMENT", start)
            if self.sees("*|"):
                depth -= 1
                self.take(2)
                if depth:
                    self.take()
            elif self.sees("/*"):
                depth += 1
                self.take(2)
            elif not self.take_plain(_PLAIN_BLOCK):
                self.take()

    def comment(self) -> None:
        start = self.index
        self.take(2)
        while True:
            if self.ended():
                raise self.fail("SCRIPT_UNCLOSED_COMMENT", start)
            if self.sees("|"):
                return
            if not self.take_plain(_PLAIN_COMMENT):
                self.take()

    def parser_flag(self, closure: Closure, start: int) -> None:
        at = self.index
        self.take(len("/parser-flag "))
        written = self.unnamed(closure, start, split=True)
        if not written:
            raise self.fail("SCRIPT_BAD_FLAG", at, "parser-flag")
        if (name := str(written[0])) in FLAGS:
            self.flags[name] = is_true(str(written[1])) if len(written) > 1 else True

    def run_shorthand(self, closure: Closure, start: int) -> Step:
        step = Step(":", self.index + 1)
        self.take(2)
        step.unnamed = [self.quoted(start) if self.sees('"') else self.value(start)]
        self.skip_space()
        while self.sees_named():
            step.named.append(self.named(closure, start))
            self.skip_space()
        if not self.command_end(start):
            raise self.fail("SCRIPT_UNEXPECTED_TEXT", self.index, ":")
        return step

    def break_(self, closure: Closure, start: int) -> Step:
        step = Step("break", self.index + 1)
        self.take(len("/break"))
        self.skip_space()
        if not self.command_end(start):
            step.unnamed = self.unnamed(closure, start)
        return step

    def command(self, closure: Closure, start: int) -> Step:
        at = self.index
        self.take()
        name = ""
        while not (self.index < len(self.text) and self.text[self.index] in SPACES):
            if self.command_end(start):
                break
            name += self.take()
        self.skip_space()
        syntax = self.commands.get(name, at)
        if syntax is None:
            raise self.fail(unknown_code(name), at, name)
        if not self.commands.offered(name):
            raise self.fail("SCRIPT_COMMAND_NOT_HERE", at, name)
        step = Step(name, at + 1, flags=dict(self.flags))
        while self.sees_named():
            step.named.append(self.named(closure, start))
            self.skip_space()
        if not self.command_end(start):
            step.unnamed = self.unnamed(
                closure,
                start,
                split=syntax.split,
                count=syntax.split_count,
                raw_quotes=_keeps_quotes(step, syntax),
            )
        if not self.command_end(start):
            raise self.fail("SCRIPT_UNEXPECTED_TEXT", self.index, name)
        return step

    # Arguments

    def sees_named(self) -> bool:
        return _NAMED.match(self.text, self.index) is not None

    def named(self, closure: Closure, start: int) -> tuple[str, str | Closure]:
        match = _NAMED.match(self.text, self.index)
        name = match[1] if match else ""
        self.take(len(name) + 1)
        if self.sees("{:"):
            return name, self.closure(closure, self.index)
        if self.sees('"'):
            return name, self.quoted(start)
        if self.sees("["):
            return name, self.listed()
        return name, self.value(start) if not self.sees(_SPACE) else ""

    def unnamed(
        self, closure: Closure, start: int, *, split: bool = False, count: int = 0, raw_quotes: bool = False
    ) -> list[str | Closure]:
        return _Unnamed(self, closure, start, split, count, raw_quotes).read()

    def quoted(self, start: int) -> str:
        at = self.index
        self.take()
        pieces: list[str] = []
        while True:
            if self.ended():
                raise self.fail("SCRIPT_UNCLOSED_QUOTE", at)
            # A bar ends the command even between quotes; only with the flag it is text there.
            if not self.flags[STRICT_ESCAPING] and self.command_end(start):
                raise self.fail("SCRIPT_UNCLOSED_QUOTE", at)
            if self.sees('"'):
                self.take()
                return "".join(pieces)
            pieces.append(self.take_plain(_PLAIN_QUOTED) or self.take())

    def listed(self) -> str:
        at = self.index
        pieces = [self.take()]
        while True:
            if self.ended():
                raise self.fail("SCRIPT_UNCLOSED_LIST", at)
            closes = self.sees("]")
            pieces.append(self.take())
            if closes:
                return "".join(pieces)

    def value(self, start: int) -> str:
        """Text up to white space or the end of the command."""
        pieces = [self.take()] if self.jumped else []
        while not self.sees(_SPACE) and not self.command_end(start):
            pieces.append(self.take())
        return "".join(pieces)


def _keeps_quotes(step: Step, syntax: ArgumentSyntax) -> bool:
    if not syntax.raw_quotes:
        return False
    given = next((value for name, value in step.named if name == "raw"), None)
    return given is None or not is_false(str(given))


class _Unnamed:
    """The unnamed argument of one command: one text, or a list of texts and closures."""

    def __init__(
        self, parser: _Parser, closure: Closure, start: int, split: bool, count: int, raw_quotes: bool
    ) -> None:
        self.parser = parser
        self.made = closure
        self.start = start
        self.split = split
        self.count = count if split else 0
        self.raw_quotes = raw_quotes
        self.is_list = split
        self.values: list[str | Closure] = []
        self.quotes: list[bool] = []
        """Whether each text, closures left out, was quoted."""

    def read(self) -> list[str | Closure]:
        parser = self.parser
        text = [parser.take()] if parser.jumped else []
        if not self.split and not self.raw_quotes and parser.sees('"'):
            self.is_list = True
            self.add_quoted()
        while not parser.command_end(self.start):
            if self.split and self.count and len(self.values) >= self.count:
                self.split = False
                if parser.sees('"'):
                    self.add_quoted()
                    if parser.whole_quotes:
                        continue
            if parser.sees("{:"):
                self.add_closure(text)
            elif self.split:
                self.add_part()
                parser.skip_space()
            else:
                text.append(parser.take_plain(_PLAIN) or self.take_any())
        rest = "".join(text)
        if not self.is_list:
            return [rest.strip(SPACES)]
        if rest:
            self.add(rest, quoted=False)
        return self.trimmed()

    def take_any(self) -> str:
        # JavaScript puts its word for nothing after the text there, and scripts are read as it does
        return self.parser.take() or "undefined"

    def add(self, text: str, *, quoted: bool) -> None:
        self.values.append(text)
        self.quotes.append(quoted)

    def add_quoted(self) -> None:
        self.add(self.parser.quoted(self.start), quoted=True)

    def add_closure(self, text: list[str]) -> None:
        self.is_list = True
        if written := "".join(text):
            self.add(written, quoted=False)
        text.clear()
        self.values.append(self.parser.closure(self.made, self.parser.index))
        if self.split:
            self.parser.skip_space()

    def add_part(self) -> None:
        parser = self.parser
        if parser.sees('"'):
            self.add_quoted()
        elif parser.sees("["):
            self.add(parser.listed(), quoted=False)
        elif not parser.sees(_SPACE):
            self.add(parser.value(self.start), quoted=False)
        else:
            raise parser.fail("SCRIPT_UNEXPECTED_TEXT", parser.index)

    def trimmed(self) -> list[str | Closure]:
        """Without white space at both ends, and without empty parts there."""
        values, quotes = self.values, self.quotes
        if values and isinstance(first := values[0], str):
            values[0] = first = first if quotes[0] else first.lstrip(SPACES)
            if not first:
                del values[0], quotes[0]
        if values and isinstance(last := values[-1], str):
            values[-1] = last = last if quotes[-1] else last.rstrip(SPACES)
            if not last:
                del values[-1], quotes[-1]
        if self.count and self.count + 1 < len(values):
            joined = "".join(
                f'"{value}"' if index < len(quotes) and quotes[index] else str(value)
                for index, value in enumerate(values[self.count :], self.count)
            )
            return [*values[: self.count], joined]
        return values
