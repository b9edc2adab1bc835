"""Which entries a text could speak for: a quick first look that never misses one (FORMATS 2.12 item 9).

Asking every entry of a large book about every pass is what makes a scan slow. The index asks once for all:
keys that are single words by looking up the words of the text, all others by the first letters. What it
names is then asked exactly (`keys.Matcher`); what it does not name has no plain key in the text.
"""

from __future__ import annotations

from collections.abc import Sequence

from lunalux_core.dialogue.worldbook.candidates import Candidate
from lunalux_core.dialogue.worldbook.keys import Haystack, Matcher, may_hold_macros

_HEAD = 6
"""Letters a longer key is filed under."""
_FEW = 300
"""Up to so many keys, searching each is quicker than collecting all runs of letters of the text."""

_Heads = dict[int, dict[str, list[tuple[str, int]]]]


class Index:
    """The keys of all entries that are not disabled. `always` are entries to be asked in every pass."""

    def __init__(self, candidates: Sequence[Candidate], matcher: Matcher) -> None:
        self.always: set[int] = set()
        self._matcher = matcher
        self._words: dict[bool, dict[str, list[int]]] = {False: {}, True: {}}
        self._heads: dict[bool, _Heads] = {False: {}, True: {}}
        for candidate in candidates:
            entry = candidate.entry
            if entry.disabled:
                continue
            if entry.constant or candidate.decorations is not None:
                self.always.add(candidate.place)
                continue
            sensitive = matcher.sensitive(entry)
            whole = matcher.whole_words(entry) != "false"
            words = self._words[sensitive]
            for key in entry.keys:
                if whole and key.isalnum() and key.isascii():
                    words.setdefault(key if sensitive else key.lower(), []).append(candidate.place)
                elif key:
                    self._file(key, candidate)

    def _file(self, key: str, candidate: Candidate) -> None:
        ready = None if may_hold_macros(key) else self._matcher.key(key, candidate.entry)
        # Only a key that reaches over the border of two messages could be missed by looking at parts.
        if ready is None or ready.pattern is not None or not ready.needle or "\x01" in ready.needle:
            self.always.add(candidate.place)
        elif ready.word:
            self._words[ready.sensitive].setdefault(ready.needle, []).append(candidate.place)
        else:
            head = ready.needle[:_HEAD]
            filed = self._heads[ready.sensitive].setdefault(len(head), {})
            filed.setdefault(head, []).append((ready.needle, candidate.place))

    def look(self, text: str) -> set[int]:
        """Places of the candidates that have a primary key in this text."""
        hay = Haystack(text)
        found: set[int] = set()
        for sensitive in (False, True):
            words = self._words[sensitive]
            if words:
                for word in words.keys() & hay.words(sensitive):
                    found.update(words[word])
            letters = hay.letters(sensitive) if self._heads[sensitive] else ""
            for length, filed in self._heads[sensitive].items():
                heads = list(filed)
                if len(heads) > _FEW:
                    runs = {letters[at : at + length] for at in range(len(letters) - length + 1)}
                    heads = list(filed.keys() & runs)
                for head in heads:
                    found.update(place for needle, place in filed[head] if needle in letters)
        return found
