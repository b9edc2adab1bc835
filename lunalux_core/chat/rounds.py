"""Who speaks after whom: the replies of a group's members, one turn after another."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.chat.event_streams import Events, joined
from lunalux_core.chat.reply_store import StoredTurn
from lunalux_core.dialogue.turn import (
    Completion,
    PluginFailed,
    ReplyCorrection,
    SideReply,
    TextDelta,
    ThinkingDelta,
    TurnCompleted,
    TurnEvent,
    TurnOptions,
    TurnStarted,
)
from lunalux_core.errors import LunaluxError
from lunalux_core.groups.responders import is_directed, speakers, still_speaks
from lunalux_core.library.conversations import load_conversation, load_message

if TYPE_CHECKING:
    from lunalux_core.chat.turn_beginnings import TurnBeginnings
    from lunalux_core.chat.turn_loop import GivenReplies, TurnLoop
    from lunalux_core.database import Connection, Database

_OF_ONE_REPLY = (TurnStarted, TextDelta, ThinkingDelta, ReplyCorrection)
"""Events of a reply that is not shown: nobody could tell them from those of the one that is."""


class Rounds:
    """Runs the turns that belong together: of members who follow each other, of several wished versions."""

    def __init__(self, database: Database, loop: TurnLoop, beginnings: TurnBeginnings) -> None:
        self._database = database
        self._loop = loop
        self._beginnings = beginnings
        self.director: Callable[[str], Awaitable[str]] | None = None
        """Names the next speaker (an id, or "") in a conversation of a group that leaves it to a model."""

    async def follow(
        self, first: StoredTurn, options: TurnOptions, given: GivenReplies
    ) -> AsyncGenerator[TurnEvent, None]:
        """The turns after a first one: of each member of a group that is to follow, as its beginning says.

        A turn begins only when the one before it is stored, so a round can be stopped anywhere. Where several
        replies are wished, nobody follows before the person has chosen one.
        """
        if first.directed:
            # Not `joined`: each piece of every reply would go through one more generator.
            async with aclosing(self._directed(first.place.id, (), options)) as events:
                async for event in events:
                    yield event
            return
        last = first.reply.id if first.reply is not None else ""
        # Without a stored reply there is nothing to stand beside.
        for number in range(2, options.replies + 1 if last else 0):
            answer, row = given.pop(0) if given else (None, "")
            async with aclosing(self._beside(last, options, answer, row)) as events:
                async for event in events:
                    if isinstance(event, TurnCompleted) and event.message is not None:
                        yield SideReply(event.message, number, options.replies)
                    elif not isinstance(event, _OF_ONE_REPLY):
                        yield event
        for speaker in first.following if options.replies == 1 else ():
            # The values are bound now: when the function runs, the loop has gone on.
            def begin_next(connection: Connection, above: str = last, speaker: str = speaker) -> StoredTurn:
                return self._follows(connection, above, options, speaker)

            if self._loop.moments is not None:
                await self._loop.moments.drafted(speaker)
            async with aclosing(self._loop.run(begin_next)) as events:
                async for event in events:
                    last = event.reply.id if isinstance(event, TurnStarted) and event.reply else last
                    yield event

    @joined
    async def replies(
        self, conversation_id: str, chosen: Sequence[str], options: TurnOptions
    ) -> AsyncGenerator[TurnEvent | Events, None]:
        """Replies of those who were chosen, or of whom a director names in their place."""
        directed = await self._database.read(
            lambda c: is_directed(c, load_conversation(c, conversation_id), options)
        )
        yield (self._directed if directed else self._spoken)(conversation_id, chosen, options)

    @joined
    async def _directed(
        self, conversation_id: str, natural: Sequence[str], options: TurnOptions
    ) -> AsyncGenerator[TurnEvent | Events, None]:
        """The reply of whom the director names; where it names nobody who may speak, the natural order."""
        speaker = ""
        try:
            if self.director is not None:
                speaker = await self.director(conversation_id)
        except LunaluxError as error:
            # Told, and no more: the natural order stands in, or a model that is away would silence the group.
            yield PluginFailed("director", error.message)

        def choose(connection: Connection) -> list[str]:
            place = load_conversation(connection, conversation_id)
            if speaker and still_speaks(connection, place, speaker):
                return [speaker]
            head = load_message(connection, place.head_id) if place.head_id else None
            return list(natural) or speakers(connection, place, head, options)

        chosen = await self._database.read(choose)
        if chosen:
            yield self._spoken(conversation_id, chosen, options)

    @joined
    async def _spoken(
        self, conversation_id: str, chosen: Sequence[str], options: TurnOptions
    ) -> AsyncGenerator[TurnEvent | Events, None]:
        """Replies of those who were chosen, to whatever stands last when the first of them begins."""

        def begin(connection: Connection) -> StoredTurn:
            place, parent = self._beginnings.place(connection, conversation_id)
            return self._beginnings.reply(connection, place, parent, options, chosen)

        if self._loop.moments is not None and chosen[0]:
            await self._loop.moments.drafted(chosen[0])
        yield self._loop.run(begin, options)

    def _beside(
        self, reply_id: str, options: TurnOptions, answer: Completion | None, row: str
    ) -> AsyncGenerator[TurnEvent, None]:
        """Another version of a reply; its `answer` may be there already, and so may the message that it is
        kept in (`row`, an id)."""
        alone = replace(options, replies=1)
        return self._loop.run(lambda c: self._beginnings.beside(c, reply_id, alone, answer, row))

    def _follows(self, connection: Connection, above: str, options: TurnOptions, speaker: str) -> StoredTurn:
        """A member's reply to the one before it (an id); none where the member may not speak any more."""
        parent = load_message(connection, above)
        conversation = load_conversation(connection, parent.conversation_id)
        if not still_speaks(connection, conversation, speaker):
            return StoredTurn(conversation, None, None, None)
        return self._beginnings.reply(connection, conversation, parent, options, [speaker], "normal")
