"""Words are never lost: retries, broken continues, stops at any moment, damaged journals, odd rows."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest
from llm_server import DONE, Answer, ModelServer, chunk, document, model_server, raw, stream

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.database import Connection
from lunalux_core.dialogue.turn import TextDelta, TurnEvent, TurnOptions
from lunalux_core.errors import InvalidInput, LunaluxError
from lunalux_core.importing import import_data
from lunalux_core.library.conversations import Conversation, Message
from lunalux_core.runtime import Runtime

CARD = {
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "data": {"name": "Mirelle", "description": "Keeps the light.", "first_mes": "You came."},
}
BROKEN = raw(chunk("FIRST DRAFT: the harbour bell "), chunk("rang twice"), then="abort")
REFUSED = document({"error": {"message": "Incorrect API key provided"}}, 401)
X = TurnOptions(model="openai:x")


@pytest.fixture
async def runtime(paths: Paths) -> AsyncIterator[Runtime]:
    async with Runtime.open(load_settings(paths, {"LUNALUX_LANG": "en"})) as runtime:
        yield runtime


@pytest.fixture
async def place(runtime: Runtime) -> Conversation:
    result = await import_data(runtime.library, runtime.paths, json.dumps(CARD).encode(), "mirelle.json")
    return await runtime.chat.start(result.id)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelServer]:
    async with model_server(unknown=True) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        yield server


async def run(events: AsyncIterator[TurnEvent]) -> str:
    """Run a turn to its end; the code of what broke it."""
    try:
        async for _ in events:
            pass
    except LunaluxError as error:
        return error.code
    return ""


async def page(runtime: Runtime, place: Conversation) -> list[Message]:
    return list(await runtime.library.conversations.page(place.id, limit=200))


async def everything(runtime: Runtime) -> list[tuple[str, str]]:
    """Words and state of all messages in the library."""

    def query(connection: Connection) -> list[tuple[str, str]]:
        rows = connection.execute("SELECT content, status FROM messages ORDER BY number")
        return [(row[0], row[1]) for row in rows]

    return await runtime.library.database.read(query)


# -- retries -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["regenerate", "swipe"])
@pytest.mark.parametrize(("second", "code"), [(stream("SECOND: all is well."), ""), (REFUSED, "any")])
async def test_a_retry_keeps_what_came_of_a_reply_that_broke(
    runtime: Runtime, place: Conversation, server: ModelServer, kind: str, second: Answer, code: str
) -> None:
    server.will(BROKEN, second)
    assert await run(runtime.chat.send(place.id, "Hello", X))
    broken = (await page(runtime, place))[-1]
    assert (broken.status, broken.content) == ("failed", "FIRST DRAFT: the harbour bell rang twice")
    assert bool(await run(runtime.chat.regenerate(broken.id, X, kind))) == bool(code)  # type: ignore[arg-type]
    newest = (await page(runtime, place))[-1]
    assert (newest.swipe, newest.swipes) == (1, 2)
    assert ("FIRST DRAFT: the harbour bell rang twice", "failed") in await everything(runtime)
    first, again = (seen.headers.get("idempotency-key") for seen in server.seen[:2])
    assert first == again, "the same wish has the same key"
    back = await runtime.chat.edits.swipe(newest.id, -1)
    assert back is not None and back.content == broken.content


async def test_a_reply_that_failed_with_nothing_is_tried_again_in_place(
    runtime: Runtime, place: Conversation, server: ModelServer
) -> None:
    server.will(REFUSED, REFUSED, stream("Here I am."))
    await run(runtime.chat.send(place.id, "Hello", X))
    failed = (await page(runtime, place))[-1]
    await run(runtime.chat.regenerate(failed.id, X))
    await run(runtime.chat.regenerate(failed.id, X))
    done = (await page(runtime, place))[-1]
    assert (done.id, done.status, done.content, done.swipes) == (failed.id, "done", "Here I am.", 1)


async def test_thinking_that_came_alone_is_not_written_over(
    runtime: Runtime, place: Conversation, server: ModelServer
) -> None:
    server.will(raw(chunk(reasoning_content="A guest at midnight."), then="abort"), stream("Come in."))
    await run(runtime.chat.send(place.id, "Hello", X))
    failed = (await page(runtime, place))[-1]
    assert (failed.status, failed.content, failed.thinking) == ("failed", "", "A guest at midnight.")
    await run(runtime.chat.regenerate(failed.id, X))
    assert (await page(runtime, place))[-1].swipes == 2
    assert (await runtime.library.conversations.message(failed.id)).thinking == "A guest at midnight."


WHOLE = "A COMPLETE REPLY: the kettle is on."


async def _continue_breaks(runtime: Runtime, place: Conversation, server: ModelServer) -> Message:
    server.will(stream(WHOLE), raw(chunk(" And then "), chunk("the rain"), then="abort"))
    await run(runtime.chat.send(place.id, "Hello", X))
    assert await run(runtime.chat.continue_(place.id, X))
    return (await page(runtime, place))[-1]


@pytest.mark.parametrize("kind", ["regenerate", "swipe"])
async def test_a_complete_reply_outlives_a_continue_that_broke_and_its_retries(
    runtime: Runtime, place: Conversation, server: ModelServer, kind: str
) -> None:
    broken = await _continue_breaks(runtime, place, server)
    assert (broken.status, broken.content) == ("failed", f"{WHOLE} And then the rain")
    server.will(REFUSED)
    await run(runtime.chat.regenerate(broken.id, X, kind))  # type: ignore[arg-type]
    assert any(words.startswith(WHOLE) for words, _ in await everything(runtime))
    server.will(stream(" It rained on."))
    await run(runtime.chat.regenerate(broken.id, X, kind))  # type: ignore[arg-type]
    newest = (await page(runtime, place))[-1]
    assert newest.content == (f"{WHOLE} It rained on." if kind == "regenerate" else "It rained on.")
    assert (f"{WHOLE} And then the rain", "failed") in await everything(runtime)


async def test_a_retried_continue_asks_under_the_key_of_the_one_that_broke(
    runtime: Runtime, place: Conversation, server: ModelServer
) -> None:
    broken = await _continue_breaks(runtime, place, server)
    server.will(stream(" It rained on."))
    await run(runtime.chat.regenerate(broken.id, X))
    keys = [seen.headers.get("idempotency-key") for seen in server.seen]
    assert keys[1] == keys[2] != keys[0]
    again = (await page(runtime, place))[-1]
    assert await run(runtime.chat.regenerate(again.id, X)) == ""
    assert server.seen[-1].headers.get("idempotency-key") not in keys, "another wish, another key"


async def test_undo_takes_back_what_a_continue_added(
    runtime: Runtime, place: Conversation, server: ModelServer
) -> None:
    broken = await _continue_breaks(runtime, place, server)
    assert await runtime.chat.edits.undo(place.id)
    before = await runtime.library.conversations.message(broken.id)
    assert (before.content, before.status) == (WHOLE, "done")
    assert await runtime.chat.edits.redo(place.id)
    assert (await page(runtime, place))[-1].content == f"{WHOLE} And then the rain"


async def test_a_continue_that_got_nothing_leaves_the_reply_as_it_was(
    runtime: Runtime, place: Conversation, server: ModelServer
) -> None:
    server.will(BROKEN, REFUSED)
    await run(runtime.chat.send(place.id, "Hello", X))
    before = (await page(runtime, place))[-1]
    assert await run(runtime.chat.continue_(place.id, X))
    after = (await page(runtime, place))[-1]
    assert (after.status, after.content) == (before.status, before.content) == ("failed", before.content)


async def test_a_continue_keeps_the_thoughts_from_before(
    runtime: Runtime, place: Conversation, server: ModelServer
) -> None:
    server.will(
        raw(chunk(reasoning_content="Be kind."), chunk("Good evening."), chunk(finish="stop"), DONE),
        stream(" Sit down."),
    )
    await run(runtime.chat.send(place.id, "Hello", X))
    await run(runtime.chat.continue_(place.id, X))
    reply = (await page(runtime, place))[-1]
    assert (reply.content, reply.thinking) == ("Good evening. Sit down.", "Be kind.")


# -- stops ---------------------------------------------------------------------------------------------


async def _stopped_after(runtime: Runtime, place: Conversation, seconds: float) -> bool:
    """Send and stop; whether the sender saw the turn begin."""
    seen: list[TurnEvent] = []

    async def turn() -> None:
        async with aclosing(runtime.chat.send(place.id, "Do you hear me?")) as events:
            async for event in events:
                seen.append(event)

    task = asyncio.create_task(turn())
    await asyncio.sleep(seconds)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return bool(seen)


async def _seconds_to_begin(runtime: Runtime, place: Conversation) -> float:
    """How long a turn takes here and now until its first event."""
    began = time.perf_counter()
    async with aclosing(runtime.chat.send(place.id, "Do you hear me?")) as events:
        await anext(events)
        return time.perf_counter() - began


async def test_a_turn_stopped_as_it_begins_is_stored_whole_or_not_at_all(
    runtime: Runtime, place: Conversation
) -> None:
    """Whoever stops before the first event still holds the words, so they must not be in the history too."""
    runtime.library.database.write_now(lambda c: c.execute("UPDATE conversations SET draft = 'old words'"))
    chance = random.Random(7)
    unseen = 0
    for _ in range(40):
        takes = await _seconds_to_begin(runtime, place)
        length = len(await page(runtime, place))
        began = await _stopped_after(runtime, place, chance.uniform(0, takes))
        unseen += not began
        messages = await page(runtime, place)
        assert len(messages) == length + 2 * began
        assert not [message for message in messages if message.status == "pending"]
    assert unseen > 5, "the stops came too late to try anything"
    assert (await runtime.library.conversations.get(place.id)).draft == "old words"
    assert not list((runtime.paths.library.parent / "streaming").glob("*"))


@pytest.mark.parametrize("wish", ["send", "regenerate", "retry", "continue"])
async def test_every_beginning_is_taken_back_when_it_is_stopped_in_the_middle(
    runtime: Runtime, place: Conversation, server: ModelServer, wish: str
) -> None:
    server.will(stream("One."), REFUSED, stream("Never."))
    await run(runtime.chat.send(place.id, "Hello", X))
    if wish == "retry":
        await run(runtime.chat.send(place.id, "And?", X))
    before = [(message.id, message.content, message.status) for message in await page(runtime, place)]
    last = before[-1][0]
    events = {
        "send": lambda: runtime.chat.send(place.id, "More", X),
        "regenerate": lambda: runtime.chat.regenerate(last, X),
        "retry": lambda: runtime.chat.regenerate(last, X),
        "continue": lambda: runtime.chat.continue_(place.id, X),
    }[wish]()
    entered, go_on = threading.Event(), threading.Event()
    kept = runtime.library.database._submit

    def slow(work, begin):  # type: ignore[no-untyped-def]
        def held(connection: Connection) -> object:
            result = work(connection)
            if begin == "BEGIN IMMEDIATE" and not entered.is_set():
                entered.set()
                go_on.wait(5)
            return result

        return kept(held, begin)

    runtime.library.database._submit = slow  # type: ignore[method-assign]
    task = asyncio.create_task(run(events))
    await asyncio.to_thread(entered.wait, 5)
    task.cancel()
    await asyncio.sleep(0.02)
    assert not task.done(), "whoever cancels a running write waits for its outcome"
    go_on.set()
    with suppress(asyncio.CancelledError):
        await task
    assert [(message.id, message.content, message.status) for message in await page(runtime, place)] == before
    assert len(server.seen) == (2 if wish == "retry" else 1), "nothing was asked"


async def test_the_draft_goes_with_the_words_into_the_history(runtime: Runtime, place: Conversation) -> None:
    await runtime.library.conversations.set(place.id, draft="Hello there\n")
    await run(runtime.chat.send(place.id, "Hello there"))
    assert (await runtime.library.conversations.get(place.id)).draft == ""
    await runtime.library.conversations.set(place.id, draft="something else")
    await run(runtime.chat.send(place.id, "Hello again"))
    assert (await runtime.library.conversations.get(place.id)).draft == "something else"


# -- journals ------------------------------------------------------------------------------------------

DAMAGE = {
    "zeros": b"\0" * 4096,
    "zeros after a line": b'["Kept words, ", ""]\n' + b"\0" * 512 + b"\n",
    "not JSON": b'["Kept words, ", ""]\nnonsense\n["and more", ""]\n',
    "another shape": b'["Kept words, ", ""]\n{"text": 1}\n[1, 2]\n[[]]\nnull\n',
    "not UTF-8": b'["Kept words, ", ""]\n\xff\xfe\xfd\n',
    "deep": b'["Kept words, ", ""]\n' + b"[" * 100_000 + b"\n",
    "half a surrogate": b'["Kept words, ", ""]\n["\\ud800", ""]\n',
    "cut": b'["Kept words, ", ""]\n["and m',
    "empty": b"",
}


async def _pending(runtime: Runtime, place: Conversation, content: str = "Kept") -> str:
    """A reply that a killed program left."""
    async with aclosing(runtime.chat.send(place.id, "Hello")) as events:
        await anext(events)
    reply = (await page(runtime, place))[-1]
    runtime.library.database.write_now(
        lambda c: c.execute(
            "UPDATE messages SET status = 'pending', content = ? WHERE id = ?", (content, reply.id)
        )
    )
    return reply.id


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_journal_stops_nothing_and_its_whole_lines_are_kept(
    runtime: Runtime, place: Conversation, damage: str
) -> None:
    reply = await _pending(runtime, place)
    file = runtime.paths.library.parent / "streaming" / f"{reply}.jsonl"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(DAMAGE[damage])
    aside: list[Path] = []
    assert await runtime.chat.recover(aside.append) == 1
    cut = await runtime.library.conversations.message(reply)
    assert cut.status == "stopped"
    if b"Kept words" in DAMAGE[damage]:
        assert cut.content.startswith("Kept words, ")
    else:
        assert cut.content == "Kept"
    assert not file.exists()
    readable = damage in ("cut", "empty", "half a surrogate")
    assert [one.read_bytes() for one in aside] == ([] if readable else [DAMAGE[damage]])
    assert await runtime.chat.recover() == 0


async def test_a_folder_in_the_place_of_a_journal_stops_nothing(
    runtime: Runtime, place: Conversation
) -> None:
    reply = await _pending(runtime, place)
    (runtime.paths.library.parent / "streaming" / f"{reply}.jsonl").mkdir(parents=True)
    assert await runtime.chat.recover() == 1
    assert (await runtime.library.conversations.message(reply)).content == "Kept"
    assert await run(runtime.chat.send(place.id, "Are you there?")) == ""


async def test_a_pending_reply_of_a_dead_program_is_healed_by_whoever_goes_on(
    runtime: Runtime, place: Conversation
) -> None:
    reply = await _pending(runtime, place)
    file = runtime.paths.library.parent / "streaming" / f"{reply}.jsonl"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b'["Kept words", ""]\n["", "a thought"]\n')
    assert await run(runtime.chat.continue_(place.id)) == ""
    result = await runtime.library.conversations.message(reply)
    assert result.content.startswith("Kept words") and len(result.content) > 20 and result.status == "done"


WRITER = """
import asyncio, sys
from lunalux_core.runtime import Runtime
from lunalux_core.dialogue.turn import TextDelta

async def main():
    async with Runtime.open() as runtime:
        async for event in runtime.chat.send(sys.argv[1], "From another program."):
            if isinstance(event, TextDelta):
                print(event.text, end="", flush=True)

asyncio.run(main())
"""


@pytest.fixture
def writer(place: Conversation, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another program that is writing a long reply."""
    env = {**os.environ, "LUNALUX_PRACTICE_RATE": "20", "LUNALUX_HOME": str(home)}
    process = subprocess.Popen([sys.executable, "-c", WRITER, place.id], env=env, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(5)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


async def test_who_writes_a_reply_is_known_by_a_lock_and_not_by_a_number(
    runtime: Runtime, place: Conversation, writer: subprocess.Popen[bytes]
) -> None:
    """So a number that was given again, or that of another container, means nothing."""
    reply = (await page(runtime, place))[-1]
    assert reply.status == "pending" and "writer" not in reply.extra
    assert await runtime.chat.recover() == 0
    runtime.library.database.write_now(
        lambda c: c.execute("UPDATE messages SET extra = '{\"writer\": 1}' WHERE id = ?", (reply.id,))
    )
    assert await runtime.chat.recover() == 0, "alive, whatever the row says"
    writer.kill()
    writer.wait()
    runtime.library.database.write_now(
        lambda c: c.execute(
            "UPDATE messages SET extra = ? WHERE id = ?", (json.dumps({"writer": os.getppid()}), reply.id)
        )
    )
    assert await runtime.chat.recover() == 1, "dead, though its number lives"


@pytest.mark.parametrize("wish", ["send", "continue", "impersonate", "regenerate"])
async def test_nothing_is_put_under_a_reply_that_another_program_is_writing(
    runtime: Runtime, place: Conversation, writer: subprocess.Popen[bytes], wish: str
) -> None:
    before = [message.id for message in await page(runtime, place)]
    events = {
        "send": lambda: runtime.chat.send(place.id, "Me too"),
        "continue": lambda: runtime.chat.continue_(place.id),
        "impersonate": lambda: runtime.chat.impersonate(place.id),
        "regenerate": lambda: runtime.chat.regenerate(before[-1]),
    }[wish]()
    with pytest.raises(InvalidInput) as told:
        async for _ in events:
            pass
    assert told.value.code == "REPLY_RUNNING"
    assert [message.id for message in await page(runtime, place)] == before
    assert writer.poll() is None


# -- odd rows ------------------------------------------------------------------------------------------

ODD: dict[str, list[object]] = {
    "extra": ["", "[]", "nonsense", "\0", "[" * 60_000, "5", "null", b"\xff\xfe"],
    "state": ["", "[]", "{", '{"variables": 5}', '{"variables": {"a": [1]}, "timed": "x"}', "1e999"],
    "suggestions": ["", "{}", "[1, null]", "x", '[["a"]]'],
    "usage": ["", "[]", '{"prompt_tokens": "many"}', "{"],
    "billing": ["", "7", "{"],
    "created_at": [-1, 10**18, 9.9e18, "yesterday", b"\0", -(2**63)],
    "role": ["tool", "", 5],
    "status": ["lost", 7],
    "name": [b"\xff", 5],
    "content": [b"\xff\xfe words", 42],
    "thinking": [b"\xff"],
    "depth": ["deep", -5],
    "hidden": ["yes"],
}


@pytest.mark.parametrize("column", ODD)
async def test_an_odd_cell_of_a_message_spoils_nothing_but_itself(
    runtime: Runtime, place: Conversation, column: str
) -> None:
    await run(runtime.chat.send(place.id, "Hello"))
    length = len(await page(runtime, place))
    odd = (await page(runtime, place))[-1].id
    for value in ODD[column]:
        runtime.library.database.write_now(
            lambda c, value=value: c.execute(f"UPDATE messages SET {column} = ? WHERE id = ?", (value, odd))
        )
        messages = await page(runtime, place)
        assert len(messages) == length
        assert await runtime.library.conversations.list()
        assert await runtime.library.conversations.tree(place.id)
        await runtime.chat.recover()
        assert (await runtime.chat.previews.prompt(place.id, "Go on")).messages
        assert await run(runtime.chat.send(place.id, "Go on")) == ""
        length += 2


async def test_text_that_is_no_utf8_in_one_row_does_not_hide_the_others(
    runtime: Runtime, place: Conversation
) -> None:
    await run(runtime.chat.send(place.id, "Hello"))
    runtime.library.database.write_now(
        lambda c: c.execute("UPDATE messages SET content = CAST(x'ff41' AS TEXT) WHERE role = 'user'")
    )
    texts = [message.content for message in await page(runtime, place)]
    assert texts[0] == "You came." and texts[1].endswith("A") and texts[2]


@pytest.mark.parametrize("column", ["note", "metadata", "updated_at", "created_at", "title", "mode", "draft"])
async def test_an_odd_cell_of_a_conversation_spoils_nothing_but_itself(
    runtime: Runtime, place: Conversation, column: str
) -> None:
    for value in ("nonsense", "[]", -5, 10**17, b"\xff", "[" * 60_000):
        runtime.library.database.write_now(
            lambda c, value=value: c.execute(f"UPDATE conversations SET {column} = ?", (value,))
        )
        assert [conversation.id for conversation in await runtime.library.conversations.list()] == [place.id]
        assert await run(runtime.chat.send(place.id, "Hello")) == ""


async def test_a_use_under_a_clock_that_ran_ahead_does_not_stay_the_latest(
    runtime: Runtime, place: Conversation
) -> None:
    ahead = 4_102_444_800_000
    runtime.library.database.write_now(
        lambda c: c.execute("UPDATE conversations SET updated_at = ?", (ahead,))
    )
    new = await runtime.chat.start(place.character_id)
    assert (await runtime.chat.open(place.character_id)).id == new.id
    await run(runtime.chat.send(place.id, "Hello"))
    assert (await runtime.chat.open(place.character_id)).id == place.id


async def test_the_reply_stays_whole_where_the_journal_cannot_be_written(
    runtime: Runtime, place: Conversation
) -> None:
    (runtime.paths.library.parent / "streaming").write_text("a file where a folder should be")
    events = [event async for event in runtime.chat.send(place.id, "Hello")]
    said = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert (await page(runtime, place))[-1].content.strip() == said.strip()
