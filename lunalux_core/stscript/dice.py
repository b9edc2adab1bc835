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
class DiceRoll:
    """What fell: every die in its order, those that count, and the sum with what is added to it."""

    formula: str
    fallen: tuple[int, ...]
    kept: tuple[int, ...]
    total: int

    @property
    def words(self) -> str:
        """The dice and their sum; those that do not count in parentheses."""
        # Each number as often as it counts: of two dice that fell alike, one may count and one not.
        left = list(self.kept)
        told = []
        for number in self.fallen:
            counts = number in left
            if counts:
                left.remove(number)
            told.append(str(number) if counts else f"({number})")
        return f"{' '.join(told)} = {self.total}"


def roll(written: str, random: Callable[[], float]) -> DiceRoll | None:
    """Roll what is written; None where that is no dice. A number alone is one die of so many sides.

    Args:
        random: draws from [0, 1).
    """
    formula = re.sub(r"\s+", "", written).lower() or "d6"
    match = _FORMULA.fullmatch(f"d{formula}" if formula.isdecimal() else formula)
    if match is None:
        return None
    dice, sides = int(match["dice"] or 1), int(match["sides"])
    if not 1 <= dice <= MOST_DICE or not sides:
        return None
    fallen = tuple(1 + int(random() * sides) for _ in range(dice))
    kept = fallen
    if match["end"]:
        in_order = sorted(fallen, reverse=match["end"] == "h")
        kept = tuple(in_order[: int(match["kept"] or 1)])
    added = sum(map(int, re.findall(r"[+-]\d+", match["more"])))
    return DiceRoll(formula, fallen, kept, sum(kept) + added)
