"""Sticky, cooldown and delay (FORMATS 2.9), as a value that belongs to a branch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from lunalux_core.cards.worldbook import Entry
from lunalux_core.dialogue.worldbook.values import TimedState

Key = tuple[str, int]


class TimedEffects:
    """The effects in force during one evaluation, and what is left after it.

    Args:
        length: messages of the chat now; effects count in them.
    """

    def __init__(self, state: TimedState, candidates: Sequence[tuple[str, Entry]], length: int) -> None:
        self._length = length
        self._entries = {_name(book, entry): (book, entry) for book, entry in candidates}
        self._sticky: dict[str, Mapping[str, Any]] = dict(state.sticky)
        self._cooldown: dict[str, Mapping[str, Any]] = dict(state.cooldown)
        self.sticky: set[Key] = set()
        self.cooling: set[Key] = set()
        self._check(self._sticky, self.sticky, is_sticky=True)
        self._check(self._cooldown, self.cooling, is_sticky=False)

    def delayed(self, entry: Entry) -> bool:
        return entry.delay > 0 and self._length < entry.delay

    def start(self, fired: Iterable[tuple[str, Entry]]) -> None:
        """Begin the effects of entries that fired; one that is under way goes on as it is."""
        for book, entry in fired:
            name = _name(book, entry)
            for lasts, store in ((entry.sticky, self._sticky), (entry.cooldown, self._cooldown)):
                if lasts > 0 and name not in store:
                    store[name] = self._effect(entry, lasts, protected=False)

    def state(self) -> TimedState:
        return TimedState(self._sticky, self._cooldown)

    def _check(self, store: dict[str, Mapping[str, Any]], active: set[Key], *, is_sticky: bool) -> None:
        for name, effect in list(store.items()):
            start, end = _integer(effect.get("start")), _integer(effect.get("end"))
            if self._length <= start and not effect.get("protected"):
                del store[name]
                continue
            known = self._entries.get(name)
            if known is None or effect.get("hash") != fingerprint(known[1]):
                if self._length >= end or known is not None:
                    del store[name]
                continue
            book, entry = known
            if self._length < end:
                active.add((book, entry.uid))
                continue
            del store[name]
            if is_sticky and entry.cooldown > 0:
                self._cooldown[name] = self._effect(entry, entry.cooldown, protected=True)
                self.cooling.add((book, entry.uid))

    def _effect(self, entry: Entry, lasts: int, *, protected: bool) -> Mapping[str, Any]:
        return {
            "hash": fingerprint(entry),
            "start": self._length,
            "end": self._length + lasts,
            "protected": protected,
        }


def fingerprint(entry: Entry) -> str:
    """Covers the whole entry: editing it drops its effects."""
    values = [
        getattr(entry, one.name) for one in fields(entry) if one.name not in {"raw", "character_filter"}
    ]
    return hashlib.sha256(json.dumps(values).encode("utf-8", "replace")).hexdigest()[:16]


def _name(book: str, entry: Entry) -> str:
    return f"{book}.{entry.uid}"


def _integer(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) else 0
