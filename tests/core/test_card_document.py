"""The card as a document: tolerant reading, edits that touch one place, identity."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.cards.card import Card, DepthPrompt
from lunalux_core.cards.card_reader import read_card
from lunalux_core.cards.document_edits import REMOVED
from lunalux_core.cards.export import export_card
from lunalux_core.documents.json_text import dump_json, parse_json
from lunalux_core.errors import InvalidInput, LimitExceeded


def v2(**data: Any) -> Card:
    return Card.of({"spec": "chara_card_v2", "spec_version": "2.0", "data": {"name": "N", **data}})


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (None, ""),
        ("null", "null"),
        (7, "7"),
        (2.0, "2"),
        (1.5, "1.5"),
        (True, ""),
        ({"a": 1}, ""),
        (["a", "b"], "a\nb"),
    ],
)
def test_text_fields(raw: object, text: str) -> None:
    assert v2(description=raw).description == text
    assert v2(description=raw).normalised()["data"]["description"] == text


@pytest.mark.parametrize(
    ("raw", "greetings"),
    [("one", ("one",)), (None, ()), (["a", None, "", 3, "b"], ("a", "3", "b")), ({}, ()), ([], ())],
)
def test_alternate_greetings(raw: object, greetings: tuple[str, ...]) -> None:
    assert v2(alternate_greetings=raw).alternate_greetings == greetings


@pytest.mark.parametrize(
    ("raw", "tags"),
    [
        ("a, b ,,c", ("a", "b", "c")),
        ("奇谈，日常", ("奇谈", "日常")),
        (["x", None, 5], ("x", "5")),
        (None, ()),
    ],
)
def test_tags(raw: object, tags: tuple[str, ...]) -> None:
    assert v2(tags=raw).tags == tags


def test_thirteen_tags_stay_thirteen() -> None:
    assert len(v2(tags=[f"t{number}" for number in range(13)]).tags) == 13


@pytest.mark.parametrize(
    ("raw", "value"),
    [("0.5", 0.5), ("", 0.5), (None, 0.5), (3, 1.0), ("-1", 0.0), ("nan", 0.5)],
)
def test_talkativeness(raw: object, value: float) -> None:
    assert v2(extensions={"talkativeness": raw}).talkativeness == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ({"prompt": "p", "depth": "6", "role": 1}, DepthPrompt("p", 6, "user")),
        ({"prompt": "p", "depth": "", "role": "assistant"}, DepthPrompt("p", 4, "assistant")),
        ({"prompt": None, "role": "2"}, DepthPrompt("", 4, "assistant")),
        ({"prompt": "p", "depth": 0, "role": "wizard"}, DepthPrompt("p", 0, "system")),
        ([], DepthPrompt()),
    ],
)
def test_depth_prompt(raw: object, value: DepthPrompt) -> None:
    assert v2(extensions={"depth_prompt": raw}).depth_prompt == value


@pytest.mark.parametrize("raw", [None, [], "text", 3])
def test_extensions_of_any_type_read_as_empty_and_stay(raw: object) -> None:
    card = v2(extensions=raw)
    assert card.extensions == {} and card.user_description == "" and card.world == ""
    assert json.loads(export_card(card, "json"))["data"]["extensions"] == raw


@pytest.mark.parametrize("raw", [None, {}, [], ""])
def test_an_empty_book_is_no_book_and_keeps_its_literal_value(raw: object) -> None:
    card = v2(character_book=raw)
    assert card.character_book is None
    assert card.with_edits({"data.name": "M"}).document["data"]["character_book"] == raw


def test_entries_as_an_object_come_in_numeric_order() -> None:
    entries = {"10": {"content": "c"}, "2": {"content": "b"}, "0": {"content": "a"}}
    card = v2(character_book={"entries": entries})
    shown = card.normalised()["data"]["character_book"]["entries"]
    assert [entry["content"] for entry in shown] == ["a", "b", "c"]
    assert card.character_book == {"entries": entries}


def test_data_wins_over_the_top_level() -> None:
    document = {"spec": "chara_card_v2", "name": "old", "first_mes": "hello", "data": {"name": "new"}}
    card = Card.of(document)
    assert (card.name, card.first_mes) == ("new", "hello")


@pytest.mark.parametrize(
    ("document", "name", "spec"),
    [
        ({"spec": "chara_card_v2", "name": "flat", "first_mes": ""}, "flat", "v1"),
        ({"data": {"name": "inner"}}, "inner", "v2"),
        ({"name": "outer", "first_mes": "x", "data": {}}, "outer", "v2"),
        ({"spec": "chara_card_v3", "spec_version": 3, "data": {"name": "n"}}, "n", "v3"),
        ({"spec": "chara_card_v4", "spec_version": "4.0", "data": {"name": "n"}}, "n", "v3"),
        ({"spec": "chara_card_v3", "data": {"name": "  ", "nickname": "Nick"}}, "Nick", "v3"),
    ],
)
def test_whichever_part_holds_the_name(document: dict[str, Any], name: str, spec: str) -> None:
    card = read_card(json.dumps(document).encode()).card
    assert (card.name, card.spec) == (name, spec)


def test_a_newer_specification_is_a_remark_and_a_missing_name_falls_back_to_the_file() -> None:
    loaded = read_card(b'{"spec":"chara_card_v3","spec_version":"3.5","data":{"name":""}}', "Old Tom.json")
    assert loaded.name == "Old Tom"
    assert any("3.5" in text for text in loaded.warnings) and any(
        "no name" in text for text in loaded.warnings
    )


def test_the_intro_is_created_where_extensions_are_broken() -> None:
    for broken in (None, [], {}, {"custom_fields": None}, {"custom_fields": 3, "chub": {"id": 1}}):
        card = v2(extensions=broken).with_edits({"data.extensions.custom_fields.user_description": "Hi"})
        assert card.user_description == "Hi"
        if isinstance(broken, dict) and "chub" in broken:
            assert card.extensions["chub"] == {"id": 1}


def test_edits_by_tuple_by_index_and_removal() -> None:
    card = v2(alternate_greetings=["a", "b", "c"], extensions={"a.b": 1, "keep": 2})
    edited = card.with_edits(
        {
            ("data", "alternate_greetings", 1): "B",
            ("data", "extensions", "a.b"): 5,
            "data.extensions.keep": REMOVED,
            "data.nickname": "Nick",
        }
    )
    assert edited.alternate_greetings == ("a", "B", "c")
    assert edited.extensions == {"a.b": 5}
    assert edited.nickname == "Nick"
    removed = edited.with_edits({("data", "alternate_greetings", 0): REMOVED})
    assert removed.alternate_greetings == ("B", "c")
    assert card.document["data"]["alternate_greetings"] == ["a", "b", "c"]


def test_a_flat_card_stays_flat_until_it_needs_more() -> None:
    flat = Card.of({"name": "F", "description": "d", "first_mes": "m", "mine": 1})
    renamed = flat.with_edits({"data.name": "G"})
    assert renamed.document == {"name": "G", "description": "d", "first_mes": "m", "mine": 1}
    grown = flat.with_edits({"data.creator": "me", "data.name": "G"})
    assert grown.spec == "v2"
    assert grown.document["data"]["description"] == "d" and grown.document["mine"] == 1
    assert grown.document["name"] == grown.document["data"]["name"] == "G"


def test_the_binding_never_leaves() -> None:
    binding = {"active": True, "characterId": "x"}
    card = Card.of({"marketBinding": binding, "data": {"name": "N", "marketBinding": binding}})
    for target in ("json", "png", "charx"):
        again = read_card(export_card(card, target)).card  # type: ignore[arg-type]
        assert "marketBinding" not in dump_json(again.document)


def test_identity_counts_content_not_envelope() -> None:
    card = v2(description="d", extensions={"chub": 1})
    same = [
        Card.of(card.export("v3")),
        Card.of({**card.document, "chat": "log 1", "create_date": "today", "name": "N"}),
        Card.of(dict(reversed(list(card.document.items())))),
    ]
    assert {other.card_hash for other in same} == {card.card_hash}
    different = [v2(description="e", extensions={"chub": 1}), v2(description="d", extensions={"chub": 2})]
    assert card.card_hash not in {other.card_hash for other in different}
    flat = Card.of({"name": "F", "description": "d"})
    assert flat.card_hash == Card.of(flat.export("v2")).card_hash != Card.of({"name": "F"}).card_hash


@pytest.mark.parametrize("text", ["{'a': 1}", '{"a": 1,}', '{"a": NaN}', '{"a": -Infinity}', "", "{", "01"])
def test_what_javascript_refuses_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_json(text)
    assert refused.value.code == "CARD_BAD_JSON"


@pytest.mark.parametrize("deep", ["[" * 100_000, "[" * 300 + "]" * 300, '{"a":' * 201 + "1" + "}" * 201])
def test_deep_nesting_is_refused(deep: str) -> None:
    with pytest.raises(LimitExceeded, match="200 levels"):
        parse_json(deep)


def test_two_hundred_levels_are_allowed() -> None:
    parse_json('{"a":' * 200 + "1" + "}" * 200)


def test_numbers_at_the_border() -> None:
    assert parse_json('{"id": 9007199254740993123}')["id"] == 9007199254740993123
    assert "Infinity" not in dump_json(parse_json('{"a": 1e999, "b": -1e999}'))
    with pytest.raises(InvalidInput):
        parse_json("1" * 10_000)


def test_last_duplicate_key_wins() -> None:
    assert read_card(b'{"name":"a","first_mes":"x","name":"b"}').card.name == "b"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
_KNOWN = (
    "name",
    "description",
    "tags",
    "alternate_greetings",
    "character_book",
    "extensions",
    "assets",
    "x_mine",
)
data_objects = st.dictionaries(st.sampled_from(_KNOWN) | st.text(max_size=8), json_values, max_size=8)


@settings(max_examples=80, deadline=None)
@given(data=data_objects, top=st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_any_document_survives_every_export_and_an_edit(data: dict[str, Any], top: dict[str, Any]) -> None:
    data.pop("marketBinding", None)
    top = {key: value for key, value in top.items() if key not in ("marketBinding", "entries")}
    document = {**top, "spec": "chara_card_v2", "spec_version": "2.0", "data": data}
    card = Card.parse(dump_json(document))
    assert card.document == document
    card.normalised()
    assert read_card(export_card(card, "json")).card.document == document
    again = read_card(export_card(card, "png", spec="v2")).card.document
    assert {key: again[key] for key in document} == document
    edited = card.with_edits({"data.name": "New"}).document
    assert edited["data"] == {**data, "name": "New"}
    assert {key: edited[key] for key in top if key not in ("name", "spec", "spec_version", "data")} == {
        key: value for key, value in top.items() if key not in ("name", "spec", "spec_version", "data")
    }


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.characters(codec=None)))
def test_text_with_surrogates_round_trips_and_is_displayable(text: str) -> None:
    card = v2(description=text)
    card.text.encode()
    card.description.encode()
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    assert Card.parse(card.text).document["data"]["description"] == joined


def test_objects_that_some_tools_write_otherwise() -> None:
    entries = [{"keys": ["lake"], "content": "Deep.", "extensions": {}}]
    listed = {"spec": "chara_card_v2", "data": {"name": "Ada", "character_book": entries}}
    assert read_card(json.dumps(listed).encode()).card.character_book == {"entries": entries}
    as_text = {"spec": "chara_card_v2", "data": json.dumps({"name": "Ada", "first_mes": "Hi"})}
    assert read_card(json.dumps(as_text).encode()).card.greetings == ("Hi",)
    for greetings in ({"0": "One", "1": "Two"}, [{"text": "One"}, "Two"]):
        card = Card.new("Ada", alternate_greetings=greetings)
        assert card.alternate_greetings == ("One", "Two")
