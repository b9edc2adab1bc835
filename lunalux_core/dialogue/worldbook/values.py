"""What the worldbook engine takes and gives (FORMATS 2.3, 2.4, 2.7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lunalux_core.cards.coerce import as_flag
from lunalux_core.cards.worldbook import Book, Entry
from lunalux_core.llm.model import Role

Source = Literal["chat", "persona", "character", "global"]
WholeWords = Literal["true", "false", "auto"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class ActiveBook:
    """A book that takes part, and through whom. The same book counts once; see `engine.candidates`."""

    book: Book
    source: Source = "global"


@dataclass(frozen=True, slots=True)
class ScanMessage:
    """One message of the chat, as the scan sees it."""

    name: str
    text: str
    is_user: bool = False


@dataclass(frozen=True, slots=True)
class WorldbookSettings:
    """Global settings. Defaults are SillyTavern's factory values with the two deliberate differences of
    FORMATS 2.12 item 2: ten passes at most, and whole words judged by script.

    `budget` is a percentage of the context, `budget_cap` tokens (0: none), `strategy` 0 evenly,
    1 character first, 2 global first.
    """

    depth: int = 2
    min_activations: int = 0
    min_activations_depth_max: int = 0
    budget: int = 25
    budget_cap: int = 0
    include_names: bool = True
    recursive: bool = True
    case_sensitive: bool = False
    whole_words: WholeWords = "auto"
    strategy: int = 1
    group_scoring: bool = False
    max_recursion_steps: int = 10

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> WorldbookSettings:
        """From a mapping with our names or SillyTavern's (`world_info_…`); unknown names are ignored."""
        found: dict[str, Any] = {}
        for name, value in values.items():
            short = name.removeprefix("world_info_")
            field_name = _ALIASES.get(short, short)
            if field_name == "whole_words":
                found[field_name] = "auto" if value == "auto" else str(as_flag(value)).lower()
            elif field_name in cls.__dataclass_fields__:
                default = cls.__dataclass_fields__[field_name].default
                found[field_name] = as_flag(value) if isinstance(default, bool) else int(value)
        return cls(**found)


_ALIASES = {
    "match_whole_words": "whole_words",
    "character_strategy": "strategy",
    "use_group_scoring": "group_scoring",
    "cap": "budget_cap",
    "min_activations_depth": "min_activations_depth_max",
    "scan_depth": "depth",
}

Timed = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class TimedState:
    """Sticky and cooldown effects of one branch, by "book.uid" (FORMATS 2.9)."""

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

    `injections` are texts scanned like messages (author's note with scan on). `chat_length` counts the
    messages of the whole path, for timed effects; None takes the given ones. `dry` changes no timed effect.
    """

    character: str = ""
    character_tags: tuple[str, ...] = ()
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
    forced: frozenset[tuple[str, int]] = frozenset()
    dry: bool = False


@dataclass(frozen=True, slots=True)
class Tools:
    """Everything that is not a pure value, injected.

    Args:
        expand: replaces macros.
        count_tokens: tokens of a text.
        random: draws from [0, 1).
        match_regex: (pattern, flags, text) → whether it matches, None for an invalid pattern (which is then
            an ordinary key); must keep its own time limit.
        transform: regex scripts for worldbook texts (placement 5).
    """

    expand: Callable[[str], str]
    count_tokens: Callable[[str], int]
    random: Callable[[], float]
    match_regex: Callable[[str, str, str], bool | None]
    transform: Callable[[Entry, str], str] = lambda _entry, content: content


@dataclass(frozen=True, slots=True)
class Activated:
    """An entry that fired, and why. `pass_number` counts from 1; `message` is how many messages from the
    end the key was found in, None where it was not in a message."""

    uid: int
    book: str
    comment: str
    order: float
    position: int
    depth: int
    role: Role
    pass_number: int
    key: str
    reason: str
    tokens: int
    content: str
    roll: float | None = None
    message: int | None = None

    def as_json(self) -> dict[str, Any]:
        document = asdict(self)
        document["pass"] = document.pop("pass_number")
        return document


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that did not fire although something spoke for it, and what spoke against it."""

    uid: int
    book: str
    comment: str
    reason: str


@dataclass(frozen=True, slots=True)
class DepthEntry:
    """Texts for one place in the history; `depth` is None where the file said null (4 is meant)."""

    depth: int | None
    role: Role
    contents: tuple[str, ...]

    @property
    def content(self) -> str:
        return "\n".join(self.contents)


@dataclass(frozen=True, slots=True)
class Activation:
    """The outcome of one scan. `activated` is in the order the texts stand in, `fired` in the order the
    entries were taken."""

    activated: tuple[Activated, ...] = ()
    fired: tuple[Activated, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    before: str = ""
    after: str = ""
    note_top: str = ""
    note_bottom: str = ""
    at_depth: tuple[DepthEntry, ...] = ()
    examples_top: tuple[str, ...] = ()
    examples_bottom: tuple[str, ...] = ()
    outlets: Mapping[str, str] = field(default_factory=dict)
    tokens: int = 0
    overflowed: bool = False
    timed: TimedState = TimedState()

    def as_json(self) -> dict[str, Any]:
        """The record for an inspector: what fired and what did not, and why."""
        return {
            "activated": [one.as_json() for one in self.activated],
            "skipped": [asdict(one) for one in self.skipped],
            "tokens": self.tokens,
            "overflowed": self.overflowed,
        }
