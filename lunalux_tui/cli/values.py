"""Values of the command line without pydantic.

Typer turns every argument into a pydantic model of its own on first use, which costs more than most of our
commands. Texts, numbers, paths and words out of a few are all that our commands take, so each parameter is
given this plain reading instead; a parameter of another type, and a Typer that does not ask here, keep
Typer's own way.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Union, get_args, get_origin

import typer

from lunalux_core.errors import InvalidInput, LimitExceeded, LunaluxError

KINDS = (str, bool, int, float, Path)
_WORDS: dict[type, str] = {int: "a whole number", float: "a number"}


class PlainValue:
    """Reads the values of one parameter: `kind` is one of `KINDS`, alone or many of them."""

    def __init__(self, kind: type, many: bool) -> None:
        self._kind = kind
        self._many = many

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value in its type. Raises typer.BadParameter."""
        if value is None:
            return [] if self._many else None
        if self._many:
            return [self._one(item, param, ctx) for item in value]
        return self._one(value, param, ctx)

    def _one(self, value: Any, param: Any, ctx: Any) -> Any:
        if self._kind is Path:
            from lunalux_core.regular_files import path_of

            return path_of(value)
        if self._kind is str and getattr(param, "name", "") not in _NAMES_OF_FILES:
            _check_letters(str(value))
        if self._kind not in _WORDS:
            return self._kind(value)
        try:
            number = self._kind(value)
        except ValueError:
            raise typer.BadParameter(f"{value!r} is not {_WORDS[self._kind]}", ctx, param) from None
        low, high = getattr(param, "min", None), getattr(param, "max", None)
        # Put this way, what is no number (nan) is out of every range.
        if (low is not None and not number >= low) or (high is not None and not number <= high):
            room = " and ".join(
                f"{word} {limit}"
                for word, limit in (("at least", low), ("at most", high))
                if limit is not None
            )
            raise typer.BadParameter(f"{number} is not {room}", ctx, param)
        return number


class PlainChoice:
    """Reads a parameter that takes one of a few words."""

    def __init__(self, choices: Sequence[str]) -> None:
        self._choices = choices

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The word itself, None where none was given. Raises typer.BadParameter, in Typer's own sentence."""
        if value is None or value in self._choices:
            return value
        _check_letters(str(value))
        raise typer.BadParameter(
            f"{value!r} is not one of {', '.join(map(repr, self._choices))}.", ctx, param
        )


_NAMES_OF_FILES = {"paths"}
"""Parameters whose texts are paths, which may hold any bytes on some systems."""


def _check_letters(text: str) -> None:
    """Refuse bytes that are not UTF-8: Python hands them over as halves of letters that nothing can store."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _not_utf8(text) from None


def _not_utf8(text: str) -> LunaluxError:
    from lunalux_core.text import clean_line

    shown_text = clean_line(text, 60)
    return InvalidInput(
        "USAGE",
        f"{shown_text or 'The input'} holds bytes that are not UTF-8.",
        "Type it again in a terminal that writes UTF-8.",
        kind="bytes",
        value=shown_text or "stdin",
    )


LARGEST_INPUT = 4 * 1024 * 1024
"""Characters that are read from stdin as one text."""

LONGEST_LINE = 64 * 1024
"""Characters that are read from stdin as one line: a key, a password, a path."""


def input_text() -> str:
    """All of stdin as one text. Raises LimitExceeded (INPUT_TOO_LARGE)."""
    # One more than is allowed: so a text that ends there is told from one that goes on.
    return _held(_read(lambda: sys.stdin.read(LARGEST_INPUT + 1)), LARGEST_INPUT)


def text_of(argument: str) -> str:
    """A text as it is stored; the argument "-" stands for all of stdin. Raises LimitExceeded."""
    from lunalux_core.text import clean

    return clean(input_text() if argument == "-" else argument).strip()


def whole_name(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that a person means: letter by letter, else as `naming.found` finds it."""
    from lunalux_core.library.naming import NamedReference, found

    known = list(names)
    if name in known:
        return name
    close = found([NamedReference(each, each) for each in known], name)
    return None if close is None else close.name


def given(**options: Any) -> dict[str, Any]:
    """The options that were given, without those that are None."""
    return {name: value for name, value in options.items() if value is not None}


def input_secret() -> str:
    """The first line of stdin, a key or a password. Raises LimitExceeded (INPUT_TOO_LARGE), InvalidInput."""
    line = _held(_read(lambda: sys.stdin.readline(LONGEST_LINE + 1)), LONGEST_LINE).rstrip("\r\n")
    try:
        line.encode()
    except UnicodeEncodeError:
        raise _not_utf8("") from None
    return line


def input_lines() -> Iterator[str]:
    """The lines of stdin. Raises LimitExceeded (INPUT_TOO_LARGE) at one that is no path any more."""
    while line := _read(lambda: sys.stdin.readline(LONGEST_LINE + 1)):
        yield _held(line, LONGEST_LINE)


def _read(read: Callable[[], str]) -> str:
    try:
        return read()
    except UnicodeDecodeError as error:
        raise _not_utf8("") from error


def _held(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    raise LimitExceeded(
        "INPUT_TOO_LARGE",
        f"There are more than {limit:,} characters on stdin where one text is expected.",
        "Pipe in less.",
        limit=f"{limit:,}",
    )


def lighten(command: Any) -> Any:
    """Give the parameters of a command, and of those below it, the plain reading where it fits."""
    context = typer.Context(command, help_option_names=["-h", "--help"])
    for parameter in command.get_params(context):  # with the one for --help
        descriptor = getattr(parameter, "type_descriptor", None)
        plain = _plain(getattr(descriptor, "annotation", None))
        if plain is not None:
            # Where Typer keeps the reader of a parameter once it has made one; ours is found there instead.
            parameter._runtime_param = plain
    for below in getattr(command, "commands", {}).values():
        lighten(below)
    return command


def _plain(annotation: Any) -> PlainValue | PlainChoice | None:
    if annotation in KINDS:
        return PlainValue(annotation, many=False)
    if get_origin(annotation) is Literal:
        return PlainChoice(get_args(annotation))
    if get_origin(annotation) is tuple and set(get_args(annotation)) == {str}:
        return PlainValue(str, many=True)  # so many words as the parameter's `nargs` says
    arguments = [part for part in get_args(annotation) if part is not NoneType]
    if len(arguments) != 1:
        return None
    if get_origin(annotation) in (list, tuple) and arguments[0] in KINDS:
        return PlainValue(arguments[0], many=True)
    if get_origin(annotation) in (Union, type(int | None)):
        return _plain(arguments[0])
    return None
