"""Values put into a text unread: what is inserted is never expanded, nor taken for a pattern.

The places are marked before the macros of the text run and filled afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lunalux_core.dialogue.assembly.material import Expand

# A code that is no character and that no other part of the program uses as a mark.
_EDGE = "\ufdd2"
_MARK = re.compile(f"{_EDGE}(\\w+){_EDGE}")


def mark(text: str, names: Iterable[str]) -> str:
    """The text with every `{{name}}`, in any case, turned into the mark of that name."""
    text = text.replace(_EDGE, "")
    by_key = {name.lower(): name for name in names}
    pattern = re.compile(r"\{\{\s*(" + "|".join(map(re.escape, by_key)) + r")\s*\}\}", re.IGNORECASE)
    return pattern.sub(lambda found: f"{_EDGE}{by_key[found[1].lower()]}{_EDGE}", text)


def fill(text: str, values: Mapping[str, str], *, once: bool = False) -> str:
    """The text with its marks replaced; a mark without a value disappears. `once`: only the first of each."""
    if _EDGE not in text:
        return text
    used: set[str] = set()

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if once and name in used:
            return ""
        used.add(name)
        return values.get(name, "")

    return _MARK.sub(value, text)


def marks_in(text: str) -> frozenset[str]:
    """The names whose marks stand in a text."""
    return frozenset(_MARK.findall(text)) if _EDGE in text else frozenset()


def expand_around(text: str, expand: Expand, values: Mapping[str, str], *, once: bool = False) -> str:
    """Expand a text in which some macros have values that must go in unread."""
    return fill(expand(mark(text, values)), values, once=once)
