"""What a dropped file is, and characters of other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lunalux_core.cards.card_reader import read_card
from lunalux_core.cards.file_kind import TOLD, FileKind, recognise
from lunalux_core.cards.placeholder_picture import placeholder_png
from lunalux_core.errors import InvalidInput, LimitExceeded

BODIES: list[tuple[Any, FileKind]] = [
    ({"spec": "chara_card_v2", "data": {"name": "x"}}, FileKind.CARD),
    ({"spec": "chara_card_v3", "data": {}}, FileKind.CARD),
    ({"data": {"name": "x"}}, FileKind.CARD),
    ({"name": "x", "first_mes": ""}, FileKind.CARD),
    ({"char_name": "x"}, FileKind.CARD),
    ({"name": "x", "context": "", "greeting": ""}, FileKind.CARD),
    ({"spec": "lorebook_v3", "data": {"name": "b", "entries": []}}, FileKind.WORLDBOOK),
    ({"entries": {"0": {"uid": 0, "key": []}}}, FileKind.WORLDBOOK),
    ({"name": "b", "description": "d", "entries": [{"keys": []}]}, FileKind.WORLDBOOK),
    ({"lorebookVersion": 5, "entries": []}, FileKind.WORLDBOOK),
    ({"kind": "memory", "name": "m", "entries": []}, FileKind.WORLDBOOK),
    ({"type": "risu", "data": []}, FileKind.WORLDBOOK),
    ({"entry_0": {"key": ["a"], "content": "x"}}, FileKind.WORLDBOOK),
    ({"prompts": [], "prompt_order": []}, FileKind.PRESET),
    ({"prompts": [{"identifier": "main"}], "temperature": 1}, FileKind.PRESET),
    ({"findRegex": "/a/"}, FileKind.REGEX),
    ([{"findRegex": "/a/"}, {"findRegex": "b"}], FileKind.REGEX),
    ({"k1": {"findRegex": "/a/"}}, FileKind.REGEX),
    ({"extensions": {"regex_scripts": [{"findRegex": "/a/"}]}}, FileKind.REGEX),
    ({"data": {"extensions": {"regex_scripts": [{"findRegex": "/a/"}]}}}, FileKind.REGEX),
    ({"entries": {}, "extensions": {"regex_scripts": [{"findRegex": "/a/"}]}}, FileKind.WORLDBOOK),
    (
        {"temp": 1, "rep_pen": 1, "extensions": {"regex_scripts": [{"findRegex": "/a/"}]}},
        FileKind.TEXT_PRESET,
    ),
    ({"temp": 1, "rep_pen": 1.1}, FileKind.TEXT_PRESET),
    ({"input_sequence": "### Input", "name": "Alpaca"}, FileKind.TEXT_PRESET),
    ({"story_string": "{{system}}", "name": "Default"}, FileKind.TEXT_PRESET),
    ({"user_name": "a", "character_name": "b"}, FileKind.CHAT),
    ({"name": "x", "description": "d", "tags": ["a"], "avatar": "none"}, FileKind.CARD),
    ({"name": "x", "personality": "p", "version": 2}, FileKind.CARD),
    (
        {"name": "ext", "version": "1.0.0", "description": "d", "main": "index.js", "scripts": {}},
        FileKind.UNKNOWN,
    ),
    (
        {"kind": "gen-setting", "name": "n", "description": "d", "temp": 0.7, "systemPrompt": "s"},
        FileKind.UNKNOWN,
    ),
    ({"name": "n", "description": "d", "icon": ""}, FileKind.UNKNOWN),
    ({"user": "U:", "bot": "B:", "turn_template": "<|user|>", "context": "c"}, FileKind.UNKNOWN),
    (
        {"type": "risuModule", "name": "m", "description": "d", "id": "1", "lorebook": [{"key": "a"}]},
        FileKind.WORLDBOOK,
    ),
    (
        {
            "type": "risuModule",
            "name": "m",
            "description": "d",
            "id": "1",
            "lorebook": [],
            "regex": [{"in": "a"}],
        },
        FileKind.REGEX,
    ),
    ({"spec": "tavern_ai", "user_name": "r", "name": "Ada", "first_mes": "h"}, FileKind.CARD),
    ({"hello": 1}, FileKind.UNKNOWN),
    ([], FileKind.UNKNOWN),
    ("text", FileKind.UNKNOWN),
]


@pytest.mark.parametrize(("body", "kind"), BODIES)
def test_by_content(body: Any, kind: FileKind) -> None:
    data = json.dumps(body).encode()
    assert recognise(data, "misleading.png") is kind
    assert recognise(b"\xef\xbb\xbf" + data) is kind
    if kind is FileKind.CARD:
        read_card(data)
    else:
        with pytest.raises(InvalidInput) as refused:
            read_card(data)
        assert refused.value.code in ("NOT_A_CARD", "CARD_NOT_OBJECT")
        if kind is not FileKind.UNKNOWN:
            assert (refused.value.message, refused.value.hint) == TOLD[kind]


def test_the_recorded_chats(vectors: Path) -> None:
    for path in (vectors / "chats").iterdir():
        if path.stem != "wrong-header":
            assert recognise(path.read_bytes(), path.name) is FileKind.CHAT, path.name


def test_files_that_people_really_have(shared: Path) -> None:
    for name, kind in {
        "cards/Seraphina.png": FileKind.CARD,
        "cards/other/test_character.charx": FileKind.CARD,
        "cards/other/ooba_example.yaml": FileKind.CARD,
        "cards/other/preset_Default.json": FileKind.PRESET,
        "cards/other/regex_Marinara.json": FileKind.REGEX,
        "cards/other/worldinfo_Eldoria.json": FileKind.WORLDBOOK,
        "cards/README.md": FileKind.UNKNOWN,
    }.items():
        assert recognise((shared / name).read_bytes(), name) is kind, name


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "FILE_EMPTY"),
        (b"\xff\xd8\xff\xe0 just a photograph", "CARD_NO_METADATA"),
        (placeholder_png(), "CARD_NO_METADATA"),
        (b"\x7fELF\0\0\x01", "NOT_A_CARD"),
        (b"Dear diary", "NOT_A_CARD"),
        (b'{"name": "x", "first_mes": ', "CARD_BAD_JSON"),
        (b"[1, 2, 3]", "CARD_NOT_OBJECT"),
        (b'"a string"', "CARD_NOT_OBJECT"),
        (b"name: [unclosed", "CARD_BAD_YAML"),
        (b"name: Bob\nage: 5\n", "NOT_A_CARD"),
    ],
)
def test_every_refusal_has_its_own_code(data: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_card(data, "file.png")
    assert refused.value.code == code


def test_pygmalion_json() -> None:
    body = {
        "char_name": "Pyg",
        "char_persona": "curious",
        "char_greeting": "hello",
        "world_scenario": "a lab",
        "example_dialogue": "You: hi",
        "metadata": {"version": 1},
    }
    card = read_card(json.dumps(body).encode()).card
    assert (card.name, card.description, card.first_mes, card.scenario, card.mes_example) == (
        "Pyg",
        "curious",
        "hello",
        "a lab",
        "You: hi",
    )
    assert card.spec == "v2" and card.document["metadata"] == {"version": 1}


def test_a_file_with_both_sets_of_fields_is_read_as_v1() -> None:
    both = {"char_name": "Old", "name": "New", "first_mes": "m"}
    card = read_card(json.dumps(both).encode()).card
    assert card.name == "New" and card.document == both


def test_oobabooga_yaml() -> None:
    text = "name: 林\ngreeting: |-\n  你好\n  再见\ncontext: >-\n  a b\n  c\nyear: 2024-01-02\n"
    loaded = read_card(text.encode(), "x.txt")
    assert loaded.source_format == "yaml"
    card = loaded.card
    assert (card.name, card.first_mes, card.description) == ("林", "你好\n再见", "a b c")
    assert card.document["year"] == "2024-01-02"


def test_yaml_bombs() -> None:
    aliases = "name: &a [x, x]\ncontext: &b [*a, *a]\ngreeting: [*b, *b]\n"
    with pytest.raises(InvalidInput, match="aliases"):
        read_card(aliases.encode())
    with pytest.raises(LimitExceeded):
        read_card(b"name: x\ncontext: " + b"y" * 1_000_001)
    with pytest.raises(InvalidInput):
        read_card(b"name: " + b"[" * 5000)
