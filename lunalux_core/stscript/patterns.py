"""Regular expressions of scripts: JavaScript's, in a helper process with a time limit of its own."""

from __future__ import annotations

import re
from typing import Any

from lunalux_core.errors import LunaluxError
from lunalux_core.regex.script import Pattern, parse_find

_REFERENCE = re.compile(r"\$(?:([$&`'])|(\d\d?)|<([^>]*)>)", re.A)


class Patterns:
    """The engine of one script, started when the first pattern is used."""

    def __init__(self) -> None:
        self._engine: Any = None

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def find(self, pattern: Pattern, text: str, limit: int | None = None) -> list[Any]:
        """The matches (`regex.engine.Match`). Raises LunaluxError: REGEX_INVALID, REGEX_TIMEOUT."""
        if self._engine is None:
            from lunalux_core.regex.engine import EcmaEngine

            self._engine = EcmaEngine()
        return list(self._engine.find_all(pattern.source, pattern.flags, text, limit))


def read_pattern(written: str) -> Pattern | None:
    """``/source/flags`` or a bare source; None for what is no pattern."""
    try:
        return parse_find(written)
    except LunaluxError:
        return None


def filled(
    replacer: str, text: str, start: int, end: int, groups: list[str | None], named: dict[str, str]
) -> str:
    """A replacement with its ``$`` references filled in, as JavaScript does."""
    if "$" not in replacer:
        return replacer

    def value(match: re.Match[str]) -> str:
        sign, number, name = match.groups()
        if sign is not None:
            return {"$": "$", "&": text[start:end], "`": text[:start], "'": text[end:]}[sign]
        if name is not None:
            # In JavaScript `$<name>` is plain text if the pattern has no named groups at all.
            return named.get(name, "") if named else match[0]
        for length in (2, 1):  # $12 is the twelfth group where there is one, else the first and a 2
            if len(number) >= length and 1 <= (index := int(number[:length])) <= len(groups):
                return (groups[index - 1] or "") + number[length:]
        return match[0]

    return _REFERENCE.sub(value, replacer)
