"""The whole public contract of a plug-in.

A plug-in is a class with any of the hooks below, offered by an entry point of the group `lunalux.plugins`
or by a Python file in the plug-ins folder (a class or an object named `plugin`). It runs with the rights of
the person who enabled it. Every hook is an ordinary function, is called in a thread of its own, gets an
immutable view and returns what is to change, or None for "nothing". A hook that raises, returns something
else than it should, or takes longer than five seconds is skipped and told, and a plug-in that failed three
times is switched off until the next start; the turn goes on.

    from lunalux_core.plugins.api import Reply, hook

    class Shout:
        api_version = 1

        @hook
        def on_response(self, reply: Reply) -> str | None:
            return reply.text.upper()
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pluggy

from lunalux_core.llm.model import Message, Sampling

API_VERSION = 1
"""Raised when a hook or a view changes in a way that breaks a plug-in; new hooks do not raise it.

A plug-in names the version it was written for as `api_version` (1 where it says nothing); one for another
version than this is not run, and the person is told.
"""

spec = pluggy.HookspecMarker("lunalux")
hook = pluggy.HookimplMarker("lunalux")


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What the person sent, before the prompt is built."""

    text: str
    character_id: str
    character_name: str
    conversation_id: str


@dataclass(frozen=True, slots=True)
class PromptView:
    """The messages that are about to be sent to the model."""

    messages: tuple[Message, ...]
    model: str
    character_id: str
    conversation_id: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished reply. In `on_response_raw` only `raw` and `thinking` are filled: nothing is parsed yet."""

    text: str
    raw: str
    thinking: str
    suggestions: tuple[str, ...]
    event: str
    character_id: str
    conversation_id: str


@dataclass(frozen=True, slots=True)
class DisplayView:
    """A message on its way to the screen. What is stored and sent stays as it is."""

    text: str
    role: Literal["user", "assistant", "system"]
    name: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `reply` brings model, prompt_tokens, completion_tokens, character_id,
    conversation_id and, from an official model, method and cost."""

    name: Literal["reply"]
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a conversation."""

    role: Literal["user", "assistant", "system"]
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What the person has in front of them: the end of the conversation, and what is typed so far."""

    character_id: str
    character_name: str
    conversation_id: str
    lines: tuple[Line, ...] = ()
    typed: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command leaves behind: a notice, and other words in the input (None leaves them alone)."""

    notice: str = ""
    typed: str | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A command for the palette and for `lunalux plugin run`. A text returned by `run` is a notice."""

    name: str
    title: str
    run: Callable[[Scene], Outcome | str | None]
    help: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A pane beside the conversation. `text` is Markdown."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class ModelCall:
    """What a model is asked."""

    messages: tuple[Message, ...]
    sampling: Sampling
    language: Literal["en", "zh"]
    character_name: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model that the plug-in talks to itself; chosen as `plugin:PLUGIN/NAME`.

    `reply` returns the pieces of the answer, from an ordinary or an asynchronous generator.
    """

    name: str
    reply: Callable[[ModelCall], Iterable[str] | AsyncIterable[str]]
    context_tokens: int = 8192


class Hooks:
    """The hooks, in the order a turn calls them. Plug-ins run in the order the person gave them."""

    @spec
    def on_enable(self) -> None:
        """The plug-in was switched on, or the program started with it."""

    @spec
    def on_disable(self) -> None:
        """The plug-in was switched off, or the program ends."""

    @spec
    def on_user_message(self, message: UserMessage) -> str | None:
        """Return other words to send instead."""

    @spec
    def on_prompt(self, prompt: PromptView) -> Sequence[Message] | None:
        """Return other messages to send to the model."""

    @spec
    def on_response_raw(self, reply: Reply) -> str | None:
        """Return another raw answer, before tags and regex scripts are applied."""

    @spec
    def on_response(self, reply: Reply) -> str | None:
        """Return another text to store and show."""

    @spec
    def on_display(self, view: DisplayView) -> str | None:
        """Return another text for the screen only."""

    @spec
    def on_event(self, event: Event) -> None:
        """Be told that something happened."""

    @spec
    def models(self) -> Sequence[Model] | None:
        """Models to choose from, asked once at the start."""

    @spec
    def commands(self) -> Sequence[Command] | None:
        """Commands to offer, asked once at the start."""

    @spec
    def panel(self, scene: Scene) -> Panel | None:
        """The pane of this plug-in, asked whenever the conversation changed."""
