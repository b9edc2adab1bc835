"""Values put into a text unread: what is inserted is never expanded, nor taken for a pattern.

The places are marked before the macros of the text run and filled afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lunalux_core.dialogue.assembly.material import Expand

# A code that is no character and that no other part of the program uses as a mark.
_EDGE = "\ufdd2"
_MARK = re.compile(f"{_EDGE}(\\w+){_EDGE}")


def token(name: str) -> str:
    """The mark of a name."""
    return f"{_EDGE}{name}{_EDGE}"


def mark(text: str, names: Mapping[str, str]) -> str:
    """The text with every `{{macro}}` in `names` (macro to name, in any case) turned into a mark."""
    # A card that holds the sign itself must not be able to call for a value.
    text = text.replace(_EDGE, "")
    if "{{" not in text:
        return text
    by_key = {macro.lower(): name for macro, name in names.items()}
    pattern = re.compile(r"\{\{\s*(" + "|".join(map(re.escape, by_key)) + r")\s*\}\}", re.IGNORECASE)
    return pattern.sub(lambda match: token(by_key[match[1].lower()]), text)


def fill(text: str, values: Mapping[str, str], *, once: bool = False) -> str:
    """The text with its marks replaced; a mark without a value disappears. `once`: only the first of each."""
    if _EDGE not in text:
        return text
    used: set[str] = set()

    def value(match: re.Match[str]) -> str:
        name = match[1]
        # SillyTavern replaces `{{original}}` once; a second one would repeat a whole prompt.
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
    return fill(expand(mark(text, {name: name for name in values})), values, once=once)
