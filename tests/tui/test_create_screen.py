"""The character editor: writing, undoing, keeping, and where a character goes from there."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from create_world import open_editor
from market_world import frame
from textual.events import Key, Paste
from textual.widgets import Input, TextArea

from lunalux_core.cards.card_reader import read_card
from lunalux_core.cards.placeholder_picture import placeholder_png
from lunalux_core.config.settings import load_settings
from lunalux_core.editor.card_fields import BY_ID
from lunalux_core.editor.draft_store import DraftStore
from lunalux_core.runtime import Runtime
from lunalux_tui.create.sections import SECTIONS
from lunalux_tui.create.tags_dialog import TagsDialog
from lunalux_tui.market.publish_dialog import PublishDialog
from lunalux_tui.parts.ask_dialog import ConfirmDialog
from lunalux_tui.parts.form_field import FieldNote
from lunalux_tui.parts.key_bar import KeyBar
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.picture import Picture
from lunalux_tui.parts.rows import Rows


async def test_a_character_from_nothing_gets_into_the_library_and_talks() -> None:
    async with open_editor() as editor:
        await editor.section("basics")
        await editor.driven.press(*"Ann")
        assert editor.box("name").query_one(FieldNote).text == ""
        assert editor.screen.head.name_shown == "Ann"
        await editor.section("character")
        await editor.write("description", "A lamplighter in the harbour.")
        await editor.section("greetings")
        await editor.write("greeting", "*She lifts the lamp.* “Who goes there?”")
        await editor.driven.press("ctrl+s")
        await editor.driven.until(lambda: editor.screen.draft.character_id)
        await editor.driven.until(lambda: not editor.screen.head.unsaved)
        stored = await editor.driven.app.runtime.library.characters.find("Ann")
        assert json.loads(stored.document)["data"]["description"] == "A lamplighter in the harbour."
        await editor.driven.press("ctrl+t")
        await editor.driven.until(lambda: editor.driven.app.screen is editor.driven.chat)
        await editor.driven.until(
            lambda: editor.driven.contents() == ["*She lifts the lamp.* “Who goes there?”"]
        )


async def test_without_a_name_nothing_is_saved_and_the_field_is_shown() -> None:
    async with open_editor() as editor:
        await editor.section("character")
        await editor.write("description", "Somebody")
        await editor.driven.press("ctrl+s")
        await editor.driven.until(lambda: editor.screen.section.id == "basics")
        await editor.driven.until(lambda: editor.box("name").target.has_focus)
        assert not editor.screen.draft.character_id


async def test_undo_and_redo_go_where_the_change_was() -> None:
    async with open_editor() as editor:
        await editor.section("basics")
        await editor.write("name", "Ann")
        await editor.section("character")
        await editor.write("scenario", "A harbour")
        await editor.section("notes")
        await editor.driven.press("ctrl+z")
        await editor.driven.until(lambda: editor.screen.section.id == "character")
        assert editor.box("scenario").text == ""
        await editor.driven.press("ctrl+z")
        await editor.driven.until(lambda: editor.screen.section.id == "basics")
        await editor.driven.until(lambda: editor.box("name").target.has_focus)
        assert editor.data["name"] == ""
        await editor.driven.press("ctrl+y", "ctrl+y")
        await editor.driven.until(lambda: editor.data["scenario"] == "A harbour")
        assert editor.data["name"] == "Ann"


async def test_what_was_written_is_there_when_the_app_comes_back() -> None:
    async with open_editor() as editor:
        await editor.section("character")
        await editor.write("description", "Kept")
        await editor.driven.until(
            lambda: editor.data.get("description") == "Kept" and editor.screen.head.kept
        )
    async with open_editor((80, 24)) as editor:
        assert editor.data["description"] == "Kept"
        assert editor.screen.head.unsaved


async def test_leaving_at_once_keeps_the_last_words_too() -> None:
    async with open_editor() as editor:
        await editor.section("basics")
        await editor.driven.press(*"Zoe")
        await editor.driven.app.action_quit()
    async with Runtime.open(load_settings()) as runtime:
        assert (await DraftStore(runtime.library).open()).card.name == "Zoe"


async def test_every_part_opens_at_every_size() -> None:
    for size in ((120, 40), (80, 24), (50, 15)):
        async with open_editor(size) as editor:
            for section in SECTIONS:
                await editor.section(section.id)
                assert editor.screen.section_view.section is section
                # From the words of a greeting to their list, and from there to the parts.
                await editor.driven.press(*["escape"] * (2 if section.id == "greetings" else 1))
                assert editor.screen.sections.has_focus


async def test_a_card_is_brought_into_the_form_and_undo_takes_it_back(shared: Path) -> None:
    path = shared / "cards" / "Seraphina.png"
    async with open_editor() as editor:
        await editor.section("basics")
        await editor.write("name", "Mine")
        await editor.driven.press("ctrl+l")
        await editor.answer(path)
        await editor.back()
        await editor.driven.until(lambda: editor.screen.draft.card.name == "Seraphina")
        assert editor.screen.draft.document == read_card(path.read_bytes()).card.document
        assert editor.screen.query_one(Picture).source == path.read_bytes()
        assert editor.box("name").text == "Seraphina"
        await editor.driven.press("ctrl+z")
        assert editor.screen.draft.card.name == "Mine"
        assert editor.screen.query_one(Picture).source is None


async def test_a_file_that_is_no_card_is_told_and_changes_nothing(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("[1, 2", encoding="utf-8")
    async with open_editor() as editor:
        editor.screen.action_import()
        await editor.answer(bad)
        await editor.back()
        await editor.driven.until(lambda: editor.driven.app._notifications)
        assert not editor.screen.draft.can_undo


async def test_a_character_of_the_library_is_changed_from_the_chat() -> None:
    async with open_editor() as editor:
        chat = editor.driven.chat
        editor.driven.app.action_go("chat")
        await editor.driven.until(lambda: editor.driven.app.screen is chat)
        assert chat.character is not None
        identity, before = chat.character.id, await chat.runtime.library.characters.get(chat.character.id)
        await chat.run_action("edit_character")
        await editor.driven.until(lambda: editor.driven.app.screen is not chat)
        await editor.driven.until(lambda: editor.screen.draft.character_id == identity)
        await editor.section("basics")
        await editor.write("creator", "somebody else")
        await editor.driven.press("ctrl+s")
        await editor.driven.until(lambda: not editor.screen.head.unsaved)
        after = json.loads((await chat.runtime.library.characters.get(identity)).document)
        expected = json.loads(before.document)
        expected["data"]["creator"] = "somebody else"
        assert after["data"] == expected["data"]


async def test_a_character_changed_elsewhere_is_not_overwritten_unasked() -> None:
    async with open_editor() as editor:
        runtime = editor.driven.app.runtime
        identity = (await runtime.library.characters.list())[0].id
        await editor.screen.edit_character(identity)
        other = await DraftStore(runtime.library).open(identity)
        other.write(BY_ID["creator"], "from elsewhere")
        await DraftStore(runtime.library).save(other)
        await editor.section("basics")
        await editor.write("creator", "from here")
        await editor.driven.press("ctrl+s")
        await editor.driven.until(lambda: isinstance(editor.driven.app.screen, ConfirmDialog))
        await editor.driven.press("escape")
        assert '"from elsewhere"' in (await runtime.library.characters.get(identity)).document


async def test_drafts_wait_for_each_other_in_the_list() -> None:
    async with open_editor() as editor:
        await editor.section("basics")
        await editor.write("name", "Half a hero")
        runtime = editor.driven.app.runtime
        first = (await runtime.library.characters.list())[0]
        await editor.screen.edit_character(first.id)
        await editor.section("basics")
        await editor.write("nickname", "Nick")
        await editor.driven.press("ctrl+o")
        await editor.driven.until(lambda: isinstance(editor.driven.app.screen, PickDialog))
        dialog = editor.driven.app.screen
        assert isinstance(dialog, PickDialog)
        rows = {row.title: row.right for row in dialog.rows.rows}
        assert dialog.rows.rows[0].title == "New character"
        assert rows["Half a hero"] == "new, unsaved"
        assert rows[first.name] == "unsaved changes"
        dialog.rows.set_rows(dialog.rows.rows, at="new")
        await editor.driven.press("enter")
        await editor.back()
        await editor.driven.until(lambda: editor.data["name"] == "")
        await editor.driven.press("ctrl+o", *"half", "enter")
        await editor.back()
        await editor.driven.until(lambda: editor.data["name"] == "Half a hero")


async def test_clear_can_be_undone() -> None:
    async with open_editor() as editor:
        await editor.section("basics")
        await editor.write("name", "Ann")
        await editor.section("finish")
        editor.screen.action_clear()
        await editor.driven.until(lambda: editor.data["name"] == "")
        await editor.driven.press("ctrl+z")
        assert editor.data["name"] == "Ann"


async def test_tags_are_chosen_from_the_list_at_most_three_beside_free_ones() -> None:
    async with open_editor() as editor:
        await editor.section("basics")
        await editor.write("tags", "my own, ")
        await editor.driven.press("enter")
        await editor.driven.until(lambda: isinstance(editor.driven.app.screen, TagsDialog))
        for _ in range(4):
            await editor.driven.press("enter", "down")
        await editor.driven.press("escape")
        await editor.back()
        offered = editor.driven.app.runtime.settings.tags_en
        await editor.driven.until(lambda: editor.data["tags"] == ["my own", *offered[:3]])
        assert "first 3" in editor.box("tags").query_one(FieldNote).text


async def test_letters_typed_right_behind_the_way_into_the_greetings_are_words() -> None:
    async with open_editor() as editor:
        editor.screen.sections.focus()
        editor.screen.show_section("greetings")
        await editor.driven.until(lambda: editor.screen.section_view.stands)
        await editor.driven.settle()
        await editor.driven.press("right")
        await editor.driven.until(lambda: editor.box("greeting").target.has_focus)
        await editor.driven.press(*"add a lamp")
        await editor.driven.settle()
        assert editor.data["first_mes"] == "add a lamp" and not editor.data["alternate_greetings"]


@pytest.mark.parametrize(("section", "label"), [("greetings", "⏎ Write"), ("book", "⏎ Write")])
async def test_the_footer_of_a_list_says_what_enter_does(section: str, label: str) -> None:
    async with open_editor() as editor:
        await editor.section(section)
        if section == "book":
            await editor.driven.press("a", "escape")
        editor.screen.section_view.query(Rows).first().focus()
        bar = editor.screen.query_one(KeyBar)

        def footer() -> str:
            return "".join(segment.text for segment in bar.render_lines(bar.size.region)[0])

        await editor.driven.until(lambda: label in footer())
        await editor.driven.press("enter")
        await editor.driven.until(lambda: isinstance(editor.driven.app.focused, Input | TextArea))


async def test_greetings_are_added_moved_and_removed_by_keys() -> None:
    async with open_editor() as editor:
        await editor.section("greetings")
        await editor.write("greeting", "one")
        await editor.driven.press("escape", "a")
        await editor.write("greeting", "two")
        assert editor.data["alternate_greetings"] == ["two"]
        await editor.driven.press("escape", "K")
        assert editor.data["first_mes"] == "two" and editor.data["alternate_greetings"] == ["one"]
        await editor.driven.press("A")
        await editor.write("greeting", "to all")
        assert editor.data["group_only_greetings"] == ["to all"]
        await editor.driven.press("escape", "d")
        assert editor.data["group_only_greetings"] == []
        await editor.driven.press("ctrl+z")
        assert editor.data["group_only_greetings"] == ["to all"]


async def test_the_json_follows_what_is_typed_and_can_be_copied_and_saved(tmp_path: Path) -> None:
    async with open_editor() as editor:
        await editor.driven.press("ctrl+b")
        await editor.section("basics")
        await editor.write("name", "Ann [b]")
        view = editor.screen.preview
        await editor.driven.until(lambda: any('"name": "Ann [b]"' in line for line in view.lines))
        editor.screen.action_copy_json()
        await editor.driven.until(lambda: "Ann [b]" in editor.driven.app.clipboard)
        assert json.loads(editor.driven.app.clipboard) == editor.screen.draft.document
        editor.screen.action_save_json()
        await editor.answer(tmp_path / "ann.json")
        await editor.driven.until(lambda: (tmp_path / "ann.json").exists())
        assert json.loads((tmp_path / "ann.json").read_text("utf-8")) == editor.screen.draft.document


async def test_a_card_is_exported_with_the_chosen_picture(tmp_path: Path) -> None:
    picture = tmp_path / "portrait.png"
    picture.write_bytes(placeholder_png())
    async with open_editor() as editor:
        await editor.section("basics")
        await editor.write("name", "Ann")
        editor.screen.action_picture()
        await editor.answer(picture)
        await editor.back()
        await editor.driven.until(lambda: editor.screen.draft.snapshot.picture is not None)
        for kind, name in (
            ("png", "a.png"),
            ("png_v2", "b.png"),
            ("json_v3", "c.json"),
            ("charx", "d.charx"),
        ):
            editor.screen.action_export()
            await editor.driven.until(lambda: isinstance(editor.driven.app.screen, PickDialog))
            dialog = editor.driven.app.screen
            assert isinstance(dialog, PickDialog)
            await editor.driven.until(lambda dialog=dialog: dialog.query("#choices") and dialog.rows.rows)
            dialog.rows.set_rows(dialog.rows.rows, at=kind)
            await editor.driven.press("enter")
            await editor.answer(tmp_path / name)
            await editor.back()
            await editor.driven.until(lambda name=name: (tmp_path / name).exists())
            assert read_card((tmp_path / name).read_bytes()).name == "Ann"
        assert b"ccv3" in (tmp_path / "a.png").read_bytes()
        assert b"ccv3" not in (tmp_path / "b.png").read_bytes()
        assert read_card((tmp_path / "d.charx").read_bytes()).picture == placeholder_png()


async def test_publishing_asks_with_what_the_form_knows() -> None:
    async with open_editor() as editor:
        await editor.section("basics")
        await editor.write("name", "Ann")
        await editor.write("user_description", "A lamp in the harbour.")
        await editor.write("tags", "a, b, c, d")
        editor.screen.action_publish()
        await editor.driven.until(lambda: isinstance(editor.driven.app.screen, PublishDialog))
        dialog = editor.driven.app.screen
        await editor.driven.until(lambda: dialog.query_one(TextArea).text)
        assert dialog.query_one(TextArea).text == "A lamp in the harbour."
        assert dialog.query_one("#tags", Input).value == "a, b, c"


def editor_script(tmp_path: Path, body: str) -> str:
    script = tmp_path / "editor.sh"
    script.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


async def test_the_words_of_an_editor_come_back_even_if_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import nullcontext

    async with open_editor() as editor:
        await editor.section("character")
        await editor.write("description", "short")
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.setenv("EDITOR", str(tmp_path / "no such editor"))
        await editor.driven.press("ctrl+g")
        assert editor.data["description"] == "short"
        monkeypatch.setenv("EDITOR", editor_script(tmp_path, 'printf " and longer" >> "$1"; exit 3'))
        monkeypatch.setattr(editor.driven.app, "suspend", nullcontext)  # a test has no terminal to give away
        await editor.driven.press("ctrl+g")
        await editor.driven.until(lambda: editor.data["description"] == "short and longer")
        assert editor.box("description").text == "short and longer"
        monkeypatch.setenv("EDITOR", editor_script(tmp_path, 'rm "$1"'))
        await editor.driven.press("ctrl+g")
        assert editor.data["description"] == "short and longer"


async def test_hostile_values_do_no_harm_and_survive_beside_an_edit(tmp_path: Path) -> None:
    hostile = {
        "name": "\x1b]0;title\x07[red]Ann[/]\ud83d",
        "description": "word " * 80_000,
        "personality": "\x1b[2J[b]bold[/b]\x00",
        "first_mes": "line\r\n" * 3,
        "alternate_greetings": [None, 7, "\x1b[31mred"],
        "tags": None,
        "extensions": [],
        "character_book": {"entries": [{"keys": "x", "content": 5, "comment": "\x07[u]", "id": None}, 3]},
    }
    card = {"spec": "chara_card_v2", "spec_version": "2.0", "data": hostile}
    path = tmp_path / "hostile.json"
    path.write_text(json.dumps(card), encoding="utf-8")
    async with open_editor((80, 24)) as editor:
        await editor.screen.bring(str(path))
        for section in SECTIONS:
            await editor.section(section.id)
            await editor.driven.settle()
        await editor.section("character")
        box = editor.box("description")
        assert box.target is not box.field_control and len(box.text) == 400_000
        assert "\x1b" not in editor.box("personality").text
        await editor.section("basics")
        await editor.write("creator", "me")
        assert editor.data == hostile | {"creator": "me"}
        await editor.driven.until(lambda: editor.screen.head.kept)
        await editor.driven.press("ctrl+s")
        await editor.driven.until(lambda: editor.screen.draft.character_id)
        stored = await editor.driven.app.runtime.library.characters.get(editor.screen.draft.character_id)
        assert json.loads(stored.document)["data"] == hostile | {"creator": "me"}


async def test_finish_lists_what_is_wrong_and_leads_there() -> None:
    async with open_editor() as editor:
        await editor.section("finish")
        rows = editor.screen.section_view.query_one("#finish-rows", Rows)
        problem = next(row for row in rows.rows if row.title == "The character needs a name.")
        rows.set_rows(rows.rows, at=problem.id)
        await editor.driven.press("enter")
        await editor.driven.until(lambda: editor.screen.section.id == "basics")
        await editor.driven.until(lambda: editor.box("name").target.has_focus)


async def test_the_language_is_switched_while_the_editor_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LUNALUX_LANG")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    async with open_editor() as editor:
        for section in SECTIONS:
            await editor.section(section.id)
        editor.driven.app.switch_language("zh")
        await editor.driven.until(lambda: editor.screen.sections.rows[0].title == "基本")
        await editor.section("basics")
        assert "名称" in str(editor.box("name").query("FieldHead").first().label)  # type: ignore[attr-defined]


async def test_a_dropped_card_comes_into_the_form_and_enter_leads_on(shared: Path) -> None:
    async with open_editor() as editor:
        editor.screen.sections.focus()
        editor.screen.sections.post_message(Paste(str(shared / "cards" / "Seraphina.png")))
        await editor.driven.until(lambda: editor.data["name"] == "Seraphina")
        await editor.section("basics")
        await editor.driven.press("enter")
        await editor.driven.until(lambda: editor.box("nickname").target.has_focus)


async def test_the_chat_shows_a_new_name_at_once() -> None:
    async with open_editor() as editor:
        chat = editor.driven.chat
        assert chat.character is not None
        await editor.screen.edit_character(chat.character.id)
        await editor.section("basics")
        await editor.write("name", "Renamed")
        await editor.driven.press("ctrl+s")
        await editor.driven.until(lambda: chat.header.character == "Renamed")


async def test_what_is_pasted_into_one_line_comes_in_whole_and_harmless() -> None:
    async with open_editor() as editor:
        await editor.section("basics")
        name = editor.box("name").target
        name.focus()
        name.post_message(Paste("Ann\x1b]0;x\x07\r\nof the\ud800 Hill\n"))
        await editor.driven.until(lambda: editor.data["name"] == "Ann of the\ufffd Hill")
        nickname = editor.box("nickname").target
        nickname.focus()
        nickname.post_message(Paste("!" * 400_000))
        await editor.driven.until(lambda: len(str(editor.data.get("nickname", ""))) == 400_000)
        assert editor.box("nickname").target is not nickname
        await editor.driven.press("ctrl+z")
        await editor.driven.until(lambda: not editor.data.get("nickname"))
        assert editor.box("nickname").target is nickname
        assert editor.data["name"] == "Ann of the\ufffd Hill"


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("taken/card.json", "cannot be written"),
        ("~nobody-of-that-name/card.json", "cannot be the path"),
        ("a\0b.json", "cannot be the path"),
        ("n" * 300 + ".json", "cannot be the path"),
    ],
)
async def test_a_place_that_takes_no_file_is_told(where: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder is meant", encoding="utf-8")
    async with open_editor() as editor:
        await editor.section("basics")
        await editor.write("name", "Ann")
        editor.screen.action_save_json()
        await editor.asked()
        await editor.answer(where if where[0] == "~" else tmp_path / where)
        await editor.back()
        app = editor.driven.app
        await editor.driven.until(
            lambda: any(code in notification.title for notification in app._notifications)
        )
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["taken"]


async def test_typing_without_a_pause_is_kept_too() -> None:
    async with open_editor() as editor:
        await editor.section("basics")
        for _ in range(60):
            await editor.driven.press("a")
            await editor.driven.pilot.pause(0.1)
            if await editor.screen.open_draft.store.drafts():
                break
        assert [set(draft.name) for draft in await editor.screen.open_draft.store.drafts()] == [{"a"}]


async def test_keys_that_come_faster_than_parts_are_shown_do_not_drag_the_cursor_back() -> None:
    async with open_editor() as editor:
        sections = editor.screen.sections
        sections.focus()
        await editor.driven.pilot.pause()
        for key in (*["down"] * 4, "enter"):
            editor.driven.app.post_message(Key(key, None))
        await editor.driven.until(lambda: editor.screen.section_view.stands and not sections.has_focus)
        assert editor.screen.section.id == "book"
        assert sections.chosen == "book"


async def test_a_new_form_has_nothing_wrong_in_it_before_something_is_written() -> None:
    async with open_editor() as editor:
        await editor.section("basics")
        assert "✗" not in frame(editor.driven.app)
        await editor.write("name", "Wren")
        await editor.write("name", "")
        await editor.driven.until(lambda: "✗ The character needs a name" in frame(editor.driven.app))


async def test_beside_the_json_an_entry_can_still_be_written() -> None:
    async with open_editor() as editor:
        await editor.section("book")
        await editor.driven.press("a")
        await editor.driven.settle()
        await editor.driven.press("ctrl+b")
        await editor.driven.settle()
        assert editor.screen.query_one("#create-json").size.width >= 40
        assert editor.screen.query_one("#entry-form").size.width >= 40
