"""Macro expansion: one pass from left to right, inside out, and nothing it does can raise.

What a macro inserts is never read again, with one exception: the fields of the card, which are expanded
where they are inserted. Unknown macros and unfinished braces stay as they are written. Output and depth
are limited, so that a hostile card costs time in proportion to its size and no more.

See docs/spec/formats.md: Macros.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from lunalux_core.macros.builtins import TRIM
from lunalux_core.macros.context import CARD_FIELDS, ChatMessage, MacroContext
from lunalux_core.macros.evaluation import MAX_DEPTH, MAX_OUTPUT, ExpansionRun
from lunalux_core.macros.grammar import parse
from lunalux_core.macros.variables import VariableDelta, Variables

__all__ = [
    "MAX_DEPTH",
    "MAX_OUTPUT",
    "ChatMessage",
    "Expansion",
    "MacroContext",
    "VariableDelta",
    "Variables",
    "expand",
    "expand_all",
    "expand_fields",
    "expander",
    "hidden_keys",
]

_AROUND_TRIM = re.compile(rf"(?:\r?\n)*{TRIM}(?:\r?\n)*")
_MAY_HOLD_MACROS = re.compile(r"\{\{|\\[{}]|<(?:user|bot|char|group|charifnotgroup)>|\ufdd1", re.IGNORECASE)

_NAMES = re.compile(r"\{\{(?:(user)|char)\}\}|<(?:(user)|bot|char)>", re.IGNORECASE | re.ASCII)
_SHORT = 100_000


@dataclass(frozen=True, slots=True)
class Expansion:
    """The expanded text and the names, in order and each once, of macros that nobody knows."""

    text: str
    unknown: tuple[str, ...] = ()


def expand(
    text: str,
    context: MacroContext,
    variables: Variables | None = None,
    *,
    literals: Sequence[str] = (),
    value_filter: Callable[[str], str] | None = None,
) -> str:
    """The text with its macros replaced; variables are read and changed in `variables`.

    Args:
        literals: values for the tokens of `grammar.literal_token`, inserted unread.
        value_filter: applied to every value a macro inserts, for example to escape it for a pattern.
    """
    return expand_all(text, context, variables, literals=literals, value_filter=value_filter).text


def expand_all(
    text: str,
    context: MacroContext,
    variables: Variables | None = None,
    *,
    literals: Sequence[str] = (),
    value_filter: Callable[[str], str] | None = None,
    hide_unknown: bool = False,
) -> Expansion:
    """`expand`, with the names of unknown macros. `hide_unknown` leaves them out, as on display."""
    if _plain(text) or _MAY_HOLD_MACROS.search(text) is None:
        return Expansion(text)
    if (named := _names_alone(text, context, value_filter)) is not None:
        return Expansion(named)
    run = ExpansionRun(context, variables or Variables(), literals, value_filter, hide_unknown)
    return Expansion(_trimmed(run.document(text, depth=0)), tuple(run.unknown))


def _plain(text: str) -> bool:
    """Whether a text has not even a sign that macros begin with, as nearly all messages: quick to tell."""
    return "{" not in text and "<" not in text and "\\" not in text and "\ufdd1" not in text


def _names_alone(text: str, context: MacroContext, value_filter: Callable[[str], str] | None) -> str | None:
    """The expansion of a text with no macros but the two names, as nearly all messages are; else None.

    Such a text needs no parsing, which makes a long history several times as quick to expand.
    """
    if len(text) > _SHORT or "\\" in text:
        return None
    # A plug-in or template gives the names another meaning: the quick way would miss it.
    if context.extra.get("user") is not None or context.extra.get("char") is not None:
        return None
    user, char = context.user, context.char_name
    if value_filter is not None:
        user, char = value_filter(user), value_filter(char)
    if _plain(text.replace("{{user}}", "").replace("{{char}}", "")) and _plain(user) and _plain(char):
        return text.replace("{{user}}", user).replace("{{char}}", char)
    if _MAY_HOLD_MACROS.search(_NAMES.sub("", text)):
        return None
    return _trimmed(_NAMES.sub(lambda match: user if match[1] or match[2] else char, text))


def _trimmed(text: str) -> str:
    return _AROUND_TRIM.sub("", text) if TRIM in text else text


class Expander(Protocol):
    """`expand` with context and variables already given."""

    def __call__(
        self, text: str, *, literals: Sequence[str] = (), value_filter: Callable[[str], str] | None = None
    ) -> str: ...


def expander(
    context: MacroContext, variables: Variables | None = None, unknown: dict[str, None] | None = None
) -> Expander:
    """A function that expands with this context, for example for `regex.substitution.run_scripts`.

    Args:
        unknown: takes the names of macros that nobody knows, each once, in the order they were met.
    """
    state = variables or Variables()

    def apply(
        text: str, *, literals: Sequence[str] = (), value_filter: Callable[[str], str] | None = None
    ) -> str:
        if _plain(text):
            return text
        expanded = expand_all(text, context, state, literals=literals, value_filter=value_filter)
        if unknown is not None and expanded.unknown:
            unknown.update(dict.fromkeys(expanded.unknown))
        return expanded.text

    return apply


def expand_fields(context: MacroContext, variables: Variables | None = None) -> MacroContext:
    """A context whose card fields are expanded, so that inserting one is a plain insertion from now on."""
    if context.fields_expanded:
        return context
    state = variables or Variables()
    fields: dict[str, Any] = {
        name: _trimmed(ExpansionRun(context, state).card_field(name, depth=0)) for name in CARD_FIELDS
    }
    return replace(context, **fields, fields_expanded=True)


def hidden_keys(text: str) -> list[str]:
    """What stands in ``{{hidden_key:…}}``: not part of the prompt, but scanned by the worldbook (V3)."""
    if "{{" not in text:
        return []
    keys: list[str] = []
    # A stack instead of a recursion, the last item first, so that keys come in the order of the text.
    waiting = list(reversed(parse(text, lambda _: False).items))
    while waiting:
        macro = waiting.pop()
        if macro.key == "hidden_key":
            keys.extend(text[argument.start : argument.end] for argument in macro.arguments)
        else:
            waiting.extend(reversed(macro.children))
    return keys
