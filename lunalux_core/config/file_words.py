"""The words of the comments in config.toml: English, unless the program that writes it says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileWords:
    """How the file explains itself.

    Attributes:
        head: the first line.
        help_of: what a setting does, by its key and its English explanation.
        allowed: the line on the values it may have, by the English words for them.
    """

    head: Callable[[], str]
    help_of: Callable[[str, str], str]
    allowed: Callable[[str], str]


ENGLISH = FileWords(
    lambda: "Lunalux configuration. Every setting with its default; remove the # to change one.",
    lambda _key, english: english,
    "Allowed: {}.".format,
)


class _Current:
    words = ENGLISH


def use(words: FileWords) -> None:
    """Explain a file that is written from now on in these words."""
    _Current.words = words


def current() -> FileWords:
    return _Current.words
