"""What a result depends on, as one key: as long as it is the same, a reply is not asked for again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from lunalux_core.config.settings import DECLARATIONS, Settings
from lunalux_core.lab.experiment import Trial

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn import TurnInput
    from lunalux_core.library.conversations import Message
    from lunalux_core.llm.model import ModelSpec

_WHOLE = (
    "kind",
    "text",
    "user",
    "persona",
    "earlier_events",
    "length",
    "preset",
    "books",
    "scripts",
    "state",
    "global_variables",
    "language",
    "mode",
    "partial",
    "group",
    "parameters",
    "direction",
    "start",
    "profiled",
    "template_parts",
    "trackers",
    "passages",
    "injections",
    "overridden",
    "shown",
)
"""Fields of a turn that count as they are; the others are no part of the prompt, or are told below."""
_SECTIONS = ("worldbook.", "memory.", "bank.", "vectors.")
_SETTINGS = ("chat.reply_words", "chat.context_tokens", "chat.reply_tokens", "chat.temperature")


def key_of(trial: Trial, base: str) -> str:
    """The key of one reply; `base` is what its turn in its variant depends on (`base_of`)."""
    parts = [trial.turn.name, trial.variant.name, trial.repeat, base]
    return sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()


def base_of(turn: TurnInput) -> str:
    """What the first reply to a turn depends on; costs milliseconds for a large worldbook, so call it in a
    thread.

    What a server has taught (its window, how it counts) is no part of it: a run that goes on would begin
    anew after its first reply.
    """
    parts: dict[str, Any] = {name: _plain(getattr(turn, name)) for name in _WHOLE}
    parts["character"] = [turn.character.name, turn.character.document, turn.character.scripts_allowed]
    parts["note"] = _plain(turn.conversation.note)
    parts["history"] = [_line(message) for message in turn.history]
    parts["model"] = _plain(_as_meant(turn.model))
    parts["memory"] = _plain(turn.memory.usable()) if turn.memory is not None else None
    parts["templates"] = _plain(turn.templates)
    parts["settings"] = _settings(turn.settings)
    return sha256(json.dumps(parts, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


def _line(message: Message) -> list[Any]:
    pictures = [picture.hash for picture in message.pictures]
    return [message.role, message.name, message.content, message.hidden, message.by_somebody, pictures]


def _as_meant(spec: ModelSpec) -> ModelSpec:
    """The model as the person chose it."""
    return (
        spec if spec.window_source == "person" else replace(spec, context_tokens=0, window_source="default")
    )


def _settings(settings: Settings) -> dict[str, Any]:
    """Those that shape a prompt."""
    names = [name for name in DECLARATIONS if name in _SETTINGS or name.startswith(_SECTIONS)]
    values = {name: _plain(getattr(settings, DECLARATIONS[name].attribute)) for name in names}
    return {**values, "plugins": list(settings.plugins)}


def _plain(value: object) -> Any:
    """A value as JSON, the same in every process."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value) if field.compare}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        # Sets have no order of their own. They are put in that of their JSON, because values of different
        # types cannot be compared.
        return sorted(map(_plain, value), key=partial(json.dumps, sort_keys=True))
    if isinstance(value, bytes):
        return sha256(value).hexdigest()
    # What is left has no content that another process would see in the same way.
    return str(value) if isinstance(value, PurePath) else type(value).__qualname__
