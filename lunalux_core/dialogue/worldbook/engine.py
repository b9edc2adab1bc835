"""The activation loop: which entries speak, in SillyTavern's exact order (FORMATS 2.3, 2.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import chain

from lunalux_core.cards.worldbook import Entry
from lunalux_core.dialogue.worldbook.decorators import Decorated
from lunalux_core.dialogue.worldbook.groups import winners
from lunalux_core.dialogue.worldbook.matching import Buffer
from lunalux_core.dialogue.worldbook.output import Fired, place
from lunalux_core.dialogue.worldbook.timed import Key, TimedEffects
from lunalux_core.dialogue.worldbook.values import (
    Activation,
    ActiveBook,
    ScanContext,
    ScanMessage,
    Skipped,
    TimedState,
    Tools,
    WorldbookSettings,
)


class _State(Enum):
    INITIAL = auto()
    RECURSION = auto()
    MIN_ACTIVATIONS = auto()


@dataclass(frozen=True, slots=True)
class _Candidate:
    book: str
    decorated: Decorated

    @property
    def entry(self) -> Entry:
        return self.decorated.entry

    @property
    def key(self) -> Key:
        return self.book, self.entry.uid


@dataclass(frozen=True, slots=True)
class _Taken:
    candidate: _Candidate
    reason: str
    found: str = ""


def activate(
    books: Sequence[ActiveBook],
    chat: Sequence[ScanMessage],
    settings: WorldbookSettings,
    context: ScanContext,
    tools: Tools,
    timed: TimedState = TimedState(),
) -> Activation:
    """Which entries fire on this chat, what text they bring where, and why the others do not.

    Args:
        chat: oldest first, without hidden messages.
        timed: effects of this branch; the new ones are in the result.
    """
    found = candidates(books, settings.strategy)
    length = len(chat) if context.chat_length is None else context.chat_length
    effects = TimedEffects(timed, [(c.book, c.entry) for c in found], length)
    scan = _Scan(found, Buffer.of(chat, settings, context, tools), effects, length)
    scan.run()
    if not context.dry:
        effects.start((one.book, one.entry) for one in scan.fired.values())
    return place(
        list(scan.fired.values()),
        tuple(scan.skipped.values()),
        tools,
        overflowed=scan.overflowed,
        timed=timed if context.dry else effects.state(),
    )


def candidates(books: Sequence[ActiveBook], strategy: int) -> list[_Candidate]:
    """Every entry once, in the order it is considered: chat lore, persona lore, then by strategy; within a
    source by `order`, highest first. A book that is active twice counts through its first, global use."""
    by_source: dict[str, list[_Candidate]] = {"chat": [], "persona": [], "character": [], "global": []}
    seen: set[str] = set()
    precedence = {"global": 0, "chat": 1, "persona": 2, "character": 3}
    for active in sorted(books, key=lambda one: precedence[one.source]):
        name = active.book.name
        if name and name in seen:
            continue
        seen.add(name)
        by_source[active.source] += [_Candidate(name, Decorated(entry)) for entry in active.book.entries]

    def ordered(*sources: str) -> list[_Candidate]:
        pool = chain.from_iterable(by_source[source] for source in sources)
        return sorted(pool, key=lambda one: -one.entry.order)

    if strategy == 0:
        shared = ordered("global", "character")
    elif strategy == 2:
        shared = ordered("global") + ordered("character")
    else:
        shared = ordered("character") + ordered("global")
    return [*ordered("chat"), *ordered("persona"), *shared]


@dataclass(slots=True)
class _Scan:
    """One evaluation."""

    candidates: Sequence[_Candidate]
    buffer: Buffer
    effects: TimedEffects
    length: int
    fired: dict[Key, Fired] = field(default_factory=dict)
    skipped: dict[Key, Skipped] = field(default_factory=dict)
    failed: set[Key] = field(default_factory=set)
    overflowed: bool = False
    text: str = ""
    level: int = 0

    def run(self) -> None:
        settings = self.buffer.settings
        levels = sorted({c.entry.delay_until_recursion for c in self.candidates} - {0})
        self.level = levels.pop(0) if levels else 0
        state: _State | None = _State.INITIAL
        passes = 0
        while state is not None:
            passes += 1
            new = self._pass(state, passes)
            following: _State | None = None
            triggers = [one.content for one in new if not one.entry.prevent_recursion]
            if settings.recursive and not self.overflowed and triggers:
                following = _State.RECURSION
            if (
                settings.recursive
                and not self.overflowed
                and state is _State.MIN_ACTIVATIONS
                and self.buffer.recursion
            ):
                following = _State.RECURSION
            if following is None and self._wants_more():
                self.buffer.deepen()
                following = _State.MIN_ACTIVATIONS
            if following is None and levels:
                self.level = levels.pop(0)
                following = _State.RECURSION
            if new:
                self.text = "\n".join(one.content for one in new) + "\n" + self.text
            if following is _State.RECURSION and triggers:
                self.buffer.remember("\n".join(triggers))
            state = following
            if settings.max_recursion_steps and passes >= settings.max_recursion_steps:
                state = None

    def _wants_more(self) -> bool:
        """Whether minimum activations ask for one message more."""
        settings = self.buffer.settings
        if not settings.min_activations or settings.max_recursion_steps == 1 or self.overflowed:
            return False
        if len(self.fired) >= settings.min_activations:
            return False
        limit = settings.min_activations_depth_max
        return not (limit and self.buffer.depth > limit) and self.buffer.depth <= len(self.buffer.lines)

    def _pass(self, state: _State, number: int) -> list[Fired]:
        taken: list[_Taken] = []
        for candidate in self.candidates:
            if candidate.key in self.fired or candidate.key in self.failed:
                continue
            one = self._consider(candidate, state)
            if one is not None:
                taken.append(one)
        taken.sort(key=lambda one: one.candidate.key not in self.effects.sticky)
        return self._admit(taken, state, number)

    def _consider(self, candidate: _Candidate, state: _State) -> _Taken | None:
        """Whether one candidate is taken in this pass; steps 1 to 14 of FORMATS 2.6."""
        entry, effects = candidate.entry, self.effects
        sticky = candidate.key in effects.sticky
        reason = self._barred(candidate, state, sticky=sticky)
        if reason:
            if reason not in {"disabled", "not_in_this_pass"}:
                self._note(candidate, reason)
            return None
        if candidate.decorated.force is not None:
            return _Taken(candidate, "decorator") if candidate.decorated.force else None
        if candidate.key in self.buffer.context.forced:
            return _Taken(candidate, "forced")
        if entry.constant:
            return _Taken(candidate, "constant")
        if sticky:
            return _Taken(candidate, "sticky")
        haystack = self.buffer.haystack(entry, with_recursion=state is not _State.MIN_ACTIVATIONS)
        for key in candidate.decorated.exclude_keys:
            if self.buffer.matches(key, entry, haystack):
                self._note(candidate, "exclude_key")
                return None
        found = self.buffer.keyed(entry, haystack)
        if found is not None:
            return _Taken(candidate, "key", found)
        if entry.secondary_keys and any(self.buffer.matches(key, entry, haystack) for key in entry.keys):
            self._note(candidate, "secondary_keys")
        return None

    def _barred(self, candidate: _Candidate, state: _State, *, sticky: bool) -> str:
        entry, context = candidate.entry, self.buffer.context
        if entry.disabled:
            return "disabled"
        if entry.triggers and context.trigger not in entry.triggers:
            return "trigger"
        if self._filtered(entry):
            return "character_filter"
        if self.effects.delayed(entry) or not candidate.decorated.due(self.length):
            return "delay"
        if candidate.key in self.effects.cooling and not sticky:
            return "cooldown"
        recursing = state is _State.RECURSION
        if entry.delay_until_recursion and not sticky:
            if not recursing:
                return "not_in_this_pass"
            if entry.delay_until_recursion > self.level:
                return "not_in_this_pass"
        if recursing and self.buffer.settings.recursive and entry.exclude_recursion and not sticky:
            return "not_in_this_pass"
        return ""

    def _filtered(self, entry: Entry) -> bool:
        chosen, context = entry.character_filter, self.buffer.context
        if chosen.names and (context.character in chosen.names) == chosen.exclude:
            return True
        if chosen.tags and context.character_tags:
            known = {tag.casefold() for tag in context.character_tags}
            return any(tag.casefold() in known for tag in chosen.tags) == chosen.exclude
        return False

    def _admit(self, taken: list[_Taken], state: _State, number: int) -> list[Fired]:
        """Groups, probability, macros and budget, for those taken in this pass."""
        tools, settings, context = self.buffer.tools, self.buffer.settings, self.buffer.context
        by_key = {one.candidate.key: one for one in taken}
        staying, lost = winners(
            [(one.candidate.book, one.candidate.entry) for one in taken],
            [fired.entry for fired in self.fired.values()],
            sticky=self.effects.sticky,
            scoring=settings.group_scoring,
            score=lambda entry: self.buffer.score(
                entry, self.buffer.haystack(entry, with_recursion=state is not _State.MIN_ACTIVATIONS)
            ),
            random=tools.random,
        )
        for key, reason in lost.items():
            self._note(by_key[key].candidate, reason)
        budget = max(round(settings.budget * context.max_context / 100), 1)
        if settings.budget_cap > 0:
            budget = min(budget, settings.budget_cap)
        spent = tools.count_tokens(self.text) if self.text else 0
        new_text = ""
        new: list[Fired] = []
        for book, entry in staying:
            one = by_key[book, entry.uid]
            passed, roll = self._roll(one)
            if not passed:
                self.failed.add(one.candidate.key)
                self._note(one.candidate, "probability")
                continue
            content = tools.expand(entry.content)
            if self.overflowed and not entry.ignore_budget:
                self._note(one.candidate, "budget")
                continue
            new_text += content + "\n"
            if not entry.ignore_budget and spent + tools.count_tokens(new_text) >= budget:
                self.overflowed = True
                self._note(one.candidate, "budget")
                continue
            message = self.buffer.message_of(one.found, entry) if one.found else None
            fired = Fired(book, entry, content, number, one.found, one.reason, roll, message)
            self.fired[one.candidate.key] = fired
            self.skipped.pop(one.candidate.key, None)
            new.append(fired)
        return new

    def _roll(self, taken: _Taken) -> tuple[bool, float | None]:
        entry = taken.candidate.entry
        certain = not entry.use_probability or entry.probability == 100
        if certain or taken.candidate.key in self.effects.sticky:
            return True, None
        roll = self.buffer.tools.random() * 100
        return roll <= entry.probability, roll

    def _note(self, candidate: _Candidate, reason: str) -> None:
        entry = candidate.entry
        self.skipped[candidate.key] = Skipped(entry.uid, candidate.book, entry.comment, reason)
