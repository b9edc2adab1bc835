"""Keeping a reply: what streams in is stored as it comes, every ending leaves it marked for what it is."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lunalux_core.dialogue.turn import Reread, TextDelta, ThinkingDelta, TurnInput, TurnResult
from lunalux_core.library.cache import GLOBALS, TOKEN_FACTOR
from lunalux_core.library.conversations import Message, load_message, update_message
from lunalux_core.streaming_tail import Tail, read_tail, remove_tails, tails

if TYPE_CHECKING:
    from pathlib import Path

    from lunalux_core.database import Connection, Database

FINISH = "finish"
"""In a message's `extra`: why the reply ended (`llm.model.Finish`)."""
FLUSH_SECONDS = 0.5
"""How often a streaming reply goes into the library, where other programs see it grow; every piece is in its
file (`streaming_tail`) before it is shown."""


class Keeper:
    """Stores a reply while it comes and when it ends."""

    def __init__(self, database: Database, reply: Message | None, user: Message | None) -> None:
        self._database = database
        self._reply = reply
        self._user = user
        self._base = reply.content if reply else ""
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._flushed = time.monotonic()
        self._finished = False
        self._tail = Tail(database.path, reply.id, self._base) if reply else None

    async def take(self, delta: TextDelta | ThinkingDelta | Reread) -> None:
        if isinstance(delta, Reread):
            self._text, self._thinking = [delta.text], [delta.thinking]
            if self._tail is not None:
                self._tail.turn(delta.text, delta.thinking)
            await self._flush(thinking=delta.thinking)
            return
        shown = isinstance(delta, TextDelta)
        (self._text if shown else self._thinking).append(delta.text)
        if self._tail is not None:
            self._tail.add(**{"text" if shown else "thinking": delta.text})
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            await self._flush()

    async def done(self, result: TurnResult, turn: TurnInput) -> Message | None:
        """Store the finished reply, and the person's words where a script or plug-in changed them."""
        reply, user = self._reply, self._user

        def change(connection: Connection) -> Message | None:
            if result.global_variables is not None:
                text = json.dumps(result.global_variables, ensure_ascii=False)
                connection.execute("INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)", (GLOBALS, text))
            if result.token_factor is not None:
                connection.execute(
                    "INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)",
                    (TOKEN_FACTOR + turn.model.model, json.dumps(result.token_factor)),
                )
            if reply is None:
                return None
            if user is not None and result.sent_text != user.content:
                update_message(connection, user.id, content=result.sent_text, raw=user.content)
            update_message(
                connection,
                reply.id,
                content=result.text,
                raw=result.raw,
                thinking=result.thinking,
                suggestions=result.suggestions,
                event=result.event,
                status="done",
                model=turn.model.name,
                usage=asdict(result.usage),
                billing=result.billing,
                state=result.state,
                extra={**without_owner(reply), FINISH: result.finish},
            )
            return load_message(connection, reply.id)

        self._finished = True  # whoever stops listening from now on stops no reply
        try:
            message = await asyncio.shield(self._database.write(change))
        except Exception:
            self._finished = False
            raise
        self._drop_tail()
        return message

    async def end(self, status: str) -> None:
        """Keep what came, marked; a continued reply that got nothing new is as it was before, and so is one
        that is complete.
        """
        reply = self._reply
        if reply is None or self._finished:
            return
        if self._base and not any(self._text):
            status = "done"
        extra = without_owner(reply)
        if status != "done":
            extra = {**extra, FINISH: "stopped" if status == "stopped" else "cut"}
        await self._flush(status=status, extra=extra)
        self._drop_tail()

    def _drop_tail(self) -> None:
        if self._tail is not None:
            self._tail.remove()

    async def _flush(self, **more: Any) -> None:
        reply = self._reply
        if reply is None:
            return
        values: dict[str, Any] = {"content": self._base + "".join(self._text), **more}
        if self._thinking:
            values["thinking"] = "".join(self._thinking)
        await self._database.write(lambda connection: update_message(connection, reply.id, **values))
        self._flushed = time.monotonic()


async def recover(database: Database) -> int:
    """Mark replies that a killed program left pending as stopped, with all that it showed of them.

    Returns how many there were.
    """

    def change(connection: Connection) -> tuple[int, list[str]]:
        rows = connection.execute(
            "SELECT id, extra, content FROM messages WHERE status = 'pending'"
        ).fetchall()
        cut = [row for row in rows if not writer_lives(row["extra"])]
        for row in cut:
            update_message(
                connection, row["id"], status="stopped", **_shown(database.path, row["id"], row["content"])
            )
        running = {row["id"] for row in rows} - {row["id"] for row in cut}
        return len(cut), [one for one in tails(database.path) if one not in running]

    count, complete = await database.write(change)
    remove_tails(database.path, complete)
    return count


def _shown(library: Path, reply_id: str, stored: str) -> dict[str, str]:
    kept = read_tail(library, reply_id)
    if kept is None or len(kept.text) < len(stored):
        return {}
    return {"content": kept.text, **({"thinking": kept.thinking} if kept.thinking else {})}


def owned(message: Message) -> dict[str, Any]:
    """The `extra` of a message that this program writes from now on."""
    return {**message.extra, "writer": os.getpid()}


def without_owner(message: Message) -> dict[str, Any]:
    """The `extra` of a message that nobody writes any more."""
    return {key: value for key, value in message.extra.items() if key != "writer"}


def writer_lives(extra: str) -> bool:
    """Whether the program that was writing a pending reply still runs (asked where the system can say)."""
    writer = json.loads(extra).get("writer")
    if not isinstance(writer, int) or writer == os.getpid() or os.name != "posix":
        return False
    try:
        os.kill(writer, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
