"""The result of an assembly: the exact messages, and a report of what was sent and what was cut.

See docs/spec/formats.md: SillyTavern assembly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from lunalux_core.errors import InvalidInput
from lunalux_core.llm.model import Message, Role
from lunalux_core.presets.document import MARKERS, Preset
from lunalux_core.text import clean_line

_STANDARD = frozenset(("main", "nsfw", "jailbreak", "enhanceDefinitions", *MARKERS))
"""Identifiers that exist in every preset; those of a person's own prompts are random."""

if TYPE_CHECKING:
    from lunalux_core.documents.picture_refs import PictureRef
    from lunalux_core.templates.cleanup import Cleaning


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """One message as it will be sent. `slot` names the part of the preset that it belongs to."""

    role: Role
    content: str
    name: str | None = None
    slot: str = ""
    tokens: int = 0
    message_id: str = ""
    pictures: tuple[PictureRef, ...] = ()


@dataclass(frozen=True, slots=True)
class SlotTokens:
    """The tokens of one slot, and in how many pieces."""

    slot: str
    tokens: int
    pieces: int = 1


@dataclass(frozen=True, slots=True)
class PromptReport:
    """What was sent and what was cut; everything that is left out is counted here.

    Args:
        budget, total: the tokens that were free for the prompt, and those it has.
        history_dropped: messages that did not fit, including those that were never passed to the assembly.
        dropped_ids: ids of those that were passed, oldest first.
        injections_dropped: texts at a depth of the history that did not fit.
        memory_events: lines that are sent in place of dropped messages.
        unknown_macros: names of macros that do not exist; they were sent as they are written.
    """

    budget: int
    total: int
    slots: tuple[SlotTokens, ...]
    history_kept: int = 0
    history_dropped: int = 0
    dropped_ids: tuple[str, ...] = ()
    injections_dropped: int = 0
    memory_events: int = 0
    examples_kept: int = 0
    examples_dropped: int = 0
    unknown_macros: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TextForm:
    """What a request for text completion needs beside the text.

    Args:
        template: the name of the template that made the text.
        stop: the strings at which the reply ends.
        cleaning: how the reply is cleaned.
        sampling: the sampling parameters of the template, by our names.
        thinking: the strings before and after the model's thinking.
        marks: the template's sequences, so that they can be shown apart from other text.
    """

    template: str
    stop: tuple[str, ...]
    cleaning: Cleaning
    sampling: Mapping[str, Any] = field(default_factory=dict)
    thinking: tuple[str, str] = ("", "")
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt ready to send. If it has a `form`, the messages are the pieces of one text, in order."""

    messages: tuple[PromptMessage, ...]
    report: PromptReport
    form: TextForm | None = None

    @property
    def text(self) -> str:
        """All pieces as one text, for a model of text completion."""
        return "".join(message.content for message in self.messages)

    def to_messages(self) -> tuple[Message, ...]:
        """The messages for the model, without pictures, which `nodes.llm` adds."""
        return tuple(Message(message.role, message.content, message.name) for message in self.messages)


class Piece(Protocol):
    """Anything with a slot and a number of tokens."""

    @property
    def slot(self) -> str: ...
    @property
    def tokens(self) -> int: ...


def slot_totals(pieces: Sequence[Piece]) -> tuple[SlotTokens, ...]:
    """Tokens by slot, in order of first appearance."""
    costs: dict[str, list[int]] = {}
    for piece in pieces:
        costs.setdefault(piece.slot, []).append(piece.tokens)
    return tuple(SlotTokens(slot, sum(tokens), len(tokens)) for slot, tokens in costs.items())


def too_large(budget: int, pieces: Sequence[Piece], preset: Preset | None = None) -> InvalidInput:
    """The error for a prompt whose required parts do not fit; see "SillyTavern assembly".

    It names parts as the preset names its prompts, and tells the window that an imported preset asks for.
    """
    slots: Mapping[str, int] = {piece.slot: piece.tokens for piece in slot_totals(pieces) if piece.tokens}
    largest = sorted(slots.items(), key=lambda item: -item[1])
    named = ", ".join(f"{_called(slot, preset) if preset else slot} {tokens}" for slot, tokens in largest[:6])
    total = sum(slots.values())
    wishes = _wishes(preset) if preset else ""
    return InvalidInput(
        "PROMPT_TOO_LARGE",
        f"The prompt needs {total} tokens and {max(budget, 0)} are free; by size: {named}.{wishes}",
        "Choose a larger context, ask for a shorter reply, or shorten the largest part.",
        needed=total,
        budget=max(budget, 0),
        slots=dict(largest),
        largest=named,
        wishes=wishes,
    )


def _called(slot: str, preset: Preset) -> str:
    """The name of a part: that of the preset's prompt, where it has one, with the identifier after it if
    every preset has such a prompt."""
    prompt = preset.prompt(slot)
    name = clean_line(prompt.name, 60) if prompt is not None else ""
    if not name or name == slot:
        return slot
    return f"{name} ({slot})" if slot in _STANDARD else name


def _wishes(preset: Preset) -> str:
    """The window and the length of reply that an imported preset asks for, as a sentence."""
    window, reply = preset.params.context_tokens, preset.params.sampling.max_tokens
    if preset.source != "sillytavern" or not (window or reply):
        return ""
    wishes = [f"a window of {window}"] if window else []
    wishes += [f"a reply of {reply}"] if reply else []
    name = clean_line(preset.name, 60)
    return f" The preset {name} asks for {' and '.join(wishes)} tokens; the model's window bounds both."
