"""What a command reads from stdin: one text, one secret, or a list of paths."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from lunalux_core.errors import LimitExceeded
from lunalux_tui.cli.plain_values import not_utf8

LARGEST_INPUT = 4 * 1024 * 1024
"""Characters that are read from stdin as one text."""

LONGEST_LINE = 64 * 1024
"""Characters that are read from stdin as one line: a key, a password, a path."""


def input_text() -> str:
    """All of stdin as one text. Raises LimitExceeded (INPUT_TOO_LARGE), InvalidInput."""
    # One more than is allowed: otherwise a text of exactly this length looks like a longer one.
    return _utf8(_within(_read(lambda: sys.stdin.read(LARGEST_INPUT + 1)), LARGEST_INPUT))


def text_of(argument: str) -> str:
    """A text as it is stored; the argument "-" stands for all of stdin. Raises as `input_text`."""
    from lunalux_core.text import clean

    return clean(input_text() if argument == "-" else argument).strip()


def input_secret() -> str:
    """The first line of stdin, a key or a password. Raises LimitExceeded (INPUT_TOO_LARGE), InvalidInput."""
    line = _within(_read(lambda: sys.stdin.readline(LONGEST_LINE + 1)), LONGEST_LINE)
    return _utf8(line).rstrip("\r\n")


def input_lines() -> Iterator[str]:
    """The lines of stdin, which may hold any bytes, as paths do.

    Raises LimitExceeded (INPUT_TOO_LARGE) at one that is too long for a path.
    """
    while line := _read(lambda: sys.stdin.readline(LONGEST_LINE + 1)):
        yield _within(line, LONGEST_LINE)


def _read(read: Callable[[], str]) -> str:
    """What `read` gives. Raises InvalidInput where stdin is not UTF-8."""
    try:
        return read()
    except UnicodeDecodeError as error:
        raise not_utf8("") from error


def _utf8(text: str) -> str:
    """The text itself. Raises InvalidInput where it holds bytes that are not UTF-8: in some locales Python
    passes them on as lone surrogates, which would be stored as other characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise not_utf8("") from None
    return text


def _within(text: str, limit: int) -> str:
    """The text itself. Raises LimitExceeded (INPUT_TOO_LARGE) where it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    raise LimitExceeded(
        "INPUT_TOO_LARGE",
        f"There are more than {limit:,} characters on stdin where one text is expected.",
        "Pipe in less.",
        limit=f"{limit:,}",
    )
