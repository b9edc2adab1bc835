"""The input of an assembly: plain values that are collected before it starts, and how long its prompt may be.

See docs/spec/formats.md: Placement, Context and token counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lunalux_core.llm.model import Role

if TYPE_CHECKING:
    from lunalux_core.documents.picture_refs import PictureRef
    from lunalux_core.language import Language
    from lunalux_core.presets.document import Preset

GenerationType = Literal["normal", "continue", "impersonate", "swipe", "regenerate", "quiet"]
NotePosition = Literal["in_chat", "after_main", "before_main"]
MemoryPosition = Literal["auto", "before_main", "after_main", "in_chat"]

Expand = Callable[[str], str]
"""Replaces macros in a text."""
CountTokens = Callable[[str], int]
"""Tokens of one message with this content, including the frame of the message."""
REPLY_PRIMER = 3
"""Tokens that every request takes beside its messages, to begin the reply."""
FACTORY_CONTEXT, FACTORY_REPLY = 4095, 300


@dataclass(frozen=True, slots=True)
class CardFields:
    """The fields of a card that can be part of a prompt, as the card has them, macros not expanded."""

    name: str
    nickname: str = ""
    description: str = ""
    personality: str = ""
    scenario: str = ""
    mes_example: str = ""
    system_prompt: str = ""
    post_history_instructions: str = ""
    depth_prompt: str = ""
    depth_prompt_depth: int = 4
    depth_prompt_role: Role = "system"

    @property
    def called(self) -> str:
        """The value of `{{char}}`: the nickname of a V3 card if it has one, else the name."""
        return self.nickname or self.name


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    """One message of the branch.

    Args:
        role: system means a narrator's message, which is never prefixed with a name.
        id: copied into the prompt and the report.
        hidden: kept in the chat, but not sent and not counted for depths.
        foreign: written by another persona or character than the current two, so its name must be sent.
        event: the line of `<events>` that came with the reply; sent in place of a message that does not fit.
        pictures: the pictures that the model is sent with it.
    """

    role: Role
    content: str
    name: str = ""
    id: str = ""
    hidden: bool = False
    foreign: bool = False
    event: str = ""
    pictures: tuple[PictureRef, ...] = ()


@dataclass(frozen=True, slots=True)
class DepthText:
    """A text for the history, inserted `depth` messages before its end (0: after the last message)."""

    depth: int
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class StandingText:
    """A text that is sent at a fixed position with any preset, without expanding macros in it.

    Args:
        depth, role: used for `in_chat` only.
        slot: the name of its source, for the report.
    """

    content: str
    position: NotePosition = "in_chat"
    depth: int = 4
    role: Role = "system"
    slot: str = "tracker"


@dataclass(frozen=True, slots=True)
class AuthorsNote:
    """The author's note of a chat. `depth` and `role` are used for `in_chat` only."""

    content: str
    position: NotePosition = "in_chat"
    depth: int = 4
    role: Role = "system"

    @staticmethod
    def due(interval: int, user_messages: int) -> bool:
        """Whether a note for every `interval`-th message of the person is sent now; 0 means never."""
        if interval == 1:
            return True
        return interval > 0 and user_messages > 0 and user_messages % interval == 0


@dataclass(frozen=True, slots=True)
class MemoryTexts:
    """The memories as they are sent; macros in them are not expanded.

    Args:
        facts, story: the stable part: what is true, and what happened so far.
        recalled: memories that match the last messages; inserted `recall_depth` messages before the end.
        placed: the macros ("memory", "summary") by which the preset itself places the stable part.
        position: where the stable part goes otherwise; `depth` and `role` are used for `in_chat` only.
    """

    facts: str = ""
    story: str = ""
    recalled: str = ""
    placed: frozenset[str] = frozenset()
    position: MemoryPosition = "auto"
    depth: int = 4
    role: Role = "system"
    recall_depth: int = 2

    @property
    def whole(self) -> str:
        """All of the stable part."""
        return "\n\n".join(filter(None, (self.facts, self.story)))

    @property
    def block(self) -> str:
        """The stable part without what macros of the preset place."""
        if "memory" in self.placed:
            return ""
        return self.facts if "summary" in self.placed else self.whole


@dataclass(frozen=True, slots=True)
class PromptMaterial:
    """Everything an assembly needs beside the preset.

    The worldbook's texts come grouped by position: those of `note_top` and `note_bottom` are only sent
    together with `note`, so `note` is given, if need be with empty content, whenever it is due this turn.
    Examples are blocks in order of activation. Outlets are macros, so `expand` provides them.

    Args:
        history: oldest first, with the person's new message; for *continue*, the partial reply is last.
        omitted: how many messages of the branch before `history` were left out, for the report.
        earlier_events: the events of those, oldest first.
        quiet: an instruction that ends the prompt.
        budget: tokens for the prompt, without those for the reply; None: the preset's.
        newest_required: raise if the newest message does not fit, where SillyTavern sends without it.
        reply_words: the length of the reply, where the preset has a macro for it.
        group: the names of the members of a group; empty in an ordinary chat.
        group_depths: the depth prompts of the members other than the speaker.
        memory: the memories; `replaced` counts the messages of the branch that they replace, which are
            neither in `history` nor in `omitted`.
        goes_on: whether the model continues a reply that the request ends with, without a nudge.
        directions: the person's instructions for this one reply, macros already expanded.
        standing: the values of trackers, passages of documents, and texts from scripts.
    """

    card: CardFields
    user: str = "User"
    persona: str = ""
    history: tuple[HistoryMessage, ...] = ()
    omitted: int = 0
    earlier_events: tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    at_depth: tuple[DepthText, ...] = ()
    note_top: str = ""
    note_bottom: str = ""
    examples_top: tuple[str, ...] = ()
    examples_bottom: tuple[str, ...] = ()
    note: AuthorsNote | None = None
    type: GenerationType = "normal"
    quiet: str = ""
    pin_examples: bool = False
    budget: int | None = None
    newest_required: bool = True
    language: Language = "en"
    reply_words: int = 200
    group: tuple[str, ...] = ()
    group_depths: tuple[DepthText, ...] = ()
    goes_on: bool = False
    memory: MemoryTexts = MemoryTexts()
    replaced: int = 0
    directions: tuple[DepthText, ...] = ()
    standing: tuple[StandingText, ...] = ()

    def standing_at(self, *positions: NotePosition, slot: str = "") -> str:
        """The standing texts at these positions; those of one `slot`, or all."""
        return "\n\n".join(
            text.content
            for text in self.standing
            if text.position in positions and text.slot == (slot or text.slot)
        )

    def note_text(self) -> str:
        """The note with the worldbook's texts around it; empty if it is not due this turn."""
        if self.note is None:
            return ""
        return "\n".join(part for part in (self.note_top, self.note.content, self.note_bottom) if part)


def budget_of(preset: Preset, material: PromptMaterial) -> int:
    """Tokens for the prompt: the material's, else the preset's, else SillyTavern's factory values."""
    if material.budget is not None:
        # The reply is already subtracted from the material's budget, but not from the preset's window below.
        return material.budget - REPLY_PRIMER
    params = preset.params
    context = params.context_tokens or FACTORY_CONTEXT
    return context - (params.sampling.max_tokens or FACTORY_REPLY) - REPLY_PRIMER
