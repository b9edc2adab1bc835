"""What a conversation itself brings into the prompt: texts that scripts put in, and its own scenario,
examples and main prompt in the place of the card's.

Both are kept where SillyTavern keeps them, in `chat_metadata` of the chat's header, so they come in and go
out with chat files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from lunalux_core.dialogue.assembly.prompt_material import NotePosition
from lunalux_core.documents.coerce import as_flag, as_integer, as_object, as_text
from lunalux_core.documents.prompt_values import Role
from lunalux_core.errors import InvalidInput
from lunalux_core.text import clean, clean_line

METADATA = "chat_metadata"
INJECTIONS = "script_injects"

InjectionPosition = Literal["after", "before", "chat", "none"]
POSITIONS: Mapping[InjectionPosition, int] = {"after": 0, "chat": 1, "before": 2, "none": -1}
"""By SillyTavern's numbers: after the main prompt, in the history, before the main prompt, only scanned."""
STANDING: Mapping[InjectionPosition, NotePosition] = {
    "after": "after_main",
    "before": "before_main",
    "chat": "in_chat",
}
ROLES: tuple[Role, ...] = ("system", "user", "assistant")
"""By SillyTavern's numbers."""

# Bounds for what scripts and imported chat files bring: all of it goes into every prompt of the chat.
MOST_INJECTIONS = 100
LONGEST_INJECTION = 100_000
LONGEST_ID = 200
DEEPEST = 10_000
LONGEST_OVERRIDE = 200_000


@dataclass(frozen=True, slots=True)
class ChatInjection:
    """A text that a script put into the prompts to come.

    Args:
        depth: messages below it; it and `role` count in the history only.
        scan: whether keys of worldbook entries are sought in it.
        ephemeral: gone after the next reply.
    """

    id: str
    content: str
    position: InjectionPosition = "after"
    depth: int = 4
    role: Role = "system"
    scan: bool = False
    ephemeral: bool = False

    @classmethod
    def read(cls, identity: str, stored: Mapping[str, Any]) -> ChatInjection:
        """Lenient, as SillyTavern writes it."""
        numbers = {number: name for name, number in POSITIONS.items()}
        role = as_integer(stored.get("role"), 0)
        return cls(
            identity,
            clean(as_text(stored.get("value")))[:LONGEST_INJECTION],
            numbers.get(as_integer(stored.get("position"), 0), "after"),
            min(max(as_integer(stored.get("depth"), 4), 0), DEEPEST),
            ROLES[role] if 0 <= role < len(ROLES) else "system",
            as_flag(stored.get("scan")),
            as_flag(stored.get("ephemeral")),
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "value": self.content,
            "position": POSITIONS[self.position],
            "depth": self.depth,
            "scan": self.scan,
            "role": ROLES.index(self.role),
            **({"ephemeral": True} if self.ephemeral else {}),
        }


def injections_in(header: Mapping[str, Any]) -> tuple[ChatInjection, ...]:
    """The texts that stand in a chat's header, in the order in which they were put in."""
    stored = as_object(as_object(header.get(METADATA)).get(INJECTIONS))
    read = [
        ChatInjection.read(clean_line(identity, LONGEST_ID), as_object(value))
        for identity, value in list(stored.items())[:MOST_INJECTIONS]
    ]
    return tuple(injection for injection in read if injection.content)


def with_injection(header: Mapping[str, Any], injection: ChatInjection) -> dict[str, Any]:
    """The header with a text in the place of the one of its id; an empty one takes that out.

    Raises:
        InvalidInput: TOO_MANY_INJECTIONS, INJECTION_TOO_LONG.
    """
    if len(injection.content) > LONGEST_INJECTION:
        raise InvalidInput(
            "INJECTION_TOO_LONG",
            f"A text for the prompt has at most {LONGEST_INJECTION} characters.",
            "Shorten it.",
            limit=LONGEST_INJECTION,
        )
    stored = dict(as_object(as_object(header.get(METADATA)).get(INJECTIONS)))
    # Taken out first: a text that is put in again stands last.
    stored.pop(injection.id, None)
    if injection.content:
        stored[injection.id] = injection.as_json()
    if len(stored) > MOST_INJECTIONS:
        raise InvalidInput(
            "TOO_MANY_INJECTIONS",
            f"A chat holds at most {MOST_INJECTIONS} injected texts.",
            "Take some out with /flushinject first.",
            limit=MOST_INJECTIONS,
        )
    return with_metadata(header, {INJECTIONS: stored})


def without_injections(header: Mapping[str, Any], *ids: str) -> dict[str, Any]:
    """The header without the texts of these ids; without any, where none are named."""
    stored = as_object(as_object(header.get(METADATA)).get(INJECTIONS))
    left = {identity: value for identity, value in stored.items() if ids and identity not in ids}
    return with_metadata(header, {INJECTIONS: left})


@dataclass(frozen=True, slots=True)
class ChatOverrides:
    """What a chat has in the place of its card's texts; "" leaves the card's."""

    scenario: str = ""
    examples: str = ""
    main_prompt: str = ""

    @classmethod
    def read(cls, header: Mapping[str, Any]) -> ChatOverrides:
        metadata = as_object(header.get(METADATA))
        return cls(*(_text(metadata.get(key)) for key in OVERRIDDEN.values()))

    @property
    def named(self) -> dict[str, str]:
        """The texts that are there, by our names."""
        texts = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: text for name, text in texts.items() if text}

    def card_edits(self) -> dict[str | tuple[str | int, ...], str]:
        """The edits of a card that put these texts in."""
        return {f"data.{OVERRIDDEN[name]}": text for name, text in self.named.items()}

    def into(self, header: Mapping[str, Any]) -> dict[str, Any]:
        """The header with these texts, and without those that are empty."""
        return with_metadata(header, {key: getattr(self, name) for name, key in OVERRIDDEN.items()})


OVERRIDDEN = {"scenario": "scenario", "examples": "mes_example", "main_prompt": "system_prompt"}
"""What the texts are called in `chat_metadata` and in cards."""


def overrides_in(header: Mapping[str, Any]) -> ChatOverrides | None:
    """The texts of a chat in the place of its card's; None where it has none, as most have."""
    metadata = header.get(METADATA)
    if not isinstance(metadata, Mapping) or not any(metadata.get(key) for key in OVERRIDDEN.values()):
        return None
    overrides = ChatOverrides.read(header)
    return overrides if overrides.named else None


def with_metadata(header: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A chat's header with values in its `chat_metadata`; empty ones are taken out."""
    metadata = {**as_object(header.get(METADATA)), **values}
    metadata = {key: value for key, value in metadata.items() if key not in values or value}
    rest = {key: value for key, value in header.items() if key != METADATA}
    # A header without `chat_metadata` does not get an empty one.
    return {**rest, METADATA: metadata} if metadata or METADATA in header else rest


def _text(value: object) -> str:
    return clean(value)[:LONGEST_OVERRIDE] if isinstance(value, str) and value.strip() else ""
