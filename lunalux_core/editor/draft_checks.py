"""What is wrong with a draft, field by field, while it is written.

An error stands in the way of adding the character to the library, a warning is likely to disappoint, a note
is worth knowing. The words are the front end's: `code` names them, `params` fills them.

See docs/spec/formats.md: Card versions.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lunalux_core.editor.card_fields import BY_ID, FIELDS, Field, split_tags
from lunalux_core.editor.draft import Draft
from lunalux_core.editor.greetings import greetings
from lunalux_core.errors import InvalidInput
from lunalux_core.llm.tokens import estimator

if TYPE_CHECKING:
    from lunalux_core.cards.specification import Level


LONGEST_NAME = 200
MANY_TOKENS = 2000
MARKET_TAGS = 3
"""How many tags a character takes to the market from this form."""

_ESTIMATOR = estimator("")
_OPEN = re.compile(r"\{\{(?![^{}]*\}\})")
_MACRO = re.compile(r"\{\{[^{}]*\}\}")


@dataclass(frozen=True, slots=True)
class FieldRemark:
    """One remark on one field."""

    level: Level
    field: str
    code: str
    params: Mapping[str, object] = dataclasses.field(default_factory=dict)


# More texts than a form has fields, so that typing in one leaves the counts of the others.
@lru_cache(maxsize=64)
def tokens(text: str) -> int:
    """Tokens of a text, by an ordinary tokenizer. Remembered: a form asks for the same ones at every key."""
    return _ESTIMATOR.text(text)


def check_field(field: Field, text: str) -> FieldRemark | None:
    """The most important remark on what stands in a field of the form."""
    return next(
        (FieldRemark(level, field.id, code, more) for level, code, more in _remarks(field, text)), None
    )


_Remark = tuple["Level", str, Mapping[str, object]]


def _remarks(field: Field, text: str) -> Iterator[_Remark]:
    if field.kind == "number" and text.strip():
        try:
            field.value(text)
        except ValueError:
            high = f"{field.high:g}"
            yield "error", "whole" if field.whole else "number", {"low": f"{field.low:g}", "high": high}
    if (own := _OWN.get(field.id)) is not None:
        yield from own(text)
    if field.kind == "text":
        yield from check_text(text, sent=field.sent)


def check_text(text: str, *, sent: bool) -> Iterator[_Remark]:
    """Remarks on any longer text."""
    if sent and (name := _loose_macro(text)):
        yield "warning", "macro", {"text": name}
    if sent and (count := tokens(text)) > MANY_TOKENS:
        yield "note", "long", {"n": f"{count:,}"}


def _loose_macro(text: str) -> str:
    """The beginning of a macro that is not closed."""
    if "{{" not in text:
        return ""
    rest = text
    # Macros may hold macros: the innermost go first, until only what is not closed is left.
    while (shorter := _MACRO.sub("", rest)) != rest:
        rest = shorter
    match = _OPEN.search(rest)
    return rest[match.start() : match.start() + 16].split("\n")[0] if match else ""


def _name(text: str) -> Iterator[_Remark]:
    if not text.strip():
        yield "error", "name", {}
    elif len(text) > LONGEST_NAME:
        yield "warning", "name_long", {"most": LONGEST_NAME}


def _tags(text: str) -> Iterator[_Remark]:
    count = len(split_tags(text))
    if count > MARKET_TAGS:
        yield "note", "tags", {"n": count, "most": MARKET_TAGS}


def _description(text: str) -> Iterator[_Remark]:
    if not text.strip():
        yield "warning", "description", {}


def _examples(text: str) -> Iterator[_Remark]:
    if text.strip() and "<START>" not in text.upper():
        yield "note", "examples", {}


def _intro(text: str) -> Iterator[_Remark]:
    if not text.strip():
        yield "note", "intro", {}


_OWN: dict[str, Callable[[str], Iterator[_Remark]]] = {
    "name": _name,
    "tags": _tags,
    "description": _description,
    "mes_example": _examples,
    "user_description": _intro,
}


def check_greeting(text: str, *, first: bool) -> FieldRemark | None:
    """The most important remark on a first message."""
    if not text.strip():
        return FieldRemark("warning", "greetings", "first" if first else "greeting")
    problem = next(check_text(text, sent=True), None)
    return FieldRemark(problem[0], "greetings", problem[1], problem[2]) if problem else None


def check(document: Mapping[str, Any]) -> tuple[FieldRemark, ...]:
    """Every remark on a document, errors first."""
    problems = [check_field(field, field.shown(document)) for field in FIELDS]
    problems += [
        check_greeting(greeting.text, first=greeting.kind == "first") for greeting in greetings(document)
    ]
    order = ("error", "warning", "note")
    return tuple(
        sorted(
            (problem for problem in problems if problem is not None),
            key=lambda problem: order.index(problem.level),
        )
    )


def require_name(draft: Draft) -> None:
    """Raises InvalidInput (CHARACTER_NAMELESS) for a draft that cannot be called anything."""
    if not BY_ID["name"].shown(draft.document).strip():
        raise InvalidInput(
            "CHARACTER_NAMELESS", "The character has no name yet.", "Write a name; everything else can wait."
        )
