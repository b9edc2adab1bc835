"""The worldbook in the character editor: entries by keys, settings by rows, and the live test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from create_world import Editor, open_editor
from textual.widgets import Input, TextArea

from lunalux_tui.create.entry_value import EntryValue, read_value
from lunalux_tui.create.sections.worldbook_entry import SETTINGS, EntryRows
from lunalux_tui.create.sections.worldbook_section import WorldbookSection
from lunalux_tui.create.sections.worldbook_test import TrialWhy
from lunalux_tui.parts.ask_dialog import AskDialog


def book_of(editor: Editor) -> WorldbookSection:
    pane = editor.screen.section_view
    assert isinstance(pane, WorldbookSection)
    return pane


def entries(editor: Editor) -> Any:
    return editor.screen.draft.document["data"]["character_book"]["entries"]


async def with_book(editor: Editor, tmp_path: Path, book: list[dict[str, Any]]) -> WorldbookSection:
    """Bring a card with these entries, and go to its book."""
    path = tmp_path / "card.json"
    card = {
        "spec": "chara_card_v3",
        "spec_version": "3.0",
        "data": {"name": "Ann", "character_book": {"entries": book}},
    }
    path.write_text(json.dumps(card), encoding="utf-8")
    await editor.screen.bring(str(path))
    await editor.section("book")
    return book_of(editor)


def entry(number: int, *keys: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "keys": list(keys),
        "content": f"Content {number}",
        "comment": f"Entry {number}",
        "enabled": True,
        "insertion_order": 100,
        "extensions": {},
    } | more


async def test_an_entry_from_nothing_is_written_and_fires() -> None:
    async with open_editor() as editor:
        await editor.section("book")
        await editor.driven.press("a")
        await editor.driven.until(lambda: editor.box("comment").target.has_focus)
        await editor.write("keys", "sword, /blades?/i")
        await editor.write("content", "It is named Dawn.")
        assert entries(editor)[0]["keys"] == ["sword", "/blades?/i"]
        await editor.driven.press("f10")
        await editor.driven.until(lambda: editor.box("trial").target.has_focus)
        await editor.driven.press(*"BLADE")
        pane = book_of(editor)
        await editor.driven.until(lambda: pane.trial.rows.rows)
        assert pane.trial.rows.rows[0].right == "key “/blades?/i”"
        await editor.driven.until(lambda: pane.rows.rows[0].mark == "●")
        await editor.driven.press(*["backspace"] * 5)
        await editor.driven.until(lambda: not pane.trial.rows.rows)


async def test_the_test_says_why_the_chosen_entry_stays_away(tmp_path: Path) -> None:
    async with open_editor() as editor:
        book = [entry(0, "sword"), entry(1, "bow"), entry(2, "sword", enabled=False), entry(3, constant=True)]
        pane = await with_book(editor, tmp_path, book)
        await editor.driven.press("f10")
        await editor.driven.until(lambda: editor.box("trial").target.has_focus)
        await editor.write("trial", "a sword")
        await editor.driven.until(lambda: pane.trial.outcome is not None)
        pane.rows.focus()
        told = []
        for _ in book:
            await editor.driven.pilot.pause()
            told.append(pane.query_one(TrialWhy).told)
            await editor.driven.press("down")
        assert told == [
            "Entry 0 · Fires: key “sword”",
            "Entry 1 · Stays away: none of its keys is in the text",
            "Entry 2 · Stays away: switched off",
            "Entry 3 · Fires: always in",
        ]
        await editor.driven.press("home", "space")
        await editor.driven.until(lambda: "switched off" in pane.query_one(TrialWhy).told)
        assert entries(editor)[0]["enabled"] is False


async def test_entries_are_copied_moved_removed_and_brought_back(tmp_path: Path) -> None:
    async with open_editor() as editor:
        await with_book(editor, tmp_path, [entry(0, "a", x_own=1), entry(1, "b")])
        before = entries(editor)
        await editor.driven.press("c")
        assert [one["id"] for one in entries(editor)] == [0, 2, 1] and entries(editor)[1]["x_own"] == 1
        await editor.driven.press("J")
        assert [one["id"] for one in entries(editor)] == [0, 1, 2]
        await editor.driven.press("d")
        assert [one["id"] for one in entries(editor)] == [0, 1]
        for _ in range(3):
            await editor.driven.press("ctrl+z")
        assert entries(editor) == before


async def test_every_setting_of_an_entry_changes_and_nothing_else_does(tmp_path: Path) -> None:
    async with open_editor((100, 50)) as editor:
        raw = entry(0, "a", x_own={"deep": 1}, extensions={"chub": 1, "position": 4})
        pane = await with_book(editor, tmp_path, [raw])
        rows = pane.form.query_one(EntryRows)
        for one in SETTINGS:
            if one.name not in {row.id for row in rows.rows}:
                continue
            rows.focus()
            rows.set_rows(rows.rows, at=one.name)
            before = getattr(pane.form.entry, one.name)
            await editor.driven.press("enter")
            if one.kind in ("number", "optional number", "text", "texts"):
                await editor.driven.until(lambda: isinstance(editor.driven.app.screen, AskDialog))
                await editor.answer("7" if "number" in one.kind else "swipe")
                await editor.back()
            await editor.driven.until(
                lambda one=one, before=before: (
                    getattr(pane.form.entry, one.name) != before or one.name in {"depth", "role"}
                )
            )
        after = entries(editor)[0]
        assert after["x_own"] == {"deep": 1} and after["extensions"]["chub"] == 1
        assert after["content"] == "Content 0" and after["keys"] == ["a"]
        assert after["extensions"]["sticky"] == 7 and after["constant"] is True
        while entries(editor)[0] != raw:
            await editor.driven.press("ctrl+z")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("probability", "100", EntryValue(100)),
        ("probability", "7.0", EntryValue(7)),
        ("probability", "101", None),
        ("probability", "-1", None),
        ("probability", "7.5", None),
        ("probability", "nan", None),
        ("probability", "", None),
        ("scan_depth", "", EntryValue(None)),
        ("scan_depth", "x", None),
        ("triggers", " a, b c，猫,, ", EntryValue(("a", "b c", "猫"))),
        ("triggers", "", EntryValue(())),
    ],
)
def test_a_value_is_read_as_it_is_typed(name: str, text: str, value: EntryValue | None) -> None:
    setting = next(setting for setting in SETTINGS if setting.name == name)
    assert read_value(setting, text) == value


async def test_a_wrong_number_is_told_and_not_taken(tmp_path: Path) -> None:
    async with open_editor() as editor:
        pane = await with_book(editor, tmp_path, [entry(0, "a")])
        rows = pane.form.query_one(EntryRows)
        rows.focus()
        rows.set_rows(rows.rows, at="probability")
        await editor.driven.press("enter")
        await editor.answer("500")
        dialog = editor.driven.app.screen
        assert isinstance(dialog, AskDialog)
        assert dialog.query_one("#verdict").has_class("-error")
        await editor.driven.press("escape")
        await editor.back()
        assert entries(editor) == [entry(0, "a")]


async def test_texts_left_with_escape_are_offered_again(tmp_path: Path) -> None:
    async with open_editor() as editor:
        pane = await with_book(editor, tmp_path, [entry(0, "a")])
        rows = pane.form.query_one(EntryRows)

        async def asked() -> Input:
            rows.focus()
            rows.set_rows(rows.rows, at="triggers")
            await editor.driven.press("enter")
            await editor.driven.until(lambda: editor.driven.app.screen.query("#answer"))
            return editor.driven.app.screen.query_one("#answer", Input)

        await asked()
        await editor.driven.press(*"swipe", "escape")
        await editor.back()
        assert pane.form.entry.triggers == ()
        field = await asked()
        assert field.value == "swipe"
        await editor.driven.press("enter")
        await editor.driven.until(lambda: pane.form.entry.triggers == ("swipe",))


async def test_the_search_narrows_the_list(tmp_path: Path) -> None:
    async with open_editor() as editor:
        pane = await with_book(editor, tmp_path, [entry(n, f"key{n}") for n in range(261)])
        await editor.driven.press("slash", *"entry 26")
        await editor.driven.pilot.pause()
        assert [row.title for row in pane.rows.rows] == ["Entry 26", "Entry 126", "Entry 226", "Entry 260"]
        await editor.driven.press("enter", "end")
        assert pane.form.query_one("#box-comment Input", Input).value == "Entry 260"


async def test_on_a_narrow_screen_the_entry_takes_the_place_of_the_list(tmp_path: Path) -> None:
    async with open_editor((50, 15)) as editor:
        pane = await with_book(editor, tmp_path, [entry(0, "a")])
        await editor.driven.press("enter")
        await editor.driven.until(lambda: pane.form.size.width > 30)
        assert pane.form.query_one("#box-content TextArea", TextArea).has_focus
        await editor.driven.press("escape")
        await editor.driven.until(lambda: pane.rows.has_focus and pane.rows.size.width > 30)
        await editor.driven.press("escape")
        await editor.driven.until(lambda: editor.screen.sections.has_focus)


@pytest.mark.parametrize("size", [(80, 24), (50, 15)])
async def test_the_test_is_reached_out_of_an_entry_on_a_narrow_screen(
    size: tuple[int, int], tmp_path: Path
) -> None:
    async with open_editor(size) as editor:
        pane = await with_book(editor, tmp_path, [entry(0, "sword")])
        await editor.driven.press("enter")
        await editor.driven.until(lambda: pane.form.size.width > 30)
        await editor.driven.press("f10")
        await editor.driven.until(lambda: editor.box("trial").target.has_focus)
        await editor.driven.press(*"sword")
        await editor.driven.until(lambda: [row.right for row in pane.trial.rows.rows] == ["key “sword”"])
        await editor.driven.press("escape")
        await editor.driven.until(lambda: pane.rows.has_focus)
