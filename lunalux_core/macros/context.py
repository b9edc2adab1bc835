"""What macros can see: the people, the card, the chat, the limits, the clock and the dice.

See docs/spec/formats.md: Macro values.
"""

from __future__ import annotations

import random as _random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lunalux_core.language import Language


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message as macros see it. `swipes` counts its versions (0: it has none), `swipe` is 0-based."""

    name: str
    text: str
    is_user: bool = False
    is_system: bool = False
    swipes: int = 0
    swipe: int = 0
    sent_at: datetime | None = None


def _now() -> datetime:
    return datetime.now().astimezone()


@dataclass(frozen=True, slots=True)
class MacroContext:
    """The world of one expansion. Everything that is not a pure value is injected.

    Card fields are as they stand in the card; where a macro inserts one, the macros in it are expanded,
    unless `fields_expanded` says that this was done already (`expansion.expand_fields`).
    """

    user: str = "User"
    char: str = ""
    nickname: str = ""
    """Used for ``{{char}}`` when it is not empty (V3 cards)."""
    group: tuple[str, ...] = ()
    """All members of a group chat, empty in an ordinary chat."""
    muted: tuple[str, ...] = ()

    persona: str = ""
    description: str = ""
    personality: str = ""
    scenario: str = ""
    examples: str = ""
    """`mes_example`, unparsed."""
    char_prompt: str = ""
    """The card's `system_prompt`."""
    char_instruction: str = ""
    """The card's `post_history_instructions`."""
    depth_prompt: str = ""
    creator_notes: str = ""
    char_version: str = ""
    first_message: str = ""
    alternate_greetings: tuple[str, ...] = ()
    fields_expanded: bool = False

    default_prompt: str = ""
    """The main prompt without the card's override, for ``{{systemPrompt}}``."""
    original: str = ""
    """What an override replaces; ``{{original}}`` gives it once."""

    chat: Sequence[ChatMessage] = ()
    first_included: int | None = None
    first_displayed: int | None = None
    generation_type: str = ""
    input: str = ""
    outlets: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    """Further macros without arguments, by lower-case name."""

    trackers: Mapping[str, str] = field(default_factory=dict)
    """What each tracker holds on this branch, by its name in lower case."""

    model: str = ""
    max_context: int = 0
    max_response: int = 0
    """Both in tokens."""

    chat_id: str = ""
    now: datetime = field(default_factory=_now)
    random: Callable[[], float] = _random.random
    """Draws from [0, 1)."""
    language: Language = "en"

    @property
    def char_name(self) -> str:
        return self.nickname or self.char


CARD_FIELDS = (
    "persona",
    "description",
    "personality",
    "scenario",
    "examples",
    "char_prompt",
    "char_instruction",
    "depth_prompt",
    "creator_notes",
    "first_message",
)
"""Fields of `MacroContext` whose own macros are expanded when they are inserted."""
