"""What is typed, edited or received on the chat screen is never lost, whatever comes in between."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chat_world import Driven, open_app
from model_server import model_server

from lunalux_core.chat.conversation_files import import_conversation
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.importing import import_data
from lunalux_core.library.characters import NewCharacter, insert_character
from lunalux_core.runtime import Runtime
from lunalux_tui.chat.note_dialog import NoteDialog
from lunalux_tui.parts.edit_dialog import EditDialog


@contextmanager
def busy_library(paths: Paths) -> Iterator[None]:
    """Another program holds the library for writing."""
    other = sqlite3.connect(paths.library, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    finally:
        other.close()


def stored_draft(paths: Paths, conversation: str) -> str:
    other = sqlite3.connect(paths.library)
    try:
        return str(
            other.execute("SELECT draft FROM conversations WHERE id = ?", (conversation,)).fetchone()[0]
        )
    finally:
        other.close()


async def test_a_draft_is_stored_though_two_pauses_fall_into_a_busy_library(paths: Paths) -> None:
    async with open_app() as driven:
        place = driven.chat.conversation
        assert place is not None
        with busy_library(paths):
            await driven.write("first half, ")
            await asyncio.sleep(0.8)
            await driven.pilot.pause()
            await driven.write("second half")
            await asyncio.sleep(0.8)
            await driven.pilot.pause()
        await driven.until(lambda: stored_draft(paths, place.id) == "first half, second half")
        driven.chat.prompt.clear()
        await driven.until(lambda: stored_draft(paths, place.id) == "")


async def test_words_sent_into_a_busy_library_and_stopped_are_in_one_place_only(paths: Paths) -> None:
    async with open_app() as driven:
        place = driven.chat.conversation
        assert place is not None
        before = driven.contents()
        with busy_library(paths):
            await driven.write("Do not say me twice")
            await driven.press("enter")
            await driven.until(lambda: driven.chat.busy)
            await asyncio.sleep(0.1)
            await driven.press("escape")
        await driven.until(lambda: not driven.chat.busy)
        await driven.until(lambda: stored_draft(paths, place.id) == "Do not say me twice")
        assert driven.chat.prompt.text == "Do not say me twice"
        assert driven.contents() == before
    async with open_app() as driven:
        assert driven.chat.prompt.text == "Do not say me twice" and driven.contents() == before


async def test_leaving_while_words_are_on_their_way_keeps_them_once(paths: Paths) -> None:
    async with open_app() as driven:
        with busy_library(paths):
            await driven.write("On my way")
            await driven.press("enter")
            leaving = asyncio.create_task(driven.press("ctrl+q"))
            await asyncio.sleep(0.3)
        await leaving
    async with open_app() as driven:
        said = "On my way" in driven.contents()
        assert said != (driven.chat.prompt.text == "On my way")


async def begun(driven: Driven) -> None:
    """Wait until the library is asked for another conversation."""
    await driven.until(lambda: driven.app.workers)
    await asyncio.sleep(0.2)


async def test_words_typed_while_another_conversation_opens_go_on_in_that_one(paths: Paths) -> None:
    async with open_app() as driven:
        await driven.say("Good evening")
        left = driven.chat.conversation
        assert left is not None
        await driven.write("For the old one")
        await driven.settle()
        with busy_library(paths):
            await driven.press("ctrl+n")
            await begun(driven)
            await driven.write(" and for the new")
            assert driven.chat.conversation is not None and driven.chat.conversation.id == left.id
        await driven.until(
            lambda: driven.chat.conversation is not None and driven.chat.conversation.id != left.id
        )
        assert driven.chat.prompt.text == " and for the new"
        assert stored_draft(paths, left.id) == "For the old one"


async def test_a_text_changed_while_another_conversation_opens_stays_with_its_own(paths: Paths) -> None:
    async with open_app() as driven:
        await driven.say("Good evening")
        left = driven.chat.conversation
        assert left is not None
        await driven.write("For the old one")
        await driven.settle()
        with busy_library(paths):
            await driven.press("ctrl+n")
            await begun(driven)
            driven.chat.prompt.load_text("Changed for the old one")
        await driven.until(
            lambda: driven.chat.conversation is not None and driven.chat.conversation.id != left.id
        )
        assert driven.chat.prompt.text == ""
        assert stored_draft(paths, left.id) == "Changed for the old one"


async def test_words_sent_while_another_conversation_opens_are_said_once(paths: Paths) -> None:
    async with open_app() as driven:
        await driven.say("Good evening")
        left = driven.chat.conversation
        assert left is not None
        with busy_library(paths):
            await driven.press("ctrl+n")
            await begun(driven)
            await driven.write("To whom?")
            driven.chat.prompt.action_enter()
        await driven.until(
            lambda: driven.chat.conversation is not None and driven.chat.conversation.id != left.id
        )
        await driven.settle()
        conversations = driven.app.runtime.library.conversations
        now = driven.chat.conversation
        assert now is not None
        said = [
            message.content
            for place in (left.id, now.id)
            for message in await conversations.page(place, limit=9)
            if message.role == "user"
        ]
        assert [*said, driven.chat.prompt.text].count("To whom?") == 1


# -- editors -------------------------------------------------------------------------------------------


async def _edit(driven: Driven, key: str = "e") -> EditDialog:
    driven.chat.transcript.focus()
    await driven.press(key)
    await driven.until(lambda: isinstance(driven.app.screen, EditDialog) and driven.app.focused)
    dialog = driven.app.screen
    assert isinstance(dialog, EditDialog)
    return dialog


@pytest.mark.parametrize("key", ["e", "E"])
async def test_an_edit_left_with_escape_is_offered_again_also_after_a_restart(key: str) -> None:
    async with open_app() as driven:
        await driven.say("Hello")
        reply = driven.contents()[-1]
        await _edit(driven, key)
        await driven.press("exclamation_mark", "escape")
        assert driven.contents()[-1] == reply
        dialog = await _edit(driven, key)
        assert dialog.text == f"{reply}!"
        await driven.press("ctrl+z")
        assert dialog.text == reply
        await driven.press("ctrl+y", "escape")
    async with open_app() as driven:
        dialog = await _edit(driven, key)
        assert dialog.text == f"{reply}!"
        await driven.press("ctrl+s")
        await driven.until(lambda: driven.contents()[-1] == f"{reply}!")
        dialog = await _edit(driven, key)
        assert dialog.text == f"{reply}!" and "last time" not in dialog.hint
        await driven.press("escape")


async def test_an_edit_is_kept_when_the_program_is_left_in_its_middle() -> None:
    async with open_app() as driven:
        await driven.say("Hello")
        reply = driven.contents()[-1]
        await _edit(driven)
        await driven.press("question_mark", "ctrl+q")
    async with open_app() as driven:
        assert (await _edit(driven)).text == f"{reply}?"


async def test_an_edit_that_cannot_be_stored_is_not_lost(paths: Paths) -> None:
    async with open_app() as driven:
        await driven.say("Hello")
        reply = driven.contents()[-1]
        database = driven.app.runtime.library.database
        await _edit(driven)
        refuse = "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        database.write_now(lambda c: c.execute(f"CREATE TRIGGER no_room BEFORE UPDATE ON messages {refuse}"))
        await driven.press("exclamation_mark", "ctrl+s")
        await driven.until(lambda: not isinstance(driven.app.screen, EditDialog))
        assert driven.contents()[-1] == reply
        database.write_now(lambda c: c.execute("DROP TRIGGER no_room"))
        assert (await _edit(driven)).text == f"{reply}!"


async def test_a_note_left_with_escape_is_offered_again() -> None:
    async with open_app() as driven:
        for expected in ("", "Keep it short."):
            driven.chat.perform("note")
            await driven.until(lambda: isinstance(driven.app.screen, NoteDialog))
            dialog = driven.app.screen
            assert isinstance(dialog, NoteDialog)
            await driven.pilot.pause()
            assert dialog.text.text == expected
            if not expected:
                dialog.text.insert("Keep it short.")
            await driven.press("escape")
            await driven.until(lambda: driven.app.screen is driven.chat)
        assert driven.chat.conversation is not None
        place = await driven.app.runtime.library.conversations.get(driven.chat.conversation.id)
        assert not place.note, "nothing is saved before ctrl+s"


async def test_write_for_me_is_one_undo_away_from_the_unsent_draft() -> None:
    async with open_app() as driven:
        await driven.say("Hello")
        await driven.write("my own unsent words")
        await driven.press("escape", "m")
        await driven.until(lambda: driven.chat.prompt.text != "my own unsent words" and not driven.chat.busy)
        assert driven.chat.prompt.text not in ("", "my own unsent words")
        driven.chat.prompt.focus()
        await driven.until(lambda: driven.chat.prompt.has_focus)
        await driven.press("ctrl+z")
        await driven.until(lambda: driven.chat.prompt.text == "my own unsent words")
        await driven.press("ctrl+y")
        await driven.until(lambda: driven.chat.prompt.text != "my own unsent words")


async def test_what_came_of_write_for_me_before_a_stop_is_a_draft(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "20")
    async with open_app() as driven:
        driven.chat.perform("impersonate")
        await driven.until(lambda: "".join(driven.chat.objects.turns.controller._impersonated or ()))
        driven.chat.objects.turns.stop()
        await driven.until(lambda: not driven.chat.busy)
        assert driven.chat.prompt.text.strip()


# -- replies that break --------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["ctrl+r", "alt+right"])
async def test_a_retry_on_screen_leaves_the_broken_reply_as_a_swipe(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with model_server(["FIRST DRAFT: the bell ", "rang twice"], cut=True) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        async with open_app() as driven:
            driven.app.change_setting("chat.model", "openai:x")
            await driven.write("Hello")
            await driven.press("enter")
            await driven.until(lambda: driven.contents()[-1:] == ["FIRST DRAFT: the bell rang twice"])
            await driven.until(lambda: not driven.chat.busy)
            await driven.press(key)
            await driven.until(lambda: driven.chat.transcript.messages[-1].swipes == 2)
            await driven.until(lambda: not driven.chat.busy)
            await driven.press("alt+left")
            await driven.until(lambda: driven.chat.transcript.messages[-1].swipe == 0)
            assert driven.contents()[-1] == "FIRST DRAFT: the bell rang twice"


async def test_undo_after_talking_on_tells_where_the_old_words_are() -> None:
    async with open_app() as driven:
        await driven.say("One")
        await driven.press("escape", "d")
        await driven.until(lambda: driven.contents()[-1] == "One")
        await driven.press("i")
        await driven.write("Two")
        await driven.press("enter")
        await driven.until(lambda: len(driven.contents()) == 4 and not driven.chat.busy)
        shown = driven.contents()
        await driven.press("escape", "u")
        await driven.until(lambda: "beside" in driven.told())
        assert driven.contents() == shown


async def test_a_card_with_many_failing_scripts_makes_one_notice(paths: Paths) -> None:
    scripts = [
        {"scriptName": f"Bomb {n}", "findRegex": "/(/g", "replaceString": "x", "placement": [1, 2]}
        for n in range(60)
    ]
    card = {
        "spec": "chara_card_v2",
        "spec_version": "2.0",
        "data": {"name": "Ada", "first_mes": "Hi.", "extensions": {"regex_scripts": scripts}},
    }
    async with Runtime.open(load_settings(paths, {"LUNALUX_LANG": "en"})) as runtime:
        done = await import_data(runtime.library, runtime.paths, json.dumps(card).encode(), "ada.json")
        await runtime.library.characters.allow_scripts(done.id, True)
    async with open_app(character="Ada") as driven:
        await driven.say("Hello")
        told = [note.message for note in driven.app._notifications if "Bomb" in note.message]
        assert len(told) == 1 and "60 scripts" in told[0]


# -- other programs ------------------------------------------------------------------------------------

SAY = """
import asyncio, sys
from lunalux_core.runtime import Runtime

async def main():
    async with Runtime.open() as runtime:
        async for event in runtime.chat.send(sys.argv[1], sys.argv[2]):
            print(".", end="", flush=True)

asyncio.run(main())
"""


async def test_the_open_conversation_follows_what_another_program_adds() -> None:
    async with open_app() as driven:
        assert driven.chat.conversation is not None
        await driven.write("being typed")
        command = [sys.executable, "-c", SAY, driven.chat.conversation.id, "From the command line"]
        await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
        await driven.until(lambda: driven.contents()[1:2] == [command[-1]] and driven.contents()[2:3] > [""])
        assert driven.chat.prompt.text == "being typed"


async def test_the_list_follows_what_another_program_imports_and_deletes(tmp_path: Path) -> None:
    card = tmp_path / "zelda.json"
    card.write_text(json.dumps({"name": "Zelda", "description": "A pilot.", "first_mes": "Up we go."}))
    program = [sys.executable, "-m", "lunalux_tui"]
    async with open_app() as driven:

        def names() -> set[str]:
            return {row.title for row in driven.chat.roster.rows.rows}

        await driven.write("being typed")
        chosen, before = driven.chat.roster.rows.chosen, names()
        assert "Zelda" not in before
        for command in ("import", str(card)), ("character", "delete", "Zelda", "--yes"):
            await asyncio.to_thread(subprocess.run, [*program, *command], check=True, capture_output=True)
            expected = before | {"Zelda"} if command[0] == "import" else before
            await driven.until(lambda expected=expected: names() == expected)  # type: ignore[misc]
        assert driven.chat.roster.rows.chosen == chosen
        assert driven.chat.prompt.text == "being typed"


async def test_words_sent_after_another_program_spoke_stand_below_its_turn() -> None:
    """Also when they are sent before the app has looked."""
    async with open_app() as driven:
        assert driven.chat.conversation is not None
        driven.chat.objects.library_watcher._looking = True  # it never looks
        command = [sys.executable, "-c", SAY, driven.chat.conversation.id, "From the command line"]
        await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
        await driven.write("And from here")
        await driven.press("enter")
        await driven.until(lambda: len(driven.contents()) == 5 and not driven.chat.busy)
        assert driven.contents()[1::2] == ["From the command line", "And from here"]
        ids = [one.id for one in driven.chat.transcript.messages]
        assert len(set(ids)) == 5


async def test_sending_while_another_program_streams_is_refused_and_the_words_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_app() as driven:
        assert driven.chat.conversation is not None
        monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "15")
        command = [sys.executable, "-c", SAY, driven.chat.conversation.id, "From the command line"]
        other = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert other.stdout is not None
            await asyncio.to_thread(other.stdout.read, 3)
            await driven.write("And from here")
            await driven.press("enter")
            await driven.until(lambda: any("Another Lunalux" in note for note in driven.notes()))
            assert driven.chat.prompt.text == "And from here"
            await driven.until(lambda: "From the command line" in driven.contents())
        finally:
            other.kill()
            other.wait()
            assert other.stdout is not None
            other.stdout.close()
        await driven.press("enter")
        await driven.until(lambda: "And from here" in driven.contents() and not driven.chat.busy)


async def test_a_conversation_that_another_program_deletes_leaves_the_typed_words(paths: Paths) -> None:
    async with open_app() as driven:
        await driven.write("still here")
        other = sqlite3.connect(paths.library)
        other.execute("DELETE FROM conversations")
        other.commit()
        other.close()
        await driven.until(lambda: driven.chat.conversation is None)
        assert driven.chat.prompt.text == "still here"


# -- starts --------------------------------------------------------------------------------------------


@pytest.fixture
async def runtime(paths: Paths) -> AsyncIterator[Runtime]:
    async with Runtime.open(load_settings(paths, {"LUNALUX_LANG": "en"})) as runtime:
        yield runtime


async def test_who_was_asked_for_at_the_first_start_is_opened() -> None:
    async with open_app(character="Marigold Finch") as driven:
        assert driven.chat.character_name == "Marigold Finch"
        assert len(driven.chat.roster.rows.rows) >= 4 and not driven.notes()


async def test_a_name_that_no_starter_has_is_told_at_the_first_start_and_everything_else_is_there() -> None:
    async with open_app(character="Nobody Here") as driven:
        assert any("Nobody Here" in note for note in driven.notes())
        assert len(driven.chat.roster.rows.rows) >= 4


async def test_a_damaged_journal_is_named_and_stops_nothing_of_the_start(paths: Paths) -> None:
    async with open_app() as driven:
        await driven.say("Hello")
        reply = driven.chat.transcript.messages[-1].id
        driven.app.runtime.library.database.write_now(
            lambda c: c.execute("UPDATE messages SET status = 'pending', content = '' WHERE id = ?", (reply,))
        )
    folder = paths.library.parent / "streaming"
    folder.mkdir(exist_ok=True)
    (folder / f"{reply}.jsonl").write_bytes(b'["What was shown", ""]\n' + b"\0" * 900 + b"\n")
    async with open_app() as driven:
        await driven.until(lambda: any("cut off" in note for note in driven.notes()))
        assert driven.contents()[-1] == "What was shown"
        assert (folder / f"{reply}.damaged").exists()
        await driven.say("Go on")


@pytest.mark.parametrize("date", [10**30, 1e15, -5, 9_000_000_000_000_000])
async def test_a_chat_with_a_wild_date_does_not_end_the_app(runtime: Runtime, date: object) -> None:
    card = {"spec": "chara_card_v2", "spec_version": "2.0", "data": {"name": "Ada", "first_mes": "Hi."}}
    ada = await import_data(runtime.library, runtime.paths, json.dumps(card).encode(), "ada.json")
    file = {
        "format": "lunalux-conversation",
        "version": 1,
        "head": 0,
        "messages": [{"parent": -1, "role": "assistant", "name": "Ada", "content": "Wild.", "sent_at": date}],
    }
    done = await import_conversation(runtime.library, ada.id, json.dumps(file).encode(), "wild.json")
    for stored in (None, 9 * 10**18, -(10**18)):
        if stored is not None:
            runtime.library.database.write_now(
                lambda c, at=stored: c.execute("UPDATE messages SET created_at = ?", (at,))
            )
        async with open_app() as driven:
            assert (
                driven.chat.conversation is not None and driven.chat.conversation.id == done.conversation_id
            )
            assert driven.contents() == ["Wild."] and "Wild." in driven.drawn()


async def test_the_list_holds_everybody_and_counts_them_with_who_was_talked_with_on_top(
    runtime: Runtime,
) -> None:
    def fill(connection: sqlite3.Connection) -> None:
        for number in range(1200):
            insert_character(connection, NewCharacter(f"c{number}", f"Card {number}", "{}", f"h{number}"))

    runtime.library.database.write_now(fill)
    await runtime.library.characters.touch("c7")
    async with open_app(wait=False) as driven:
        roster = driven.chat.roster
        await driven.until(lambda: len(roster.rows.rows) >= 200)
        assert roster.rows.rows[0].id == "c7"
        roster.rows.scroll_to(y=roster.rows.max_scroll_y, animate=False)
        await driven.until(lambda: len(roster.rows.rows) >= 400)
        roster.rows.focus()
        await driven.press("end")
        await driven.until(lambda: len(roster.rows.rows) == 1200)
        assert driven.chat.roster.query_one("RosterBar").count == 1200  # type: ignore[attr-defined]
        assert driven.app.opening.problem is None
