"""What a model is to the rest of the program: a request in, a stream of deltas out.

The protocols (OpenAI-compatible, Gemini, practice, the billed gateway) implement `ChatModel`;
nothing outside `llm/` and `client/official_model.py` knows which one it talks to.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from lunalux_core.documents.prompt_values import Role as Role
from lunalux_core.documents.prompt_values import Sampling as Sampling
from lunalux_core.llm.parameters import ServerKind

if TYPE_CHECKING:
    from lunalux_core.documents.picture_refs import Attachment
    from lunalux_core.language import Language

Provider = Literal[ServerKind, "practice", "official", "plugin"]
SERVERLESS = frozenset({"practice", "official", "plugin"})
"""Providers that are asked otherwise than by a request to a model server of the person's own."""
Finish = Literal["stop", "length", "cut", "filtered", "tool", "stopped"]
"""Why a reply ended: by itself, at its token limit, without an end mark or broken off by its server, by a
filter, with a call of a tool, or stopped by the person."""
ENVIRONMENT_KEY = "env:"
"""A `key_name` that begins so names an environment variable, anything else a stored credential."""
USUAL_WINDOW = 8192
"""Tokens of a window that nobody has told of."""
PostProcess = Literal["none", "merge", "semi-strict", "strict", "single"]
Prefill = Literal["prefix", "trailing", "flags", "refused", "unknown"]
"""How a model goes on from a reply that was begun for it: the last message says that it is a beginning
(`prefix`), the assistant's last message is one (`trailing`), the request says so (`flags`), or not at all."""
WindowSource = Literal["person", "server", "default"]
"""Who says how long a model's window is."""
PREFILLS: tuple[Prefill, ...] = ("prefix", "trailing", "flags", "refused")
ImageUse = Literal["yes", "no"]
"""What a person says of a model: that it takes pictures, or none."""
IMAGE_USES: tuple[ImageUse, ...] = ("yes", "no")
POST_PROCESSING: tuple[PostProcess, ...] = ("none", "merge", "semi-strict", "strict", "single")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the request. `name` is sent only where the protocol knows it.

    `pictures` go before its words; only the person's messages have any.
    """

    role: Role
    content: str
    name: str | None = None
    pictures: tuple[Attachment, ...] = ()

    @property
    def filled(self) -> bool:
        """Whether it says or shows anything."""
        return bool(self.content.strip() or self.pictures)


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How to talk with a model's server, where a person has said so.

    `timeout` is the longest silence before the first word, in seconds, 0 for the usual one. `stream` off
    asks for replies in one piece. `post_process` shapes the roles for a strict chat template
    (`prompt_post_processing`); "" finds out by itself what the server takes. `thinking_marks` are an
    opening and a closing mark beside the known ones (`marks`), or nothing. `prefill` is how the model
    goes on from a reply that was begun for it, "" finds that out. `extra_body` is merged into every
    request last, `drop` names fields that are never sent, `headers` go along; none of the three ever
    comes from an imported file. `price` is what a million tokens cost: read, read from the cache,
    written; None where the person gave none. `images` says whether the model takes pictures, "" finds
    that out.
    """

    timeout: float = 0
    stream: bool = True
    post_process: PostProcess | Literal[""] = ""
    thinking_marks: tuple[str, ...] = ()
    prefill: Prefill | Literal[""] = ""
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    price: tuple[float, float, float] | None = None
    images: ImageUse | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model a person can choose. `context_tokens` is the whole window, reply included.

    `key_name` names the credential; the key itself is never part of a value that could be printed. In the
    mode `text` it is given one text, made by `template`, or by one that fits where that is empty.
    """

    name: str
    provider: Provider
    model: str
    base_url: str = ""
    key_name: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    context_tokens: int = USUAL_WINDOW
    options: ModelOptions = ModelOptions()
    mode: Literal["chat", "text"] = "chat"
    template: str = ""
    window_source: WindowSource = "default"


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one call; `estimated` when the server sent none.

    Of the prompt's tokens the server had `cached_tokens` from an earlier call; of the reply's the model spent
    `thinking_tokens` before it spoke. Both 0 where the server says nothing. `cost` are US dollars, where the
    server says what it took.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    cached_tokens: int = 0
    thinking_tokens: int = 0
    cost: float | None = None

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of a prompt its server has read, in tokens."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Delta:
    """One step of a stream. Any field may be empty; `billing` comes from the gateway only.

    With `turned`, what came as thinking so far was the reply: `text` says it again, and the thinking is void.
    `shape` comes with the last delta: how the messages were reshaped for the server
    (`prompt_post_processing`), "" if not. `progress` comes before the first word, alone. Of several
    `choices` of one request, `choice` is the one that this belongs to, from 0. `speed` comes with the
    last delta: tokens a second, where the server says so when it is asked.
    """

    text: str = ""
    thinking: str = ""
    usage: Usage | None = None
    finish: Finish | None = None
    billing: Mapping[str, object] | None = None
    turned: bool = False
    shape: str = ""
    progress: Progress | None = None
    choice: int = 0
    speed: float = 0.0


@dataclass(frozen=True, slots=True)
class CharacterMaterial:
    """What the practice model needs to answer in the character's voice."""

    name: str
    user: str
    description: str = ""
    personality: str = ""
    scenario: str = ""
    greeting: str = ""
    examples: str = ""


@dataclass(frozen=True, slots=True)
class CompletionText:
    """The text that a model is to go on from, and the strings before which it stops."""

    prompt: str
    stop: tuple[str, ...] = ()


REPEATABLE = "repeat:"
"""How the id of a request begins that is not one of a stored reply: whoever repeats it knows nothing of how
it ended, so what was asked is kept for the day that the gateway keeps its answer."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call. `request_id` is the idempotency key; `market_id` the bound community character.

    With a `completion` that text is sent; the messages are then its pieces. So many `choices` are asked for
    at once; a server may give fewer.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    request_id: str = ""
    language: Language = "en"
    market_id: str | None = None
    character: CharacterMaterial | None = None
    extra: Mapping[str, object] = field(default_factory=dict)
    completion: CompletionText | None = None
    choices: int = 1


class ChatModel(Protocol):
    """A model that can be talked to. Closing the iterator cancels the request at the server."""

    @property
    def spec(self) -> ModelSpec: ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """Yield deltas until the reply ends.

        Raises:
            NetworkError: unreachable, timed out, or cut (after some deltas may have come).
            ProviderError: the server refused (bad key, no such model, context too long, rate limit).
        """
        ...


MILLION = 1_000_000
CURRENCY = "USD"
"""What prices are counted in: the providers' lists are."""
