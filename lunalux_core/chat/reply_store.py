"""Stores a reply while it streams; however it ends, its status says how."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from lunalux_core.chat.journal import (
    ReplyJournal,
    is_held,
    journaled,
    read_journal,
    remove_journals,
    set_aside,
)
from lunalux_core.dialogue.turn import (
    Completion,
    ReplyCorrection,
    SidePart,
    TextDelta,
    ThinkingDelta,
    TurnInput,
    TurnResult,
)
from lunalux_core.errors import InvalidInput
from lunalux_core.library.conversations import (
    Conversation,
    Message,
    insert_message,
    load_message,
    new_message,
    update_message,
)
from lunalux_core.library.program_state import store_globals, store_token_factor
from lunalux_core.library.turns import pending_replies, remove_leaf, show_again
from lunalux_core.library.undo import keep_change, read_row

if TYPE_CHECKING:
    from pathlib import Path

    from lunalux_core.database import Connection, Database

T = TypeVar("T")

FINISH, SPEED, COST = "finish", "speed", "cost"
"""In a message's `extra`: why the reply ended (`llm.model.Finish`), how fast it came, what it cost."""
FLUSH_SECONDS = 0.5
"""How often a streaming reply goes into the library, where other programs see it grow; every piece is in its
file (`journal`) before it is shown."""

CONTINUED = "continued"
"""In `Message.extra` of a reply whose *continue* broke off: how many characters it had before."""


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A turn that is stored: the person's words, the reply that is to come and the input of the turn.

    No input where nobody answers, no reply where nothing is stored. `place` is the conversation as it was;
    `before` the reply's row as it was, where it was there already. `tail` makes this program the reply's
    only writer. A reply `beside` the one on screen is a swipe that nobody sees yet; its `answer` may have
    come with that one's. A reply `follows` words without one where it is not known yet who answers.
    After this turn speak the members `following` (ids, in order), or whom a model names (`directed`).
    """

    place: Conversation
    user: Message | None
    reply: Message | None
    turn: TurnInput | None
    before: Mapping[str, Any] | None = None
    tail: ReplyJournal | None = None
    beside: bool = False
    follows: bool = False
    answer: Completion | None = None
    following: Sequence[str] = ()
    directed: bool = False


class SideReplies:
    """Keeps the other replies of one answer while they come, as swipes marked as stopped: whoever kills the
    program loses none of them. Each is filled once the whole answer is there."""

    def __init__(self, database: Database, reply: Message) -> None:
        self._database = database
        self._reply = reply
        self._texts: dict[int, list[str]] = {}
        self._thoughts: dict[int, list[str]] = {}
        self._changed: set[int] = set()
        self._flushed = 0.0
        self._ids: dict[int, str] = {}

    async def take(self, step: SidePart) -> None:
        part, choice = step.part, step.choice
        text, thoughts = self._texts.setdefault(choice, []), self._thoughts.setdefault(choice, [])
        if isinstance(part, ReplyCorrection):
            text[:], thoughts[:] = [part.text], [part.thinking]
        else:
            (text if isinstance(part, TextDelta) else thoughts).append(part.text)
        self._changed.add(choice)
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            await self.flush()

    async def flush(self) -> None:
        """Store what came since."""
        self._flushed = time.monotonic()
        # Before the transaction: what comes while it runs is stored by the next one.
        changed, self._changed = sorted(self._changed), set()

        def change(connection: Connection) -> None:
            reply = self._reply
            above = load_message(connection, reply.parent_id) if reply.parent_id else None
            for choice in changed:
                texts = {
                    "content": "".join(self._texts[choice]),
                    "thinking": "".join(self._thoughts[choice]),
                }
                if choice in self._ids:
                    update_message(connection, self._ids[choice], **texts, raw=texts["content"])
                    continue
                beside = new_message(
                    reply.conversation_id,
                    above,
                    "assistant",
                    reply.name,
                    texts["content"],
                    raw=texts["content"],
                    thinking=texts["thinking"],
                    status="stopped",
                    model=reply.model,
                    speaker=reply.speaker,
                )
                insert_message(connection, beside)
                self._ids[choice] = beside.id

        if changed:
            await self._database.write(change)

    def row(self, choice: int) -> str:
        """Id of a reply's message, "" where nothing of it is stored."""
        return self._ids.get(choice, "")


def finished(result: TurnResult, reply: Message) -> dict[str, Any]:
    """How a reply ended and what it took, as the values of a message."""
    return {
        "usage": {name: count for name, count in asdict(result.usage).items() if name != "cost"},
        "extra": {
            **at_rest(reply),
            FINISH: result.finish,
            SPEED: dict(result.speed),
            **({COST: dict(result.cost)} if result.cost else {}),
        },
    }


class StreamingReply:
    """Stores a reply while it comes and when it ends."""

    def __init__(self, database: Database, begun: StoredTurn) -> None:
        self._database = database
        self._reply = begun.reply
        self._user = begun.user
        self._continues = begun.turn is not None and begun.turn.kind == "continue"
        self._before = begun.before
        self._head = begun.place.head_id
        self._base = begun.reply.content if begun.reply else ""
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._flushed = time.monotonic()
        self._finished = False
        self._journal = begun.tail
        self._beside = begun.beside

    async def take(self, delta: TextDelta | ThinkingDelta | ReplyCorrection) -> None:
        if isinstance(delta, ReplyCorrection):
            self._text, self._thinking = [delta.text], [delta.thinking]
            if self._journal is not None:
                # The file first: what is on screen must be in it, whatever becomes of the library's
                # transaction.
                self._journal.turn(delta.text, delta.thinking)
            await self._flush()
            return
        visible = isinstance(delta, TextDelta)
        (self._text if visible else self._thinking).append(delta.text)
        if self._journal is not None:
            self._journal.add(delta.text if visible else "", "" if visible else delta.text)
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            await self._flush()

    async def done(self, result: TurnResult, turn: TurnInput) -> Message | None:
        """Store the finished reply, and the person's words where a script or plug-in changed them."""
        reply, user = self._reply, self._user

        def change(connection: Connection) -> Message | None:
            if result.global_variables is not None:
                store_globals(connection, result.global_variables)
            if result.token_factor is not None:
                store_token_factor(connection, turn.model.model, result.token_factor)
            if reply is None:
                return None
            if user is not None and user.role == "user" and result.sent_text != user.content:
                update_message(connection, user.id, content=result.sent_text, raw=user.content)
            update_message(
                connection,
                reply.id,
                content=result.text,
                raw=result.raw,
                thinking=self._thought(result.thinking),
                suggestions=result.suggestions,
                event=result.event,
                status="done",
                model=turn.model.name,
                billing=result.billing,
                state=result.state,
                **finished(result, reply),
            )
            self._record(connection)
            return load_message(connection, reply.id)

        # Set before the transaction: a stop that comes while it runs must not mark a complete reply as
        # stopped.
        self._finished = True
        try:
            return await asyncio.shield(self._store(change))
        except Exception:
            self._finished = False
            raise

    async def end(self, status: str) -> None:
        """Keep what came, marked; a continued reply that got nothing new is as it was before, and so is one
        that is complete.
        """
        reply = self._reply
        if reply is None or self._finished:
            return
        extra = at_rest(reply)
        if self._continues and not any(self._text):
            # Nothing was added, so the reply is what it was before, also where that was "done".
            status = reply.status
        elif self._continues and status == "failed":
            extra[CONTINUED] = len(self._base)
        if status != "done":
            extra[FINISH] = "stopped" if status == "stopped" else "cut"
        values = {**self._values(), "status": status, "extra": extra}

        def change(connection: Connection) -> None:
            if self._beside and not values["content"]:  # a version without a word is none
                remove_leaf(connection, reply)
                return
            update_message(connection, reply.id, **values)
            self._record(connection)

        await self._store(change)

    async def _store(self, change: Callable[[Connection], T]) -> T:
        """Store how the reply ended, and release its journal.

        Where the library refuses, the journal stays: the next start reads the words from there.
        """
        try:
            result = await self._database.write(change)
        except BaseException:
            if self._journal is not None:
                self._journal.release()
            raise
        if self._journal is not None:
            self._journal.remove()
        return result

    def _thought(self, thinking: str) -> str:
        """What was thought before goes on where a reply does."""
        before = self._reply.thinking if self._reply and self._continues else ""
        return f"{before}\n\n{thinking}" if before and thinking else before or thinking

    def _record(self, connection: Connection) -> None:
        """Let undo take back what a *continue* added."""
        if self._reply is None or self._before is None or not self._continues or not any(self._text):
            return
        identity = self._reply.id
        after = read_row(connection, identity)
        if after is not None and after["content"] != self._before["content"]:
            place = self._reply.conversation_id
            keep_change(
                connection, place, "continue", self._head, {identity: self._before}, {identity: after}
            )

    def _values(self) -> dict[str, Any]:
        """What came so far, as columns."""
        values = {"content": self._base + "".join(self._text)}
        if self._thinking:
            values["thinking"] = self._thought("".join(self._thinking))
        return values

    async def _flush(self) -> None:
        reply = self._reply
        if reply is None:
            return
        values = self._values()
        await self._database.write(lambda connection: update_message(connection, reply.id, **values))
        self._flushed = time.monotonic()


def claimed(library: Path, begun: StoredTurn) -> ReplyJournal | None:
    """Make this program the only writer of a turn's reply, before anybody can see that it is pending.

    Raises:
        InvalidInput: REPLY_RUNNING.
    """
    if begun.reply is None or begun.turn is None:
        return None
    # Within the transaction: nobody sees the pending reply before its file is locked, so nobody can take it
    # for one that a killed program left.
    tail = ReplyJournal(library, begun.reply.id, begun.reply.content)
    if not tail.claim():
        raise _running()
    return tail


def take_back(connection: Connection, begun: StoredTurn) -> None:
    """Undo the beginning of a turn that nobody saw; a message that has replies by now stays."""
    if begun.reply is not None and begun.before is not None:
        same = {name: begun.before[name] for name in ("status", "content", "raw", "extra")}
        update_message(connection, begun.reply.id, **same)
    # The reply first: a message is removed only if no other hangs on it.
    new = [begun.reply if begun.before is None else None, begun.user]
    for message in new:
        if message is not None:
            remove_leaf(connection, message)
    show_again(connection, begun.place)


def settled(connection: Connection, library: Path, message: Message) -> Message:
    """A message that nobody writes: a reply that a killed program left pending is marked as stopped.

    Raises:
        InvalidInput: REPLY_RUNNING while a program that lives writes it.
    """
    if message.status != "pending":
        return message
    if is_held(library, message.id):
        raise _running()
    _cut(connection, library, message.id, message.content)
    return load_message(connection, message.id)


async def recover(database: Database, told: Callable[[Path], None] | None = None) -> int:
    """Mark replies that a killed program left pending as stopped, with all that it showed of them.

    Returns how many there were. `told` hears of each file that could not be read to its end, and where it is
    kept now.
    """
    damaged: list[str] = []

    def change(connection: Connection) -> tuple[int, list[str]]:
        pending = pending_replies(connection)
        # Asked for each reply: another program may be writing one of them right now.
        running = {reply.id for reply in pending if is_held(database.path, reply.id)}
        cut = [reply for reply in pending if reply.id not in running]
        damaged[:] = [reply.id for reply in cut if _cut(connection, database.path, reply.id, reply.content)]
        return len(cut), [reply_id for reply_id in journaled(database.path) if reply_id not in running]

    count, complete = await database.write(change)
    for reply_id in damaged:
        place = set_aside(database.path, reply_id)
        if told is not None:
            told(place)
    # After the transaction: until it is stored, the file is the only place that has the last words.
    remove_journals(database.path, complete)
    return count


def _cut(connection: Connection, library: Path, reply_id: str, stored: str) -> bool:
    """Mark a reply as stopped, with what its file holds; whether something in that file cannot be read."""
    journal = read_journal(library, reply_id)
    display = {}
    # The shorter of the two is the older one: the library gets the text twice a second, the file each
    # piece.
    if journal is not None and len(journal.text) >= len(stored):
        display = {"content": journal.text, **({"thinking": journal.thinking} if journal.thinking else {})}
    update_message(connection, reply_id, status="stopped", **display)
    return journal is not None and journal.damaged


def at_rest(message: Message) -> dict[str, Any]:
    """The `extra` of a message that nobody writes any more. Earlier versions kept a `writer` there."""
    return {key: value for key, value in message.extra.items() if key not in ("writer", CONTINUED)}


def _running() -> InvalidInput:
    return InvalidInput(
        "REPLY_RUNNING",
        "Another Lunalux is writing a reply here.",
        "Wait until it is complete, or go on in a new conversation.",
    )
