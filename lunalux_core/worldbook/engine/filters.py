"""What excludes or admits an entry before its keys are looked for.

See docs/spec/formats.md: Activation.
"""

from __future__ import annotations

from enum import Enum, auto

from lunalux_core.worldbook.engine.candidates import Candidate
from lunalux_core.worldbook.engine.engine_inputs import ScanContext
from lunalux_core.worldbook.engine.timed_effects import TimedEffects
from lunalux_core.worldbook.entry import Entry


class ScanState(Enum):
    """Why a pass is made."""

    INITIAL = auto()
    RECURSION = auto()
    MIN_ACTIVATIONS = auto()


class Screening:
    """Answers for one scan. `level` is the recursion level that delayed entries have reached.

    Args:
        replies: messages of the character in the chat, for decorators that count them.
    """

    def __init__(self, context: ScanContext, effects: TimedEffects, recursive: bool, replies: int) -> None:
        self._context = context
        self._effects = effects
        self._recursive = recursive
        self._replies = replies
        self._tags = (
            None if context.character_tags is None else {tag.casefold() for tag in context.character_tags}
        )
        self.level = 0

    def is_sticky(self, candidate: Candidate) -> bool:
        return bool(self._effects.sticky) and candidate.identity in self._effects.sticky

    def against(self, candidate: Candidate, state: ScanState) -> str:
        """The code of the first reason against an entry in this pass, "" if there is none."""
        entry = candidate.entry
        if entry.disabled:
            return "disabled"
        if entry.triggers and self._context.trigger not in entry.triggers:
            return "trigger"
        if self._filtered(entry):
            return "character_filter"
        if self._effects.delayed(entry):
            return "delay"
        sticky = self.is_sticky(candidate)
        # Sticky entries pass the checks below, but not those above.
        if sticky:
            return ""
        if candidate.identity in self._effects.cooling:
            return "cooldown"
        recursing = state is ScanState.RECURSION
        if entry.delay_until_recursion and not (recursing and entry.delay_until_recursion <= self.level):
            return "needs_recursion"
        if recursing and self._recursive and entry.exclude_recursion:
            return "exclude_recursion"
        return ""

    def outright(self, candidate: Candidate) -> str:
        """Why an entry is taken whatever its keys say; "never" if it must not be; "" if the keys decide."""
        decorations = candidate.decorations
        if decorations is not None:
            if decorations.force is not None:
                return "decorator" if decorations.force else "never"
            if not decorations.due(self._replies):
                return "never"
        if candidate.identity in self._context.forced:
            return "forced"
        if candidate.entry.constant:
            return "constant"
        return "sticky" if self.is_sticky(candidate) else ""

    def _filtered(self, entry: Entry) -> bool:
        """Whether the entry is meant for other characters."""
        chosen = entry.character_filter
        if chosen.names and (self._context.character in chosen.names) == chosen.exclude:
            return True
        # Unknown tags: a filter by tag excludes nobody.
        if not chosen.tags or self._tags is None:
            return False
        return any(tag.casefold() in self._tags for tag in chosen.tags) == chosen.exclude
