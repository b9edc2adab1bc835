"""What a person adds to the requests of a saved model: fields, headers, and what its tokens cost.

None of it ever comes from an imported file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from lunalux_core.errors import InvalidInput

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")


def extra_body_of(value: object) -> dict[str, Any]:
    """A JSON object, also written as text. Raises InvalidInput (EXTRA_BODY_INVALID)."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise InvalidInput(
            "EXTRA_BODY_INVALID",
            "The extra body is no JSON object.",
            'Write it like {"cache_prompt": true}.',
        )
    return dict(value)


def headers_of(value: object) -> dict[str, str]:
    """Headers from a table, or from lines `Name: value`. Raises InvalidInput (HEADER_INVALID)."""
    if isinstance(value, Mapping):
        pairs: list[tuple[Any, Any]] = list(value.items())
    else:
        lines = [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else [value]
        pairs = [(name.strip(" \t"), content.strip(" \t")) for name, _, content in map(_parted, lines)]
    for name, content in pairs:
        # A line break in it would begin another header.
        good = isinstance(content, str) and content.isascii() and content.isprintable() and bool(content)
        if not good or not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise InvalidInput(
                "HEADER_INVALID",
                "A header of the model cannot be sent: it is no line of the form NAME: VALUE.",
                "Write it like 'X-Title: Lunalux', in one line of plain letters.",
            )
    return dict(pairs)


def _parted(line: object) -> tuple[str, str, str]:
    return str(line).partition(":")


def price_of(value: object) -> tuple[float, float, float]:
    """Three prices per million tokens: read, cached, written. Raises InvalidInput (PRICE_INVALID)."""
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    try:
        numbers = tuple(float(part) for part in parts) if isinstance(parts, (list, tuple)) else ()
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != 3 or not all(0 <= number <= 1_000_000 for number in numbers):
        raise InvalidInput(
            "PRICE_INVALID",
            "The price of the model is not three numbers from 0 to 1000000.",
            "Write IN,CACHED,OUT per million tokens, for example 3,0.3,15.",
        )
    return numbers[0], numbers[1], numbers[2]
