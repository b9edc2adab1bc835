"""What the worldbook engine takes: books, messages, settings, tools.

See docs/spec/formats.md: Which books take part, Worldbook settings, Worldbook departures, Timed effects.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from lunalux_core.documents.coerce import as_flag
from lunalux_core.worldbook.entry import Book, Entry

BookSource = Literal["chat", "persona", "character", "global"]
WholeWords = Literal["true", "false", "auto"]


@dataclass(frozen=True, slots=True)
class ActiveBook:
    """A book that takes part, and through whom. The same book counts once (`candidates.named`).

    `own_settings` turns on the book's scan depth, token budget and recursion, which SillyTavern ignores.
    """

    book: Book
    source: BookSource = "global"
    own_settings: bool = False


@dataclass(frozen=True, slots=True)
class ScanMessage:
    """One message of the chat, as the scan sees it."""

    name: str
    text: str
    is_user: bool = False


@dataclass(frozen=True, slots=True)
class WorldbookSettings:
    """Global settings. Defaults are SillyTavern's factory values but for two: ten passes at most, and whole
    words judged by script.

    Args:
        depth: messages that are searched; 1 is only the newest.
        min_activations: look further back until so many entries are active, at most
            `min_activations_depth_max` messages (0: the whole chat). Counts only without a limit of passes.
        budget: percentage of the context.
        budget_cap: tokens, 0 is no cap.
        strategy: 0 evenly, 1 character first, 2 global first.
        max_recursion_steps: passes in all, 1 is no recursion, 0 no limit.
        v3_decorators: obey the decorators of V3 too, not only SillyTavern's two.
    """

    depth: int = 2
    min_activations: int = 0
    min_activations_depth_max: int = 0
    budget: float = 25
    budget_cap: int = 0
    include_names: bool = True
    recursive: bool = True
    case_sensitive: bool = False
    whole_words: WholeWords = "auto"
    strategy: int = 1
    group_scoring: bool = False
    max_recursion_steps: int = 10
    v3_decorators: bool = True

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> WorldbookSettings:
        """From a mapping with our names or SillyTavern's (`world_info_…`); unknown names are ignored.

        Minimum activations without a word about the number of passes lift its limit, as there.

        Raises:
            ValueError, TypeError: a number is none.
        """
        options: dict[str, Any] = {}
        for name, value in values.items():
            own = setting_name(name)
            default = _DEFAULTS.get(own)
            if own == "whole_words":
                options[own] = "auto" if value == "auto" else "true" if as_flag(value) else "false"
            elif own == "strategy" and isinstance(value, str) and not value.strip().isdecimal():
                options[own] = _strategy(value)
            elif isinstance(default, bool):
                options[own] = as_flag(value)
            elif default is not None:
                options[own] = _number(value)
        if options.get("min_activations"):
            options.setdefault("max_recursion_steps", 0)
        return cls(**options)

    @staticmethod
    def names() -> tuple[str, ...]:
        """Our names of all settings."""
        return tuple(_DEFAULTS)


def setting_name(name: str) -> str:
    """Our name of a setting, from ours or SillyTavern's (`world_info_…`); "" where there is none."""
    short = name.removeprefix("world_info_")
    own = _ALIASES.get(short, short)
    return own if own in _DEFAULTS else ""


def _strategy(name: str) -> int:
    """By the word for it: evenly, character (first), global (first)."""
    for number, word in enumerate(("evenly", "character", "global")):
        if word in name.lower():
            return number
    raise ValueError(f"{name} is no strategy")


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is no number")
    return int(number) if number.is_integer() else number


_DEFAULTS = {setting.name: setting.default for setting in fields(WorldbookSettings)}
_ALIASES = {
    "match_whole_words": "whole_words",
    "character_strategy": "strategy",
    "insertion_strategy": "strategy",
    "use_group_scoring": "group_scoring",
    "cap": "budget_cap",
    "min_activations_depth": "min_activations_depth_max",
    "min_activations_max": "min_activations_depth_max",
    "scan_depth": "depth",
}

Timed = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class TimedState:
    """Sticky and cooldown effects of one branch, by "book.uid"."""

    sticky: Timed = field(default_factory=dict)
    cooldown: Timed = field(default_factory=dict)

    @classmethod
    def read(cls, value: Any) -> TimedState:
        """From what `as_json` gave, or from a chat file's `timedWorldInfo`; anything else is empty."""
        if not isinstance(value, Mapping):
            return cls()

        def effects(kind: str) -> dict[str, Mapping[str, Any]]:
            stored = value.get(kind)
            return (
                {
                    str(k): v
                    for k, v in stored.items()
                    if isinstance(v, Mapping) and {"start", "end"} <= v.keys()
                }
                if isinstance(stored, Mapping)
                else {}
            )

        return cls(effects("sticky"), effects("cooldown"))

    def as_json(self) -> dict[str, Any]:
        """A JSON object, empty when there is nothing to remember."""
        if not self.sticky and not self.cooldown:
            return {}
        return {"sticky": dict(self.sticky), "cooldown": dict(self.cooldown)}


@dataclass(frozen=True, slots=True)
class ScanContext:
    """What beside the messages decides: the character, texts for `match_*` fields, and this generation.

    Args:
        character: the name that character filters are compared with.
        character_tags: None where nothing is known about tags; then filters by tag do not apply.
        injections: texts searched like messages (author's note with scan on).
        trigger: the kind of generation, for entries with `triggers`.
        chat_length: messages of the whole path, for timed effects; None takes the given ones.
        replies: messages of the character on the whole path, for decorators; None counts the given ones.
        forced: (book, uid) of entries that something else has activated.
        dry: change no timed effect.
    """

    character: str = ""
    character_tags: tuple[str, ...] | None = None
    persona: str = ""
    description: str = ""
    personality: str = ""
    depth_prompt: str = ""
    scenario: str = ""
    creator_notes: str = ""
    injections: tuple[str, ...] = ()
    trigger: str = "normal"
    max_context: int = 4096
    chat_length: int | None = None
    replies: int | None = None
    forced: frozenset[tuple[str, int | str]] = frozenset()
    dry: bool = False


@dataclass(frozen=True, slots=True)
class Tools:
    """Everything that is not a pure value, injected.

    Args:
        expand: replaces macros.
        count_tokens: tokens of a text; the whole must not count for more than its parts together.
        random: draws from [0, 1).
        match_regex: (pattern, flags, text) → whether it matches, None for an invalid pattern (which is then
            an ordinary key); must keep its own time limit. `entry_keys.regex_matcher` makes one.
        transform: regex scripts for worldbook texts (placement 5).
    """

    expand: Callable[[str], str]
    count_tokens: Callable[[str], int]
    random: Callable[[], float]
    match_regex: Callable[[str, str, str], bool | None]
    transform: Callable[[Entry, str], str] = lambda _entry, content: content
