"""On which line of a TOML file a key stands, for messages about a value that is well written but wrong.

`tomllib` tells the line of a mistake in the writing only, never of a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_HEADER = r"\s*\[{1,2}(?P<path>[^\[\]]+)\]{1,2}\s*(#.*)?$"
_KEY = r"""\s*(?P<path>(?:"[^"]*"|'[^']*'|[\w\-.\s])+?)\s*="""
_PART = r""""([^"]*)"|'([^']*)'|([\w\-]+)"""
_LONG_QUOTES = ('"""', "'''")
_LINE_LIMIT = 600
"""Characters of a line that are looked at: a key stands at its beginning."""
# Compiled when a line is looked for: this module is loaded at start-up, mistakes in a file are rare.


@dataclass(frozen=True, slots=True)
class FileLine:
    """A line of a file; front ends say it in their own words. `line` 0 means the file as a whole."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}" if self.line else self.path


def line_of(text: str, key: Sequence[str], nth: int = 0) -> int:
    """The line of a key, counted from 1; of its table where it has none of its own; 0 where it is not.

    Args:
        key: the parts of the key, e.g. ("chat", "reply_words").
        nth: of tables that stand several times (`[[name]]`), which one, from 1; 0 for any. One in an array on
            a line has that of the array.
    """
    parts = [part for name in key for part in name.split(".")]
    section: list[str] = []
    table = seen = 0
    for number, line in _lines_of_keys(text):
        if header := re.match(_HEADER, line):
            section = _parts(header["path"])
            seen += section == parts[:1] and line.startswith("[[")
            if section and section == parts[: len(section)] and nth in {0, seen}:
                table = number
        elif match := re.match(_KEY, line):
            key_path = _joined(section, match["path"])
            if key_path == parts and nth in {0, seen}:
                return number
            # A table or an array on a line, in which the key stands.
            if key_path == parts[: len(key_path)] and (nth in {0, seen} or len(key_path) == 1):
                table = number
    return table


def _lines_of_keys(text: str) -> Iterator[tuple[int, str]]:
    """The lines, counted from 1, without those inside of a text of several lines: they look like anything."""
    open_text = ""
    for number, whole in enumerate(text.splitlines(), 1):
        if not open_text:
            yield number, whole.strip()[:_LINE_LIMIT]
        for quotes in (open_text,) if open_text else _LONG_QUOTES:
            if whole.count(quotes) % 2:
                open_text = "" if open_text else quotes
                break


def _joined(section: list[str], path: str) -> list[str]:
    return [part for name in (*section, *_parts(path)) for part in name.split(".")]


def _parts(path: str) -> list[str]:
    return ["".join(groups) for groups in re.findall(_PART, path)]
