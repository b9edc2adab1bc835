"""Sticky, cooldown and delay, as a value that belongs to a branch.

See docs/spec/formats.md: Timed effects.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from lunalux_core.documents.json_text import canonical_json
from lunalux_core.worldbook.engine.candidates import Candidate, Identity
from lunalux_core.worldbook.engine.engine_inputs import TimedState
from lunalux_core.worldbook.entry import Entry

Effects = dict[str, Mapping[str, Any]]


class TimedEffects:
    """The effects in force during one evaluation, and what is left after it.

    Args:
        length: messages of the chat now; effects count in them.
    """

    def __init__(self, state: TimedState, candidates: Sequence[Candidate], length: int) -> None:
        self._length = length
        self._sticky: Effects = dict(state.sticky)
        self._cooldown: Effects = dict(state.cooldown)
        self.sticky: set[Identity] = set()
        self.cooling: set[Identity] = set()
        if self._sticky or self._cooldown:
            entries = {_name(candidate): candidate for candidate in candidates}
            self._check(self._sticky, self.sticky, entries, "sticky")
            self._check(self._cooldown, self.cooling, entries, "cooldown")

    def delayed(self, entry: Entry) -> bool:
        return entry.delay > 0 and self._length < entry.delay

    def start(self, fired: Iterable[Candidate]) -> None:
        """Begin the effects of entries that fired; one that is under way goes on as it is."""
        for entry in fired:
            for lasts, store in ((entry.entry.sticky, self._sticky), (entry.entry.cooldown, self._cooldown)):
                if lasts > 0 and _name(entry) not in store:
                    store[_name(entry)] = self._effect(entry.entry, lasts, protected=False)

    def state(self) -> TimedState:
        return TimedState(self._sticky, self._cooldown)

    def _check(
        self, store: Effects, active: set[Identity], entries: Mapping[str, Candidate], kind: str
    ) -> None:
        """End effects that are over, drop those that a swipe or edit made invalid, note those in force."""
        for name, effect in list(store.items()):
            start, end = _whole(effect.get("start")), _whole(effect.get("end"))
            # The chat is no longer than when it began: the message that began it was swiped or deleted.
            if self._length <= start and not effect.get("protected"):
                del store[name]
                continue
            candidate = entries.get(name)
            if candidate is None:
                if self._length >= end:  # its book is not active now; it may be again before the end
                    del store[name]
                continue
            # An edited entry is another one.
            if effect.get("hash") != fingerprint(candidate.entry) or getattr(candidate.entry, kind) <= 0:
                del store[name]
            elif self._length < end:
                active.add(candidate.identity)
            else:
                del store[name]
                # The cooldown follows the sticky time. It begins at this length of chat, so it must be
                # protected from the check above, which would take it for one that a swipe made void.
                if kind == "sticky" and candidate.entry.cooldown > 0:
                    self._cooldown[name] = self._effect(
                        candidate.entry, candidate.entry.cooldown, protected=True
                    )

    def _effect(self, entry: Entry, lasts: int, *, protected: bool) -> Mapping[str, Any]:
        return {
            "hash": fingerprint(entry),
            "start": self._length,
            "end": self._length + lasts,
            "protected": protected,
        }


def fingerprint(entry: Entry) -> str:
    """Covers the whole entry: editing it drops its effects."""
    # `raw` is not compared, so another unknown member in the file ends no effect.
    values = {field_.name: getattr(entry, field_.name) for field_ in fields(entry) if field_.compare}
    filtered = values.pop("character_filter")
    values["filter"] = [filtered.exclude, filtered.names, filtered.tags]
    return hashlib.sha256(canonical_json(values).encode()).hexdigest()[:16]


def _name(candidate: Candidate) -> str:
    return f"{candidate.book}.{candidate.entry.uid}"


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) and abs(value) < 1 << 53 else 0
