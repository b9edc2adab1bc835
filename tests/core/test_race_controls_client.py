"""Controls of the client's races: the same wishes without the remedy, and the words that are lost.

Each does by hand what the program must not do, and then what it does: that the checks see the difference is
what makes the tests of drafts, turns, undo, journals and imports worth something.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lunalux_core.chat.journal import ReplyJournal, is_held, journaled, read_journal, remove_journals
from lunalux_core.config.paths import Paths
from lunalux_core.database import Connection, Database
from lunalux_core.importing.shelf_documents import known_items, put
from lunalux_core.library import Library
from lunalux_core.library.characters import NewCharacter
from lunalux_core.library.conversations import append_message, load_path, new_message
from lunalux_core.library.message_edits import edit_message
from lunalux_core.library.undo import read_row, undo


@pytest.fixture
async def library(paths: Paths) -> AsyncIterator[Library]:
    library = Library(paths)
    await library.characters.add(NewCharacter("c1", "Mira", "{}", "h1"))
    yield library
    library.close()


class Held:
    """The database thread, busy until it is let go."""

    def __init__(self, database: Database) -> None:
        self._go = threading.Event()
        self._work = asyncio.create_task(database.read(lambda _: self._go.wait(10)))

    async def free(self) -> None:
        self._go.set()
        await self._work


async def naive_write(database: Database, change: Callable[[Connection], Any]) -> Any:
    """A write that leaves at once when it is cancelled."""
    return await asyncio.wrap_future(database._submit(change, "BEGIN IMMEDIATE"))


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_draft_marked_before_it_is_written_is_never_written(library: Library) -> None:
    place = await library.conversations.create("c1")

    async def paused(mark_first: bool) -> str:
        await library.conversations.set(place.id, draft="")
        kept: str | None = ""

        async def keep(draft: str) -> None:
            nonlocal kept
            if draft == kept:
                return
            kept = draft if mark_first else None
            await library.conversations.set(place.id, draft=draft)
            kept = draft

        held = Held(library.database)
        await asyncio.sleep(0)
        first = asyncio.create_task(keep("words"))
        await asyncio.sleep(0)
        await cancelled(first)  # the next pause: the worker is exclusive
        second = asyncio.create_task(keep("words"))
        await asyncio.sleep(0)
        await held.free()
        await second
        return (await library.conversations.get(place.id)).draft

    assert await paused(mark_first=True) == ""
    assert await paused(mark_first=False) == "words"


async def test_a_write_left_in_its_middle_is_stored_with_nobody_to_know(library: Library) -> None:
    place = await library.conversations.create("c1")
    entered, go = threading.Event(), threading.Event()

    def begin(connection: Connection) -> str:
        message = new_message(place.id, None, "assistant", "x", "", status="pending")
        append_message(connection, message)
        entered.set()
        go.wait(10)
        return message.id

    async def pending() -> list[str]:
        return [one.id for one in await library.conversations.page(place.id) if one.status == "pending"]

    naive = asyncio.create_task(naive_write(library.database, begin))
    await asyncio.to_thread(entered.wait, 10)
    await cancelled(naive)
    go.set()
    left = await pending()
    assert len(left) == 1, "it went through, and whoever asked was told nothing"

    entered.clear()
    go.clear()
    stored: list[str] = []
    ours = asyncio.create_task(library.database.write(begin, committed=stored.append))
    await asyncio.to_thread(entered.wait, 10)
    ours.cancel()
    await asyncio.sleep(0.02)
    ours.cancel()  # impatience changes nothing
    await asyncio.sleep(0.02)
    assert not ours.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await ours
    assert {*left, *stored} >= set(await pending()) and len(stored) == 1

    held = Held(library.database)
    await asyncio.sleep(0)
    queued = asyncio.create_task(library.database.write(begin, committed=stored.append))
    await asyncio.sleep(0)
    await cancelled(queued)
    await held.free()
    assert len(stored) == 1 and len(await pending()) == 1, "what was not begun is not done"


async def test_whole_rows_written_back_take_newer_turns_from_the_screen(library: Library) -> None:
    place = await library.conversations.create("c1")

    def talk(connection: Connection, *texts: str) -> None:
        for text in texts:
            path = load_path(connection, _head(connection), 100)
            append_message(connection, new_message(place.id, path[-1] if path else None, "user", "x", text))

    def _head(connection: Connection) -> str:
        return str(connection.execute("SELECT head_id FROM conversations").fetchone()[0])

    def shown(connection: Connection) -> list[str]:
        return [one.content for one in load_path(connection, _head(connection), 100)]

    def naive(connection: Connection) -> list[str]:
        talk(connection, "a", "b", "c")
        head = _head(connection)
        old = read_row(connection, head)
        assert old is not None
        edit_message(connection, head, "C")
        talk(connection, "d", "e")
        connection.execute("DELETE FROM messages WHERE id = ?", (head,))
        names = ", ".join(old)
        marks = ", ".join("?" * len(old))
        connection.execute(f"INSERT INTO messages ({names}) VALUES ({marks})", list(old.values()))
        connection.execute("UPDATE conversations SET head_id = ?", (head,))
        result = shown(connection)
        connection.execute("DELETE FROM messages")
        connection.execute("UPDATE conversations SET head_id = ''")
        connection.execute("DELETE FROM changes")
        return result

    def ours(connection: Connection) -> list[str]:
        talk(connection, "a", "b", "c")
        edit_message(connection, _head(connection), "C")
        talk(connection, "d", "e")
        assert undo(connection, place.id)
        return shown(connection)

    assert await library.database.write(naive) == ["a", "b", "c"]
    assert await library.database.write(ours) == ["a", "b", "c", "d", "e"]


async def test_a_number_of_a_process_says_nothing_about_who_writes(paths: Paths) -> None:
    def naive(writer: int) -> bool:
        try:
            os.kill(writer, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    paths.library.parent.mkdir(parents=True)
    assert naive(os.getppid()), "a number that was given again: the reply of a dead program lives for ever"
    assert not is_held(paths.library, "reply")
    tail = ReplyJournal(paths.library, "reply", "")
    assert tail.claim()
    gone = 4_190_000  # as seen from a container of its own, the number of the writer is nobody's
    assert not naive(gone), "the reply of a program that lives is taken for cut"
    assert is_held(paths.library, "reply")
    assert not ReplyJournal(paths.library, "reply", "").claim(), "and nobody else may write it"
    tail.release()
    assert not is_held(paths.library, "reply")


async def test_a_journal_removed_by_its_name_takes_the_words_of_its_next_writer(paths: Paths) -> None:
    """A start lists the files of complete replies; before it removes them, one of them is continued."""
    paths.library.parent.mkdir(parents=True)
    folder = paths.library.parent / "streaming"

    def continued() -> ReplyJournal:
        tail = ReplyJournal(paths.library, "reply", "")
        assert tail.claim()
        tail.add("words that were shown")
        return tail

    first = continued()
    listed = journaled(paths.library)
    for row in listed:
        (folder / f"{row}.jsonl").unlink()
    assert read_journal(paths.library, "reply") is None, "a kill now loses them"
    first.remove()

    second = continued()
    remove_journals(paths.library, listed)
    kept = read_journal(paths.library, "reply")
    assert kept is not None and kept.text == "words that were shown"
    second.remove()
    assert not list(folder.iterdir())


async def test_a_journal_is_claimed_by_one_however_many_want_it(paths: Paths) -> None:
    paths.library.parent.mkdir(parents=True)
    for _ in range(20):
        claims = [ReplyJournal(paths.library, "reply", "") for _ in range(8)]
        got = await asyncio.gather(*(asyncio.to_thread(claim.claim) for claim in claims))
        assert sum(got) == 1
        claims[got.index(True)].remove()


async def test_a_shelf_looked_at_before_the_transaction_takes_a_document_twice(
    library: Library, paths: Paths
) -> None:
    document = {"entries": {"0": {"uid": 0, "key": ["lake"], "content": "Deep."}}}
    other = Library(paths)
    try:

        def take(connection: Connection, known: Any = None) -> bool:
            return put(connection, "worldbook", "Lake", document, enabled=False, shelved=known).is_new

        looks = [
            program.database.write_now(lambda c: known_items(c, "worldbook")) for program in (library, other)
        ]
        naive = [
            program.database.write_now(lambda c, known=known: take(c, known))
            for program, known in zip((library, other), looks, strict=True)
        ]
        assert naive == [True, True]
        library.database.write_now(lambda c: c.execute("DELETE FROM shelf"))
        assert [program.database.write_now(take) for program in (library, other)] == [True, False]
    finally:
        other.close()


async def test_a_reply_emptied_for_its_retry_has_lost_its_words(library: Library, tmp_path: Path) -> None:
    place = await library.conversations.create("c1")
    reply = new_message(place.id, None, "assistant", "x", "half a story", status="failed")

    def naive(connection: Connection) -> None:
        append_message(connection, reply)
        connection.execute("UPDATE messages SET status = 'pending', content = '', raw = ''")

    await library.database.write(naive)

    def everything(connection: Connection) -> str:
        tables = ("messages", "changes")
        rows = [row for table in tables for row in connection.execute(f"SELECT * FROM {table}")]
        return json.dumps([[str(cell) for cell in row] for row in rows])

    assert "half a story" not in await library.database.read(everything), "no table has them any more"
