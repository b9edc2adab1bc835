"""Whether a key stands in the scan buffer, one key and one text at a time. Keys that are regular
expressions run in an engine with a time limit.

This is the exact answer; `index` only decides which entries are worth asking about.

See docs/spec/formats.md: Scan buffer and keys, Inclusion groups.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from lunalux_core.errors import LunaluxError
from lunalux_core.regex.script import Pattern, parse_slashed
from lunalux_core.worldbook.engine.engine_inputs import Tools, WorldbookSettings
from lunalux_core.worldbook.entry import AND_ALL, AND_ANY, NOT_ALL, NOT_ANY, Entry

if TYPE_CHECKING:
    from lunalux_core.regex.engine import EcmaEngine, RegexBudget

JS_BLANKS = (
    "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What ECMAScript's `trim` removes; Python's `strip` differs."""

_BLANK = re.compile(f"[{JS_BLANKS}]")
_WORD = re.compile(r"\w+", re.ASCII)
_MAY_HOLD_MACROS = re.compile(r"[{<\\\ufdd1]")
_UNSPACED = re.compile(
    "[\u0e00-\u0e7f\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\uff66-\uff9d\U00020000-\U0003ffff]"
)
"""Thai, kana, ideographs, hangul: scripts whose words are not set apart by blanks."""


class Haystack:
    """One text to look for many keys in; folded and cut into words once, when first needed."""

    __slots__ = ("_folded", "_words", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._folded: str | None = None
        self._words: dict[bool, frozenset[str]] = {}

    def letters(self, sensitive: bool) -> str:
        """The text as keys are looked for in it. Lower case is ECMAScript's: `casefold` would go further."""
        if sensitive:
            return self.text
        if self._folded is None:
            self._folded = self.text.lower()
        return self._folded

    def words(self, sensitive: bool) -> frozenset[str]:
        """All runs of ASCII word characters."""
        known_words = self._words.get(sensitive)
        if known_words is None:
            known_words = self._words[sensitive] = frozenset(_WORD.findall(self.letters(sensitive)))
        return known_words


@dataclass(frozen=True, slots=True)
class Key:
    """A key made ready. `bordered` sides must touch something that is no ASCII word character.

    `word` says that it is nothing but ASCII word characters, bordered on both sides: then it is found by
    looking it up. `pattern` is set for ``/…/flags``; the rest is for patterns that turn out to be invalid.
    """

    needle: str
    sensitive: bool
    left: bool
    right: bool
    word: bool
    pattern: Pattern | None = None

    def plainly_in(self, hay: Haystack) -> bool:
        """Whether the needle stands there, borders considered. An empty one stands everywhere."""
        if self.word:
            return self.needle in hay.words(self.sensitive)
        text, needle = hay.letters(self.sensitive), self.needle
        at = text.find(needle)
        if at < 0 or not needle or not (self.left or self.right):
            return at >= 0
        while at >= 0:
            end = at + len(needle)
            if not (self.left and at and _is_word(text[at - 1])) and not (
                self.right and end < len(text) and _is_word(text[end])
            ):
                return True
            # One letter on and not past the hit: a bordered key may begin inside of a hit that was not
            # bordered.
            at = text.find(needle, at + 1)
        return False


def _is_word(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char == "_")


class Matcher:
    """Answers for entries with the settings in force."""

    def __init__(self, settings: WorldbookSettings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._ready: dict[tuple[str, bool, str], Key | None] = {}
        self._expanded: dict[str, str] = {}

    def new_pass(self) -> None:
        """Macros in keys may give something else in every pass."""
        self._expanded.clear()

    def sensitive(self, entry: Entry) -> bool:
        own = entry.case_sensitive
        return self._settings.case_sensitive if own is None else own

    def whole_words(self, entry: Entry) -> str:
        """ "true", "false" or "auto". An entry that asks for whole words gets them as the person does."""
        own, general = entry.match_whole_words, self._settings.whole_words
        if own is None:
            return general
        return ("auto" if general == "auto" else "true") if own else "false"

    def key(self, key: str, entry: Entry) -> Key | None:
        """The key made ready, None for an empty one."""
        # Most keys hold no macro; looking for one is far cheaper than expanding.
        if _MAY_HOLD_MACROS.search(key) is not None:
            expanded = self._expanded.get(key)
            if expanded is None:
                expanded = self._expanded[key] = self._tools.expand(key)
            key = expanded
        if not key:
            return None
        how = (key, self.sensitive(entry), self.whole_words(entry))
        if how not in self._ready:
            self._ready[how] = _made_ready(*how)
        return self._ready[how]

    def patterns(self, entry: Entry) -> list[tuple[str, str]]:
        """The regular expressions among the keys of an entry, to be run together."""
        slashed = (key for key in (*entry.keys, *entry.secondary_keys) if key.lstrip(JS_BLANKS)[:1] == "/")
        ready = (self.key(key, entry) for key in slashed)
        return [(key.pattern.source, key.pattern.flags) for key in ready if key and key.pattern]

    def matches(self, key: str, entry: Entry, hay: Haystack) -> bool:
        """Whether one key of an entry matches."""
        return self.finder(key, entry)(hay)

    def finder(self, key: str, entry: Entry) -> Callable[[Haystack], bool]:
        """The test of one key of an entry, to be made on several texts."""
        ready = self.key(key, entry)
        if ready is None:
            return _nowhere
        return ready.plainly_in if ready.pattern is None else partial(self._by_pattern, ready)

    def _by_pattern(self, key: Key, hay: Haystack) -> bool:
        assert key.pattern is not None
        answer = self._tools.match_regex(key.pattern.source, key.pattern.flags, hay.text)
        # None: the pattern is invalid, and then its text is a key like any other.
        return key.plainly_in(hay) if answer is None else answer

    def first(self, entry: Entry, hay: Haystack) -> str | None:
        """The first primary key of an entry that matches."""
        return next((key for key in entry.keys if self.matches(key, entry, hay)), None)

    def seconded(self, entry: Entry, hay: Haystack) -> bool:
        """Whether the secondary keys, combined by the entry's logic, allow the entry."""
        if not entry.selective or not entry.secondary_keys:
            return True
        hits = (self.matches(key, entry, hay) for key in entry.secondary_keys)
        logic = entry.selective_logic
        if logic in (AND_ANY, NOT_ANY):
            return any(hits) is (logic == AND_ANY)
        if logic in (AND_ALL, NOT_ALL):
            return all(hits) is (logic == AND_ALL)
        return False

    def score(self, entry: Entry, hay: Haystack) -> int:
        """How many keys of an entry match, for groups with scoring."""
        primary = sum(self.matches(key, entry, hay) for key in entry.keys)
        if not entry.keys or entry.selective_logic not in (AND_ANY, AND_ALL):
            return primary
        secondary = sum(self.matches(key, entry, hay) for key in entry.secondary_keys)
        if entry.selective_logic == AND_ALL and secondary < len(entry.secondary_keys):
            return primary
        return primary + secondary


def _nowhere(_hay: Haystack) -> bool:
    return False


def _made_ready(key: str, sensitive: bool, whole: str) -> Key:
    text = key.strip(JS_BLANKS)
    needle = text if sensitive else text.lower()
    pattern = parse_slashed(text) if text.startswith("/") else None
    # Keys of several words are looked for as they stand, as in SillyTavern.
    if whole == "false" or not needle or _BLANK.search(needle):
        return Key(needle, sensitive, False, False, False, pattern)
    by_script = whole == "auto"
    starts_free = not (by_script and _UNSPACED.match(needle[0]))
    right = not (by_script and _UNSPACED.match(needle[-1]))
    return Key(needle, sensitive, starts_free, right, _WORD.fullmatch(needle) is not None, pattern)


EVALUATION_SECONDS = 2.0
"""Processor time all patterns of one scan may use together."""

_Asked = tuple[str, str, str]


class RegexMatcher:
    """A matcher for `Tools`, for one scan: None for an invalid pattern, False for one out of time.

    `prepare` runs many patterns on one text in one round trip; asking afterwards costs nothing. `invalid` and
    `slow` are the patterns, with their flags, that gave no answer.
    """

    def __init__(self, engine: EcmaEngine) -> None:
        self._engine = engine
        self._answers: dict[_Asked, bool | None] = {}
        self.invalid: set[tuple[str, str]] = set()
        self.slow: set[tuple[str, str]] = set()

    @cached_property
    def _budget(self) -> RegexBudget:
        from lunalux_core.regex.engine import RegexBudget

        return RegexBudget(total=EVALUATION_SECONDS)

    def __call__(self, pattern: str, flags: str, text: str) -> bool | None:
        question = (pattern, flags, text)
        if question not in self._answers:
            self.prepare([(pattern, flags)], text)
        return self._answers[question]

    def prepare(self, patterns: Iterable[tuple[str, str]], text: str) -> None:
        """Find out for all of these whether they match this text."""
        new = [pattern for pattern in dict.fromkeys(patterns) if (*pattern, text) not in self._answers]
        if not new:
            return
        for pattern, answer in zip(new, self._engine.test_many(new, text, self._budget), strict=True):
            if isinstance(answer, LunaluxError):
                bad = answer.code == "REGEX_INVALID"
                (self.invalid if bad else self.slow).add(pattern)
                # None: the caller takes an invalid pattern for a plain key. A slow one must not match at all.
                self._answers[*pattern, text] = None if bad else False
            else:
                self._answers[*pattern, text] = answer


def regex_matcher(engine: EcmaEngine) -> RegexMatcher:
    """A matcher for the `Tools` of one scan."""
    return RegexMatcher(engine)
