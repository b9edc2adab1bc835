"""Which entries a text could call up: a quick first test that never misses one.

Asking every entry of a large book about every pass is what makes a scan slow. The index asks once for all:
keys that are single words by looking up the words of the text, all others by the first letters. What it
names is then asked exactly (`entry_keys.Matcher`); what it does not name has no plain key in the text.

See docs/spec/formats.md: Worldbook departures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lunalux_core.worldbook.engine.candidates import Candidate
from lunalux_core.worldbook.engine.entry_keys import JS_BLANKS, Haystack, Matcher

_HEAD = 6
"""Letters a longer key is filed under."""
_FEW = 300
"""Up to so many keys, searching each is quicker than collecting all runs of letters of the text."""

_UNFORESEEN = re.compile(r"^\s*/|[{<\\\x01\ufdd1]")
"""Patterns, keys that may hold macros, and keys that may reach over the border of two messages."""

_Heads = dict[tuple[int, bool], dict[str, list[tuple[str, int]]]]
"""Keys by their first letters, these by how many they are and whether they are ASCII."""


class Index:
    """The keys of all entries that are not disabled. `always` are entries to be asked in every pass."""

    def __init__(self, candidates: Sequence[Candidate], matcher: Matcher) -> None:
        self.always: set[int] = set()
        self._words: dict[bool, dict[str, list[int]]] = {False: {}, True: {}}
        self._heads: dict[bool, _Heads] = {False: {}, True: {}}
        for candidate in candidates:
            entry = candidate.entry
            if entry.disabled:
                continue
            # They may fire without any of their keys in the text.
            if entry.constant or candidate.decorations is not None:
                self.always.add(candidate.place)
                continue
            sensitive = matcher.sensitive(entry)
            whole = matcher.whole_words(entry) != "false"
            words, heads, place = self._words[sensitive], self._heads[sensitive], candidate.place
            for key in entry.keys:
                needle = key if sensitive else key.lower()
                if whole and key.isalnum() and key.isascii():
                    words.setdefault(needle, []).append(place)
                elif _UNFORESEEN.search(key) is not None:
                    self.always.add(place)
                elif needle := needle.strip(JS_BLANKS):
                    head = needle[:_HEAD]
                    kind = len(head), head.isascii()
                    heads.setdefault(kind, {}).setdefault(head, []).append((needle, place))
                elif key:
                    self.always.add(place)  # a key of blanks is found everywhere

    def look(self, text: str) -> set[int]:
        """Places of the candidates that have a primary key in this text."""
        hay = Haystack(text)
        places: set[int] = set()
        for sensitive in (False, True):
            words = self._words[sensitive]
            if words:
                for word in words.keys() & hay.words(sensitive):
                    places.update(words[word])
            letters = hay.letters(sensitive) if self._heads[sensitive] else ""
            for (length, ascii_only), filed in self._heads[sensitive].items():
                # A key that begins with other letters cannot stand in a text of ASCII.
                if not ascii_only and letters.isascii():
                    continue
                heads = list(filed)
                if len(heads) > _FEW:
                    runs = {letters[at : at + length] for at in range(len(letters) - length + 1)}
                    heads = list(filed.keys() & runs)
                for head in heads:
                    places.update(place for needle, place in filed[head] if needle in letters)
        return places
