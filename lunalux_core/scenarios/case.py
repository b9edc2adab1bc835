"""What scenarios of all kinds have in common: a file of them, dice, counters, cards."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from typing import Any

from lunalux_core.dialogue.assembly.prompt_material import CardFields, GenerationType
from lunalux_core.documents.coerce import as_integer, as_number, as_object, as_text
from lunalux_core.llm.model import Role
from lunalux_core.templates.template_values import ROLES

_TYPES: tuple[GenerationType, ...] = ("normal", "continue", "impersonate", "swipe", "regenerate", "quiet")


def cases(document: object) -> list[Mapping[str, Any]]:
    """The scenarios of a file, in order: each stands alone, or under `scenario` beside what is expected.

    One object counts as a list of one; what is no object is passed over.
    """
    items = objects(document if isinstance(document, list) else [document])
    return [inner if isinstance(inner := item.get("scenario"), dict) else item for item in items]


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def objects(value: object) -> list[dict[str, Any]]:
    return [item for item in listed(value) if isinstance(item, dict)]


def draws(value: object) -> Iterator[float]:
    """What the dice give: one number for every draw, or a list in turn, from its first again at its end."""
    # A number that is none counts as the middle, which is also what is drawn where nothing is given.
    numbers = [as_number(number, 0.5) for number in (value if isinstance(value, list) else [value])]
    return cycle(numbers or [0.5])


def length(text: str) -> int:
    """The length as JavaScript has it, in UTF-16 units."""
    # Characters outside of the first plane count two there, and one in Python.
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


COUNTERS: Mapping[str, Callable[[str], int]] = {
    "chars": length,
    "words": lambda text: len(text.split()),
    "guess": lambda text: math.ceil(length(text) / 3.35),
}
"""Ways of counting tokens by the names scenarios give them; `guess` is SillyTavern's without a tokenizer."""


def counter(name: object) -> Callable[[str], int]:
    return COUNTERS.get(as_text(name), COUNTERS["guess"])


def read_role(value: object) -> Role:
    """A role by its name or its number; the system where it is neither."""
    if isinstance(value, int) and 0 <= value < len(ROLES):
        return ROLES[value]
    return next((role for role in ROLES if role == value), "system")


def read_type(value: object) -> GenerationType:
    return next((kind for kind in _TYPES if kind == value), "normal")


def read_card(card: Mapping[str, Any], name: str) -> CardFields:
    """The fields of a scenario's `card`; `name` is what the character is called."""
    depth = as_object(card.get("depth_prompt"))
    return CardFields(
        name=name,
        nickname=as_text(card.get("nickname")),
        description=as_text(card.get("description")),
        personality=as_text(card.get("personality")),
        scenario=as_text(card.get("scenario")),
        mes_example=as_text(card.get("mes_example")),
        system_prompt=as_text(card.get("system_prompt")),
        post_history_instructions=as_text(card.get("post_history_instructions")),
        depth_prompt=as_text(depth.get("prompt")),
        depth_prompt_depth=as_integer(depth.get("depth"), 4),
        depth_prompt_role=read_role(depth.get("role")),
    )
