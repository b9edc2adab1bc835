"""Values of arguments and options, read without pydantic.

Typer builds a pydantic model for every parameter on first use, which takes longer than most of our commands.
Our commands only take texts, numbers, paths and words out of a few, so each parameter is given one of the
readers below instead. A parameter of another type keeps Typer's own reader, and so does every parameter in a
version of Typer that does not look for ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Union, get_args, get_origin

import typer

from lunalux_core.errors import InvalidInput, LunaluxError

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
            return [self._single(item, param, ctx) for item in value]
        return self._single(value, param, ctx)

    def _single(self, value: Any, param: Any, ctx: Any) -> Any:
        is_path = self._kind is Path or getattr(param, "name", "") in _NAMES_OF_FILES
        if is_path and not str(value):
            # A shell gives "" for a variable that is not set; as a path it would be the working folder.
            raise InvalidInput(
                "USAGE",
                "An empty text names no file and no folder.",
                "Name one; if a shell put it there, see whether its variable is set.",
                kind="no_path",
            )
        if self._kind is Path:
            from lunalux_core.regular_files import path_of

            return path_of(value)
        if self._kind is str and not is_path:
            _check_utf8(str(value))
            if _names_a_thing(param) and not str(value).strip():
                raise InvalidInput(
                    "USAGE",
                    "An empty text names nothing.",
                    "Give a name or an id; if a shell put it there, see whether its variable is set.",
                    kind="no_name",
                )
        if self._kind not in _WORDS:
            return self._kind(value)
        try:
            number = self._kind(value)
        except ValueError:
            raise typer.BadParameter(f"{value!r} is not {_WORDS[self._kind]}", ctx, param) from None
        low, high = getattr(param, "min", None), getattr(param, "max", None)
        # Written with `not`, so that nan, which compares as False, is out of every range.
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
        _check_utf8(str(value))
        raise typer.BadParameter(
            f"{value!r} is not one of {', '.join(map(repr, self._choices))}.", ctx, param
        )


def _names_a_thing(param: Any) -> bool:
    """Whether the parameter is an argument that means a thing; of those that may be left out, and of words to
    look for, an empty one has a meaning."""
    is_argument = getattr(param, "param_type_name", "") == "argument"
    needed = getattr(param, "required", False) or getattr(param, "nargs", 1) == -1
    return is_argument and needed and getattr(param, "name", "") not in _WORDS_OF_PEOPLE


_WORDS_OF_PEOPLE = {"query", "email"}
"""Arguments that are texts and no names, or have a sentence of their own."""

_NAMES_OF_FILES = {"paths"}
"""Parameters whose texts are paths, which may hold any bytes on some systems."""


def _check_utf8(text: str) -> None:
    """Refuse bytes that are not UTF-8: Python passes them on as lone surrogates, which nothing can store."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise not_utf8(text) from None


def not_utf8(text: str) -> LunaluxError:
    """The error for a text that holds lone surrogates; "" where it came from stdin."""
    from lunalux_core.text import clean_line

    shown_text = clean_line(text, 60)
    return InvalidInput(
        "USAGE",
        f"{shown_text or 'The input'} holds bytes that are not UTF-8.",
        "Type it again in a terminal that writes UTF-8.",
        kind="bytes",
        value=shown_text or "stdin",
    )


def use_plain_values(command: Any) -> Any:
    """Give each parameter of a command and of its subcommands one of our readers, where one fits its type."""
    context = typer.Context(command, help_option_names=["-h", "--help"])
    for parameter in command.get_params(context):  # includes the one for --help
        descriptor = getattr(parameter, "type_descriptor", None)
        reader = _reader(getattr(descriptor, "annotation", None))
        if reader is not None:
            # Typer keeps the reader of a parameter in this attribute and makes none where it finds one.
            parameter._runtime_param = reader
    for subcommand in getattr(command, "commands", {}).values():
        use_plain_values(subcommand)
    return command


def _reader(annotation: Any) -> PlainValue | PlainChoice | None:
    if annotation in KINDS:
        return PlainValue(annotation, many=False)
    if get_origin(annotation) is Literal:
        return PlainChoice(get_args(annotation))
    if get_origin(annotation) is tuple and set(get_args(annotation)) == {str}:
        return PlainValue(str, many=True)  # as many words as the parameter's `nargs` says
    arguments = [part for part in get_args(annotation) if part is not NoneType]
    if len(arguments) != 1:
        return None
    if get_origin(annotation) in (list, tuple) and arguments[0] in KINDS:
        return PlainValue(arguments[0], many=True)
    if get_origin(annotation) in (Union, type(int | None)):
        return _reader(arguments[0])
    return None


def given(**options: Any) -> dict[str, Any]:
    """The options that were given, without those that are None."""
    return {name: value for name, value in options.items() if value is not None}
