"""What the validator says about cards that depart from the specifications, and about those that do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_core.cards.validation import validate

ENTRY: dict[str, Any] = {
    "keys": ["a"],
    "content": "c",
    "extensions": {},
    "enabled": True,
    "insertion_order": 1,
    "use_regex": False,
}


def card(**data: Any) -> dict[str, Any]:
    return {**Card.new("N").document, "data": {**Card.new("N").document["data"], **data}}


def found(document: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (departure.level, departure.path, departure.code)
        for departure in validate(json.dumps(document).encode())
    }


def test_a_new_card_is_flawless_in_every_format() -> None:
    for target in ("json", "png", "charx"):
        assert validate(export_card(Card.new("N"), target)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("document", "finding"),
    [
        (card(tags="a"), ("error", "data.tags", "FIELD_TYPE")),
        (card(tags=["a", 3]), ("error", "data.tags", "FIELD_TYPE")),
        (card(name=" "), ("error", "data.name", "NAME_EMPTY")),
        (card(extensions=None), ("error", "data.extensions", "FIELD_TYPE")),
        (card(nickname=3), ("error", "data.nickname", "FIELD_TYPE")),
        (card(creation_date="today"), ("error", "data.creation_date", "FIELD_TYPE")),
        (
            card(creator_notes_multilingual={"english": "x"}),
            ("error", "data.creator_notes_multilingual.english", "LANGUAGE_CODE"),
        ),
        (card(assets=[{"type": "icon", "uri": "ccdefault:", "name": "main", "ext": "PNG"}]),
         ("error", "data.assets[0].ext", "ASSET_EXT")),
        (card(assets=[{"type": "icon", "uri": "file:///x", "name": "main", "ext": "png"}]),
         ("error", "data.assets[0].uri", "ASSET_URI")),
        (card(assets=[{"type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png"}] * 2),
         ("error", "data.assets", "MAIN_ICON")),
        (card(character_book=None), ("error", "data.character_book", "FIELD_TYPE")),
        (card(character_book={"entries": {}, "extensions": {}}),
         ("error", "data.character_book.entries", "FIELD_TYPE")),
        (card(character_book={"entries": [{**ENTRY, "enabled": "true"}], "extensions": {}}),
         ("error", "data.character_book.entries[0].enabled", "FIELD_TYPE")),
        (card(character_book={"entries": [{**ENTRY, "position": 4}], "extensions": {}}),
         ("error", "data.character_book.entries[0].position", "POSITION_UNKNOWN")),
        (card(character_book={"entries": [{**ENTRY, "id": 1}, {**ENTRY, "id": 1}], "extensions": {}}),
         ("warning", "data.character_book.entries[1].id", "ENTRY_ID_TWICE")),
        ({**card(), "spec_version": "2.0"}, ("error", "spec_version", "SPEC_VERSION")),
        ({**card(), "spec_version": 3.0}, ("error", "spec_version", "SPEC_VERSION")),
        ({**card(), "spec_version": "3.1"}, ("warning", "spec_version", "SPEC_NEWER")),
        ({**card(), "spec": "chara_card_v9"}, ("error", "spec", "SPEC_UNKNOWN")),
        ({"data": {"name": "x"}}, ("error", "spec", "SPEC_MISSING")),
        ({"spec": "chara_card_v2", "name": "x", "first_mes": ""}, ("error", "data", "DATA_MISSING")),
        ({"name": "x", "first_mes": "m"}, ("error", "scenario", "FIELD_MISSING")),
        ({**card(), "name": "Other"}, ("warning", "name", "MIRROR_DIFFERS")),
        ({**card(), "marketBinding": {"active": True}}, ("warning", "marketBinding", "BINDING_IN_CARD")),
        (card(scenario="\ud83d"), ("warning", "data.scenario", "LONE_SURROGATE")),
    ],
)  # fmt: skip
def test_departures(document: dict[str, Any], finding: tuple[str, str, str]) -> None:
    assert finding in found(document)


def test_only_v3_asks_for_v3_fields() -> None:
    document = card()
    del document["data"]["group_only_greetings"]
    assert ("error", "data.group_only_greetings", "FIELD_MISSING") in found(document)
    assert found({**document, "spec": "chara_card_v2", "spec_version": "2.0"}) == set()


@pytest.mark.parametrize(
    ("vector", "code"),
    [
        ("CCV3-upper", "PNG_KEYWORD_CASE"),
        ("itxt", "PNG_CHUNK_KIND"),
        ("ztxt", "PNG_CHUNK_KIND"),
        ("dup-chara", "PNG_CHUNK_TWICE"),
        ("b64-no-padding", "PNG_BASE64"),
        ("raw-json", "PNG_BASE64"),
        ("double-base64", "PNG_ENCODING"),
        ("bom", "PNG_ENCODING"),
        ("utf16-json", "PNG_ENCODING"),
        ("latin1-json", "PNG_ENCODING"),
        ("lone-surrogate", "LONE_SURROGATE"),
        ("no-iend", "PNG_NO_END"),
        ("trailing-data", "PNG_TRAILING"),
        ("v3only", "PNG_NO_CHARA"),
        ("ccv3-broken-chara-ok", "CARD_BAD_JSON"),
        ("no-text", "CARD_NO_METADATA"),
        ("rcc-encrypted", "CARD_ENCRYPTED"),
    ],
)
def test_the_file_around_the_card(vectors: Path, vector: str, code: str) -> None:
    data = (vectors / f"cards/{vector}.png").read_bytes()
    assert code in {departure.code for departure in validate(data)}


def test_clean_vectors_have_no_findings(vectors: Path) -> None:
    for vector in ("after-idat", "nul-in-text", "other-text-first", "escaped-nul", "v1-flat"):
        assert validate((vectors / f"cards/{vector}.png").read_bytes()) == [], vector


def test_a_json_file_with_a_byte_order_mark() -> None:
    data = b"\xef\xbb\xbf" + json.dumps(card()).encode()
    assert [departure.code for departure in validate(data)] == ["JSON_ENCODING"]
