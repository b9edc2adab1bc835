"""What a prompt is made of: plain values, gathered before the assembly starts.

See docs/spec/formats.md: Placement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lunalux_core.llm.model import Role

if TYPE_CHECKING:
    from lunalux_core.documents.pictures import PictureRef

GenerationType = Literal["normal", "continue", "impersonate", "swipe", "regenerate", "quiet"]
NotePosition = Literal["in_chat", "after_main", "before_main"]
MemoryPosition = Literal["auto", "before_main", "after_main", "in_chat"]
Language = Literal["en", "zh"]

Expand = Callable[[str], str]
"""Replaces macros in a text."""
CountTokens = Callable[[str], int]
"""What one message with this content costs, in tokens, the frame of the message included."""


@dataclass(frozen=True, slots=True)
class CardFields:
    """The fields of a card that can be part of a prompt, as they stand in it, macros unexpanded."""

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
        """What `{{char}}` stands for: the nickname of a V3 card before its name."""
        return self.nickname or self.name


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    """One message of the path.

    Args:
        role: system is a narrator's message: no name is ever put before it.
        id: comes back in the prompt and in the report.
        hidden: kept in the log, not sent and not counted for depths.
        foreign: by another persona or speaker than this chat's two, so that its name must be said.
        event: the line of `<events>` its reply came with; stands in for the message once it is cut.
        pictures: what the model is shown with it.
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
    """A text for the history, `depth` messages before its end (0 is after the last one)."""

    depth: int
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class StandingText:
    """A text that stands at its place whatever the preset; `depth` and `role` count for `in_chat`. No macros
    are looked for in it. `slot` tells where it comes from.
    """

    content: str
    position: NotePosition = "in_chat"
    depth: int = 4
    role: Role = "system"
    slot: str = "tracker"


@dataclass(frozen=True, slots=True)
class AuthorsNote:
    """The author's note of a chat. `depth` and `role` matter for `in_chat`."""

    content: str
    position: NotePosition = "in_chat"
    depth: int = 4
    role: Role = "system"

    @staticmethod
    def due(interval: int, user_messages: int) -> bool:
        """Whether a note for every `interval`-th message of the person goes out now; 0 is never."""
        # Python reads the middle as a chain: both numbers are above 0.
        return interval == 1 or (interval > 0 < user_messages and user_messages % interval == 0)


@dataclass(frozen=True, slots=True)
class MemoryTexts:
    """What the story remembers, as it stands in the prompt: read by nobody for macros.

    Args:
        facts, story: the stable part: what is certain, and what has happened.
        recalled: what the last messages call for; `recall_depth` messages before the end.
        placed: the macros ("memory", "summary") with which the preset itself places the stable part.
        position: where it goes otherwise; `depth` and `role` count for `in_chat`.
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
        """The stable part."""
        return "\n\n".join(filter(None, (self.facts, self.story)))

    @property
    def block(self) -> str:
        """Of the stable part, what no macro places."""
        if "memory" in self.placed:
            return ""
        return self.facts if "summary" in self.placed else self.whole


@dataclass(frozen=True, slots=True)
class PromptMaterial:
    """Everything an assembly needs beside the preset.

    The worldbook's texts are an activation's buckets: `note_*` only go out together with
    `note`, so `note` is given (with empty content, if need be) whenever it is due this turn. Examples are
    blocks in order of activation. Outlets are not here: they are macros, so `expand` knows them.

    Args:
        history: oldest first, the person's new words included; for *continue*, the partial reply is last.
        omitted: how many messages of the path were left out before `history`, for the report.
        earlier_events: the events of those, oldest first.
        quiet: an instruction to end the prompt with.
        budget: tokens for the prompt, the reply already taken off; None asks the preset.
        newest_required: refuse if the newest message does not fit, where SillyTavern sends without it.
        reply_words: the length to ask for, where a preset leaves it to the program.
        group: what the members of a group are called; empty in an ordinary chat.
        group_depths: the prompts that members beside the speaker have for a depth.
        memory: what the story remembers; `replaced` counts the messages of the path that it stands in for,
            which are neither in `history` nor in `omitted`.
        goes_on: whether the model goes on from a reply that was begun for it, without being told to.
        directions: what a person says about this one reply, macros replaced already.
        standing: the values of trackers, passages of documents, and texts that scripts put in.
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
        """What stands before or behind the main prompt for all replies; of one `slot`, or all."""
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
