"""One call as a turn of the chat, told in parts as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from lunalux_core.character_api.completion_answers import CompletionReply
from lunalux_core.character_api.places import Places
from lunalux_core.dialogue.direction import Direction
from lunalux_core.dialogue.turn import (
    ReplyCorrection,
    SideReply,
    TextDelta,
    ThinkingDelta,
    TurnCompleted,
    TurnEvent,
    TurnOptions,
)
from lunalux_core.errors import NotFound
from lunalux_core.llm.model import REPEATABLE

if TYPE_CHECKING:
    from lunalux_core.character_api.calls import CompletionCall
    from lunalux_core.library.characters import Character
    from lunalux_core.library.conversations import Conversation
    from lunalux_core.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Ended:
    """A reply is whole, the `index`-th from 0; all but the first come only so."""

    index: int
    reply: CompletionReply


TurnPart = TextDelta | ThinkingDelta | Ended
"""What a client is told of a turn; deltas without what it began the reply with itself."""


@dataclass(frozen=True, slots=True)
class CompletionTurn:
    """A turn that is ready to run, and the conversation it is stored in; None for none."""

    place: Conversation | None
    parts: AsyncGenerator[TurnPart, None]


class Turns:
    """Makes turns of calls.

    Args:
        client: the key that all calls come with.
    """

    def __init__(self, runtime: Runtime, client: str) -> None:
        self._runtime = runtime
        self._client = client
        self._places = Places(runtime.library, runtime.chat, client)

    async def named(self, model: str) -> tuple[Character, str]:
        """The character that a model's name means, and the profile after its last @, if any.

        Raises:
            NotFound: CHARACTER_NOT_FOUND. InvalidInput: CHARACTER_AMBIGUOUS.
        """
        characters = self._runtime.library.characters
        # The whole name first: a character's own may hold an @.
        try:
            return await characters.find(model), ""
        except NotFound:
            name, at, profile = model.rpartition("@")
            if not at or not name.strip():
                raise
            return await characters.find(name.strip()), profile.strip()

    async def begin(self, call: CompletionCall) -> CompletionTurn:
        """The turn of a call. Raises LunaluxError where it cannot begin; nothing was stored then."""
        character, profile = await self.named(call.model)
        options = await self._options(call, profile)
        chat = self._runtime.chat
        if call.stateless:
            history = [(line.role, line.name, line.text) for line in call.history]
            request = self._request(call, character.id)
            events = chat.unstored.stateless(character.id, history, call.text, options, request)
            return CompletionTurn(None, _parts(events, call))
        place = await self._places.conversation(call, character.id)
        message_id = await self._places.go_to(place, call)
        if message_id:
            events = chat.regenerate(message_id, options)
        elif call.text or options.pictures:
            events = chat.send(place.id, call.text, options)
        else:
            events = chat.speak(place.id, options)
        return CompletionTurn(place, _parts(events, call))

    def _request(self, call: CompletionCall, character_id: str) -> str:
        """The id of what a client asks for under a key of its own; "" without one.

        It is made of all that was said, too: a key that is used again for other words stands for them. How
        the answer comes does not matter.
        """
        if not call.repeat_key:
            return ""
        asked = (self._client, character_id, replace(call, stream=False, tells_usage=False))
        return REPEATABLE + sha256(repr(asked).encode("utf-8", "backslashreplace")).hexdigest()[:32]

    async def _options(self, call: CompletionCall, profile: str) -> TurnOptions:
        start = None
        if call.begins:
            from lunalux_core.templates.template_values import ReplyStart

            start = ReplyStart("", call.begins, True)
        pictures = []
        if call.pictures:
            from lunalux_core.library.message_pictures import attachment

            for number, data in enumerate(call.pictures, 1):
                # In a thread, for decoding a large picture would hold up every other call.
                pictures.append(await asyncio.to_thread(attachment, data, f"picture {number}"))
        return TurnOptions(
            parameters=call.parameters or {},
            profile=profile,
            direction=Direction(instruction=call.instruction, start=start),
            replies=call.replies,
            pictures=tuple(pictures),
        )


async def _parts(
    events: AsyncGenerator[TurnEvent, None], call: CompletionCall
) -> AsyncGenerator[TurnPart, None]:
    told = ""
    beginning = _Beginning(call.begins)
    async with aclosing(events) as turn:
        async for event in turn:
            match event:
                case TextDelta():
                    told += event.text
                    if text := beginning.without(event.text):
                        yield TextDelta(text)
                case ThinkingDelta():
                    yield event
                case ReplyCorrection():
                    # What was told cannot be taken back: only what it lacks is added.
                    if event.text.startswith(told):
                        rest = event.text[len(told) :]
                    else:
                        rest = f"\n\n{event.text}" if told and event.text else event.text
                    told = event.text
                    if text := beginning.without(rest):
                        yield TextDelta(text)
                case TurnCompleted(message=reply) if reply is not None:
                    # Scripts that change a finished reply may only have added to it.
                    rest = reply.content[len(told) :] if reply.content.startswith(told) else ""
                    if text := beginning.without(rest):
                        yield TextDelta(text)
                    yield Ended(0, CompletionReply(reply.content.removeprefix(call.begins), reply))
                case SideReply():
                    content = event.message.content.removeprefix(call.begins)
                    yield Ended(event.number - 1, CompletionReply(content, event.message))


class _Beginning:
    """Takes what the client itself began the reply with out of what it is told."""

    def __init__(self, text: str) -> None:
        self._left = text

    def without(self, text: str) -> str:
        same = 0
        while same < len(text) and same < len(self._left) and text[same] == self._left[same]:
            same += 1
        # A reply that goes its own way is told as it is from there on.
        self._left = self._left[same:] if same == len(text) else ""
        return text[same:]
