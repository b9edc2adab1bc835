"""Chat: the verbs of a conversation.

One loop (`TurnLoop`) drives every kind of turn: send, regenerate, swipe, continue, impersonate. The person's
words and an empty reply are stored before anything else; what streams in is stored as it comes; however the
reply ends (done, stopped, failed, killed), its status says so.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from lunalux_core.chat.event_streams import Events, joined
from lunalux_core.chat.reply_store import StoredTurn, recover
from lunalux_core.chat.rounds import Rounds
from lunalux_core.chat.turn_beginnings import TurnBeginnings
from lunalux_core.chat.written_lines import store_line
from lunalux_core.dialogue.turn import (
    Moments,
    Ready,
    TurnEvent,
    TurnInput,
    TurnKind,
    TurnOptions,
    TurnRequest,
    TurnStarted,
    TurnTask,
)
from lunalux_core.groups.responders import addressed, called_up, is_directed, speakers
from lunalux_core.library.conversations import (
    Conversation,
    Message,
    load_conversation,
    load_message,
    update_message,
)
from lunalux_core.text import well_formed

if TYPE_CHECKING:
    from pathlib import Path

    from lunalux_core.chat.edits import MessageEdits
    from lunalux_core.chat.previews import TurnPreviews
    from lunalux_core.chat.turn_loop import TurnLoop
    from lunalux_core.chat.unstored_turns import UnstoredTurns
    from lunalux_core.database import Connection
    from lunalux_core.dialogue.turn_input import TurnReader
    from lunalux_core.dialogue.workflow import Workflow
    from lunalux_core.library import Library


class Chat:
    """The verbs of a conversation; `edits`, `previews` and `unstored` do what needs no stored turn.

    Args:
        library: where everything is stored.
        reader: gathers all that a turn needs, within one transaction.
        loop: drives each turn.
        prompt_line: gives the part of the line of nodes that ends with the prompt.
        words_line: gives the part that ends with the person's words as they are stored.
    """

    def __init__(
        self,
        library: Library,
        reader: Callable[[], TurnReader],
        loop: TurnLoop,
        prompt_line: Callable[[], Workflow[TurnInput, Ready]],
        words_line: Callable[[], Workflow[TurnInput, TurnRequest]],
    ) -> None:
        self._library = library
        self._database = library.database
        self._reader = reader
        self._prompt_line = prompt_line
        self._words_line = words_line
        self._beginnings = TurnBeginnings(library.database.path, reader)
        self.loop = loop
        self.rounds = Rounds(library.database, loop, self._beginnings)
        loop.follow = self.rounds.follow

    @cached_property
    def edits(self) -> MessageEdits:
        """Changes to messages that are stored."""
        from lunalux_core.chat.edits import MessageEdits

        return MessageEdits(self._database)

    @cached_property
    def previews(self) -> TurnPreviews:
        """What a turn would be, were it begun now."""
        from lunalux_core.chat.previews import TurnPreviews

        return TurnPreviews(self._library, self._reader, self._prompt_line)

    @cached_property
    def unstored(self) -> UnstoredTurns:
        """Turns of which nothing is stored but what they cost."""
        from lunalux_core.chat.unstored_turns import UnstoredTurns

        return UnstoredTurns(self._database, self._reader, self.loop)

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
        if self.loop.moments is not None:
            return self._send_step_by_step(conversation_id, text, options, self.loop.moments)

        def begin(connection: Connection) -> StoredTurn:
            conversation, parent = self._beginnings.place(connection, conversation_id)
            line = store_line(connection, self._reader(), conversation, parent, text, options)
            if is_directed(connection, conversation, options):
                return StoredTurn(conversation, line, None, None, follows=True, directed=True)
            chosen = speakers(connection, conversation, line, options)
            if not chosen:
                return StoredTurn(conversation, line, None, None)
            turn = self._beginnings.reply(connection, conversation, line, options, chosen, "normal")
            return replace(turn, user=line)

        return self.loop.run(begin, options)

    @joined
    async def _send_step_by_step(
        self, conversation_id: str, text: str, options: TurnOptions, moments: Moments
    ) -> AsyncGenerator[TurnEvent | Events, None]:
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
        if chosen:
            yield self.rounds.replies(conversation_id, chosen, options)
        else:
            yield TurnStarted(conversation_id, line, None, "")

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
            conversation, parent = self._beginnings.place(connection, conversation_id)
            line = store_line(connection, self._reader(), conversation, parent, text, options)
            if line.role != "user":
                return line, None
            speaker = addressed(connection, conversation, line, options)
            task = TurnTask("normal", conversation, parent, text, speaker=speaker)
            return line, self._reader().read(connection, task, options)

        # Stored as it was typed before any script or plug-in runs: if one of them fails, nothing is lost.
        line, turn = await self._database.write(store)
        if turn is None:
            return line, ()
        context = TurnContext()
        sent = (await self._words_line().run(turn, context)).text
        if sent != line.content:
            change = {"content": sent, "raw": line.content}
            await self._database.write(lambda c: update_message(c, line.id, **change))
        return await self._library.conversations.message(line.id), context.told()

    def answer(
        self, conversation_id: str, options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[TurnEvent, None]:
        """A reply to whatever stands last, without a new word of the person; in a group, of those whose turn
        it is.
        """

        def begin(connection: Connection) -> StoredTurn:
            conversation, parent = self._beginnings.place(connection, conversation_id)
            if not conversation.group_id:
                return self._beginnings.reply(connection, conversation, parent, options)
            chosen = called_up(connection, conversation, parent, options)
            if is_directed(connection, conversation, options):
                return StoredTurn(conversation, None, None, None, directed=True)
            return self._beginnings.reply(connection, conversation, parent, options, chosen, "normal")

        return self.loop.run(begin, options)

    def speak(
        self, conversation_id: str, options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[TurnEvent, None]:
        """Let a member of a group speak without a word of the person: `options.speaker`, muted or not, else
        those whose turn it is, in a manual group somebody.

        Raises (from the iterator):
            InvalidInput: NOT_A_GROUP, EVERYBODY_MUTED. NotFound: MEMBER_NOT_FOUND.
        """
        if not options.speaker or self.loop.moments is not None:
            return self._speak_step_by_step(conversation_id, options)

        def begin(connection: Connection) -> StoredTurn:
            conversation, parent = self._beginnings.place(connection, conversation_id)
            chosen = called_up(connection, conversation, parent, options)
            return self._beginnings.reply(connection, conversation, parent, options, chosen, "normal")

        return self.loop.run(begin, options)

    @joined
    async def _speak_step_by_step(
        self, conversation_id: str, options: TurnOptions
    ) -> AsyncGenerator[TurnEvent | Events, None]:
        """`speak` where it is not known yet who speaks, or where something is done between the steps."""

        def choose(connection: Connection) -> list[str]:
            place, parent = self._beginnings.place(connection, conversation_id)
            return called_up(connection, place, parent, options)

        # Written, since a reply that a killed program left open is settled on the way.
        chosen = await self._database.write(choose)
        yield self.rounds.replies(conversation_id, chosen, options)

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

        Raises (from the iterator):
            InvalidInput: GREETING_NOT_GENERATED, NOTHING_TO_REWRITE, EVERYBODY_MUTED.
        """
        return self.loop.run(
            lambda c: self._beginnings.anew(c, message_id, options, kind, rewrite=rewrite), options
        )

    def rewrite(
        self, message_id: str, instruction: str, options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[TurnEvent, None]:
        """A reply written again as an instruction says ("shorter"), as a swipe beside it.

        Raises (from the iterator):
            InvalidInput: NOTHING_TO_REWRITE, it is no reply or has no words; GREETING_NOT_GENERATED.
        """
        direction = replace(options.direction, instruction=instruction)
        return self.regenerate(message_id, replace(options, direction=direction), "swipe", rewrite=True)

    def continue_(
        self, conversation_id: str, options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[TurnEvent, None]:
        """Let the model go on where the last reply ended.

        Raises (from the iterator):
            InvalidInput: NOTHING_TO_CONTINUE.
        """
        return self.loop.run(lambda c: self._beginnings.continued(c, conversation_id, options))

    def impersonate(
        self, conversation_id: str, options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[TurnEvent, None]:
        """Let the model write the person's next words; nothing is stored, the text is for the input box."""

        def begin(connection: Connection) -> StoredTurn:
            conversation, parent = self._beginnings.place(connection, conversation_id)
            speaker = addressed(connection, conversation, parent, options)
            task = TurnTask("impersonate", conversation, parent, speaker=speaker)
            return StoredTurn(conversation, None, None, self._reader().read(connection, task, options))

        return self.loop.run(begin)
