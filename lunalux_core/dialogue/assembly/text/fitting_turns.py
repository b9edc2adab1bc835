"""Which turns and examples fit into the window beside the fixed texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lunalux_core.dialogue.assembly.history import MEMORY_SHARE
from lunalux_core.dialogue.assembly.labels import LABELS
from lunalux_core.dialogue.assembly.prompt import SlotTokens, too_large
from lunalux_core.dialogue.assembly.prompt_material import CountTokens
from lunalux_core.dialogue.assembly.text.fixed import FixedTexts
from lunalux_core.dialogue.assembly.text.prompt_turns import PromptTurn
from lunalux_core.dialogue.assembly.text.source import TextSource
from lunalux_core.templates.turn_texts import TextTurn


@dataclass(frozen=True, slots=True)
class TextTokens:
    """How texts are counted, and how many tokens the whole may have."""

    count: CountTokens
    limit: int

    def of(self, *texts: str) -> int:
        """The tokens of these as one text."""
        return self.count("".join(texts).replace("\r", ""))


@dataclass(frozen=True, slots=True)
class FittingTurns:
    """Which turns fit.

    Args:
        indexes: their indexes in the list of all turns.
        aligned: whether the alignment turn comes before them.
        earlier_events: the formatted events of turns that do not fit, `events` of them.
    """

    indexes: frozenset[int]
    aligned: bool
    earlier_events: str = ""
    events: int = 0


class TextWindow:
    """The window of one text: it answers what fits, and changes nothing.

    Args:
        turns: all turns, oldest first, without the one to continue, which is a fixed text.
    """

    def __init__(
        self, source: TextSource, tokens: TextTokens, fixed: FixedTexts, turns: Sequence[PromptTurn]
    ) -> None:
        self._source = source
        self._material = source.material
        self._tokens = tokens
        self._fixed = fixed
        self._turns = turns

    def fitting_turns(self) -> FittingTurns:
        """Take texts at a depth first, then the newest turns; a share is reserved for events of turns that do
        not fit."""
        fixed = self._fixed
        base = self._tokens.of(
            fixed.story,
            fixed.examples,
            fixed.alignment,
            fixed.chat_start,
            fixed.last,
            fixed.continued,
            fixed.remembered,
        )
        limit = self._tokens.limit
        fitting = self._filled(base, limit)
        if not self._lost_events(fitting):
            return fitting
        # Filled twice: only the first time shows that some turns do not fit, and so that events need a share.
        share = max(limit - base, 0) // MEMORY_SHARE
        return self._with_events(self._filled(base, limit - share), share)

    def _filled(self, spent: int, limit: int) -> FittingTurns:
        turns = self._turns
        indexes: set[int] = set()
        newest_first = range(len(turns) - 1, -1, -1)
        # Texts at a depth before the turns, as in SillyTavern's text completion.
        between = [at for at in newest_first if turns[at].injected]
        others = [at for at in newest_first if not turns[at].injected]
        for part in (between, others):
            for at in part:
                spent += self._tokens.of(turns[at].text)
                # `>=`, because SillyTavern keeps a prompt below the limit.
                if spent >= limit:
                    break
                indexes.add(at)
        oldest = min(indexes, default=len(turns) - 1)
        # The alignment turn is sent where the history that fits does not begin with the person.
        begins_with_person = oldest >= 0 and turns[oldest].turn.role == "user"
        return FittingTurns(frozenset(indexes), bool(self._fixed.alignment) and not begins_with_person)

    def _lost_events(self, fitting: FittingTurns) -> list[str]:
        """The events of messages that are not sent, oldest first."""
        lost = [turn.own for at, turn in enumerate(self._turns) if at not in fitting.indexes and turn.own]
        if not lost and not self._material.omitted:
            return []
        return [*self._material.earlier_events, *(message.event for message in lost if message.event)]

    def _with_events(self, fitting: FittingTurns, share: int) -> FittingTurns:
        """With the events of what does not fit, as many as have room in `share` tokens."""
        events = self._lost_events(fitting)
        heading = LABELS[self._material.language].earlier_events
        # The oldest events are left out first: those next to the turns that are sent matter more.
        for begin in range(len(events)):
            told = "\n".join((heading, *events[begin:]))
            text = self._source.formatted(TextTurn("system", told))
            if self._tokens.of(text) <= share:
                return replace(fitting, earlier_events=text, events=len(events) - begin)
        return fitting

    def check(self, fitting: FittingTurns) -> None:
        """Raises InvalidInput (PROMPT_TOO_LARGE) where the newest message does not fit."""
        if not self._material.newest_required:
            return
        newest = max((at for at, turn in enumerate(self._turns) if turn.own), default=-1)
        tokens = self._tokens
        costs = {slot: tokens.of(text) for slot, text in self._fixed.by_slot().items()}
        missing = newest >= 0 and newest not in fitting.indexes and not self._fixed.continued
        alone = newest < 0 or self._fixed.continued
        if missing or (alone and sum(costs.values()) >= tokens.limit):
            parts = [SlotTokens(slot, cost) for slot, cost in costs.items()]
            if newest >= 0:
                parts.append(SlotTokens("chatHistory", tokens.of(self._turns[newest].text)))
            raise too_large(tokens.limit, parts)

    def fitting_examples(self, examples: Sequence[str], fitting: FittingTurns) -> int:
        """How many pieces of the examples fit beside these turns."""
        if self._material.pin_examples:
            return len(examples)
        fixed = self._fixed
        turns = "".join(self._turns[at].text for at in sorted(fitting.indexes))
        aligned = fixed.alignment if fitting.aligned else ""
        parts = (fixed.story, fixed.alignment, aligned, fixed.chat_start, turns, fixed.last, fixed.continued)
        spent = self._tokens.of(*parts, fitting.earlier_events, fixed.remembered)
        for number, example in enumerate(examples):
            spent += self._tokens.of(example)
            if spent >= self._tokens.limit:
                return number
        return len(examples)

    def before_continued(
        self, examples: list[str], turns: list[PromptTurn]
    ) -> tuple[list[str], list[PromptTurn]]:
        """The examples and turns before a turn to continue: examples are left out, then the oldest turns,
        until the prompt fits."""
        # Counted as one text at each step, because it may have fewer tokens than its parts together.
        while (examples or turns) and self._whole(examples, turns) > self._tokens.limit:
            if examples and not self._material.pin_examples:
                examples = examples[:-1]
            elif turns:
                turns = turns[1:]
            else:
                break
        return examples, turns

    def _whole(self, examples: Sequence[str], turns: Sequence[PromptTurn]) -> int:
        """The tokens of the text with these before the turn to continue."""
        fixed = self._fixed
        spoken = "".join(turn.text for turn in turns)
        parts = (fixed.story, *examples, fixed.chat_start, spoken, "\n", fixed.last, fixed.continued)
        return self._tokens.of(*parts)
