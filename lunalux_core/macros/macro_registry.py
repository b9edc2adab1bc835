"""How macros are made known: name, number of arguments, and the function that gives the value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from lunalux_core.macros.context import MacroContext
from lunalux_core.macros.variables import Variables


@dataclass(slots=True)
class Call:
    """One macro being evaluated; `arguments` are expanded, the body of a block is the last of them."""

    arguments: list[str]
    context: MacroContext
    variables: Variables
    place: str
    """Distinguishes this place in this text from any other; the same at every expansion."""
    is_block: bool
    used: set[str]
    """Names of macros that were used up in this expansion."""
    card_field: Callable[[str], str]
    """The expanded text of a field of the card."""


MacroFunction = Callable[[Call], str | None]


class Builtin(NamedTuple):
    """`most` arguments is None for a list of any length."""

    least: int
    most: int | None
    run: MacroFunction

    def takes(self, count: int) -> bool:
        return self.least <= count and (self.most is None or count <= self.most)


BUILTINS: dict[str, Builtin] = {}
"""By lower-case name."""


def add(names: str, run: MacroFunction, least: int = 0, most: int | None = 0) -> None:
    for name in names.split():
        BUILTINS[name.lower()] = Builtin(least, most, run)


def add_value(names: str, value: Callable[[MacroContext], object]) -> None:
    add(names, lambda call: str(value(call.context)))
