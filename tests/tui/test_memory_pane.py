"""The memory pane over a real library: what a person sees, changes, has written, and takes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from chat_world import Driven, open_app
from model_server import model_server
from textual.widgets import Input, TextArea

from lunalux_core.bank.document_files import document_of
from lunalux_core.config.config_file import save_model
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import SavedModel, load_settings
from lunalux_core.database import Connection
from lunalux_core.library.conversations import MessageRole, append_message, create_conversation, new_message
from lunalux_core.library.memories import Memory, add_memory
from lunalux_core.memory.consent import consents
from lunalux_core.memory.entries import add_entry
from lunalux_core.runtime import Runtime
from lunalux_tui.chat.memory.compare_dialog import CompareDialog
from lunalux_tui.chat.memory.memory_dialog import MemoryDialog
from lunalux_tui.chat.screen import ChatScreen
from lunalux_tui.parts.ask_dialog import ConfirmDialog
from lunalux_tui.parts.fields_dialog import FieldsDialog
from lunalux_tui.parts.path_dialog import PathDialog
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.reader import Reader
from lunalux_tui.parts.rows import Rows

LINES = (
    "The lamp at the harbour burns low tonight.",
    "I promise to bring the brass key at dawn.",
    "The ferry leaves the harbour without anybody.",
    "A stranger in a grey coat asks for the lighthouse.",
)
ANSWER = {
    "title": "The lamp and the key",
    "summary": "The lamp at the harbour burns low, and somebody promises to bring the brass key at dawn.",
    "keywords": ["lamp"],
}


async def story() -> tuple[str, list[str]]:
    """A conversation of twelve messages with the first starter: its id, and theirs."""
    async with Runtime.open(load_settings()) as runtime:
        await runtime.first_start()
        character = (await runtime.library.characters.list())[0]

        def fill(connection: Connection) -> tuple[str, list[str]]:
            place, last, ids = create_conversation(connection, character.id, "Harbour"), None, []
            for number in range(12):
                role: MessageRole = "user" if number % 2 else "assistant"
                text = f"{LINES[number % 4]} Then it was {number} o'clock. {LINES[(number + 1) % 4]}" * 2
                last = new_message(place.id, last, role, role.title(), text)
                append_message(connection, last)
                ids.append(last.id)
            return place.id, ids

        return await runtime.library.database.write(fill)


async def remember(*memories: tuple[Memory, str, str]) -> list[str]:
    """Store memories with the ends of their ranges; their ids."""
    async with Runtime.open(load_settings()) as runtime:
        return await runtime.library.database.write(
            lambda c: [add_entry(c, memory, first, last).id for memory, first, last in memories]
        )


async def of_the_story(place: str, ids: Sequence[str]) -> list[str]:
    """A fact, and two summaries that follow one another."""
    return await remember(
        (Memory("", place, "fact", "Mirelle fears the sea.", keywords=("sea",)), "", ""),
        (Memory("", place, "summary", "The lamp burns low. A key is promised.", "The lamp"), ids[0], ids[3]),
        (Memory("", place, "summary", "The ferry leaves. A stranger comes.", "The ferry"), ids[4], ids[7]),
    )


def use_writer(paths: Paths, url: str) -> None:
    paths.config.mkdir(parents=True, exist_ok=True)
    (paths.config / "config.toml").write_text(
        '[chat]\nmodel = "own"\n[memory]\nscene_tokens = 150\nprotected_tokens = 60\nwrite = "auto"\n',
        "utf-8",
    )
    save_model(paths.config_file, SavedModel("own", "openai", "m", url, context_tokens=8192))


async def open_pane(driven: Driven, key: str = "alt+j") -> MemoryDialog:
    await driven.press(key)
    await driven.until(lambda: isinstance(driven.app.screen, MemoryDialog))
    dialog = driven.app.screen
    assert isinstance(dialog, MemoryDialog)
    await driven.until(lambda: dialog.is_mounted and dialog.query(Rows))
    await driven.settle()
    return dialog


def names(dialog: MemoryDialog) -> list[str]:
    return [row.title for row in dialog.tab.rows.rows]


def right_of(dialog: MemoryDialog, name: str) -> str:
    return next(row.right for row in dialog.tab.rows.rows if row.title == name)


def told(dialog: MemoryDialog) -> str:
    return "\n".join(text for text, _ in dialog.tab.reader._runs)


def shown(driven: Driven) -> str:
    strips = driven.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


async def dialog_of(driven: Driven, kind: type) -> None:
    await driven.until(lambda: isinstance(driven.app.screen, kind) and driven.app.screen.is_mounted)
    await driven.settle()


async def fill(driven: Driven, name: str, text: str) -> None:
    """Put a text into a field of the form on top."""
    control = driven.app.screen.query_one(f"#field-{name}")
    if isinstance(control, TextArea):
        control.load_text(text)
    else:
        assert isinstance(control, Input)
        control.value = text
    await driven.pilot.pause()


async def test_the_pane_lists_this_branch_with_range_size_kind_and_state(home: Path) -> None:
    place, ids = await story()
    await of_the_story(place, ids)
    async with open_app() as driven:
        library = driven.app.runtime.library
        await library.database.write(
            lambda c: add_memory(
                c,
                Memory(
                    "",
                    place,
                    "summary",
                    "",
                    state="failed",
                    reason="no_json: It could not be read.",
                    first=ids[8],
                    last=ids[9],
                ),
            )
        )
        await driven.app.runtime.chat.edits.edit(ids[5], "Another ferry.")
        dialog = await open_pane(driven)
        assert names(dialog) == ["Mirelle fears the sea.", "The lamp", "The ferry", "Not written"]
        assert "summary · fresh" in right_of(dialog, "The lamp")
        assert "stale" in right_of(dialog, "The ferry") and "failed" in right_of(dialog, "Not written")
        details = [row.detail for row in dialog.tab.rows.rows]
        assert details[0].startswith("whole story") and details[1].startswith("#0–3")
        await driven.press("end")
        assert "could not be read" in told(dialog)
        await driven.press("up")
        assert "deleted or swiped away" in told(dialog) and "A stranger comes." in told(dialog)
        # Another branch from the second message on: what happened below is not part of it.
        await driven.app.runtime.chat.edits.edit_as_branch(ids[1], "I promise nothing.")
        dialog.read_again()
        await driven.until(lambda: names(dialog) == ["Mirelle fears the sea.", "The lamp"])
        assert "stale" in right_of(dialog, "The lamp")
        await driven.press("b")
        assert "The ferry" in names(dialog) and "other branch" in right_of(dialog, "The ferry")


async def test_a_memory_is_pinned_merged_divided_and_deleted_and_each_is_taken_back(home: Path) -> None:
    place, ids = await story()
    await of_the_story(place, ids)
    async with open_app() as driven:
        library = driven.app.runtime.library
        dialog = await open_pane(driven)
        before = [memory.text for memory in await library.memories.list(place)]
        await driven.press("p")
        await driven.until(lambda: right_of(dialog, "Mirelle fears the sea.").startswith("★"))
        await driven.press("down", "space", "space", "m")
        await driven.until(lambda: names(dialog) == ["Mirelle fears the sea.", "The lamp"])
        merged = (await library.memories.list(place))[1]
        assert (merged.first, merged.last) == (ids[0], ids[7]) and "A stranger comes." in merged.text
        await driven.press("u")
        await driven.until(lambda: len(names(dialog)) == 3)
        await driven.press("home", "down", "d")
        await driven.until(lambda: "The lamp" not in names(dialog))
        await driven.press("u")
        await driven.until(lambda: "The lamp" in names(dialog))
        await driven.press("home", "down", "s")
        await dialog_of(driven, PickDialog)
        await driven.press("down", "enter")
        await dialog_of(driven, FieldsDialog)
        assert driven.app.screen.query_one("#field-first", TextArea).text == "The lamp burns low."
        assert driven.app.screen.query_one("#field-second", TextArea).text == "A key is promised."
        await driven.press("ctrl+s")
        await driven.until(lambda: names(dialog).count("The lamp") == 2)
        halves = [memory for memory in await library.memories.list(place) if memory.title == "The lamp"]
        assert [(half.first, half.last) for half in halves] == [(ids[0], ids[1]), (ids[2], ids[3])]
        for _ in range(2):  # the division and the pin
            await driven.press("u")
            await driven.settle()
        after = await library.memories.list(place)
        assert [memory.text for memory in after] == before and not any(memory.pinned for memory in after)
        assert all(memory.sound for memory in after)


async def test_words_that_were_not_saved_are_there_again_and_count_once_they_are(home: Path) -> None:
    place, ids = await story()
    await of_the_story(place, ids)
    async with open_app() as driven:
        dialog = await open_pane(driven)
        await driven.press("down", "e")
        await dialog_of(driven, FieldsDialog)
        await fill(driven, "text", "The lamp is out.")
        await driven.press("escape")
        await driven.until(lambda: driven.app.screen is dialog)
        await driven.until(lambda: "The lamp" in names(dialog) and "burns low" in told(dialog))
        await driven.press("e")
        await dialog_of(driven, FieldsDialog)
        assert driven.app.screen.query_one("#field-text", TextArea).text == "The lamp is out."
        await fill(driven, "text", "")
        await driven.press("ctrl+s")
        await driven.until(lambda: "needs words" in shown(driven))
        await fill(driven, "text", "The lamp is out.")
        await fill(driven, "keywords", "lamp, 灯，light")
        await driven.press("ctrl+s")
        await driven.until(lambda: "edited" in right_of(dialog, "The lamp"))
        memory = (await driven.app.runtime.library.memories.list(place))[1]
        assert memory.text == "The lamp is out." and memory.keywords == ("lamp", "灯", "light")
        assert not await driven.app.runtime.library.drafts.get(f"memory:{memory.id}")


async def test_saved_words_leave_no_draft_of_the_old_ones(home: Path) -> None:
    place, _ = await story()
    await remember((Memory("", place, "fact", "Mirelle fears the sea.\n"), "", ""))
    async with open_app() as driven:
        dialog = await open_pane(driven)
        await driven.press("e")
        await dialog_of(driven, FieldsDialog)
        await fill(driven, "text", "Mirelle fears the fog.")
        await driven.press("ctrl+s")
        await driven.until(lambda: "Mirelle fears the fog." in names(dialog))
        await driven.press("e")
        await dialog_of(driven, FieldsDialog)
        assert driven.app.screen.query_one("#field-text", TextArea).text == "Mirelle fears the fog."


async def test_a_fact_is_added_to_this_branch_and_found_by_typing(home: Path) -> None:
    place, ids = await story()
    await of_the_story(place, ids)
    async with open_app() as driven:
        dialog = await open_pane(driven)
        await driven.press("a")
        await dialog_of(driven, FieldsDialog)
        await fill(driven, "text", "The key opens the lighthouse.")
        await driven.press("ctrl+s")
        await driven.until(lambda: "The key opens the lighthouse." in names(dialog))
        added = (await driven.app.runtime.library.memories.list(place))[-1]
        assert added.kind == "fact" and added.last == ids[-1] and added.made_by == "person"
        await driven.press("slash", *"ferry")
        await driven.until(lambda: names(dialog) == ["The ferry"])
        await driven.press("escape")
        await driven.until(lambda: len(names(dialog)) == 4)
        assert driven.app.screen is dialog


async def test_one_key_leads_to_the_covered_messages_and_one_back(home: Path) -> None:
    place, ids = await story()
    await of_the_story(place, ids)
    async with open_app() as driven:
        await open_pane(driven)
        await driven.press("end", "t")
        await driven.until(
            lambda: driven.app.screen is driven.chat and driven.chat.transcript.selected == ids[4]
        )
        assert driven.chat.transcript.has_focus
        dialog = await open_pane(driven, "M")
        await driven.until(lambda: names(dialog) == ["The ferry"])
        await driven.press("c")
        await driven.until(lambda: len(names(dialog)) == 3)
        await driven.press("escape")
        await driven.until(lambda: driven.app.screen is driven.chat)
        driven.chat.transcript.selected = ids[10]
        await driven.press("M")
        await driven.until(lambda: "No memory covers" in driven.told())
        assert driven.app.screen is driven.chat


async def test_a_marked_message_is_always_in_until_it_is_unmarked(home: Path) -> None:
    place, ids = await story()
    async with open_app() as driven:
        library = driven.app.runtime.library
        await driven.press("escape")
        driven.chat.transcript.selected = ids[2]
        await driven.press("a")
        await driven.until(lambda: "every prompt" in driven.told())
        (marked,) = await library.memories.list(place)
        assert marked.kind == "marked" and marked.text.startswith(LINES[2]) and marked.last == ids[2]
        await driven.press("a")
        await driven.until(lambda: "no longer" in driven.told())
        assert not await library.memories.list(place)


async def test_new_words_wait_beside_the_old_until_the_person_takes_them(home: Path, paths: Paths) -> None:
    place, ids = await story()
    await of_the_story(place, ids)
    async with model_server([json.dumps(ANSWER)]) as url:
        use_writer(paths, url)
        async with open_app() as driven:
            library = driven.app.runtime.library
            dialog = await open_pane(driven)
            await driven.press("home", "down", "w")
            await dialog_of(driven, FieldsDialog)
            await fill(driven, "instruction", "Keep the key. {words}")
            await driven.press("ctrl+s")
            await dialog_of(driven, CompareDialog)
            compared = driven.app.screen.query_one("#compared", Reader)._runs
            assert {ANSWER["summary"], "The lamp burns low. A key is promised."} <= {
                text for text, _ in compared
            }
            await driven.press("n")
            await driven.until(lambda: not dialog._jobs.rewriting)
            assert (await library.memories.list(place))[1].text == "The lamp burns low. A key is promised."
            await driven.press("home", "down", "w")
            await dialog_of(driven, FieldsDialog)
            await driven.press("ctrl+s")
            await dialog_of(driven, CompareDialog)
            await driven.press("y")
            await driven.until(lambda: "The lamp and the key" in names(dialog))
            assert (await library.memories.list(place))[1].made_by == "own"
            await driven.press("u")
            await driven.until(lambda: "The lamp" in names(dialog))
            assert "The lamp and the key" not in names(dialog)


async def test_writing_now_and_once_more_tells_what_came_of_it(home: Path, paths: Paths) -> None:
    await story()
    async with model_server(["港口的灯已经灭了，没有人带来那把铜钥匙。"]) as url:
        use_writer(paths, url)
        async with open_app() as driven:
            dialog = await open_pane(driven)
            await driven.press("n")
            await driven.until(lambda: "Not written" in names(dialog))
            await driven.until(lambda: "⚠" in shown(driven))
    async with model_server([json.dumps(ANSWER)]) as url:
        use_writer(paths, url)
        async with open_app() as driven:
            dialog = await open_pane(driven)
            await driven.until(lambda: "Not written" in names(dialog))
            await driven.press("home", "r")
            await driven.until(lambda: "The lamp and the key" in names(dialog))


async def test_a_model_that_costs_is_asked_about_once_and_writes_only_after_a_yes(
    home: Path, paths: Paths
) -> None:
    await story()
    async with model_server([json.dumps(ANSWER)]) as url:
        # A host that is not known to be this machine, so that its model counts as one that costs.
        use_writer(paths, url.replace("127.0.0.1", "2130706433"))
        async with open_app() as driven:
            runtime, chat = driven.app.runtime, driven.chat
            await driven.until(lambda: chat.query("#memory-question"))
            assert "own" in shown(driven) and chat.prompt.has_focus
            await driven.write("I am still writing")
            dialog = await open_pane(driven)
            assert "costs" in shown(driven) and not names(dialog)
            await driven.press("escape")
            await driven.until(lambda: driven.app.screen is chat)
            assert chat.prompt.text == "I am still writing"
            await driven.press("alt+y")
            await driven.until(lambda: not chat.query("#memory-question"))
            assert (await consents(runtime.library))["own"] is True
            dialog = await open_pane(driven)
            await driven.until(lambda: "The lamp and the key" in names(dialog))
        async with open_app() as driven:
            await driven.settle()
            assert not driven.chat.query("#memory-question")


async def test_a_no_is_kept_and_the_pane_takes_a_later_yes(home: Path, paths: Paths) -> None:
    await story()
    async with model_server([json.dumps(ANSWER)]) as url:
        use_writer(paths, url.replace("127.0.0.1", "2130706433"))
        async with open_app() as driven:
            library = driven.app.runtime.library
            await driven.until(lambda: driven.chat.query("#memory-question"))
            await driven.press("alt+n")
            await driven.until(lambda: not driven.chat.query("#memory-question"))
            assert (await consents(library))["own"] is False
            dialog = await open_pane(driven)
            await driven.press("Y")
            await driven.until(lambda: "The lamp and the key" in names(dialog))
            assert (await consents(library))["own"] is True


async def test_trackers_are_added_run_corrected_and_deleted(home: Path, paths: Paths) -> None:
    place, _ = await story()
    value = {"value": "The stranger: a grey coat"}
    async with model_server([json.dumps(value)]) as url:
        use_writer(paths, url)
        async with open_app() as driven:
            trackers = driven.app.runtime.library.trackers
            dialog = await open_pane(driven)
            await driven.press("2", "a")
            await dialog_of(driven, PickDialog)
            await driven.press(*"clothes", "enter")
            await dialog_of(driven, FieldsDialog)
            await fill(driven, "every", "none")
            await driven.press("ctrl+s")
            await driven.until(lambda: "a number from 1" in shown(driven))
            await fill(driven, "every", "3")
            await driven.press("ctrl+s")
            await driven.until(lambda: names(dialog) == ["Clothes"])
            assert "every 3 replies" in right_of(dialog, "Clothes")
            await driven.press("r")
            await driven.until(lambda: "a grey coat" in told(dialog))
            await driven.press("e")
            await dialog_of(driven, FieldsDialog)
            await fill(driven, "value", "The stranger: no coat")
            await driven.press("ctrl+s")
            await driven.until(lambda: "no coat" in told(dialog))
            (held,) = await trackers.shown(place)
            assert held.status == "edited" and held.value is not None and held.value.value.endswith("no coat")
            await driven.press("o")
            await dialog_of(driven, FieldsDialog)
            await fill(driven, "shape", '{"type": "object", "required": ["who"]}')
            await driven.press("ctrl+s")
            await driven.until(lambda: driven.app.screen is dialog)
            assert (await trackers.shown(place))[0].tracker.form == "json"
            await driven.press("e")
            await dialog_of(driven, FieldsDialog)
            await fill(driven, "value", "not JSON")
            await driven.press("ctrl+s")
            await driven.until(lambda: "does not fit" in shown(driven))
            await driven.press("escape")
            await driven.until(lambda: driven.app.screen is dialog)
            await driven.press("space")
            await driven.until(lambda: "off" in right_of(dialog, "Clothes"))
            await driven.press("d")
            await dialog_of(driven, ConfirmDialog)
            await driven.press("y")
            await driven.until(lambda: not names(dialog))
            assert not await trackers.shown(place)


async def test_documents_are_added_by_path_and_deleted(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await story()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tides.md").write_text("# Tides\n\nThe zephyrine tide turns at noon.\n", "utf-8")
    async with open_app() as driven:
        documents = driven.app.runtime.library.documents
        dialog = await open_pane(driven)
        await driven.press("3", "a")
        await dialog_of(driven, PathDialog)
        driven.app.screen.query_one("#answer", Input).value = str(tmp_path / "ti")
        await driven.settle()
        await driven.press("tab", "enter")
        await dialog_of(driven, PickDialog)
        await driven.press("enter")
        await driven.until(lambda: names(dialog) == ["tides.md"])
        assert "this chat" in dialog.tab.rows.rows[0].detail
        chat = driven.chat.conversation
        assert chat is not None and await documents.search("zephyrine", await documents.reach_of(chat))
        await driven.press("a")
        await dialog_of(driven, PathDialog)
        driven.app.screen.query_one("#answer", Input).value = "nothing.pdf"
        await driven.press("enter")
        await dialog_of(driven, PickDialog)
        await driven.press("enter")
        await driven.until(lambda: "⚠" in shown(driven) and "nothing.pdf" in shown(driven))
        assert not driven.app._notifications, "the foot says it"
        long = f"{'long' * 30}.pdf"
        await driven.press("a")
        await dialog_of(driven, PathDialog)
        driven.app.screen.query_one("#answer", Input).value = long
        await driven.press("enter")
        await dialog_of(driven, PickDialog)
        await driven.press("enter")
        await driven.until(lambda: any(long in note.message for note in driven.app._notifications))
        await driven.press("d")
        await dialog_of(driven, ConfirmDialog)
        await driven.press("y")
        await driven.until(lambda: not names(dialog))
        assert (tmp_path / "tides.md").exists()


async def test_documents_of_members_are_listed_in_a_group(home: Path, tmp_path: Path) -> None:
    async with Runtime.open(load_settings()) as runtime:
        await runtime.first_start()
        members = [character.id for character in (await runtime.library.characters.list())[:2]]
        group = await runtime.library.groups.create("The watch", members)
        await runtime.chat.start_group(group.id)
        (tmp_path / "tides.md").write_text("The tide turns at noon.", "utf-8")
        document, passages = document_of(tmp_path / "tides.md", "", members[1])
        await runtime.library.documents.add(document, passages)
    async with open_app() as driven:
        dialog = await open_pane(driven)
        await driven.press("3")
        await driven.until(lambda: names(dialog) == ["tides.md"])
        await driven.press("a")
        await dialog_of(driven, PathDialog)
        driven.app.screen.query_one("#answer", Input).value = str(tmp_path / "tides.md")
        await driven.press("enter")
        await dialog_of(driven, PickDialog)
        scopes = driven.app.screen
        assert isinstance(scopes, PickDialog)
        assert [row.id for row in scopes.rows.rows] == ["conversation", "all"]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", [(80, 24), (50, 15)])
async def test_the_pane_shows_rows_bar_and_keys_where_there_is_little_room(
    size: tuple[int, int], language: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUNALUX_LANG", language)
    place, ids = await story()
    await of_the_story(place, ids)
    async with open_app(size) as driven:
        await driven.say("Where is the key?")
        await driven.until(lambda: not driven.chat.busy)
        dialog = await open_pane(driven)
        await driven.until(lambda: len(names(dialog)) == 3)
        drawn = shown(driven)
        assert "The lamp" in drawn and "The ferry" in drawn
        assert "▚" in drawn and ("history" if language == "en" else "历史") in drawn
        assert "esc" in drawn.splitlines()[-2]
        await driven.press("down", "enter")
        await driven.settle()
        assert "A key is promised." in shown(driven)
        await driven.press("escape")
        assert driven.app.screen is dialog and dialog.tab.rows.has_focus


async def test_the_slash_command_opens_the_pane(home: Path) -> None:
    place, ids = await story()
    await of_the_story(place, ids)
    async with open_app() as driven:
        await driven.write("/memory")
        await driven.press("enter")
        await driven.until(lambda: isinstance(driven.app.screen, MemoryDialog))
        await driven.until(lambda: not driven.chat.busy and not driven.chat.prompt.text)


async def test_what_is_being_written_is_kept_when_the_program_is_left(home: Path) -> None:
    place, ids = await story()
    await of_the_story(place, ids)
    async with open_app() as driven:
        await open_pane(driven)
        await driven.press("a")
        await dialog_of(driven, FieldsDialog)
        await fill(driven, "text", "Half a fact")
        await driven.app.action_quit()
    async with open_app() as driven:
        await open_pane(driven)
        await driven.press("a")
        await dialog_of(driven, FieldsDialog)
        assert driven.app.screen.query_one("#field-text", TextArea).text == "Half a fact"


async def test_writing_is_stopped_by_a_key_and_the_old_words_stay(home: Path, paths: Paths) -> None:
    place, ids = await story()
    await of_the_story(place, ids)
    async with model_server([json.dumps(ANSWER)], delay=30) as url:
        use_writer(paths, url)
        async with open_app() as driven:
            dialog = await open_pane(driven)
            await driven.press("home", "down", "w")
            await dialog_of(driven, FieldsDialog)
            await driven.press("ctrl+s")
            await driven.until(lambda: "being written" in right_of(dialog, "The lamp"))
            await driven.press("x")
            await driven.until(lambda: "fresh" in right_of(dialog, "The lamp"))
            assert not dialog._jobs.rewriting
            assert [memory.title for memory in await driven.app.runtime.library.memories.list(place)] == [
                "",
                "The lamp",
                "The ferry",
            ]


async def test_new_words_that_come_while_the_pane_is_closed_wait_in_it(home: Path, paths: Paths) -> None:
    place, ids = await story()
    await of_the_story(place, ids)
    closed = asyncio.Event()
    async with model_server([json.dumps(ANSWER)], gate=closed) as url:
        use_writer(paths, url)
        async with open_app() as driven:
            await open_pane(driven)
            await driven.press("home", "down", "w")
            await dialog_of(driven, FieldsDialog)
            await driven.press("ctrl+s", "escape")
            await driven.until(lambda: driven.app.screen is driven.chat)
            closed.set()
            await driven.until(lambda: "New words for “The lamp”" in driven.told())
            assert driven.app.screen is driven.chat
            await driven.press("alt+j")
            await dialog_of(driven, CompareDialog)
            await driven.press("escape")
            dialog = driven.app.screen
            assert isinstance(dialog, MemoryDialog)
            await driven.until(lambda: "new words wait" in right_of(dialog, "The lamp"))
            await driven.press("home", "down", "v")
            await dialog_of(driven, CompareDialog)
            await driven.press("y")
            await driven.until(lambda: "The lamp and the key" in names(dialog))


async def test_what_is_said_while_the_pane_goes_away_is_said_in_the_chat(home: Path) -> None:
    await story()
    async with open_app() as driven:
        dialog = await open_pane(driven)
        dialog.dismiss(None)
        driven.chat.objects.memory.jobs.say("The lamp was written.")
        assert driven.chat.status.told == "The lamp was written."


def test_the_pane_has_a_key_of_its_own() -> None:
    keys = {key: action.id for action in ChatScreen.ACTIONS for key in action.keys.split(",") if key}
    taken = [action.id for action in ChatScreen.ACTIONS if "alt+j" in action.keys.split(",")]
    assert keys["alt+j"] == "chat.memory" and taken == ["chat.memory"]
