"""Worldbook files of every kind: read, written back, turned into each other, nothing lost."""

from __future__ import annotations

import base64
import copy
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lunalux_core.cards.card_reader import read_card
from lunalux_core.editor.card_worldbook import BookView
from lunalux_core.errors import InvalidInput
from lunalux_core.worldbook.book_reader import (
    AFTER,
    AT_DEPTH,
    BEFORE,
    NOWHERE,
    Book,
    CharacterFilter,
    Entry,
    read_book,
    write_book,
    write_character_book,
    write_lorebook_v3,
    write_world_info,
)
from lunalux_core.worldbook.foreign_books import png_document

FULL = Entry(
    5,
    keys=("a", "b c"),
    secondary_keys=("d",),
    comment="title",
    content="text",
    constant=True,
    vectorized=True,
    selective=True,
    selective_logic=3,
    order=7,
    position=AT_DEPTH,
    depth=2,
    role=1,
    disabled=True,
    probability=30,
    use_probability=False,
    exclude_recursion=True,
    prevent_recursion=True,
    delay_until_recursion=2,
    scan_depth=9,
    case_sensitive=True,
    match_whole_words=False,
    use_group_scoring=True,
    group="g, h",
    group_override=True,
    group_weight=50,
    sticky=1,
    cooldown=2,
    delay=3,
    automation_id="auto",
    display_index=4,
    ignore_budget=True,
    match_persona_description=True,
    match_character_description=True,
    match_character_personality=True,
    match_character_depth_prompt=True,
    match_scenario=True,
    match_creator_notes=True,
    triggers=("swipe",),
    outlet_name="o",
    character_filter=CharacterFilter(True, ("Alice",), ("elf",)),
)

CARD_BOOK: dict[str, Any] = {
    "name": "N",
    "description": "about",
    "scan_depth": 4,
    "custom": [1],
    "extensions": {"x": 1},
    "entries": [
        {"id": 9, "keys": ["a"], "content": "A", "enabled": True, "mystery": 1, "extensions": {"other": {}}},
        {"id": 2, "keys": ["b"], "content": "hidden", "enabled": True},
        None,
        {"id": 2, "keys": ["c"], "content": "C", "enabled": False, "position": "before_char", "priority": 3},
    ],
}


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def test_every_field_survives_world_info_and_card() -> None:
    for write in (write_world_info, write_character_book, write_lorebook_v3):
        again = read_book(through_json(write(Book("N", (FULL,))))).book
        assert again.entries == (FULL,) and again.name == "N"


def test_the_table_of_card_and_world_info() -> None:
    (entry,) = write_character_book(Book("N", (FULL,)))["entries"]
    assert (entry["use_regex"], entry["position"], entry["enabled"]) == (True, "after_char", False)
    assert (entry["insertion_order"], entry["id"]) == (7, 5)
    nested = entry["extensions"]
    assert (nested["position"], nested["useProbability"], nested["selectiveLogic"]) == (4, False, 3)
    assert (nested["exclude_recursion"], nested["match_scenario"], nested["outlet_name"]) == (True, True, "o")
    assert nested["characterFilter"] == {"isExclude": True, "names": ["Alice"], "tags": ["elf"]}
    before = write_character_book(Book("N", (replace(FULL, position=BEFORE),)))["entries"][0]
    assert before["position"] == "before_char"


@pytest.mark.parametrize(
    "document",
    [
        CARD_BOOK,
        {"spec": "lorebook_v3", "extra": 1, "data": CARD_BOOK},
        {"entries": {"3": {"keys": ["x"], "content": "X", "enabled": True}, "junk": 4}},
        {"entries": {"1": {"uid": 1, "key": ["k"], "content": "K", "addMemo": True, "new": {}}, "0": None}},
        {"entries": [{"uid": 4, "key": "no list", "order": "9", "position": "", "probability": None}]},
        {"name": "Empty", "entries": None},
    ],
    ids=["card", "lorebook_v3", "object-shaped card", "world info", "world info as a list", "empty"],
)
def test_an_untouched_book_is_written_as_it_was(document: dict[str, Any]) -> None:
    book = read_book(copy.deepcopy(document), "file").book
    assert through_json(write_book(book)) == document


def test_editing_one_entry_leaves_the_rest_alone() -> None:
    book = read_book(copy.deepcopy(CARD_BOOK)).book
    assert [entry.uid for entry in book.entries] == [2, 9]
    edited = replace(book.entries[1], content="new", sticky=2, position=BEFORE, disabled=True)
    changed = replace(book, entries=(edited, Entry(30, keys=("z",))))
    written = through_json(write_book(changed))
    first, last = written["entries"][0], written["entries"][-1]
    assert first == {
        "id": 9,
        "keys": ["a"],
        "content": "new",
        "enabled": False,
        "mystery": 1,
        "position": "before_char",
        "extensions": {"other": {}, "sticky": 2, "position": 0},
    }
    assert (last["id"], last["keys"], written["custom"]) == (30, ["z"], [1])
    assert [entry["id"] for entry in written["entries"] if entry] == [9, 30]
    copied = replace(book, entries=(*book.entries, replace(book.entries[1], uid=31)))
    assert through_json(write_book(copied))["entries"][-1] == {**CARD_BOOK["entries"][0], "id": 31}


def test_a_card_book_comes_back_through_world_info() -> None:
    book = read_book(copy.deepcopy(CARD_BOOK)).book
    world = through_json(write_world_info(book))
    assert world["entries"]["9"]["extensions"] == {"other": {}}
    back = write_character_book(read_book(world).book)
    by_id = {entry["id"]: entry for entry in back["entries"]}
    assert by_id == {9: CARD_BOOK["entries"][0], 2: CARD_BOOK["entries"][3]}
    assert {key: back[key] for key in CARD_BOOK if key != "entries"} == {
        key: value for key, value in CARD_BOOK.items() if key != "entries"
    }


def test_what_only_world_info_knows_comes_back_through_a_card() -> None:
    world = {"entries": {"0": {"uid": 0, "key": ["a"], "content": "c", "mystery": 3}}}
    card = through_json(write_character_book(read_book(world, "w").book))
    assert write_world_info(read_book(card).book)["entries"]["0"]["mystery"] == 3


def test_real_books_come_back_as_they_were(shared: Path) -> None:
    seen = 0
    for path in sorted((shared / "cards").rglob("*")):
        if path.suffix not in (".png", ".json", ".charx"):
            continue
        try:
            document: Any = read_card(path.read_bytes(), path.name).card.character_book
        except InvalidInput:
            document = json.loads(path.read_text("utf-8")) if path.name.startswith("worldinfo") else None
        if document is None:
            continue
        seen += 1
        book = read_book(document, path.stem).book
        assert book.entries and write_book(book) == document
        for write in (write_world_info, write_character_book):
            again = read_book(through_json(write(book)), path.stem).book
            plain = [replace(entry, display_index=None) for entry in again.entries]
            assert plain == [replace(entry, display_index=None) for entry in book.entries]
    assert seen >= 3


def test_missing_values_of_a_card_book() -> None:
    raw = {"keys": ["k"], "content": "c"}
    (entry,) = read_book([raw]).book.entries
    assert (entry.uid, entry.order, entry.position, entry.selective, entry.disabled) == (
        0,
        100,
        AFTER,
        False,
        False,
    )
    nulls = {
        "probability": None,
        "useProbability": None,
        "group_weight": None,
        "depth": None,
        "position": None,
    }
    (entry,) = read_book([{**raw, "enabled": None, "extensions": nulls}]).book.entries
    assert (entry.probability, entry.use_probability, entry.group_weight, entry.depth) == (100, True, 100, 4)
    both = {**raw, "position": "before_char", "extensions": {"position": 4}}
    assert read_book([both]).book.entries[0].position == AT_DEPTH
    assert read_book([{**raw, "extensions": {"position": "before_char"}}]).book.entries[0].position == NOWHERE


def test_empty_texts_are_missing_numbers() -> None:
    names = ("position", "order", "probability", "depth", "scanDepth", "sticky", "groupWeight", "role")
    (entry,) = read_book(
        {"entries": {"0": {"uid": 0, "key": ["k"], **dict.fromkeys(names, "")}}}
    ).book.entries
    assert entry == Entry(0, keys=("k",), selective=False)
    (entry,) = read_book(
        {"entries": {"0": {"order": "10", "depth": "2", "constant": "true", "disable": 1, "role": "user"}}}
    ).book.entries
    assert (entry.order, entry.depth, entry.constant, entry.disabled, entry.role) == (10, 2, True, True, 1)


def test_ids_are_kept_apart_or_replaced_as_in_sillytavern() -> None:
    card = read_book([{"id": 1, "keys": ["a"]}, {"id": "1", "keys": ["b"]}, {"id": "x", "keys": ["c"]}])
    assert [(entry.uid, entry.keys) for entry in card.book.entries] == [(1, ("b",)), ("x", ("c",))]
    world = read_book({"entries": {"5": {"uid": 5, "key": ["a"]}, "7": {"uid": 5, "key": ["b"]}}})
    assert [entry.keys for entry in world.book.entries] == [("a",), ("b",)]
    assert len({entry.uid for entry in world.book.entries}) == 2
    order = read_book({"entries": {"10": {"key": ["a"]}, "b": {"key": ["b"]}, "2": {"key": ["c"]}}})
    assert [entry.keys[0] for entry in order.book.entries] == ["c", "a", "b"]


def test_the_import_report() -> None:
    notes = read_book({"scan_depth": 5, "entries": [{"keys": ["a"]}, {"keys": ["b"], "enabled": True}]}).notes
    assert len(notes) == 2 and notes[0].startswith("Entry 0: does not say whether it is enabled")
    assert "scan_depth" in notes[1]
    many = read_book([{"keys": ["a"], "content": "c"} for _ in range(20)]).notes
    assert many[0].startswith("Entries 0, 1, 2, 3, 4, 5, 6, 7 and 12 more: ")
    silent = read_book(
        {
            "entries": {
                "0": {"key": "cat", "content": "c"},
                "1": {"key": ["a"], "position": "before_char"},
                "2": {"key": ["a"], "keysecondary": ["b"]},
            }
        }
    ).notes
    assert [note.partition(":")[0] for note in silent] == ["Entry 0", "Entry 1", "Entry 2"]
    assert read_book({"entries": {"0": {"uid": 0, "key": ["a"], "content": "c"}}}).notes == ()


NOVELAI = {
    "lorebookVersion": 5,
    "entries": [
        {
            "keys": ["elf"],
            "text": "Elves.",
            "displayName": "Elf",
            "enabled": True,
            "forceActivation": False,
            "contextConfig": {"budgetPriority": 400},
        },
        {"keys": ["orc"], "text": "Orcs.", "enabled": False},
    ],
}
AGNAI = {
    "kind": "memory",
    "name": "Agnai book",
    "entries": [{"name": "Elf", "entry": "Elves.", "keywords": ["elf"], "weight": 400, "enabled": True}],
}
RISU = {
    "type": "risu",
    "data": [
        {
            "key": "elf, fairy",
            "secondkey": "wood,",
            "selective": True,
            "comment": "Elf",
            "content": "Elves.",
            "alwaysActive": False,
            "insertorder": 400,
            "activationPercent": 40,
        }
    ],
}


@pytest.mark.parametrize("document", [NOVELAI, AGNAI, RISU], ids=["novelai", "agnai", "risu"])
def test_books_of_other_programs(document: dict[str, Any]) -> None:
    book = read_book(document, "file").book
    first = book.entries[0]
    assert (first.comment, first.content, first.order) == ("Elf", "Elves.", 400)
    assert first.keys[0] == "elf" and not first.disabled and book.shape == "other"
    again = read_book(through_json(write_book(book))).book
    assert (again.shape, again.entries) == ("world_info", book.entries)


def test_details_of_other_programs() -> None:
    assert [entry.disabled for entry in read_book(NOVELAI).book.entries] == [False, True]
    assert read_book(AGNAI, "file").book.name == "Agnai book"
    (risu,) = read_book(RISU).book.entries
    assert (risu.keys, risu.secondary_keys, risu.probability) == (("elf", "fairy"), ("wood",), 40)


def test_narratiums_store() -> None:
    stored = {
        "entry_0": {"keys": ["elf"], "content": "Elves.", "insertion_order": 3, "position": 4, "depth": 4},
        "entry_1": {"key": ["orc"], "content": "Orcs.", "order": 5, "extensions": {"position": 1}},
        "entry_2": {"keys": ["imp"], "content": "Imps.", "enabled": False, "position": 0},
    }
    for document in (stored, {"char_17": stored}):
        elf, orc, imp = read_book(document).book.entries
        assert (elf.position, elf.depth, elf.role, elf.order) == (AT_DEPTH, 1, 0, 3)
        assert (orc.keys, orc.position, orc.order) == (("orc",), AFTER, 5)
        assert (imp.disabled, imp.position) == (True, BEFORE)


def test_a_lorebook_in_a_picture() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    text = b"naidata\x00" + base64.b64encode(json.dumps(NOVELAI).encode())
    picture = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + chunk(b"tEXt", text) + chunk(b"IEND", b"")
    assert png_document(picture) == NOVELAI
    assert png_document(b"no picture") is None


def test_the_book_inside_a_card() -> None:
    card = {
        "spec": "chara_card_v2",
        "data": {"name": "Ann", "character_book": {"entries": [{"keys": ["a"]}]}},
    }
    book = read_book(card).book
    assert (book.name, len(book.entries)) == ("Ann", 1)


@pytest.mark.parametrize("document", [3, "x", {}, {"name": "x"}, {"entries": "many"}, {"prompts": []}])
def test_what_is_no_worldbook_is_refused(document: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_book(document, "thing.json")
    assert refused.value.code == "WORLDBOOK_UNKNOWN" and "thing.json" in refused.value.message


def _only(document: Any) -> Entry:
    (entry,) = read_book(json.loads(json.dumps(document))).book.entries
    return entry


@pytest.mark.parametrize(
    ("written", "position"), [("0", 0), ("1", 1), (" 4 ", 4), ("4.0", 4), ("9", NOWHERE), ("after", NOWHERE)]
)
def test_a_position_may_be_a_number_as_text(written: str, position: int) -> None:
    assert _only({"entries": {"0": {"key": ["a"], "content": "A", "position": written}}}).position == position
    card = {"keys": ["a"], "content": "A", "enabled": True, "extensions": {"position": written}}
    assert _only({"entries": [card]}).position == position


@pytest.mark.parametrize(
    ("switches", "disabled"),
    [
        ({"enabled": True, "disable": False}, False),
        ({"enabled": False, "disable": False}, True),
        ({"enabled": True, "disable": True}, True),
        ({"enabled": False, "disable": True}, True),
        ({"enabled": None, "disable": False}, False),
        ({"enabled": "", "disable": True}, True),
        ({"enabled": "false", "disable": None}, True),
    ],
)
def test_an_entry_is_off_where_either_word_says_so(switches: dict[str, Any], disabled: bool) -> None:
    world = {"entries": {"0": {"uid": 0, "key": ["a"], "content": "A", **switches}}}
    card = {"entries": [{"id": 0, "keys": ["a"], "content": "A", "extensions": {}, **switches}]}
    for document in (world, card):
        book = read_book(document).book
        (entry,) = book.entries
        assert entry.disabled is disabled
        changed = replace(book, entries=(replace(entry, disabled=not disabled),))
        assert _only(write_book(changed)).disabled is not disabled


def _of_risu(**extensions: Any) -> dict[str, Any]:
    entry = {"id": 0, "keys": ["a"], "content": "A", "enabled": True, "extensions": extensions}
    return {"entries": [{**entry, "insertion_order": 1}]}


@pytest.mark.parametrize(
    ("extensions", "probability", "case"),
    [
        ({"risu_activationPercent": 0}, 0, None),
        ({"risu_activationPercent": "30"}, 30, None),
        ({"risu_activationPercent": None, "risu_case_sensitive": None}, 100, None),
        ({"risu_activationPercent": 30, "probability": 100}, 30, None),
        ({"risu_activationPercent": 100, "probability": 20}, 20, None),
        ({"risu_case_sensitive": True}, 100, True),
        ({"risu_case_sensitive": True, "case_sensitive": None}, 100, True),
        ({"risu_case_sensitive": True, "case_sensitive": False}, 100, False),
    ],
)
def test_what_risu_keeps_in_the_extensions_of_a_card_counts(
    extensions: dict[str, Any], probability: float, case: bool | None
) -> None:
    entry = _only(_of_risu(**extensions))
    assert (entry.probability, entry.case_sensitive) == (probability, case)


def test_a_change_of_what_risu_wrote_is_kept_and_told_to_it() -> None:
    document = _of_risu(risu_activationPercent=0, risu_case_sensitive=True, other=1)
    book = read_book(document).book
    assert write_book(book) == document
    (entry,) = book.entries
    changed = replace(book, entries=(replace(entry, probability=50, case_sensitive=False),))
    written = write_book(changed)
    extensions = written["entries"][0]["extensions"]
    assert (extensions["risu_activationPercent"], extensions["risu_case_sensitive"]) == (50, False)
    for back in (written, write_character_book(read_book(write_world_info(changed)).book)):
        again = _only(back)
        assert (again.probability, again.case_sensitive) == (50, False)
    world = write_world_info(changed)
    del world["originalData"]
    assert _only(write_character_book(read_book(world).book)).probability == 50


def test_null_means_not_set_in_the_books_of_other_programs() -> None:
    text = {"content": "A", "comment": "c"}
    books: list[dict[str, Any]] = [
        {"type": "risu", "data": [{"key": "a", **text, "activationPercent": None, "insertorder": None}]},
        {
            "kind": "memory",
            "entries": [{"keywords": ["a"], "entry": "A", "probability": None, "weight": None}],
        },
        {"entries": [{"keysRaw": "a", **text, "probability": None, "groupWeight": None, "priority": None}]},
        {"entries": [{"key": "a", **text, "keyanti": "", "probability": None}]},
        {"entry_0": {"key": ["a"], **text, "probability": None, "order": None, "position": 4}},
    ]
    for book in books:
        entry = _only(book)
        assert (entry.probability, entry.order, entry.group_weight) == (100, 100, 100), book
    unset = {"entries": [{"keysRaw": "a", **text, "insertion_order": None, "priority": 7}]}
    assert _only(unset).order == 7
    plain = {"lorebookVersion": 5, "entries": [{"keys": ["a"], "text": "A"}]}
    plain["entries"][0]["contextConfig"] = {"budgetPriority": None}  # type: ignore[index]
    assert _only(plain).order == 0
    assert _only({"type": "risu", "data": [{"key": "a", **text, "activationPercent": 0}]}).probability == 0


def test_the_editor_of_a_card_shows_an_entry_as_the_engine_takes_it() -> None:
    entry = {"keys": ["a"], "content": "A", "enabled": True, "disable": True, "extensions": {}}
    view = BookView({"data": {"name": "A", "character_book": {"entries": [entry]}}})
    (slot,) = view.slots
    assert not slot.enabled and slot.entry.disabled
    ((_, written),) = view.changed(slot, view, disabled=False).items()
    assert written["enabled"] is True and written["disable"] is False
