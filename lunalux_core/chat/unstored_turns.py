"""Turns of which nothing is stored but what they cost, and which take nothing out of their chat."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.chat.event_streams import Events, joined
from lunalux_core.chat.previews import next_task
from lunalux_core.chat.reply_store import finished
from lunalux_core.dialogue.turn import (
    TurnCompleted,
    TurnEvent,
    TurnInput,
    TurnOptions,
    TurnResult,
    TurnStarted,
    TurnTask,
)
from lunalux_core.library.conversations import (
    Conversation,
    Message,
    MessageRole,
    load_conversation,
    new_message,
)
from lunalux_core.text import well_formed

if TYPE_CHECKING:
    from lunalux_core.chat.turn_loop import TurnLoop
    from lunalux_core.database import Connection, Database
    from lunalux_core.dialogue.turn_input import TurnReader


class UnstoredTurns:
    """Replies beside the story.

    Args:
        reader: gathers all that a turn needs, within one transaction.
    """

    def __init__(self, database: Database, reader: Callable[[], TurnReader], loop: TurnLoop) -> None:
        self._database = database
        self._reader = reader
        self._loop = loop

    async def quiet(
        self, conversation_id: str, options: TurnOptions = TurnOptions(), character_id: str = ""
    ) -> str:
        """What the model says to the instruction of `options` after the chat. The texts that a script put in
        for one prompt alone are used up by it.

        Args:
            character_id: who answers in the place of the chat's own character; not in a group.

        Raises:
            LunaluxError: as any turn.
        """

        def read(connection: Connection) -> TurnInput:
            place = load_conversation(connection, conversation_id)
            if character_id and not place.group_id:
                place = replace(place, character_id=character_id)
            return self._reader().read(connection, next_task(connection, place, "", options), options)

        turn = await self._database.read(read)
        text = ""
        async with aclosing(self._loop.unstored(turn)) as steps:
            async for step in steps:
                if isinstance(step, TurnResult):
                    text = step.text
        await self._loop.spend(turn)
        return text

    @joined
    async def stateless(
        self,
        character_id: str,
        history: Sequence[tuple[MessageRole, str, str]],
        text: str,
        options: TurnOptions = TurnOptions(),
        request: str = "",
    ) -> AsyncGenerator[TurnEvent | Events, None]:
        """A reply to words after a history that is stored nowhere.

        Args:
            history: (role, name, text) of each line, oldest first; the name may be "" for the person and the
                character.
            request: id of what is asked for, the same for each time that it is asked for; "" for once.

        Raises (from the iterator):
            LunaluxError: as any turn. NotFound: CHARACTER_NOT_FOUND.
        """
        # A conversation without an id: nothing that is stored belongs to it.
        place = Conversation("", character_id, "", "", None, None, "", {}, {}, "", 0, 0)

        def read(connection: Connection) -> TurnInput:
            task = TurnTask("normal", place, None, well_formed(text), pictures=options.picture_refs)
            turn = self._reader().read(connection, task, options)
            names = {"user": turn.user, "assistant": turn.character.name}
            lines: list[Message] = []
            for role, name, words in history:
                above = lines[-1] if lines else None
                lines.append(new_message("", above, role, name or names.get(role, ""), well_formed(words)))
            counts = Counter(line.role for line in lines)
            return replace(
                turn,
                history=tuple(lines),
                length=len(lines),
                replies=counts["assistant"],
                said=counts["user"],
                request=request,
            )

        yield self.reply(await self._database.read(read))

    async def reply(self, turn: TurnInput) -> AsyncGenerator[TurnEvent, None]:
        """The reply to a turn whose input has been read.

        Raises (from the iterator):
            LunaluxError: as any turn.
        """
        yield TurnStarted("", None, None, turn.model.name)
        async with aclosing(self._loop.unstored(turn)) as steps:
            async for step in steps:
                if isinstance(step, TurnResult):
                    reply = new_message("", None, "assistant", turn.character.name, step.text)
                    told = replace(reply, thinking=step.thinking, **finished(step, reply))
                    report = await asyncio.to_thread(step.report)
                    yield TurnCompleted(told, step.text, step.suggestions, report)
                else:
                    yield step
