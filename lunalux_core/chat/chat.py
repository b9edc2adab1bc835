"""Chat: everything that happens to a conversation.

One loop drives every kind of turn (send, regenerate, swipe, continue, impersonate). The person's words
and an empty reply are stored before anything else; what streams in is stored as it comes; however the reply
ends (done, stopped, failed, killed), its status says so.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lunalux_core.chat.lines import new_line
from lunalux_core.chat.reply_store import (
    CONTINUED,
    SideReplies,
    StoredTurn,
    StreamingReply,
    claimed,
    finished,
    recover,
    settled,
    take_back,
)
from lunalux_core.dialogue.turn import (
    Billed,
    BindingDropped,
    Completion,
    Moments,
    PluginFailed,
    Ready,
    ReplyCorrection,
    SidePart,
    SideReply,
    TextDelta,
    ThinkingDelta,
    TurnCompleted,
    TurnEvent,
    TurnInput,
    TurnKind,
    TurnOptions,
    TurnRequest,
    TurnResult,
    TurnStarted,
    TurnTask,
)
from lunalux_core.errors import InvalidInput, LunaluxError, NotFound, StorageError
from lunalux_core.groups.responders import addressed, called_up, is_directed, speakers, still_speaks
from lunalux_core.library.conversations import (
    PICTURES,
    REQUEST,
    Conversation,
    Message,
    MessageRole,
    append_message,
    children,
    insert_message,
    load_conversation,
    load_message,
    new_message,
    select_message,
    set_conversation,
    update_message,
)
from lunalux_core.library.undo import read_row
from lunalux_core.text import well_formed

if TYPE_CHECKING:
    from pathlib import Path

    from lunalux_core.chat.edits import MessageEdits
    from lunalux_core.chat.journal import ReplyJournal
    from lunalux_core.database import Connection
    from lunalux_core.dialogue.assembly import Prompt
    from lunalux_core.dialogue.profile_choice import Choice
    from lunalux_core.dialogue.turn_input import TurnReader
    from lunalux_core.dialogue.workflow import TurnContext, Workflow
    from lunalux_core.documents.pictures import Attachment, PictureRef
    from lunalux_core.library import Library
    from lunalux_core.library.profiles import Task
    from lunalux_core.llm.model import ModelRequest, ModelSpec


_OF_ONE_REPLY = (TurnStarted, TextDelta, ThinkingDelta, ReplyCorrection)
"""Events of a reply that is not shown: nobody could tell them from those of the one that is."""


class Chat:
    """The verbs of a conversation.

    Args:
        library: where everything is stored.
        reader: gathers all that a turn needs, within one transaction.
        workflow: gives the line of nodes; asked for on the first turn only, so that opening the app
            does not pay for it.
        preview: gives the part of that line that ends with the prompt.
        billed: told about every bill.
        words: gives the part of the line that ends with the person's words as they are stored.
        replied: gives the part that begins with what a model answered.
    """

    def __init__(
        self,
        library: Library,
        reader: Callable[[], TurnReader],
        workflow: Callable[[], Workflow[TurnInput, TurnResult]],
        preview: Callable[[], Workflow[TurnInput, Ready]],
        billed: Callable[[Billed], Awaitable[None]],
        words: Callable[[], Workflow[TurnInput, TurnRequest]],
        replied: Callable[[], Workflow[Completion, TurnResult]],
    ) -> None:
        self._library = library
        self._database = library.database
        self._reader = reader
        self._workflow = workflow
        self._preview = preview
        self._billed = billed
        self._words = words
        self._replied = replied
        self.on_turn: Callable[[], None] = lambda: None
        """Called as a turn begins to ask its model."""
        self.on_turn_end: Callable[[str], None] = lambda conversation_id: None
        """Told of the conversation whose turn went through."""
        self.director: Callable[[str], Awaitable[str]] | None = None
        """Names the next speaker (an id, or "") in a conversation of a group that leaves it to a model."""
        self.moments: Moments | None = None
        """What is done between the steps of every turn; None for all who have nothing to do there."""

    @cached_property
    def edits(self) -> MessageEdits:
        """Changes to messages that are stored."""
        from lunalux_core.chat.edits import MessageEdits

        return MessageEdits(self._database)

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

    async def recover(self, told: Callable[[Path], None] | None = None) -> int:
        """Mark replies that a killed program left pending as stopped; how many there were.

        `told` is called with the path of each journal that could not be read to its end.
        """
        return await recover(self._database, told)

    # -- turns -------------------------------------------------------------------------------------

    def send(
        self, conversation_id: str, text: str, options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[TurnEvent, None]:
        """Say something and stream the reply; in a group, the replies of those who answer, in turn.

        The words leave the conversation's draft as they are stored. Stopped before the first event, nothing
        is stored.

        Raises (from the iterator):
            LunaluxError: provider, payment, network or storage failed. The person's words and whatever
                came of the reply are stored; the reply is marked failed.
            InvalidInput: REPLY_RUNNING while another program writes here; nothing is stored.
        """
        text = well_formed(text)
        if self.moments is not None:
            return self._step_by_step(conversation_id, text, options, self.moments)
        # Filled within the transaction of `begin`, and read by the round when the first reply is stored.
        following: list[str] = []
        directed: list[str] = []

        def begin(connection: Connection) -> StoredTurn:
            conversation, parent = self._place(connection, conversation_id)
            line = self._store_line(connection, conversation, parent, text, options)
            if is_directed(connection, conversation, options):
                directed.append(conversation.id)
                return StoredTurn(conversation, line, None, None, follows=True)
            chosen = speakers(connection, conversation, line, options)
            if not chosen:
                return StoredTurn(conversation, line, None, None)
            following[:] = chosen[1:]
            reply = self._pending(connection, conversation, line, options, chosen[0])
            turn = self._reply_to(connection, conversation, line, reply, options, "normal")
            return replace(turn, user=line)

        return self._round(begin, following, options, directed)

    async def _step_by_step(
        self, conversation_id: str, text: str, options: TurnOptions, moments: Moments
    ) -> AsyncGenerator[TurnEvent, None]:
        """`send` for a chat in which something is done between its steps: the words are stored first, and the
        reply answers whatever stands last then."""
        line, told = await self.say(conversation_id, text, options)
        yield TurnStarted(conversation_id, line, None, "", follows=True)
        for event in told:
            yield event
        await moments.said()

        def choose(connection: Connection) -> list[str]:
            place = load_conversation(connection, conversation_id)
            return speakers(connection, place, load_message(connection, line.id), options)

        chosen = await self._database.read(choose)
        if not chosen:
            yield TurnStarted(conversation_id, line, None, "")
            return
        async with aclosing(self._answered(conversation_id, chosen, options)) as events:
            async for event in events:
                yield event

    async def _called_step_by_step(
        self, conversation_id: str, options: TurnOptions
    ) -> AsyncGenerator[TurnEvent, None]:
        """`speak` for a chat in which something is done between its steps."""

        def choose(connection: Connection) -> list[str]:
            place, parent = self._place(connection, conversation_id)
            return called_up(connection, place, parent, options)

        # Written, since a reply that a killed program left open is settled on the way.
        chosen = await self._database.write(choose)
        async with aclosing(self._answered(conversation_id, chosen, options)) as events:
            async for event in events:
                yield event

    async def _answered(
        self, conversation_id: str, chosen: Sequence[str], options: TurnOptions
    ) -> AsyncGenerator[TurnEvent, None]:
        """Replies of those who were chosen, or of whom a director names in their place."""
        directed = await self._is_directed(conversation_id, options)
        speak = self._directed if directed else self._spoken
        async with aclosing(speak(conversation_id, chosen, options)) as events:
            async for event in events:
                yield event

    async def _is_directed(self, conversation_id: str, options: TurnOptions) -> bool:
        return await self._database.read(
            lambda c: is_directed(c, load_conversation(c, conversation_id), options)
        )

    async def _directed(
        self, conversation_id: str, natural: Sequence[str], options: TurnOptions
    ) -> AsyncGenerator[TurnEvent, None]:
        """The reply of whom the director names; where it names nobody who may speak, the natural order."""
        speaker = ""
        try:
            if self.director is not None:
                speaker = await self.director(conversation_id)
        except LunaluxError as error:
            yield PluginFailed("director", error.message)

        def choose(connection: Connection) -> list[str]:
            place = load_conversation(connection, conversation_id)
            if speaker and still_speaks(connection, place, speaker):
                return [speaker]
            head = load_message(connection, place.head_id) if place.head_id else None
            return list(natural) or speakers(connection, place, head, options)

        chosen = await self._database.read(choose)
        if not chosen:
            return
        async with aclosing(self._spoken(conversation_id, chosen, options)) as events:
            async for event in events:
                yield event

    async def _spoken(
        self, conversation_id: str, chosen: Sequence[str], options: TurnOptions
    ) -> AsyncGenerator[TurnEvent, None]:
        """Replies of those who were chosen, to whatever stands last when the first of them begins."""

        def begin(connection: Connection) -> StoredTurn:
            place, parent = self._place(connection, conversation_id)
            reply = self._pending(connection, place, parent, options, chosen[0])
            return self._reply_to(connection, place, parent, reply, options)

        if self.moments is not None and chosen[0]:
            await self.moments.drafted(chosen[0])
        async with aclosing(self._round(begin, list(chosen[1:]), options)) as events:
            async for event in events:
                yield event

    async def say(
        self, conversation_id: str, text: str, options: TurnOptions = TurnOptions()
    ) -> tuple[Message, Sequence[TurnEvent]]:
        """Store a line of `options.voice` that nobody answers; it, and what there was to tell on the way.

        The person's own words go through their input scripts and plug-ins, as when they are sent.

        Raises:
            InvalidInput: LINE_EMPTY, LINE_UNNAMED, REPLY_RUNNING.
        """
        from lunalux_core.dialogue.workflow import TurnContext

        text = well_formed(text)

        def store(connection: Connection) -> tuple[Message, TurnInput | None]:
            conversation, parent = self._place(connection, conversation_id)
            line = self._store_line(connection, conversation, parent, text, options)
            if line.role != "user":
                return line, None
            speaker = addressed(connection, conversation, line, options)
            asked = TurnTask("normal", conversation, parent, text, speaker=speaker)
            return line, self._reader().read(connection, asked, options)

        # Stored as it was typed before any script or plug-in runs: if one of them fails, nothing is lost.
        line, turn = await self._database.write(store)
        if turn is None:
            return line, ()
        context = TurnContext()
        sent = (await self._words().run(turn, context)).text
        if sent != line.content:
            change = {"content": sent, "raw": line.content}
            await self._database.write(lambda c: update_message(c, line.id, **change))
        return await self._library.conversations.message(line.id), context.told()

    def _store_line(
        self,
        connection: Connection,
        conversation: Conversation,
        parent: Message | None,
        text: str,
        options: TurnOptions,
    ) -> Message:
        """Store a line under `parent`, and empty the draft that it was."""
        line = new_line(connection, self._reader(), conversation, parent, text, options)
        if options.pictures:
            line = self._with_pictures(connection, line, options.pictures)
        append_message(connection, line)
        # Only the draft that was sent is done with: what was typed since then stays.
        if conversation.draft.strip() == text:
            set_conversation(connection, conversation.id, draft="")
        return line

    @staticmethod
    def _with_pictures(connection: Connection, line: Message, pictures: Sequence[Attachment]) -> Message:
        """A line with its pictures, which are kept, and wait beside the draft no more."""
        from lunalux_core.documents.pictures import MOST_EACH
        from lunalux_core.library.pictures import remove_drafted, store_picture, too_many

        by_hash = {attached.ref.hash: attached for attached in pictures}
        if len(by_hash) > MOST_EACH:
            raise too_many()
        for attached in by_hash.values():
            store_picture(connection, attached)
        remove_drafted(connection, line.conversation_id, by_hash)
        refs = [attached.ref.as_json() for attached in by_hash.values()]
        return replace(line, extra={**line.extra, PICTURES: refs})

    def answer(
        self, conversation_id: str, options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[TurnEvent, None]:
        """A reply to whatever stands last, without a new word of the person; in a group, of those whose turn
        it is.
        """
        following: list[str] = []
        directed: list[str] = []

        def begin(connection: Connection) -> StoredTurn:
            conversation, parent = self._place(connection, conversation_id)
            if conversation.group_id:
                speaker, *following[:] = called_up(connection, conversation, parent, options)
                if is_directed(connection, conversation, options):
                    directed.append(conversation.id)
                    return StoredTurn(conversation, None, None, None)
                return self._next(connection, conversation, parent, options, speaker)
            reply = self._pending(connection, conversation, parent, options)
            return self._reply_to(connection, conversation, parent, reply, options)

        return self._round(begin, following, options, directed)

    def rewrite(
        self, message_id: str, instruction: str, options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[TurnEvent, None]:
        """A reply written again as an instruction says ("shorter"), as a swipe beside it.

        Raises (from the iterator):
            InvalidInput: NOTHING_TO_REWRITE, it is no reply or has no words; GREETING_NOT_GENERATED.
        """
        return self.regenerate(
            message_id,
            replace(options, direction=replace(options.direction, instruction=instruction)),
            "swipe",
            rewrite=True,
        )

    def speak(
        self, conversation_id: str, options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[TurnEvent, None]:
        """Let a member of a group speak without a word of the person: `options.speaker`, muted or not, else
        those whose turn it is, in a manual group somebody.

        Raises (from the iterator):
            InvalidInput: NOT_A_GROUP, EVERYBODY_MUTED. NotFound: MEMBER_NOT_FOUND.
        """
        following: list[str] = []

        def begin(connection: Connection) -> StoredTurn:
            conversation, parent = self._place(connection, conversation_id)
            chosen = called_up(connection, conversation, parent, options)
            following[:] = chosen[1:]
            return self._next(connection, conversation, parent, options, chosen[0])

        if not options.speaker or self.moments is not None:
            return self._called_step_by_step(conversation_id, options)
        return self._round(begin, following, options)

    def regenerate(
        self,
        message_id: str,
        options: TurnOptions = TurnOptions(),
        kind: TurnKind = "regenerate",
        *,
        rewrite: bool = False,
    ) -> AsyncGenerator[TurnEvent, None]:
        """Another reply beside `message_id` (the old one stays as a swipe), or under a message of the person.

        A reply that failed before anything came is tried again in place. One that has words keeps them as a
        swipe; the new one asks for the same under the same key, so the gateway replays an answer that was
        paid for instead of charging again. Where a *continue* failed, "regenerate" continues a copy of what
        was there before it.

        Args:
            rewrite: the model sees the old reply, to write it again as the instruction of `options` says.
        """
        following: list[str] = []

        def begin(connection: Connection) -> StoredTurn:
            old = load_message(connection, message_id)
            conversation = load_conversation(connection, old.conversation_id)
            speaker, wishes = old.speaker, options
            if rewrite:
                wishes = _rewriting(old, options)
            if old.role != "assistant":
                select_message(connection, old.id)
                above: Message | None = old
                if conversation.group_id:
                    speaker, *following[:] = called_up(connection, conversation, old, options)
            elif not old.parent_id:
                raise InvalidInput(
                    "GREETING_NOT_GENERATED",
                    "A greeting comes from the card and cannot be generated again.",
                    "Swipe to another greeting, or write something.",
                )
            else:
                old = settled(connection, self._database.path, old)
                above = load_message(connection, old.parent_id)
            if old.role == "assistant" and old.status == "failed":
                return self._again(connection, conversation, old, wishes, kind)
            reply = self._pending(connection, conversation, above, options, speaker)
            return self._reply_to(connection, conversation, above, reply, wishes, kind)

        return self._round(begin, following, options)

    def _again(
        self,
        connection: Connection,
        conversation: Conversation,
        old: Message,
        options: TurnOptions,
        kind: TurnKind,
    ) -> StoredTurn:
        """Ask again for a reply that failed, without losing what came of it."""
        above = load_message(connection, old.parent_id)
        whole = old.extra.get(CONTINUED)
        # The text may have been edited since: a length beyond it says nothing.
        broken = isinstance(whole, int) and 0 < whole <= len(old.content)
        if broken and kind == "regenerate":
            base = old.content[:whole]
            reply = self._pending(connection, conversation, above, options, old.speaker, request=old)
            update_message(connection, reply.id, content=base, raw=base)
            reply = replace(reply, content=base, raw=base, status="done")
            asked = TurnTask("continue", conversation, above, reply=reply, partial=base)
            return StoredTurn(conversation, None, reply, self._reader().read(connection, asked, options))
        # A reply with words is never overwritten: they stay as a swipe beside the new one.
        if old.content or old.thinking:
            # The key of the request belongs to the answer of the *continue*, which is not what is asked for
            # now.
            request = None if broken else old
            reply = self._pending(connection, conversation, above, options, old.speaker, request=request)
            before = None
        else:
            before = read_row(connection, old.id)
            # Tried again in place, as there is nothing in it to lose; `before` lets a turn that is stopped
            # before its first event put the row back.
            update_message(connection, old.id, status="pending")
            select_message(connection, old.id)
            reply = replace(old, status="pending")
        return replace(self._reply_to(connection, conversation, above, reply, options, kind), before=before)

    def continue_(
        self, conversation_id: str, options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[TurnEvent, None]:
        """Let the model go on where the last reply ended."""

        def begin(connection: Connection) -> StoredTurn:
            conversation, reply = self._place(connection, conversation_id)
            if reply is None or reply.role != "assistant":
                raise _nothing_to_continue()
            before = read_row(connection, reply.id)
            update_message(connection, reply.id, status="pending")
            parent = load_message(connection, reply.parent_id) if reply.parent_id else None
            asked = TurnTask("continue", conversation, parent, reply=reply, partial=reply.content)
            return StoredTurn(
                conversation, None, reply, self._reader().read(connection, asked, options), before
            )

        return self._turn(begin)

    def impersonate(
        self, conversation_id: str, options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[TurnEvent, None]:
        """Let the model write the person's next words; nothing is stored, the text is for the input box."""

        def begin(connection: Connection) -> StoredTurn:
            conversation, parent = self._place(connection, conversation_id)
            speaker = addressed(connection, conversation, parent, options)
            asked = TurnTask("impersonate", conversation, parent, speaker=speaker)
            return StoredTurn(conversation, None, None, self._reader().read(connection, asked, options))

        return self._turn(begin)

    async def preview(self, conversation_id: str, text: str, options: TurnOptions = TurnOptions()) -> Prompt:
        """The exact messages that `send` would send; nothing is stored and nothing is sent."""
        return (await self.preview_told(conversation_id, text, options))[0]

    async def preview_told(
        self,
        conversation_id: str,
        text: str,
        options: TurnOptions = TurnOptions(),
        kind: TurnKind = "normal",
    ) -> tuple[Prompt, Sequence[TurnEvent]]:
        """`preview`, with what there was to tell on the way; `kind` previews `continue_`, `regenerate` of the
        last message, or `impersonate` instead.
        """
        from lunalux_core.dialogue.workflow import TurnContext

        context = TurnContext()
        ready = await self._ready(conversation_id, text, options, context, kind)
        return ready.prompt, context.told()

    async def choice(
        self,
        conversation_id: str,
        task: Task | None = None,
        speaker: str = "",
        options: TurnOptions = TurnOptions(),
    ) -> Choice:
        """With what replies of a conversation, or a task beside them, are made: model, preset, parameters.

        Args:
            speaker: the member of a group who speaks.

        Raises:
            NotFound: CONVERSATION_NOT_FOUND, MODEL_UNKNOWN.
        """

        def read(connection: Connection) -> Choice:
            conversation = load_conversation(connection, conversation_id)
            return self._reader().choice(connection, conversation, options, speaker, task)

        return await self._database.read(read)

    async def request(
        self,
        conversation_id: str,
        text: str,
        options: TurnOptions = TurnOptions(),
        kind: TurnKind = "normal",
    ) -> tuple[ModelSpec, ModelRequest]:
        """The model, and what `send` (or another `kind` of turn) would ask it; nothing is stored or sent."""
        from lunalux_core.dialogue.nodes.llm import model_request
        from lunalux_core.dialogue.workflow import TurnContext

        ready = await self._ready(conversation_id, text, options, TurnContext(), kind)
        return ready.request.turn.model, model_request(ready)

    async def inspect(
        self, conversation_id: str, text: str, options: TurnOptions = TurnOptions()
    ) -> Mapping[str, Any]:
        """The record (`turn_record`) of what `send` would send, with a reason for every worldbook entry.

        Nothing is stored and nothing is sent; those of past turns are `library.turn_records`.
        """
        from lunalux_core.dialogue.prompt_beginning import with_beginning
        from lunalux_core.dialogue.turn_record import Trace, turn_record
        from lunalux_core.dialogue.turn_sampling import sampling_record
        from lunalux_core.dialogue.workflow import TurnContext

        context = TurnContext(trace=Trace(explain=True))
        ready = await self._ready(conversation_id, text, options, context)
        parameters = sampling_record(ready.request.turn, ready.prompt.form)
        record = turn_record(ready, context.trace, parameters=parameters)
        before = await self._library.records.newest_like(conversation_id, record["model"])
        return await asyncio.to_thread(with_beginning, record, before)

    async def _ready(
        self,
        conversation_id: str,
        text: str,
        options: TurnOptions,
        context: TurnContext,
        kind: TurnKind = "normal",
    ) -> Ready:
        turn = await self.next_turn(conversation_id, text, options, kind)
        return await self._preview().run(turn, context)

    async def next_turn(
        self,
        conversation_id: str,
        text: str = "",
        options: TurnOptions = TurnOptions(),
        kind: TurnKind = "normal",
    ) -> TurnInput:
        """All that a turn would be made of, were it begun now."""
        text = well_formed(text)

        def read(connection: Connection) -> TurnInput:
            conversation = load_conversation(connection, conversation_id)
            head = load_message(connection, conversation.head_id) if conversation.head_id else None
            asked = _would_ask(connection, conversation, head, text, options, kind)
            return self._reader().read(connection, asked, options)

        return await self._database.read(read)

    async def quiet(
        self, conversation_id: str, options: TurnOptions = TurnOptions(), character_id: str = ""
    ) -> str:
        """What the model says to the instruction of `options` behind the chat; nothing of it is stored.

        Args:
            character_id: who answers in the place of the chat's own character; not in a group.

        Raises:
            LunaluxError: as any turn.
        """

        def read(connection: Connection) -> TurnInput:
            place = load_conversation(connection, conversation_id)
            head = load_message(connection, place.head_id) if place.head_id else None
            if character_id and not place.group_id:
                place = replace(place, character_id=character_id)
            asked = _would_ask(connection, place, head, "", options, "normal")
            return self._reader().read(connection, asked, options)

        turn = await self._database.read(read)
        text = ""
        async with aclosing(self._unstored(turn)) as steps:
            async for step in steps:
                if isinstance(step, TurnResult):
                    text = step.text
        await self._spend(turn)
        return text

    async def stateless(
        self,
        character_id: str,
        history: Sequence[tuple[MessageRole, str, str]],
        text: str,
        options: TurnOptions = TurnOptions(),
    ) -> AsyncGenerator[TurnEvent, None]:
        """A reply to words behind a history that is stored nowhere, as nothing of the turn is.

        Args:
            history: (role, name, text) of each line, oldest first; the name may be "" for the person and the
                character.

        Raises (from the iterator):
            LunaluxError: as any turn. NotFound: CHARACTER_NOT_FOUND.
        """
        place = Conversation("", character_id, "", "", None, None, "", {}, {}, "", 0, 0)

        def read(connection: Connection) -> TurnInput:
            asked = TurnTask("normal", place, None, well_formed(text), pictures=_refs(options))
            turn = self._reader().read(connection, asked, options)
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
            )

        turn = await self._database.read(read)
        async with aclosing(self.unstored(turn)) as events:
            async for event in events:
                yield event

    async def unstored(self, turn: TurnInput) -> AsyncGenerator[TurnEvent, None]:
        """The reply to a turn of which nothing is stored but what it cost, and which takes nothing out of its
        chat.

        Raises (from the iterator):
            LunaluxError: as any turn.
        """
        yield TurnStarted("", None, None, turn.model.name)
        async with aclosing(self._unstored(turn)) as steps:
            async for step in steps:
                if isinstance(step, TurnResult):
                    reply = new_message("", None, "assistant", turn.character.name, step.text)
                    told = replace(reply, thinking=step.thinking, **finished(step, reply))
                    yield TurnCompleted(told, step.text, step.suggestions, step.report)
                else:
                    yield step

    async def _unstored(self, turn: TurnInput) -> AsyncGenerator[TurnEvent | TurnResult, None]:
        """The line of a turn of which nothing is stored but what it cost."""
        self.on_turn()
        async with aclosing(self._workflow().stream(turn)) as steps:
            async for step in steps:
                if isinstance(step, Billed):
                    await self._billed(step)
                yield step

    async def _spend(self, turn: TurnInput) -> None:
        """Take out the texts that a script put in for this prompt alone."""
        spent = [held.id for held in turn.injections if held.ephemeral]
        if not spent:
            return
        from lunalux_core.dialogue.chat_texts import without_injections

        def change(connection: Connection) -> None:
            place = load_conversation(connection, turn.conversation.id)
            metadata = without_injections(place.metadata, *spent)
            set_conversation(connection, place.id, metadata=metadata)

        with suppress(NotFound):  # the chat is gone
            await self._database.write(change)

    # -- the loop ----------------------------------------------------------------------------------

    async def _round(
        self,
        begin: Callable[[Connection], StoredTurn],
        following: list[str],
        options: TurnOptions,
        directed: Sequence[str] = (),
    ) -> AsyncGenerator[TurnEvent, None]:
        """A turn, and after it one for each member of a group that is to follow (ids, filled by `begin`).

        A turn begins only when the one before it is stored, so a round can be stopped anywhere. Where several
        replies are wished, nobody follows before the person has chosen one. `begin` puts the conversation
        into `directed` where a model is to name who speaks.
        """
        last = ""
        given: list[tuple[Completion, str]] = []
        async with aclosing(self._turn(begin, given)) as events:
            async for event in events:
                last = event.reply.id if isinstance(event, TurnStarted) and event.reply else last
                yield event
        if directed:
            async with aclosing(self._directed(directed[0], (), options)) as events:
                async for event in events:
                    yield event
            return
        # Without a stored reply there is nothing to stand beside.
        for number in range(2, options.replies + 1 if last else 0):
            answer, row = given.pop(0) if given else (None, "")
            async with aclosing(self._beside(last, options, answer, row)) as events:
                async for event in events:
                    if isinstance(event, TurnCompleted) and event.message is not None:
                        yield SideReply(event.message, number, options.replies)
                    elif not isinstance(event, _OF_ONE_REPLY):
                        yield event
        for speaker in following if options.replies == 1 else ():
            # The values are bound now: when the function runs, the loop has gone on.
            def begin_next(connection: Connection, above: str = last, speaker: str = speaker) -> StoredTurn:
                parent = load_message(connection, above)
                conversation = load_conversation(connection, parent.conversation_id)
                if not still_speaks(connection, conversation, speaker):
                    return StoredTurn(conversation, None, None, None)
                return self._next(connection, conversation, parent, options, speaker)

            if self.moments is not None:
                await self.moments.drafted(speaker)
            async with aclosing(self._turn(begin_next)) as events:
                async for event in events:
                    last = event.reply.id if isinstance(event, TurnStarted) and event.reply else last
                    yield event

    def _beside(
        self, reply_id: str, options: TurnOptions, answer: Completion | None, row: str = ""
    ) -> AsyncGenerator[TurnEvent, None]:
        """Another version of a reply, as a swipe that is not shown; its `answer` may be there already, and so
        may the message that it is kept in (`row`, an id)."""
        options = replace(options, replies=1)

        def begin(connection: Connection) -> StoredTurn:
            shown = load_message(connection, reply_id)
            conversation = load_conversation(connection, shown.conversation_id)
            above = load_message(connection, shown.parent_id) if shown.parent_id else None
            before = read_row(connection, row) if row else None
            if before is None:
                reply = self._pending(connection, conversation, above, options, shown.speaker, beside=True)
            else:  # what came of it was kept as it came
                update_message(connection, row, status="pending")
                reply = replace(load_message(connection, row), content="")
            turn = self._reply_to(connection, conversation, above, reply, options, "swipe")
            return replace(turn, before=before, beside=True, answer=answer)

        return self._turn(begin)

    def _next(
        self,
        connection: Connection,
        conversation: Conversation,
        parent: Message | None,
        options: TurnOptions,
        speaker: str,
    ) -> StoredTurn:
        """A member's reply to what stands above it."""
        reply = self._pending(connection, conversation, parent, options, speaker)
        return self._reply_to(connection, conversation, parent, reply, options, "normal")

    def _reply_to(
        self,
        connection: Connection,
        conversation: Conversation,
        above: Message | None,
        reply: Message,
        options: TurnOptions,
        kind: TurnKind | None = None,
    ) -> StoredTurn:
        """The turn that makes `reply` to what stands above it.

        Args:
            kind: None for a reply to whatever stands last: words that are stored have been through their
                scripts, as those of a "regenerate" have.
        """
        words, parent, shown = _words(connection, above)
        kind = kind or ("regenerate" if words else "normal")
        task = TurnTask(kind, conversation, parent, words, reply, pictures=shown)
        return StoredTurn(conversation, None, reply, self._reader().read(connection, task, options))

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

    async def _turn(
        self, begin: Callable[[Connection], StoredTurn], given: list[tuple[Completion, str]] | None = None
    ) -> AsyncGenerator[TurnEvent, None]:
        """One turn; further replies that came with its answer are put into `given`, with the ids of their
        messages, where something of them was stored as they came."""
        if self.moments is not None:
            await self.moments.generating()
        begun = await self._begin(begin)
        user, reply, turn = begun.user, begun.reply, begun.turn
        if turn is None:
            if user is not None:
                yield TurnStarted(user.conversation_id, user, None, "", follows=begun.follows)
            return
        streaming = StreamingReply(self._database, begun)
        beside: SideReplies | None = None
        self.on_turn()
        try:
            yield TurnStarted(turn.conversation.id, user, reply, turn.model.name)
            answered = begun.answer
            line = self._workflow().stream(turn) if answered is None else self._replied().stream(answered)
            async with aclosing(line) as steps:
                async for step in steps:
                    if isinstance(step, TurnResult):
                        if given is not None:
                            rows = [
                                (other, beside.row(other.choice) if beside else "") for other in step.others
                            ]
                            given.extend(rows)
                        message = await streaming.done(step, turn)
                        await self._keep_record(step, turn, message)
                        await self._spend(turn)
                        self.on_turn_end(turn.conversation.id)
                        yield TurnCompleted(message, step.text, step.suggestions, step.report)
                        return
                    if isinstance(step, SidePart):
                        if reply is not None:
                            beside = beside or SideReplies(self._database, reply)
                            await beside.take(step)
                        continue
                    if isinstance(step, TextDelta | ThinkingDelta | ReplyCorrection):
                        await streaming.take(step)
                    elif isinstance(step, Billed):
                        await self._billed(step)
                    elif isinstance(step, BindingDropped):
                        await self._library.characters.set_binding(step.character_id, active=False)
                    yield step
        # GeneratorExit: whoever iterates closed this generator, which is how a front end stops a reply. The
        # shield keeps a second ctrl+c from leaving the reply pending.
        except (asyncio.CancelledError, GeneratorExit):
            await asyncio.shield(streaming.end("stopped"))
            if beside is not None:
                await asyncio.shield(beside.flush())
            await asyncio.shield(self._spend(turn))
            raise
        except BaseException:
            await asyncio.shield(streaming.end("failed"))
            if beside is not None:
                await asyncio.shield(beside.flush())
            raise

    async def _keep_record(self, result: TurnResult, turn: TurnInput, message: Message | None) -> None:
        """Keep how the prompt came about; a turn that went through is never undone by that."""
        from lunalux_core.dialogue.prompt_beginning import with_beginning
        from lunalux_core.library.turn_records import pack

        records, place = self._library.records, turn.conversation.id
        try:
            before = await records.newest_like(place, turn.model.name)
            packed = await asyncio.to_thread(
                lambda: pack(with_beginning(result.report, before, result.usage))
            )
            await records.keep(place, message.id if message else "", packed)
        except StorageError:
            return

    def _pending(
        self,
        connection: Connection,
        conversation: Conversation,
        parent: Message | None,
        options: TurnOptions,
        speaker: str = "",
        request: Message | None = None,
        *,
        beside: bool = False,
    ) -> Message:
        """A new, empty reply; one that asks again for what `request` did not get has its key, unless another
        reply got it meanwhile. One `beside` what is shown is not shown itself.
        """
        siblings = children(connection, conversation.id, parent.id if parent else "") if request else ()
        others = [load_message(connection, identity) for identity in siblings]
        pending = request is not None and not any(
            message.status == "done" and message.request == request.request for message in others
        )
        reply = new_message(
            conversation.id,
            parent,
            "assistant",
            self._reader().character_name(connection, conversation, speaker),
            "",
            status="pending",
            extra={REQUEST: request.request} if request and pending else {},
            model=options.model,
            speaker=speaker,
        )
        (insert_message if beside else append_message)(connection, reply)
        return load_message(connection, reply.id)

    def _place(self, connection: Connection, conversation_id: str) -> tuple[Conversation, Message | None]:
        """A conversation and its last message. Raises InvalidInput: REPLY_RUNNING while that is written."""
        conversation = load_conversation(connection, conversation_id)
        if not conversation.head_id:
            return conversation, None
        return conversation, settled(
            connection, self._database.path, load_message(connection, conversation.head_id)
        )


def _would_ask(
    connection: Connection,
    conversation: Conversation,
    head: Message | None,
    text: str,
    options: TurnOptions,
    kind: TurnKind,
) -> TurnTask:
    """What a turn of a kind would be asked for, were it begun now.

    Raises:
        InvalidInput: NOTHING_TO_CONTINUE.
    """
    if kind == "continue":
        if head is None or head.role != "assistant":
            raise _nothing_to_continue()
        parent = load_message(connection, head.parent_id) if head.parent_id else None
        return TurnTask(kind, conversation, parent, partial=head.content, speaker=head.speaker)
    if kind == "regenerate" and head is not None:
        answers = head.role == "assistant" and head.parent_id
        above = load_message(connection, head.parent_id) if answers else head
        words, parent, shown = _words(connection, above)
        speaker = head.speaker or addressed(connection, conversation, above, options)
        return TurnTask(kind, conversation, parent, words, speaker=speaker, pictures=shown)
    said = new_message(conversation.id, head, "user", "", text)
    speaker = addressed(connection, conversation, said if text else head, options)
    words = text if kind == "normal" else ""
    return TurnTask(kind, conversation, head, words, speaker=speaker, pictures=_refs(options))


def _refs(options: TurnOptions) -> tuple[PictureRef, ...]:
    return tuple(attached.ref for attached in options.pictures)


def _nothing_to_continue() -> InvalidInput:
    return InvalidInput(
        "NOTHING_TO_CONTINUE", "The last message is not the character's.", "Send something first."
    )


def _rewriting(old: Message, options: TurnOptions) -> TurnOptions:
    """The options of a turn that writes a reply again. Raises InvalidInput (NOTHING_TO_REWRITE)."""
    if old.role != "assistant" or not old.content.strip():
        raise InvalidInput(
            "NOTHING_TO_REWRITE", "Only a reply that has words can be rewritten.", "Choose a reply."
        )
    return replace(options, direction=replace(options.direction, rewrites=old.content))


def _words(
    connection: Connection, above: Message | None
) -> tuple[str, Message | None, tuple[PictureRef, ...]]:
    """The person's words a reply answers, the message above them, and their pictures.

    They travel beside the history, since scripts and modes still change them; a line in another voice, or of
    pictures alone, is history already.
    """
    if above is None or above.role != "user" or (above.pictures and not above.content):
        return "", above, ()
    parent = load_message(connection, above.parent_id) if above.parent_id else None
    return above.content, parent, above.pictures
