"""Dice as people write them: ``2d6+3``, ``d20``, ``4d6kh3`` (the three highest count), ``2d20kl1``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

MOST_DICE = 1_000

_FORMULA = re.compile(
    r"(?P<dice>\d{0,4})d(?P<sides>\d{1,6})(?:k(?P<end>[hl])(?P<kept>\d{0,4}))?(?P<more>(?:[+-]\d{1,9})*)",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Rolled:
    """What fell: every die in its order, those that count, and the sum with what is added to it."""

    formula: str
    fallen: tuple[int, ...]
    kept: tuple[int, ...]
    total: int

    @property
    def words(self) -> str:
        """The dice and their sum; those that do not count in parentheses."""
        left = list(self.kept)
        told = []
        for one in self.fallen:
            counts = one in left
            if counts:
                left.remove(one)
            told.append(str(one) if counts else f"({one})")
        return f"{' '.join(told)} = {self.total}"


def roll(written: str, random: Callable[[], float]) -> Rolled | None:
    """Roll what is written; None where that is no dice. A number alone is one die of so many sides.

    Args:
        random: draws from [0, 1).
    """
    formula = re.sub(r"\s+", "", written).lower() or "d6"
    found = _FORMULA.fullmatch(f"d{formula}" if formula.isdecimal() else formula)
    if found is None:
        return None
    dice, sides = int(found["dice"] or 1), int(found["sides"])
    if not 1 <= dice <= MOST_DICE or not sides:
        return None
    fallen = tuple(1 + int(random() * sides) for _ in range(dice))
    kept = fallen
    if found["end"]:
        in_order = sorted(fallen, reverse=found["end"] == "h")
        kept = tuple(in_order[: int(found["kept"] or 1)])
    added = sum(map(int, re.findall(r"[+-]\d+", found["more"])))
    return Rolled(formula, fallen, kept, sum(kept) + added)
