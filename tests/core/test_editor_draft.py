"""Drafts of the character editor: edits touch only what they name, and everything can be taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.cards.card import Card
from lunalux_core.documents.json_text import dump_json, parse_object
from lunalux_core.editor.card_fields import BY_ID, FIELDS, Field, split_tags
from lunalux_core.editor.card_worldbook import BookView, join_keys, split_keys
from lunalux_core.editor.draft import Draft, Snapshot
from lunalux_core.editor.draft_checks import check, check_field
from lunalux_core.editor.draft_files import read_snapshot
from lunalux_core.editor.greetings import added, greetings, moved, removed, rewritten

texts = st.text(max_size=40)
odd = st.one_of(st.none(), st.integers(), st.booleans(), texts, st.lists(texts, max_size=2), st.just({}))


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Cards as they come: any field of any type or missing, unknown keys, with and without the old copy."""
    data = {field.path[1]: draw(odd) for field in FIELDS if draw(st.booleans())}
    data |= {"name": draw(texts), "x_unknown": draw(odd)}
    data["alternate_greetings"] = draw(st.one_of(odd, st.lists(odd, max_size=4)))
    data["extensions"] = draw(st.one_of(odd, st.fixed_dictionaries({"depth_prompt": odd, "chub": odd})))
    document = {"spec": "chara_card_v2", "spec_version": "2.0", "data": data, "x_top": draw(odd)}
    if draw(st.booleans()):
        document |= {"name": draw(texts), "description": draw(odd), "tags": draw(odd)}
    return json.loads(json.dumps(document))


def draft_of(document: dict[str, Any]) -> Draft:
    snapshot = Snapshot(document, document)
    return Draft(snapshot, snapshot)


def sample(field: Field, text: str) -> str:
    match field.kind:
        case "number":
            return "1" if field.whole else "0.25"
        case "role":
            return "assistant"
        case "line":
            return text.replace("\n", " ")
    return text


@settings(max_examples=80, deadline=None)
@given(documents(), st.lists(st.tuples(st.sampled_from(FIELDS), texts), max_size=5))
def test_everything_can_be_undone_and_made_again(document: dict[str, Any], writes: Any) -> None:
    draft = draft_of(document)
    ticks = iter(range(0, 10_000, 10))
    draft._clock = lambda: float(next(ticks))  # every write is a step of its own
    seen = [draft.document]
    for field, text in writes:
        draft.write(field, sample(field, text))
        if draft.document is not seen[-1]:
            seen.append(draft.document)
    for before in reversed(seen[:-1]):
        assert draft.undo() is not None
        assert draft.document == before
    assert draft.undo() is None and draft.document == document
    for after in seen[1:]:
        assert draft.redo() is not None
        assert draft.document == after
    assert draft.redo() is None


@settings(max_examples=80, deadline=None)
@given(documents(), st.sampled_from(FIELDS), texts)
def test_an_edit_touches_its_path_only_and_going_back_leaves_no_trace(
    document: dict[str, Any], field: Field, text: str
) -> None:
    draft = draft_of(document)
    before = field.shown(document)
    draft.write(field, sample(field, text))
    copies = {field.path[1], "creatorcomment" if field.id == "creator_notes" else ""}
    after = draft.document
    assert {k: v for k, v in after.items() if k not in {"data", *copies}} == {
        k: v for k, v in document.items() if k not in {"data", *copies}
    }
    changed = {
        k for k in {*after["data"], *document["data"]} if after["data"].get(k) != document["data"].get(k)
    }
    assert changed <= {field.path[1]}
    try:
        draft.write(field, before)
    except ValueError:
        return  # a number that was none cannot be written again
    assert draft.document == document


def test_blanks_in_a_list_that_was_not_there_leave_no_trace() -> None:
    document = {"spec": "chara_card_v2", "data": {"name": "Ada"}}
    draft = draft_of(document)
    for text in (" ", ""):  # both are shown as nothing
        draft.write(BY_ID["source"], text)
    assert draft.document == document


def test_a_field_that_is_cleared_and_restored_keeps_its_odd_type() -> None:
    document = {"spec": "chara_card_v2", "data": {"name": 7, "extensions": None, "tags": "a,b"}}
    draft = draft_of(document)
    for name, text in (("name", "Ann"), ("depth_prompt", "Be kind"), ("depth", "2"), ("tags", "c")):
        draft.write(BY_ID[name], text)
    assert draft.document["data"]["extensions"] == {"depth_prompt": {"prompt": "Be kind", "depth": 2}}
    for name, text in (("tags", "a, b"), ("name", "7"), ("depth", ""), ("depth_prompt", "")):
        draft.write(BY_ID[name], text)
    assert draft.document == document
    assert not draft.changed


def test_typing_in_one_place_is_one_step_until_it_pauses() -> None:
    now = [0.0]
    empty = Draft.new().snapshot
    draft = Draft(empty, empty, clock=lambda: now[0])
    for text in ("A", "An", "Ann"):
        draft.write(BY_ID["name"], text)
        now[0] += 0.3
    now[0] += 5
    draft.write(BY_ID["name"], "Anna")
    assert draft.undo() == "name" and draft.card.name == "Ann"
    assert draft.undo() == "name" and draft.card.name == ""


def test_a_flat_card_stays_flat_while_its_six_fields_change() -> None:
    document = {
        "name": "Old",
        "description": "d",
        "personality": "",
        "scenario": "",
        "first_mes": "",
        "mes_example": "",
    }
    draft = draft_of(document)
    draft.write(BY_ID["description"], "new")
    assert draft.document == document | {"description": "new"}
    draft.write(BY_ID["creator"], "me")
    assert draft.document["data"]["creator"] == "me" and draft.document["data"]["description"] == "new"


def test_numbers_out_of_bounds_change_nothing() -> None:
    draft = Draft.new()
    for name, text in (
        ("depth", "x"),
        ("depth", "-1"),
        ("depth", "1.5"),
        ("talkativeness", "2"),
        ("depth", "nan"),
    ):
        with pytest.raises(ValueError):
            draft.write(BY_ID[name], text)
        found = check_field(BY_ID[name], text)
        assert found is not None and found.level == "error"
    assert not draft.changed


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["C", "Z"]), min_size=1), max_size=6))
@settings(max_examples=100, deadline=None)
def test_keys_survive_being_written_in_one_line(keys: list[str]) -> None:
    assert split_keys(join_keys(keys)) == tuple(keys)


def test_keys_are_split_as_people_write_them() -> None:
    assert split_keys(" sword , /blades?/i,/a{1,2}/ , 剑，刀, ") == (
        "sword",
        "/blades?/i",
        "/a{1,2}/",
        "剑",
        "刀",
    )
    assert join_keys(["a, b", "/x,y/i", "/x"]) == "a\\, b, /x,y/i, \\/x"
    assert split_tags("#Fantasy, fantasy，恋爱;, ") == ["Fantasy", "恋爱"]


def test_greetings_move_through_the_first_place_and_keep_what_is_odd() -> None:
    document = {
        "spec": "chara_card_v2",
        "data": {"name": "A", "first_mes": "one", "alternate_greetings": ["two", None, "three"]},
    }
    draft = draft_of(document)
    listed = greetings(draft.document)
    assert [(row.kind, row.text) for row in listed] == [
        ("first", "one"),
        ("alternate", "two"),
        ("alternate", "three"),
    ]
    found = moved(draft.document, listed[1], -1)
    assert found is not None and found[1].kind == "first"
    draft.edit(found[0], "greetings")
    assert draft.document["data"]["first_mes"] == "two"
    assert draft.document["data"]["alternate_greetings"] == ["one", None, "three"]
    draft.edit(rewritten(draft.document, greetings(draft.document)[2], "THREE"), "greetings")
    assert draft.document["data"]["alternate_greetings"] == ["one", None, "THREE"]
    draft.edit(removed(draft.document, greetings(draft.document)[0]), "greetings")
    assert draft.document["data"]["first_mes"] == "one"
    assert draft.document["data"]["alternate_greetings"] == [None, "THREE"]
    edits, made = added(draft.document, "group", "hello all")
    draft.edit(edits, "greetings")
    assert draft.document["data"]["group_only_greetings"] == ["hello all"] and made.id == "group 0"
    assert moved(draft.document, greetings(draft.document)[0], -1) is None


@pytest.mark.parametrize("shape", ["list", "object", "world"])
def test_entries_are_edited_where_they_stand_and_unknown_keys_survive(shape: str) -> None:
    world = shape == "world"
    keys = {"key": ["sword"]} if world else {"keys": ["sword"]}
    raw = {
        **keys,
        "uid" if world else "id": 5,
        "content": "c",
        "x_own": {"deep": [1]},
        "extensions": {"chub": 1},
    }
    other = raw | {"uid" if world else "id": 9}
    entries: Any = [raw, other] if shape == "list" else {"a": raw, "b": other}
    document = {
        "spec": "chara_card_v2",
        "data": {"name": "A", "character_book": {"x": 1, "entries": entries}},
    }
    draft = draft_of(document)
    origin = BookView(document)

    def edit(number: int, **changes: Any) -> None:
        view = BookView(draft.document)
        draft.edit(view.changed(view.slots[number], origin, **changes), "book")

    edit(0, content="new", order=5, disabled=True)
    view = BookView(draft.document)
    assert view.slots[0].entry.content == "new" and not view.slots[0].enabled
    assert view.slots[0].raw["x_own"] == {"deep": [1]} and view.slots[0].raw["extensions"]["chub"] == 1
    assert view.slots[1].raw is other or view.slots[1].raw == other
    edit(0, content="c", order=100, disabled=False)
    assert draft.document == document
    edits, key = BookView(draft.document).added()
    draft.edit(edits, "book")
    made = BookView(draft.document).at(key)
    assert made is not None and made.uid == 10
    edits, key = BookView(draft.document).added(BookView(draft.document).slots[0].entry)
    draft.edit(edits, "book")
    copied = BookView(draft.document).at(key)
    assert copied is not None and copied.uid == 11 and copied.raw["x_own"] == {"deep": [1]}
    found = BookView(draft.document).moved(BookView(draft.document).slots[0], 1)
    assert found is not None
    draft.edit(found[0], "book")
    assert [slot.uid for slot in BookView(draft.document).slots][:2] == [9, 5]
    while BookView(draft.document).slots:
        view = BookView(draft.document)
        draft.edit(view.removed(view.slots[0]), "book")
    assert draft.document["data"]["character_book"]["x"] == 1


@pytest.mark.parametrize(
    "book", [None, [], "x", {"entries": None}, {"entries": [None, "x", {"keys": "k"}]}, 3]
)
def test_a_book_of_any_kind_takes_an_entry(book: Any) -> None:
    draft = draft_of({"spec": "chara_card_v2", "data": {"name": "A", "character_book": book}})
    edits, key = BookView(draft.document).added()
    draft.edit(edits, "book")
    found = BookView(draft.document).at(key)
    assert found is not None and found.entry.content == ""


def test_every_real_card_comes_back_from_an_edit_of_every_field(shared: Path) -> None:
    files = [path for path in (shared / "cards").rglob("*") if path.suffix in (".png", ".json", ".charx")]
    read = 0
    for path in files:
        try:
            snapshot, _ = read_snapshot(path.read_bytes(), path.name)
        except Exception:  # not every file there is a card
            continue
        read += 1
        draft = Draft(snapshot, snapshot)
        flat = Card(snapshot.document, "").spec == "v1"
        for field in FIELDS:
            if flat and field.path[1] not in snapshot.document:
                continue
            before = field.shown(draft.document)
            try:
                draft.write(field, sample(field, before + "x"))
                draft.write(field, before)
            except ValueError:
                continue
        assert flat or draft.document == snapshot.document, path.name
        assert parse_object(dump_json(draft.document)) == draft.document
        check(draft.document)
    assert read
