"""The values of one turn: what goes in, what travels between the nodes, what comes out.

`TurnInput` is read from the library in one transaction before the workflow starts, so no node ever
queries anything. `TurnEvent` is the closed union that front ends iterate over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random, random
from typing import TYPE_CHECKING, Any, Literal, Protocol

from lunalux_core.dialogue.direction import Direction, Voice
from lunalux_core.macros.variables import Variables

if TYPE_CHECKING:
    from lunalux_core.cards.card import Card
    from lunalux_core.config.settings import Settings
    from lunalux_core.dialogue.assembly import DepthText, Prompt, PromptMaterial
    from lunalux_core.dialogue.chat_texts import ChatInjection
    from lunalux_core.dialogue.profile_choice import ProfileGap
    from lunalux_core.documents.picture_refs import Attachment, PictureRef
    from lunalux_core.errors import LunaluxError
    from lunalux_core.language import Language
    from lunalux_core.library.bank_documents import Passage, Reach
    from lunalux_core.library.characters import Character
    from lunalux_core.library.conversations import Conversation, Message
    from lunalux_core.library.templates import StoredTemplate
    from lunalux_core.library.trackers import TrackerState
    from lunalux_core.llm.model import Finish, ModelSpec, Prefill, Usage
    from lunalux_core.llm.token_counts import TokenCounts
    from lunalux_core.memory.story_memory import StoryMemory
    from lunalux_core.presets.document import Preset
    from lunalux_core.regex.script import RegexScript
    from lunalux_core.templates.template_values import ReplyStart, TextTemplate
    from lunalux_core.worldbook.engine import Activation, ActiveBook

TurnKind = Literal["normal", "continue", "impersonate", "swipe", "regenerate"]


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """Both messages are stored. `user_message` is None for regenerate, continue and impersonate.

    In a group every reply begins like this; the person's words come with the first, or with none (`reply`
    is None) where nobody answers unasked. A reply may still follow where the words were stored before it was
    known who answers (`follows`).
    """

    conversation_id: str
    user_message: Message | None
    reply: Message | None
    model: str
    follows: bool = False


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the visible reply, already cleaned for a terminal."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """More of the model's reasoning, already cleaned for a terminal."""

    text: str


@dataclass(frozen=True, slots=True)
class ReplyCorrection:
    """Replaces all that was reported of the reply so far by these words and this reasoning.

    A model's closing mark shows that what came before it was thought, or a reply was sent as reasoning.
    """

    text: str
    thinking: str


@dataclass(frozen=True, slots=True)
class SidePart:
    """More of another reply that comes with the same answer: the `choice`-th, from 1. Nobody sees it yet."""

    choice: int
    part: TextDelta | ThinkingDelta | ReplyCorrection


@dataclass(frozen=True, slots=True)
class Billed:
    """The gateway charged this turn. `method` is free, star or luna; `wallet` is the new wallet."""

    method: str
    cost: int
    model_id: str
    wallet: Mapping[str, object]
    ledger: Mapping[str, object] | None = None


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
class WorldbookOverflowed:
    """The budget of so many tokens excluded worldbook entries, and the setting asks to be told."""

    entries: int
    budget: int


@dataclass(frozen=True, slots=True)
class TemplateFailed:
    """A template for text completion cannot be used; the server's chat template stands in."""

    template: str
    error: LunaluxError


@dataclass(frozen=True, slots=True)
class PromptRead:
    """The server has read so many tokens of the prompt; nothing of the reply has come yet."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ServerModelChanged:
    """The server has another model in memory than it had; `now` is "" where it has none."""

    before: str
    now: str


@dataclass(frozen=True, slots=True)
class TextsCut:
    """The window of so many tokens is too small for the card: these of its texts lost their ends."""

    names: tuple[str, ...]
    window: int


@dataclass(frozen=True, slots=True)
class Shortened:
    """The server refused a prompt of `needed` tokens (0 where it did not say) and named its window; the turn
    is sent once more, shortened to it."""

    window: int
    needed: int = 0


@dataclass(frozen=True, slots=True)
class ReplyKept:
    """Cleaning would have left nothing of the reply, so it stays as it came."""


@dataclass(frozen=True, slots=True)
class ProfileLacks:
    """A profile names a model, preset or template that is not there; the next one applies."""

    gap: ProfileGap


@dataclass(frozen=True, slots=True)
class PicturesNamed:
    """The model takes no pictures, so it is told only what these are called."""

    names: tuple[str, ...]
    model: str


@dataclass(frozen=True, slots=True)
class SideReply:
    """Another version of the reply is stored as a swipe beside it: the `number`-th of `of`."""

    message: Message
    number: int
    of: int


@dataclass(frozen=True, slots=True)
class TurnCompleted:
    """The reply is stored. For impersonate there is no message: `text` is meant for the input box."""

    message: Message | None
    text: str
    suggestions: tuple[str, ...] = ()
    report: Mapping[str, object] = field(default_factory=dict)


class Moments(Protocol):
    """What is done between the steps of a turn, and waited for. Nothing of the turn is open meanwhile."""

    async def said(self) -> None:
        """The person's words are stored; nobody has been chosen yet who answers."""

    async def drafted(self, speaker: str) -> None:
        """A member of a group (its id) is the next to speak."""

    async def generating(self) -> None:
        """A reply is about to be made."""


TurnEvent = (
    TurnStarted
    | TextDelta
    | ThinkingDelta
    | SidePart
    | ReplyCorrection
    | Billed
    | BindingDropped
    | PluginFailed
    | ScriptSkipped
    | WorldbookOverflowed
    | TemplateFailed
    | Shortened
    | PromptRead
    | ServerModelChanged
    | TextsCut
    | ReplyKept
    | ProfileLacks
    | PicturesNamed
    | SideReply
    | TurnCompleted
)


@dataclass(frozen=True, slots=True)
class GroupContext:
    """Who else is in a group: what all members and the muted ones are called, the speaker among them.

    `depths` are the prompts of the others' cards for a depth, where all cards are in the prompt.
    """

    names: tuple[str, ...]
    muted: tuple[str, ...] = ()
    depths: tuple[DepthText, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """What a person may choose for one turn; empty means "as in the settings".

    `speaker` is the member of a group (name or id) who is to answer; empty leaves it to the group's order.
    `parameters` of the request (`llm.parameters`) win over the model's, the preset's and the settings'.
    `direction` is what the person says about this one reply, `voice` whose line the words are. Of several
    `replies` the first is shown and the others stand beside it as swipes. `profile` is used before those in
    use, for what this turn does not name itself. `pictures` go with the person's words.
    """

    model: str = ""
    preset: str = ""
    user_name: str = ""
    mode: str = ""
    speaker: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    direction: Direction = field(default_factory=Direction)
    voice: Voice = field(default_factory=Voice)
    replies: int = 1
    profile: str = ""
    pictures: tuple[Attachment, ...] = ()

    @property
    def picture_refs(self) -> tuple[PictureRef, ...]:
        return tuple(attached.ref for attached in self.pictures)


@dataclass(frozen=True, slots=True)
class TurnTask:
    """What one turn is asked for, and where in the tree.

    Args:
        above: the message that the person's words, or else the reply, hang on; None at the top.
        text: the person's words of this turn, "" where they say nothing new.
        pictures: what goes with these words.
        reply: the stored reply that will be filled; None where nothing is stored (preview, impersonate).
        partial: the reply so far, when continuing.
        speaker: id of the member of a group that speaks, where there is no reply to tell it.
        character: who replies in the place of the conversation's own character; not in a group.
        preset: what is used in the place of the one that is named anywhere.
    """

    kind: TurnKind
    conversation: Conversation
    above: Message | None
    text: str = ""
    reply: Message | None = None
    partial: str = ""
    speaker: str = ""
    pictures: tuple[PictureRef, ...] = ()
    character: Character | None = None
    preset: Preset | None = None


@dataclass(frozen=True, slots=True)
class TurnInput:
    """All that a turn needs, read from the library at once.

    `history` is the path above the reply, oldest first, without the words of this turn; of a very long
    conversation only as much as can fit the context, and `earlier_events` are the events of what is left
    out. `length` counts all messages on the path, `replies` the character's, `said` the person's.
    `partial` is the reply so far when continuing, `attempt` counts the swipes of the reply from 0, `request`
    names the wish (a retry of what failed has the same). `token_factor` is what earlier replies of this model
    taught about its counting of tokens, `counts` what its server has counted exactly.
    `templates` are the library's, for a model of text completion only.
    `start` is what the reply begins with, None where nobody says so. `profiles` names those in use;
    `profiled` are the parameters and `template_parts` the templates (by kind) they ask for, `gaps` what they
    name and nobody has. So many replies are `wanted` at once.
    In a group, `character` and `card` are the speaker's (the card with what the others bring, where they are
    joined) and `group` tells who else is there. `above` are the ids of the messages left out above `history`,
    `event_ids` those of `earlier_events`, `memory` what the story remembers on this branch, if anything,
    `trackers` the conversation's trackers with the values that count here, `passages` those of documents that
    the last messages call for, the closest first, `reach` whose documents count, if there are any, and
    `injections` the texts that scripts put into this chat. `overridden` names what the chat has in the place
    of its card's texts (`card` has it already). `shown` are the pictures that go with `text`, `picture_data`
    the bytes of all that the model is shown, by hash; others are named to it. `refused`: the server has found
    a longer prompt of this turn too long. `dice` fixes what is drawn by chance in the prompt; "" draws anew.
    """

    kind: TurnKind
    text: str
    character: Character
    card: Card
    conversation: Conversation
    user: str
    persona: str
    history: tuple[Message, ...]
    earlier_events: tuple[str, ...]
    length: int
    preset: Preset
    books: tuple[ActiveBook, ...]
    scripts: tuple[RegexScript, ...]
    state: Mapping[str, Any]
    global_variables: Mapping[str, str]
    settings: Settings
    language: Language
    mode: str
    reply_id: str
    model: ModelSpec
    partial: str = ""
    attempt: int = 0
    replies: int = 0
    said: int = 0
    token_factor: float = 1.0
    group: GroupContext | None = None
    request: str = ""
    templates: tuple[StoredTemplate, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    above: tuple[str, ...] = ()
    event_ids: tuple[str, ...] = ()
    memory: StoryMemory | None = None
    direction: Direction = field(default_factory=Direction)
    start: ReplyStart | None = None
    profiled: Mapping[str, Any] = field(default_factory=dict)
    counts: TokenCounts | None = field(default=None, compare=False, repr=False)
    template_parts: Mapping[str, str] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    gaps: tuple[ProfileGap, ...] = ()
    trackers: tuple[TrackerState, ...] = ()
    passages: tuple[Passage, ...] = ()
    reach: Reach | None = None
    wanted: int = 1
    shown: tuple[PictureRef, ...] = ()
    picture_data: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    injections: tuple[ChatInjection, ...] = ()
    overridden: tuple[str, ...] = ()
    refused: bool = False
    dice: str = ""

    def variables(self) -> Variables:
        """The variables as this branch left them, and the library's global ones; each call gives new ones."""
        stored = self.state.get("variables")
        return Variables(stored if isinstance(stored, dict) else {}, self.global_variables)

    def draws(self) -> Callable[[], float]:
        """What draws from [0, 1); with `dice` each call gives the same draws from their first on."""
        return Random(self.dice).random if self.dice else random


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """The input with the person's words as they will be stored (`text`) and sent (`sent`)."""

    turn: TurnInput
    text: str
    sent: str


@dataclass(frozen=True, slots=True)
class PromptDraft:
    """An unfinished prompt: what the preset, the history and the worldbook contribute.

    With a `template` it becomes one text instead of messages. `prefill` is how the model goes on from a reply
    that was begun for it, where that matters. `without_memory` is the material as it was before memories took
    the place of messages, for a window that is too small for them. `forced` are the (book, uid) of worldbook
    entries that are called by closeness.
    """

    request: TurnRequest
    material: PromptMaterial
    variables: Variables
    template: TextTemplate | None = None
    prefill: Prefill = "unknown"
    without_memory: PromptMaterial | None = None
    forced: frozenset[tuple[str, int | str]] = frozenset()

    def last_texts(self) -> list[str]:
        """The last messages, in which it is looked what they call for."""
        said = [message.content for message in self.material.history if not message.hidden]
        return said[-self.request.turn.settings.memory_scan_depth :]


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the reply of a chat model begins with. `told`: the model was told so; else it goes on from it."""

    text: str
    shown: bool
    told: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """The exact messages for the model, and how they came about."""

    request: TurnRequest
    prompt: Prompt
    activation: Activation
    variables: Variables
    beginning: Beginning | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model answered, as it came; `token_factor` is new where the provider told its count, `shape`
    is how the messages were reshaped for the server (`llm.servers.shaping`), `speed` has `first_token_s` and
    `tokens_per_s`, `shortened` tells of a prompt that was refused before this one. `others` are further
    replies that came with it; `choice` is which of them this is.
    """

    ready: Ready
    text: str
    thinking: str
    usage: Usage
    billing: Mapping[str, object] | None = None
    token_factor: float | None = None
    finish: Finish = "stop"
    shape: str = ""
    speed: Mapping[str, float] = field(default_factory=dict)
    shortened: Shortened | None = None
    others: tuple[Completion, ...] = ()
    choice: int = 0


@dataclass(frozen=True, slots=True)
class ReplyDraft:
    """The reply after the output contract and the regex scripts."""

    completion: Completion
    text: str
    raw: str
    thinking: str
    suggestions: tuple[str, ...]
    event: str


@dataclass(frozen=True, slots=True)
class TurnResult:
    """What a finished turn leaves behind for the library; `global_variables` only where they changed.

    `report` makes its record (`turn_record`): for long prompts that takes too long for the event loop.
    """

    text: str
    raw: str
    thinking: str
    suggestions: tuple[str, ...]
    event: str
    sent_text: str
    usage: Usage
    billing: Mapping[str, object] | None
    state: Mapping[str, Any]
    global_variables: Mapping[str, str] | None
    report: Callable[[], Mapping[str, Any]]
    token_factor: float | None = None
    finish: Finish = "stop"
    speed: Mapping[str, float] = field(default_factory=dict)
    cost: Mapping[str, object] | None = None
    others: tuple[Completion, ...] = ()
