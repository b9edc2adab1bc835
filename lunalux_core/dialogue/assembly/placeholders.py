"""Insert values into a text without expanding macros in the values.

Macros that stand for such a value become placeholders before the other macros of the text are expanded, and
the placeholders are filled afterwards. So a value is neither expanded nor taken for a pattern.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lunalux_core.dialogue.assembly.prompt_material import Expand

# A noncharacter of Unicode; nothing else in the program gives it a meaning.
_EDGE = "\ufdd2"
_PLACEHOLDER = re.compile(f"{_EDGE}(\\w+){_EDGE}")


def placeholder(name: str) -> str:
    """The placeholder for the value of that name."""
    return f"{_EDGE}{name}{_EDGE}"


def with_placeholders(text: str, names: Mapping[str, str]) -> str:
    """The text with a placeholder for every `{{macro}}` in `names`, which maps macros, in any case, to names
    of values."""
    # A card that contains this character must not be able to build a placeholder itself.
    text = text.replace(_EDGE, "")
    if "{{" not in text:
        return text
    by_key = {macro.lower(): name for macro, name in names.items()}
    pattern = re.compile(r"\{\{\s*(" + "|".join(map(re.escape, by_key)) + r")\s*\}\}", re.IGNORECASE)
    return pattern.sub(lambda match: placeholder(by_key[match[1].lower()]), text)


def fill(text: str, values: Mapping[str, str], *, once: bool = False) -> str:
    """The text with its placeholders replaced; one without a value becomes empty.

    Args:
        once: fill only the first placeholder of each name and leave the others empty.
    """
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

    return _PLACEHOLDER.sub(value, text)


def placeholders_in(text: str) -> frozenset[str]:
    """The names of the placeholders in a text."""
    return frozenset(_PLACEHOLDER.findall(text)) if _EDGE in text else frozenset()


def expand_around(text: str, expand: Expand, values: Mapping[str, str], *, once: bool = False) -> str:
    """Expand a text; the macros in `values` become these values, in which nothing is expanded."""
    return fill(expand(with_placeholders(text, {name: name for name in values})), values, once=once)
