"""Chat: everything that happens to a conversation.

One loop drives every kind of turn (send, regenerate, swipe, continue, impersonate). The person's words
and an empty reply are stored before anything else; what streams in is stored as it comes; an ending of
any kind (done, stopped, failed, killed) leaves the reply marked for what it is.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lunalux_core.cards.jsontext import well_formed
from lunalux_core.dialogue.turn import (
    Billed,
    BindingDropped,
    Ready,
    TextDelta,
    ThinkingDelta,
    TurnCompleted,
    TurnEvent,
    TurnInput,
    TurnKind,
    TurnOptions,
    TurnResult,
    TurnStarted,
)
from lunalux_core.errors import InvalidInput, StorageError
from lunalux_core.keeping import Keeper, owned, recover
from lunalux_core.library.changes import redo, undo
from lunalux_core.library.conversations import (
    Conversation,
    Message,
    append_message,
    load_conversation,
    load_message,
    new_message,
    select_message,
    update_message,
)
from lunalux_core.library.edits import (
    delete_branch,
    delete_one,
    edit_as_branch,
    edit_message,
    set_hidden,
    truncate_after,
)
from lunalux_core.speaking import addressed, called_up, speakers, still_speaks

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.dialogue.assembly import Prompt
    from lunalux_core.dialogue.reading import TurnReader
    from lunalux_core.dialogue.workflow import TurnContext, Workflow
    from lunalux_core.library import Library

_Begun = tuple[Message | None, Message | None, "TurnInput | None"]
"""The person's words, the reply and the input of a turn; no input where nobody answers."""


class Chat:
    """The verbs of a conversation.

    Args:
        library: where everything is stored.
        reader: gathers all that a turn needs, within one transaction.
        workflow: gives the line of nodes; asked for on the first turn only, so that opening the app
            does not pay for it.
        preview: gives the part of that line that ends with the prompt.
        billed: told about every bill.
    """

    def __init__(
        self,
        library: Library,
        reader: Callable[[], TurnReader],
        workflow: Callable[[], Workflow[TurnInput, TurnResult]],
        preview: Callable[[], Workflow[TurnInput, Ready]],
        billed: Callable[[Billed], Awaitable[None]],
    ) -> None:
        self._library = library
        self._database = library.database
        self._reader = reader
        self._workflow = workflow
        self._preview = preview
        self._billed = billed

    # -- conversations -----------------------------------------------------------------------------

    async def open_group(self, group_id: str) -> Conversation:
        """The group's latest conversation, or a new one with its members' greetings."""
        latest = await self._library.conversations.latest(group_id=group_id)
        return latest or await self.start_group(group_id)

    async def start_group(self, group_id: str, *, title: str = "", user_name: str = "") -> Conversation:
        """A new conversation of a group; every member that is not muted opens with a greeting."""
        return await self._database.write(
            lambda c: self._reader().begin_group(c, group_id, title, TurnOptions(user_name=user_name))
        )

    async def open(self, character_id: str) -> Conversation:
        """The character's latest conversation, or a new one with its greetings."""
        latest = await self._library.conversations.latest(character_id)
        return latest or await self.start(character_id)

    async def start(self, character_id: str, *, title: str = "", user_name: str = "") -> Conversation:
        """A new conversation; the greeting and its alternatives are swipes of the first message."""
        return await self._database.write(
            lambda c: self._reader().begin(c, character_id, title, TurnOptions(user_name=user_name))
        )

    async def recover(self) -> int:
        """Mark replies that a killed program left pending as stopped; how many there were."""
        return await recover(self._database)

    # -- turns -------------------------------------------------------------------------------------

    def send(
        self, conversation_id: str, text: str, options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[TurnEvent, None]:
        """Say something and stream the reply; in a group, the replies of those who answer, in turn.

        Raises (from the iterator):
            LunaluxError: provider, payment, network or storage failed. The person's words and whatever
                came of the reply are stored; the reply is marked failed.
        """
        text = well_formed(text)
        following: list[str] = []

        def begin(connection: Connection) -> _Begun:
            conversation = load_conversation(connection, conversation_id)
            parent = load_message(connection, conversation.head_id) if conversation.head_id else None
            reader = self._reader()
            user = new_message(
                conversation_id, parent, "user", reader.user_name(connection, conversation, options), text
            )
            append_message(connection, user)
            chosen = speakers(connection, conversation, user, options)
            if not chosen:
                return user, None, None
            following.extend(chosen[1:])
            reply = self._pending(connection, conversation, user, options, chosen[0])
            return user, reply, reader.read(connection, "normal", reply, options, text=text, above=parent)

        return self._round(begin, following, options)

    def speak(
        self, conversation_id: str, options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[TurnEvent, None]:
        """Let a member of a group speak without a word of the person: `options.speaker`, muted or not, else
        those whose turn it is, in a manual group somebody.

        Raises (from the iterator):
            InvalidInput: NOT_A_GROUP, EVERYBODY_MUTED. NotFound: MEMBER_NOT_FOUND.
        """
        following: list[str] = []

        def begin(connection: Connection) -> _Begun:
            conversation = load_conversation(connection, conversation_id)
            parent = load_message(connection, conversation.head_id) if conversation.head_id else None
            chosen = called_up(connection, conversation, parent, options)
            following.extend(chosen[1:])
            return self._next(connection, conversation, parent, options, chosen[0])

        return self._round(begin, following, options)

    def regenerate(
        self, message_id: str, options: TurnOptions = TurnOptions(), kind: TurnKind = "regenerate"
    ) -> AsyncGenerator[TurnEvent, None]:
        """Another reply beside `message_id` (the old one stays as a swipe), or under a message of the person.

        A reply that failed is tried again in place, with its id: the gateway then replays an answer that
        was paid for instead of charging again.
        """

        following: list[str] = []

        def begin(connection: Connection) -> _Begun:
            old = load_message(connection, message_id)
            conversation = load_conversation(connection, old.conversation_id)
            speaker = old.speaker
            if old.role == "user":
                select_message(connection, old.id)
                above: Message | None = old
                if conversation.group_id:
                    speaker, *later = called_up(connection, conversation, old, options)
                    following.extend(later)
            elif not old.parent_id:
                raise InvalidInput(
                    "GREETING_NOT_GENERATED",
                    "A greeting comes from the card and cannot be generated again.",
                    "Swipe to another greeting, or write something.",
                )
            else:
                above = load_message(connection, old.parent_id)
            if old.status == "failed" and old.role == "assistant":
                update_message(connection, old.id, status="pending", content="", raw="", extra=owned(old))
                select_message(connection, old.id)
                reply = replace(old, status="pending", content="", raw="")
            else:
                reply = self._pending(connection, conversation, above, options, speaker)
            text, parent = _words(connection, above)
            turn = self._reader().read(connection, kind, reply, options, text=text, above=parent)
            return None, reply, turn

        return self._round(begin, following, options)

    def continue_(
        self, conversation_id: str, options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[TurnEvent, None]:
        """Let the model go on where the last reply ended."""

        def begin(connection: Connection) -> _Begun:
            reply = self._last_reply(connection, conversation_id)
            update_message(connection, reply.id, status="pending", extra=owned(reply))
            parent = load_message(connection, reply.parent_id) if reply.parent_id else None
            turn = self._reader().read(
                connection, "continue", reply, options, text="", above=parent, partial=reply.content
            )
            return None, reply, turn

        return self._turn(begin)

    def impersonate(
        self, conversation_id: str, options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[TurnEvent, None]:
        """Let the model write the person's next words; nothing is stored, the text is for the input box."""

        def begin(connection: Connection) -> _Begun:
            conversation = load_conversation(connection, conversation_id)
            parent = load_message(connection, conversation.head_id) if conversation.head_id else None
            speaker = addressed(connection, conversation, parent, options)
            turn = self._reader().read(
                connection, "impersonate", None, options, above=parent, of=conversation, speaker=speaker
            )
            return None, None, turn

        return self._turn(begin)

    async def swipe(self, message_id: str, step: int) -> Message | None:
        """Show the next (+1) or previous (-1) swipe; None past the last, where the caller may generate."""

        def change(connection: Connection) -> Message | None:
            message = load_message(connection, message_id)
            siblings = [
                row[0]
                for row in connection.execute(
                    "SELECT id FROM messages WHERE conversation_id = ? AND parent_id = ? ORDER BY number",
                    (message.conversation_id, message.parent_id),
                )
            ]
            place = message.swipe + step
            if place >= len(siblings):
                return None
            chosen = siblings[max(place, 0)]
            if message.speaker:
                from lunalux_core.dialogue.company import carry_openings

                carry_openings(connection, message, load_message(connection, chosen))
            select_message(connection, chosen)
            return load_message(connection, chosen)

        return await self._database.write(change)

    async def preview(self, conversation_id: str, text: str, options: TurnOptions = TurnOptions()) -> Prompt:
        """The exact messages that `send` would send; nothing is stored and nothing is sent."""
        return (await self.preview_told(conversation_id, text, options))[0]

    async def preview_told(
        self, conversation_id: str, text: str, options: TurnOptions = TurnOptions()
    ) -> tuple[Prompt, Sequence[TurnEvent]]:
        """`preview`, with what there was to tell on the way."""
        from lunalux_core.dialogue.workflow import TurnContext

        context = TurnContext()
        ready = await self._ready(conversation_id, text, options, context)
        return ready.prompt, context.told()

    async def inspect(
        self, conversation_id: str, text: str, options: TurnOptions = TurnOptions()
    ) -> Mapping[str, Any]:
        """The record (`dialogue.record`) of what `send` would send, with a reason for every worldbook entry.

        Nothing is stored and nothing is sent; those of past turns are `library.records`.
        """
        from lunalux_core.dialogue.record import Trace, turn_record
        from lunalux_core.dialogue.workflow import TurnContext

        context = TurnContext(trace=Trace(explain=True))
        return turn_record(await self._ready(conversation_id, text, options, context), context.trace)

    async def _ready(
        self, conversation_id: str, text: str, options: TurnOptions, context: TurnContext
    ) -> Ready:
        text = well_formed(text)

        def read(connection: Connection) -> TurnInput:
            conversation = load_conversation(connection, conversation_id)
            parent = load_message(connection, conversation.head_id) if conversation.head_id else None
            said = new_message(conversation_id, parent, "user", "", text)
            return self._reader().read(
                connection,
                "normal",
                None,
                options,
                text=text,
                above=parent,
                of=conversation,
                speaker=addressed(connection, conversation, said if text else parent, options),
            )

        turn = await self._database.read(read)
        return await self._preview().run(turn, context)

    # -- edits -------------------------------------------------------------------------------------

    async def edit(self, message_id: str, content: str) -> None:
        """Change the words of a message in place."""
        content = well_formed(content)
        await self._database.write(lambda c: edit_message(c, message_id, content))

    async def edit_as_branch(self, message_id: str, content: str) -> str:
        """Put other words beside a message and show them; returns the new message's id."""
        content = well_formed(content)
        return await self._database.write(lambda c: edit_as_branch(c, message_id, content))

    async def delete(self, message_id: str, *, only_this: bool = False) -> None:
        """Delete a message with all that follows it, or it alone."""
        await self._database.write(
            lambda c: delete_one(c, message_id) if only_this else delete_branch(c, message_id)
        )

    async def truncate(self, message_id: str) -> None:
        """Go on from this message; what followed stays in the tree as a branch."""
        await self._database.write(lambda c: truncate_after(c, message_id))

    async def hide(self, message_id: str, hidden: bool = True) -> None:
        """Keep a message out of the prompt, or let it in again."""
        await self._database.write(lambda c: set_hidden(c, message_id, hidden))

    async def undo(self, conversation_id: str) -> str | None:
        """Take the last edit, deletion or cut back; returns its kind, None when there is none."""
        return await self._database.write(lambda c: undo(c, conversation_id))

    async def redo(self, conversation_id: str) -> str | None:
        """Do again what was undone last."""
        return await self._database.write(lambda c: redo(c, conversation_id))

    # -- the loop ----------------------------------------------------------------------------------

    async def _round(
        self, begin: Callable[[Connection], _Begun], following: list[str], options: TurnOptions
    ) -> AsyncGenerator[TurnEvent, None]:
        """A turn, and after it one for each member of a group that is to follow (ids, filled by `begin`).

        A turn begins only when the one before it is stored, so a round can be stopped anywhere.
        """
        last = ""
        async with aclosing(self._turn(begin)) as events:
            async for event in events:
                last = event.reply.id if isinstance(event, TurnStarted) and event.reply else last
                yield event
        for speaker in following:

            def begin_next(connection: Connection, above: str = last, speaker: str = speaker) -> _Begun:
                parent = load_message(connection, above)
                conversation = load_conversation(connection, parent.conversation_id)
                if not still_speaks(connection, conversation, speaker):
                    return None, None, None
                return self._next(connection, conversation, parent, options, speaker)

            async with aclosing(self._turn(begin_next)) as events:
                async for event in events:
                    last = event.reply.id if isinstance(event, TurnStarted) and event.reply else last
                    yield event

    def _next(
        self,
        connection: Connection,
        conversation: Conversation,
        parent: Message | None,
        options: TurnOptions,
        speaker: str,
    ) -> _Begun:
        """A member's reply to what stands above it."""
        reply = self._pending(connection, conversation, parent, options, speaker)
        text, above = _words(connection, parent)
        return None, reply, self._reader().read(connection, "normal", reply, options, text=text, above=above)

    async def _turn(self, begin: Callable[[Connection], _Begun]) -> AsyncGenerator[TurnEvent, None]:
        user, reply, turn = await self._database.write(begin)
        if turn is None:
            if user is not None:
                yield TurnStarted(user.conversation_id, user, None, "")
            return
        keeper = Keeper(self._database, reply, user)
        try:
            yield TurnStarted(turn.conversation.id, user, reply, turn.model.name)
            async with aclosing(self._workflow().stream(turn)) as steps:
                async for step in steps:
                    if isinstance(step, TurnResult):
                        message = await keeper.done(step, turn)
                        await self._keep_record(step, turn, message)
                        yield TurnCompleted(message, step.text, step.suggestions, step.report)
                        return
                    if isinstance(step, TextDelta | ThinkingDelta):
                        await keeper.take(step)
                    elif isinstance(step, Billed):
                        await self._billed(step)
                    elif isinstance(step, BindingDropped):
                        await self._library.characters.set_binding(step.character_id, active=False)
                    yield step
        except (asyncio.CancelledError, GeneratorExit):
            await asyncio.shield(keeper.end("stopped"))
            raise
        except BaseException:
            await asyncio.shield(keeper.end("failed"))
            raise

    async def _keep_record(self, result: TurnResult, turn: TurnInput, message: Message | None) -> None:
        """Keep how the prompt came about; a turn that went through is never undone by that."""
        from lunalux_core.library.records import pack

        try:
            packed = await asyncio.to_thread(pack, result.report)
            await self._library.records.keep(turn.conversation.id, message.id if message else "", packed)
        except StorageError:
            return

    def _pending(
        self,
        connection: Connection,
        conversation: Conversation,
        parent: Message | None,
        options: TurnOptions,
        speaker: str = "",
    ) -> Message:
        reply = new_message(
            conversation.id,
            parent,
            "assistant",
            self._reader().character_name(connection, conversation, speaker),
            "",
            status="pending",
            extra={"writer": os.getpid()},
            model=options.model,
            speaker=speaker,
        )
        append_message(connection, reply)
        return load_message(connection, reply.id)

    def _last_reply(self, connection: Connection, conversation_id: str) -> Message:
        conversation = load_conversation(connection, conversation_id)
        head = load_message(connection, conversation.head_id) if conversation.head_id else None
        if head is None or head.role != "assistant":
            raise InvalidInput(
                "NOTHING_TO_CONTINUE", "The last message is not the character's.", "Send something first."
            )
        return head


def _words(connection: Connection, above: Message | None) -> tuple[str, Message | None]:
    """The person's words a reply answers, and the message above them."""
    if above is None or above.role != "user":
        return "", above
    return above.content, load_message(connection, above.parent_id) if above.parent_id else None
