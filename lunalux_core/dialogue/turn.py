"""The values of one turn: what goes in, what travels between the nodes, what comes out.

`TurnInput` is read from the library in one transaction before the workflow starts, so no node ever
queries anything. `TurnEvent` is the closed union that front ends iterate over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lunalux_core.library.conversations import Message

TurnKind = Literal["normal", "continue", "impersonate", "swipe", "regenerate"]


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """Both messages are stored. `user_message` is None for regenerate, continue and impersonate."""

    conversation_id: str
    user_message: Message | None
    reply: Message | None
    model: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the visible reply, already cleaned for a terminal."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """More of the model's reasoning, already cleaned for a terminal."""

    text: str


@dataclass(frozen=True, slots=True)
class Billed:
    """The gateway charged this turn. `method` is free, star or luna; `wallet` is the new wallet."""

    method: str
    cost: int
    model_id: str
    wallet: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class BindingDropped:
    """The community entry of this character is gone; it is now an ordinary local character."""

    character_id: str


@dataclass(frozen=True, slots=True)
class PluginFailed:
    """A plug-in raised or overran its time; the turn goes on without it."""

    plugin: str
    message: str


@dataclass(frozen=True, slots=True)
class ScriptSkipped:
    """A regex script could not run (bad pattern, over its time); the text is as it was before it."""

    script: str
    reason: str


@dataclass(frozen=True, slots=True)
class TurnCompleted:
    """The reply is stored. For impersonate there is no message: `text` is meant for the input box."""

    message: Message | None
    text: str
    suggestions: tuple[str, ...] = ()
    report: Mapping[str, object] = field(default_factory=dict)


TurnEvent = (
    TurnStarted
    | TextDelta
    | ThinkingDelta
    | Billed
    | BindingDropped
    | PluginFailed
    | ScriptSkipped
    | TurnCompleted
)
