"""One scan of a chat: pass after pass, in SillyTavern's exact order.

See docs/spec/formats.md: Activation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from lunalux_core.worldbook.engine.admission import Admission, AdmittedEntry, PassOutcome, TakenCandidate
from lunalux_core.worldbook.engine.buffer import Buffer, searched
from lunalux_core.worldbook.engine.candidates import Candidate
from lunalux_core.worldbook.engine.engine_inputs import Tools, WorldbookSettings
from lunalux_core.worldbook.engine.engine_results import Skipped
from lunalux_core.worldbook.engine.entry_keys import Haystack, Matcher, RegexMatcher
from lunalux_core.worldbook.engine.filters import ScanState, Screening
from lunalux_core.worldbook.engine.inclusion_groups import losers
from lunalux_core.worldbook.engine.index import Index
from lunalux_core.worldbook.entry import Entry

_MESSAGES_FOR_RECORD = 50
"""How far back the message with the key is sought, once an entry has fired."""


class Scan:
    """One evaluation: the passes, and what is known after each."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        buffer: Buffer,
        screening: Screening,
        admission: Admission,
        settings: WorldbookSettings,
        tools: Tools,
    ) -> None:
        self.candidates = candidates
        self.admission = admission
        self.fired: dict[int, AdmittedEntry] = {}
        self._buffer = buffer
        self._screening = screening
        self._settings = settings
        self._tools = tools
        self._matcher = Matcher(settings, tools)
        self.index = Index(candidates, self._matcher)
        self._hopeful: set[int] = set()
        self._failed: set[int] = set()
        self._closed: set[str] = set()
        self._against: dict[int, str] = {}
        self._activated_text = ""

    def run(self) -> None:
        """Run passes until none is needed any more."""
        deepest = max((candidate.entry.scan_depth or 0 for candidate in self.candidates), default=0)
        start = self._buffer.everything(max(deepest, self._settings.depth))
        self._hope(self.index.always | self.index.look(start))
        # Levels of delayed recursion open one by one, each when nothing else calls for another pass; the
        # lowest counts from the first recursion on.
        levels = sorted({candidate.entry.delay_until_recursion for candidate in self.candidates} - {0})
        self._screening.level = levels.pop(0) if levels else 0
        state: ScanState | None = ScanState.INITIAL
        number, limit = 0, self._settings.max_recursion_steps
        while state is not None and not 0 < limit <= number:
            number += 1
            outcome = self._pass(state, number)
            triggers = [pair for pair in outcome.said if not pair[0].entry.prevent_recursion]
            state = self._following(state, bool(triggers))
            if state is None and levels:
                self._screening.level = levels.pop(0)
                state = ScanState.RECURSION
            if state is not None:
                self._remember(triggers)

    def _hope(self, places: Iterable[int]) -> None:
        """Consider these from the next pass on, unless they are decided already."""
        self._hopeful.update(at for at in places if at not in self.fired and at not in self._failed)

    def _following(self, state: ScanState, triggered: bool) -> ScanState | None:
        """What kind of pass comes next, levels of delay aside."""
        # As in SillyTavern: what does not fit the budget ends the recursion, also for entries outside of it.
        if self.admission.overflowed:
            return None
        settings, buffer = self._settings, self._buffer
        if settings.recursive and (triggered or (state is ScanState.MIN_ACTIVATIONS and buffer.recursion)):
            return ScanState.RECURSION
        # A limit of recursion switches minimum activations off, as in SillyTavern.
        if len(self.fired) >= settings.min_activations or settings.max_recursion_steps:
            return None
        furthest = settings.min_activations_depth_max
        if (0 < furthest < buffer.depth) or buffer.depth > buffer.messages:
            return None
        self._hope(self.index.look(buffer.deepen()))
        return ScanState.MIN_ACTIVATIONS

    def _remember(self, triggers: Sequence[tuple[Candidate, str]]) -> None:
        contents = [content for _, content in triggers]
        if not "\n".join(contents):
            # Only text makes a recursion possible: a pass that said nothing must not open one later.
            return
        text = self._buffer.remember(
            searched(contents, [candidate.entry.content for candidate, _ in triggers])
        )
        self._hope(self.index.look(text))
        self._activated_text = "\n".join(contents) + "\n" + self._activated_text

    def _pass(self, state: ScanState, number: int) -> PassOutcome:
        self._matcher.new_pass()
        # In the order of consideration, which decides who gets the budget: sets have no order.
        waiting = sorted(self._hopeful)
        self._prepare_patterns(waiting, state)
        taken = [
            admitted for at in waiting if (admitted := self._consider(self.candidates[at], state)) is not None
        ]
        # Sticky entries first, the others as they came: the sort is stable.
        taken.sort(key=lambda admitted: not self._screening.is_sticky(admitted.candidate))
        lost: dict[int, str] = {}
        if any(admitted.candidate.entry.group for admitted in taken):
            lost = losers(
                [admitted.candidate for admitted in taken],
                self._closed,
                sticky=self._screening.is_sticky,
                scoring=self._settings.group_scoring,
                score=lambda candidate: self._matcher.score(
                    candidate.entry, self._haystack(candidate.entry, state)
                ),
                random=self._tools.random,
            )
        staying = [admitted for admitted in taken if admitted.candidate.place not in lost]
        # Texts of former passes count against the budget as one text, the newest pass first.
        spent = self._tools.count_tokens(self._activated_text) if self._activated_text else 0
        outcome = self.admission.decide(staying, number, spent, self._screening.is_sticky)
        self._against |= lost | outcome.refused
        # A failed roll is final: no later pass rolls again for the same entry.
        self._failed |= {at for at, reason in outcome.refused.items() if reason == "probability"}
        self._hopeful -= self._failed
        for fired in outcome.fired:
            self.fired[fired.taken.candidate.place] = fired
            self._hopeful.discard(fired.taken.candidate.place)
            # From the next pass on nobody else of these groups gets in, sticky entries aside.
            self._closed.update(fired.taken.candidate.entry.groups)
        return outcome

    def _consider(self, candidate: Candidate, state: ScanState) -> TakenCandidate | None:
        """Whether one candidate is taken in this pass (steps 1 to 14 of "Activation")."""
        reason = self._screening.against(candidate, state)
        if not reason:
            outright = self._screening.outright(candidate)
            if outright and outright != "never":
                return TakenCandidate(candidate, outright)
            reason = "decorator" if outright else ""
        if not reason:
            hay = self._haystack(candidate.entry, state)
            key = self._matcher.first(candidate.entry, hay)
            if key is None:
                # Nothing changes that but a new text with the key in it, and then the index names it again;
                # unless the key stands in a text that was only hidden from this pass.
                hidden = state is ScanState.MIN_ACTIVATIONS or not hay.text
                if not hidden and candidate.place not in self.index.always:
                    self._hopeful.discard(candidate.place)
                return None
            reason = self._keys_against(candidate, hay)
            if not reason:
                return TakenCandidate(candidate, "key", key)
        self._against[candidate.place] = reason
        return None

    def _keys_against(self, candidate: Candidate, hay: Haystack) -> str:
        """Whether other keys exclude an entry whose primary key was found; the reason, "" if none."""
        entry, decorations = candidate.entry, candidate.decorations
        if not self._matcher.seconded(entry, hay):
            return "secondary_keys"
        if decorations is None:
            return ""
        further = decorations.additional_keys
        if further and not any(self._matcher.matches(key, entry, hay) for key in further):
            return "additional_keys"
        if any(self._matcher.matches(key, entry, hay) for key in decorations.exclude_keys):
            return "exclude_keys"
        return ""

    def _haystack(self, entry: Entry, state: ScanState) -> Haystack:
        return self._buffer.haystack(entry, state is not ScanState.MIN_ACTIVATIONS)

    def _prepare_patterns(self, waiting: Sequence[int], state: ScanState) -> None:
        """Run the patterns of this pass together, where the matcher can."""
        match = self._tools.match_regex
        # A plain function matches one pattern at a time; there is nothing to prepare.
        if not isinstance(match, RegexMatcher):
            return
        patterns_of: dict[str, list[tuple[str, str]]] = {}
        for at in waiting:
            candidate = self.candidates[at]
            patterns = self._matcher.patterns(candidate.entry)
            if patterns and not self._screening.against(candidate, state):
                patterns_of.setdefault(self._haystack(candidate.entry, state).text, []).extend(patterns)
        for text, patterns in patterns_of.items():
            match.prepare(patterns, text)

    def records(self) -> list[AdmittedEntry]:
        """What fired, in the order it was taken, with the message its key stands in."""
        return [replace(fired, message=self._message_of(fired)) for fired in self.fired.values()]

    def _message_of(self, fired: AdmittedEntry) -> int | None:
        """How many messages from the newest the key was found, None where only other texts hold it."""
        key, entry = fired.taken.key, fired.taken.candidate.entry
        depth = self._buffer.depth if entry.scan_depth is None else entry.scan_depth
        depth = min(depth, len(self._buffer.lines), _MESSAGES_FOR_RECORD)
        found_in = self._matcher.finder(key, entry)
        if not key or not found_in(self._buffer.newest(depth)):
            return None
        return next((at for at in range(depth) if found_in(self._buffer.message(at))), None)

    def skipped(self, explain: bool) -> tuple[Skipped, ...]:
        """Why entries stayed away, in the order of consideration."""
        places = range(len(self.candidates)) if explain else sorted(self._against)
        return tuple(
            Skipped(
                candidate.entry.uid,
                candidate.book,
                candidate.entry.comment,
                self._against.get(at) or _distant(candidate.entry),
            )
            for at in places
            if at not in self.fired and (candidate := self.candidates[at])
        )


def _distant(entry: Entry) -> str:
    if entry.disabled:
        return "disabled"
    return "no_key" if any(entry.keys) else "no_keys"
