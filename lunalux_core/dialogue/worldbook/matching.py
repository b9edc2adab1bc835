"""Finding keys in the scan buffer (FORMATS 2.5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lunalux_core.cards.regex import parse_slashed
from lunalux_core.cards.worldbook import AND_ALL, AND_ANY, NOT_ALL, NOT_ANY, Entry
from lunalux_core.dialogue.worldbook.values import ScanContext, ScanMessage, Tools, WorldbookSettings

START = "\x01"
JOINER = "\n" + START
MAX_DEPTH = 1000
SHORT_BUFFER = 6000
"""In a buffer of this many characters a plain search is quicker than preparing one."""

_MAY_HOLD_MACROS = re.compile(r"\{\{|<(?:user|bot|char)>", re.IGNORECASE)
_UNSPACED = re.compile(
    "[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Thai, kana, ideographs, hangul: scripts whose words are not set apart by blanks."""


class Haystack:
    """One text to look for many keys in; folded once, with an index of its trigrams when it is long."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._folded: str | None = None
        self._grams: dict[bool, set[str]] = {}

    def sought_in(self, case_sensitive: bool) -> str:
        if case_sensitive:
            return self.text
        if self._folded is None:
            self._folded = self.text.lower()
        return self._folded

    def contains(self, needle: str, case_sensitive: bool) -> bool:
        text = self.sought_in(case_sensitive)
        if len(text) > SHORT_BUFFER and len(needle) >= 3:
            grams = self._grams.get(case_sensitive)
            if grams is None:
                grams = self._grams[case_sensitive] = {text[i : i + 3] for i in range(len(text) - 2)}
            if needle[:3] not in grams or needle[-3:] not in grams:
                return False
        return needle in text


@dataclass(slots=True)
class Buffer:
    """The scan buffer of one evaluation: messages newest first, injections, and the recursion text."""

    settings: WorldbookSettings
    context: ScanContext
    tools: Tools
    lines: list[str]
    recursion: list[str] = field(default_factory=list)
    skew: int = 0
    _haystacks: dict[tuple[int, tuple[str, ...], bool], Haystack] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, chat: Sequence[ScanMessage], settings: WorldbookSettings, context: ScanContext, tools: Tools
    ) -> Buffer:
        newest = chat[::-1][:MAX_DEPTH]
        if settings.include_names:
            lines = [f"{m.name}: {m.text}".strip() if m.name else m.text.strip() for m in newest]
        else:
            lines = [message.text.strip() for message in newest]
        return cls(settings, context, tools, lines)

    @property
    def depth(self) -> int:
        return self.settings.depth + self.skew

    def remember(self, text: str) -> None:
        """More recursion text; what was prepared for the shorter buffer is dropped."""
        self.recursion.append(text)
        self._haystacks.clear()

    def deepen(self) -> None:
        """One message more (minimum activations)."""
        self.skew += 1
        self._haystacks.clear()

    def haystack(self, entry: Entry, *, with_recursion: bool) -> Haystack:
        depth = self.depth if entry.scan_depth is None else entry.scan_depth
        extra = self._extra(entry)
        key = (depth, extra, with_recursion)
        found = self._haystacks.get(key)
        if found is None:
            found = self._haystacks[key] = Haystack(self._text(depth, extra, with_recursion))
        return found

    def _text(self, depth: int, extra: tuple[str, ...], with_recursion: bool) -> str:
        if depth <= 0:
            return ""
        parts = [*self.lines[: min(depth, MAX_DEPTH)], *extra, *self.context.injections]
        if with_recursion:
            parts += self.recursion
        return START + JOINER.join(parts)

    def _extra(self, entry: Entry) -> tuple[str, ...]:
        wanted = (
            (entry.match_persona_description, self.context.persona),
            (entry.match_character_description, self.context.description),
            (entry.match_character_personality, self.context.personality),
            (entry.match_character_depth_prompt, self.context.depth_prompt),
            (entry.match_scenario, self.context.scenario),
            (entry.match_creator_notes, self.context.creator_notes),
        )
        return tuple(text for on, text in wanted if on and text)

    def message_of(self, key: str, entry: Entry) -> int | None:
        """How many messages from the end the key stands in, for the record."""
        for place, line in enumerate(self.lines[: max(self.depth, entry.scan_depth or 0)]):
            if self.matches(key, entry, Haystack(START + line)):
                return place
        return None

    def matches(self, key: str, entry: Entry, haystack: Haystack) -> bool:
        """Whether one key of an entry is found."""
        expanded = self._expanded(key)
        if not expanded:
            return False
        needle = expanded.strip()
        if needle[:1] == "/":
            pattern = parse_slashed(needle)
            if pattern is not None:
                found = self.tools.match_regex(pattern.source, pattern.flags, haystack.text)
                if found is not None:
                    return found
        settings = self.settings
        sensitive = settings.case_sensitive if entry.case_sensitive is None else entry.case_sensitive
        if not sensitive:
            needle = needle.lower()
        if not haystack.contains(needle, sensitive):
            return False
        whole = settings.whole_words
        if entry.match_whole_words is not None:
            whole = "true" if entry.match_whole_words else "false"
            if whole == "true" and settings.whole_words == "auto":
                whole = "auto"
        if whole == "false" or len(needle.split()) > 1:
            return True
        return stands_alone(needle, haystack.sought_in(sensitive), by_script=whole == "auto")

    def _expanded(self, key: str) -> str:
        if _MAY_HOLD_MACROS.search(key) is None:
            return key
        found = self._keys.get(key)
        if found is None:
            found = self._keys[key] = self.tools.expand(key)
        return found

    def keyed(self, entry: Entry, haystack: Haystack) -> str | None:
        """The primary key that fires an entry, its secondary keys considered; None when it stays silent."""
        primary = next((key for key in entry.keys if self.matches(key, entry, haystack)), None)
        if primary is None or not entry.selective or not entry.secondary_keys:
            return primary
        hits = (self.matches(key, entry, haystack) for key in entry.secondary_keys)
        tests: dict[int, Callable[[], bool]] = {
            AND_ANY: lambda: any(hits),
            NOT_ALL: lambda: not all(hits),
            NOT_ANY: lambda: not any(hits),
            AND_ALL: lambda: all(hits),
        }
        test = tests.get(entry.selective_logic)
        return primary if test is None or test() else None

    def score(self, entry: Entry, haystack: Haystack) -> int:
        """How strongly an entry is called, for groups with scoring (FORMATS 2.8)."""
        primary = sum(self.matches(key, entry, haystack) for key in entry.keys)
        if not entry.secondary_keys or not entry.keys:
            return primary
        secondary = sum(self.matches(key, entry, haystack) for key in entry.secondary_keys)
        if entry.selective_logic == AND_ANY:
            return primary + secondary
        if entry.selective_logic == AND_ALL and secondary == len(entry.secondary_keys):
            return primary + secondary
        return primary


def stands_alone(needle: str, text: str, *, by_script: bool) -> bool:
    """Whether the needle stands somewhere as a whole word: bordered by what ECMAScript's \\W is, or by an
    end. `by_script` waives a border on a side where the needle's own edge is of an unspaced script."""
    free_left = by_script and _UNSPACED.match(needle[:1]) is not None
    free_right = by_script and _UNSPACED.match(needle[-1:]) is not None
    start = text.find(needle)
    while start >= 0:
        end = start + len(needle)
        left = free_left or start == 0 or not _is_word(text[start - 1])
        if left and (free_right or end >= len(text) or not _is_word(text[end])):
            return True
        if not needle:
            return (bool(start < len(text)) and any(not _is_word(c) for c in text)) or not text
        start = text.find(needle, start + 1)
    return False


def _is_word(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char == "_")
