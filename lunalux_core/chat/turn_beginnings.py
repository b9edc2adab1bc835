"""What a turn stores before its model is asked, and what it is made of.

Everything here runs within one transaction of the caller: nobody sees half of a beginning, and nothing
changes between what is stored and what is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.chat.reply_store import CONTINUED, StoredTurn, settled
from lunalux_core.dialogue.turn import Completion, TurnKind, TurnOptions, TurnTask
from lunalux_core.errors import InvalidInput
from lunalux_core.groups.responders import called_up
from lunalux_core.library.conversations import (
    REQUEST,
    Conversation,
    Message,
    append_message,
    children,
    insert_message,
    load_conversation,
    load_message,
    new_message,
    select_message,
    update_message,
)
from lunalux_core.library.undo import read_row

if TYPE_CHECKING:
    from pathlib import Path

    from lunalux_core.database import Connection
    from lunalux_core.dialogue.turn_input import TurnReader
    from lunalux_core.documents.picture_refs import PictureRef


class TurnBeginnings:
    """Stores the empty reply of each kind of turn, and reads the turn's input.

    Args:
        library: the library's file, beside which stand the journals of replies that are being written.
        reader: gathers all that a turn needs.
    """

    def __init__(self, library: Path, reader: Callable[[], TurnReader]) -> None:
        self._library = library
        self._reader = reader

    def place(self, connection: Connection, conversation_id: str) -> tuple[Conversation, Message | None]:
        """A conversation and its last message. Raises InvalidInput: REPLY_RUNNING while that is written."""
        conversation = load_conversation(connection, conversation_id)
        if not conversation.head_id:
            return conversation, None
        head = load_message(connection, conversation.head_id)
        return conversation, settled(connection, self._library, head)

    def reply(
        self,
        connection: Connection,
        conversation: Conversation,
        above: Message | None,
        options: TurnOptions,
        chosen: Sequence[str] = ("",),
        kind: TurnKind | None = None,
    ) -> StoredTurn:
        """A new reply to what stands above it.

        Args:
            chosen: the members of a group who reply, in order: the first with this turn, the others after it.
            kind: None for a reply to whatever stands last: words that are stored have been through their
                scripts, as those of a "regenerate" have.
        """
        reply = self._pending(connection, conversation, above, options, chosen[0])
        turn = self._reply_to(connection, conversation, above, reply, options, kind)
        return replace(turn, following=chosen[1:])

    def beside(
        self,
        connection: Connection,
        reply_id: str,
        options: TurnOptions,
        answer: Completion | None,
        row: str = "",
    ) -> StoredTurn:
        """Another version of a reply, as a swipe that is not shown.

        Args:
            answer: what the model said, where that is there already.
            row: id of the message in which something of the answer was kept as it came.
        """
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

    def anew(
        self,
        connection: Connection,
        message_id: str,
        options: TurnOptions,
        kind: TurnKind,
        *,
        rewrite: bool = False,
    ) -> StoredTurn:
        """Another reply beside a reply, or a first one under a message of the person.

        Raises:
            InvalidInput: GREETING_NOT_GENERATED, NOTHING_TO_REWRITE, REPLY_RUNNING, EVERYBODY_MUTED.
        """
        old = load_message(connection, message_id)
        conversation = load_conversation(connection, old.conversation_id)
        if rewrite:
            options = _rewriting(old, options)
        if old.role != "assistant":
            select_message(connection, old.id)
            chosen = [old.speaker]
            if conversation.group_id:
                chosen = called_up(connection, conversation, old, options)
            return self.reply(connection, conversation, old, options, chosen, kind)
        if not old.parent_id:
            raise InvalidInput(
                "GREETING_NOT_GENERATED",
                "A greeting comes from the card and cannot be generated again.",
                "Swipe to another greeting, or write something.",
            )
        old = settled(connection, self._library, old)
        if old.status == "failed":
            return self._again(connection, conversation, old, options, kind)
        above = load_message(connection, old.parent_id)
        return self.reply(connection, conversation, above, options, [old.speaker], kind)

    def continued(self, connection: Connection, conversation_id: str, options: TurnOptions) -> StoredTurn:
        """The last reply, to go on where it ended.

        Raises:
            InvalidInput: NOTHING_TO_CONTINUE, REPLY_RUNNING.
        """
        conversation, reply = self.place(connection, conversation_id)
        if reply is None or reply.role != "assistant":
            raise nothing_to_continue()
        before = read_row(connection, reply.id)
        update_message(connection, reply.id, status="pending")
        parent = load_message(connection, reply.parent_id) if reply.parent_id else None
        task = TurnTask("continue", conversation, parent, reply=reply, partial=reply.content)
        turn = self._reader().read(connection, task, options)
        return StoredTurn(conversation, None, reply, turn, before)

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

    def _reply_to(
        self,
        connection: Connection,
        conversation: Conversation,
        above: Message | None,
        reply: Message,
        options: TurnOptions,
        kind: TurnKind | None,
    ) -> StoredTurn:
        """The turn that makes `reply` to what stands above it."""
        words, parent, pictures = words_above(connection, above)
        kind = kind or ("regenerate" if words else "normal")
        task = TurnTask(kind, conversation, parent, words, reply, pictures=pictures)
        return StoredTurn(conversation, None, reply, self._reader().read(connection, task, options))

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


def words_above(
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


def nothing_to_continue() -> InvalidInput:
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
