"""The whole public contract of a plug-in.

A plug-in is a class with any of these hooks, offered by an entry point of the group `lunalux.plugins`
or by a Python file in the plug-ins folder. It runs with the rights of the person who enabled it.
Every hook gets an immutable view and returns what is to change, or None for "nothing". A hook that
raises or overruns its time is skipped and told; the turn goes on.

    from lunalux_core.plugins.api import Reply, hook

    class Shout:
        @hook
        def on_response(self, reply: Reply) -> str | None:
            return reply.text.upper()
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pluggy

from lunalux_core.llm.model import Message

API_VERSION = 1

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
    """A finished reply: the text for the screen and what was parsed out of the raw answer."""

    text: str
    raw: str
    thinking: str
    suggestions: tuple[str, ...]
    event: str
    character_id: str
    conversation_id: str


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
        """Return another text for the screen."""
