"""The loop of one turn: its beginning is stored, the nodes run, what comes is stored as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from lunalux_core.chat.reply_store import SideReplies, StoredTurn, StreamingReply, claimed, take_back
from lunalux_core.dialogue.turn import (
    Billed,
    BindingDropped,
    Completion,
    Moments,
    ReplyCorrection,
    SidePart,
    TextDelta,
    ThinkingDelta,
    TurnCompleted,
    TurnEvent,
    TurnInput,
    TurnOptions,
    TurnResult,
    TurnStarted,
)
from lunalux_core.errors import NotFound, StorageError
from lunalux_core.library.conversations import Message, load_conversation, set_conversation

if TYPE_CHECKING:
    from lunalux_core.chat.journal import ReplyJournal
    from lunalux_core.database import Connection
    from lunalux_core.dialogue.workflow import Workflow
    from lunalux_core.library import Library

GivenReplies = list[tuple[Completion, str]]
"""Further replies that came with an answer, each with the id of the message in which something of it was
stored as it came, or ""."""
Following = Callable[[StoredTurn, TurnOptions, GivenReplies], AsyncGenerator[TurnEvent, None]]


class TurnLoop:
    """Drives every kind of turn through the nodes, one turn at a time.

    Args:
        dialogue_line: gives the whole line of nodes; asked for on the first turn only, so that opening the
            app does not pay for it.
        reply_line: gives the part of it that begins with what a model answered.
        billed: told about every bill.
    """

    def __init__(
        self,
        library: Library,
        dialogue_line: Callable[[], Workflow[TurnInput, TurnResult]],
        reply_line: Callable[[], Workflow[Completion, TurnResult]],
        billed: Callable[[Billed], Awaitable[None]],
    ) -> None:
        self._library = library
        self._database = library.database
        self._dialogue_line = dialogue_line
        self._reply_line = reply_line
        self._billed = billed
        self.on_turn: Callable[[], None] = lambda: None
        """Called as a turn begins to ask its model."""
        self.on_turn_end: Callable[[TurnInput], None] = lambda turn: None
        """Told of each turn that went through."""
        self.follow: Following | None = None
        """Gives the turns after one: of the members who follow it, of the other versions that are wished."""
        self.moments: Moments | None = None
        """What is done between the steps of every turn; None for all who have nothing to do there."""

    async def run(
        self, begin: Callable[[Connection], StoredTurn], options: TurnOptions | None = None
    ) -> AsyncGenerator[TurnEvent, None]:
        """The events of a turn, whose beginning `begin` stores within a transaction, and of those after it.

        Args:
            options: of a turn that others may follow; None where it stands alone whatever was wished.
        """
        if self.moments is not None:
            await self.moments.generating()
        begun = await self._begin(begin)
        user, reply, turn = begun.user, begun.reply, begun.turn
        given: GivenReplies = []
        if turn is not None:
            streaming = StreamingReply(self._database, begun)
            beside: SideReplies | None = None
            # Before the model is asked: what writes in the background gives way, where it uses the same
            # server.
            self.on_turn()
            try:
                yield TurnStarted(turn.conversation.id, user, reply, turn.model.name)
                answer = begun.answer
                line = self._reply_line().stream(answer) if answer else self._dialogue_line().stream(turn)
                async with aclosing(line) as steps:
                    async for step in steps:
                        if isinstance(step, TurnResult):
                            given += [
                                (other, beside.row(other.choice) if beside else "") for other in step.others
                            ]
                            yield await self._complete(step, turn, streaming)
                            break
                        if isinstance(step, SidePart):
                            if reply is not None:
                                beside = beside or SideReplies(self._database, reply)
                                await beside.take(step)
                            continue
                        if isinstance(step, TextDelta | ThinkingDelta | ReplyCorrection):
                            # Stored before it is shown: nobody can lose what was on screen.
                            await streaming.take(step)
                        elif isinstance(step, Billed):
                            await self._billed(step)
                        elif isinstance(step, BindingDropped):
                            await self._library.characters.set_binding(step.character_id, active=False)
                        yield step
            # GeneratorExit: whoever iterates closed this generator, which is how a front end stops a reply.
            # The shield keeps a second ctrl+c from leaving the reply pending.
            except (asyncio.CancelledError, GeneratorExit):
                await asyncio.shield(_ended("stopped", streaming, beside))
                await asyncio.shield(self.spend(turn))
                raise
            except BaseException:
                await asyncio.shield(_ended("failed", streaming, beside))
                raise
        elif user is not None:
            yield TurnStarted(user.conversation_id, user, None, "", follows=begun.follows)
        if self.follow is None or options is None:
            return
        if begun.directed or begun.following or options.replies > 1:
            async with aclosing(self.follow(begun, options, given)) as events:
                async for event in events:
                    yield event

    async def _complete(
        self, result: TurnResult, turn: TurnInput, streaming: StreamingReply
    ) -> TurnCompleted:
        """Store a reply that came to its end, and what goes with it."""
        message = await streaming.done(result, turn)
        report = await self._keep_record(result, turn, message)
        await self.spend(turn)
        # Last: the memories and trackers that begin with it read what this turn has stored.
        self.on_turn_end(turn)
        return TurnCompleted(message, result.text, result.suggestions, report)

    async def unstored(self, turn: TurnInput) -> AsyncGenerator[TurnEvent | TurnResult, None]:
        """What the nodes give of a turn of which nothing is stored but what it cost."""
        self.on_turn()
        async with aclosing(self._dialogue_line().stream(turn)) as steps:
            async for step in steps:
                if isinstance(step, Billed):
                    await self._billed(step)
                yield step

    async def spend(self, turn: TurnInput) -> None:
        """Take out the texts that a script put in for this prompt alone."""
        spent = [injection.id for injection in turn.injections if injection.ephemeral]
        if not spent:
            return
        from lunalux_core.dialogue.chat_texts import without_injections

        def change(connection: Connection) -> None:
            place = load_conversation(connection, turn.conversation.id)
            metadata = without_injections(place.metadata, *spent)
            set_conversation(connection, place.id, metadata=metadata)

        with suppress(NotFound):  # the chat is gone
            await self._database.write(change)

    async def _begin(self, begin: Callable[[Connection], StoredTurn]) -> StoredTurn:
        """Store the beginning of a turn. Stopped meanwhile, it is taken back: nobody saw it, and whoever sent
        the words still has them.
        """
        claims: list[ReplyJournal] = []
        stored: list[StoredTurn] = []

        def work(connection: Connection) -> StoredTurn:
            begun = begin(connection)
            tail = claimed(self._database.path, begun)
            if tail is not None:
                # Noted outside of the transaction: its result is lost to a caller that is cancelled
                # meanwhile.
                claims.append(tail)
            return replace(begun, tail=tail)

        try:
            # Cancellation cannot stop a transaction that runs. `stored` says whether it went through all
            # the same.
            return await self._database.write(work, committed=stored.append)
        except asyncio.CancelledError:
            if stored:
                await asyncio.shield(self._take_back(stored[0]))
            raise
        finally:
            # Rolled back: there is no reply for this claim, and its lock would stay while the program runs.
            for tail in claims if not stored else ():
                tail.release()

    async def _take_back(self, begun: StoredTurn) -> None:
        with suppress(StorageError):  # the next start marks it as stopped
            await self._database.write(lambda connection: take_back(connection, begun))
        if begun.tail is not None:
            begun.tail.remove()

    async def _keep_record(
        self, result: TurnResult, turn: TurnInput, message: Message | None
    ) -> Mapping[str, Any]:
        """Keep how the prompt came about, and tell it; a turn that went through is never undone by that."""
        from lunalux_core.dialogue.prompt_beginning import with_beginning
        from lunalux_core.library.turn_records import pack

        records, place = self._library.records, turn.conversation.id
        try:
            before = await records.newest_like(place, turn.model.name)
        except StorageError:
            return await asyncio.to_thread(result.report)

        def work() -> tuple[Mapping[str, Any], bytes]:
            report = result.report()
            return report, pack(with_beginning(report, before, result.usage))

        report, packed = await asyncio.to_thread(work)
        with suppress(StorageError):
            await records.keep(place, message.id if message else "", packed)
        return report


async def _ended(
    status: Literal["stopped", "failed"], streaming: StreamingReply, beside: SideReplies | None
) -> None:
    """Mark a reply that broke off, with all that came of it and of those beside it."""
    await streaming.end(status)
    if beside is not None:
        await beside.flush()
