"""Which of the entries taken in a pass are admitted: by probability, macros and budget, in this order.

See docs/spec/formats.md: Activation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lunalux_core.worldbook.engine.candidates import Candidate
from lunalux_core.worldbook.engine.engine_inputs import Tools, WorldbookSettings


@dataclass(frozen=True, slots=True)
class TakenCandidate:
    """A candidate that is taken in a pass, and why."""

    candidate: Candidate
    reason: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class AdmittedEntry:
    """An entry that was admitted, with its expanded text."""

    taken: TakenCandidate
    content: str
    pass_number: int
    roll: float | None
    message: int | None = None


@dataclass(slots=True)
class PassOutcome:
    """Of one pass: the entries admitted, and the texts of all that did not fail their roll.

    Entries that only the budget excluded still count for recursion, as in SillyTavern.
    """

    fired: list[AdmittedEntry] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    said: list[tuple[Candidate, str]] = field(default_factory=list)


def budget_of(settings: WorldbookSettings, max_context: int) -> int:
    """Tokens for all entries."""
    # Rounded as JavaScript does (half up); Python's `round` would give another budget at .5. Never 0.
    share = math.floor(settings.budget * max_context / 100 + 0.5) or 1
    return min(share, settings.budget_cap) if settings.budget_cap > 0 else share


class Admission:
    """Tracks the budget through all passes of one scan.

    Args:
        caps: token budgets of single books, by the book's name.
    """

    def __init__(self, tools: Tools, budget: int, caps: dict[str, int]) -> None:
        self._tools = tools
        self._budget = budget
        self._caps = dict(caps)
        self.overflowed = False

    def decide(
        self, taken: Sequence[TakenCandidate], number: int, spent: int, is_sticky: Callable[[Candidate], bool]
    ) -> PassOutcome:
        """Admit the entries of one pass, in their order.

        Args:
            number: of the pass.
            spent: tokens of the recursion text so far.
        """
        outcome = PassOutcome()
        account = _Account(self._tools.count_tokens, spent)
        for admitted in taken:
            candidate, entry = admitted.candidate, admitted.candidate.entry
            # Neither rolled nor expanded any more, as in SillyTavern: a roll more would shift all others.
            if self.overflowed and not entry.ignore_budget:
                outcome.said.append((candidate, entry.content))
                outcome.refused[candidate.place] = "budget"
                continue
            roll = None
            if entry.use_probability and entry.probability != 100 and not is_sticky(candidate):
                # Rolled after the group was decided, so a member that fails here leaves its group empty for
                # this pass.
                roll = self._tools.random() * 100
                if not roll <= entry.probability:
                    outcome.refused[candidate.place] = "probability"
                    continue
            content = self._tools.expand(entry.content)
            outcome.said.append((candidate, content))
            full = account.reaches(content + "\n", self._budget)
            if full and not entry.ignore_budget:
                self.overflowed = True
                outcome.refused[candidate.place] = "budget"
            elif not self._within_its_book(candidate, content):
                outcome.refused[candidate.place] = "book_budget"
            else:
                outcome.fired.append(AdmittedEntry(admitted, content, number, roll))
        return outcome

    def _within_its_book(self, candidate: Candidate, content: str) -> bool:
        if candidate.book not in self._caps or candidate.entry.ignore_budget:
            return True
        left = self._caps[candidate.book] - self._tools.count_tokens(content)
        if left >= 0:
            self._caps[candidate.book] = left
        return left >= 0


class _Account:
    """The tokens of a growing text, counted as a whole only where that can make a difference."""

    def __init__(self, count: Callable[[str], int], spent: int) -> None:
        self._count = count
        self._spent = spent
        self._parts: list[str] = []
        self._at_most = 0

    def reaches(self, text: str, budget: int) -> bool:
        """Add a text; whether the whole is now as large as the budget."""
        self._parts.append(text)
        self._at_most += self._count(text)
        # Counted apart, the parts come to at least as much as the whole; so most texts need no second count.
        if self._spent + self._at_most < budget:
            return False
        whole = "".join(self._parts)
        self._parts, self._at_most = [whole], self._count(whole)
        return self._spent + self._at_most >= budget
