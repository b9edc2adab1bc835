"""Values of the command line without pydantic.

Typer turns every argument into a pydantic model of its own on first use, which costs more than most of our
commands. Texts, numbers and paths are all that our commands take, so each parameter is given this plain
reading instead; a parameter of another type, and a Typer that does not ask here, keep Typer's own way.
"""

from __future__ import annotations

from pathlib import Path
from types import NoneType
from typing import Any, Union, get_args, get_origin

import typer

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
        if (low is not None and not number >= low) or (high is not None and not number <= high):
            room = " and ".join(
                f"{word} {limit}"
                for word, limit in (("at least", low), ("at most", high))
                if limit is not None
            )
            raise typer.BadParameter(f"{number} is not {room}", ctx, param)
        return number


_NAMES_OF_FILES = {"paths"}
"""Parameters whose texts are paths, which may hold any bytes on some systems."""


def _check_letters(text: str) -> None:
    """Refuse bytes that are not UTF-8: Python hands them over as halves of letters that nothing can store."""
    try:
        text.encode()
    except UnicodeEncodeError:
        from lunalux_core.errors import InvalidInput
        from lunalux_core.text import clean_line

        told = clean_line(text, 60)
        raise InvalidInput(
            "USAGE",
            f"{told} holds bytes that are not UTF-8.",
            "Type it again in a terminal that writes UTF-8.",
            kind="bytes",
            value=told,
        ) from None


def lighten(command: Any) -> Any:
    """Give the parameters of a command, and of those below it, the plain reading where it fits."""
    for parameter in command.get_params(typer.Context(command)):  # with the one for --help
        descriptor = getattr(parameter, "type_descriptor", None)
        found = _plain(getattr(descriptor, "annotation", None))
        if found is not None:
            parameter._runtime_param = found
    for below in getattr(command, "commands", {}).values():
        lighten(below)
    return command


def _plain(annotation: Any) -> PlainValue | None:
    if annotation in KINDS:
        return PlainValue(annotation, many=False)
    arguments = [one for one in get_args(annotation) if one is not NoneType]
    if len(arguments) != 1:
        return None
    if get_origin(annotation) in (list, tuple) and arguments[0] in KINDS:
        return PlainValue(arguments[0], many=True)
    if get_origin(annotation) in (Union, type(int | None)):
        return _plain(arguments[0])
    return None
