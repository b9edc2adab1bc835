"""What the program writes, it reads back to the same, with nothing more said than the file's name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_program import Program

MakeCard = Callable[..., Path]


def texts(program: Program, conversation: str) -> list[tuple[str, str]]:
    shown = program("conversation", "show", conversation, "--json").json
    return [(message["name"], message["content"]) for message in shown["messages"]]


@pytest.mark.parametrize("ending", ["jsonl", "json", "md"])
def test_a_chat_comes_back_to_the_character_whose_name_it_has(
    program: Program, make_card: MakeCard, ending: str
) -> None:
    program("import", str(make_card("Ada")), str(make_card("Bea")))
    first = program("chat", "Ada", "-m", "Hello", "--json").json["conversation_id"]
    program("conversation", "export", first, f"new folder/evening.{ending}")
    again = program("conversation", "import", f"new folder/evening.{ending}", "--json").json
    assert texts(program, again["id"]) == texts(program, first)
    listed = {row["id"]: row["character"] for row in program("conversation", "list", "--json").json}
    assert listed[again["id"]] == "Ada"


def test_a_chat_of_nobody_in_the_library_asks_for_its_character(program: Program, tmp_path: Path) -> None:
    said = [{"user_name": "U", "character_name": "Zoe"}, {"name": "Zoe", "is_user": False, "mes": "Hi."}]
    (tmp_path / "lost.jsonl").write_text("\n".join(json.dumps(one) for one in said), encoding="utf-8")
    error = program("conversation", "import", "lost.jsonl", "--json", code=5).error
    assert error["code"] == "CHAT_WITHOUT_CHARACTER" and "--character" in error["hint"]


@pytest.mark.parametrize("ending", ["png", "json", "charx"])
def test_a_flat_card_shows_the_same_after_export_and_import(
    program: Program, tmp_path: Path, ending: str
) -> None:
    fields: dict[str, Any] = {"description": "A maid.", "personality": "", "scenario": "", "mes_example": ""}
    flat = fields | {"name": "Yuzu", "first_mes": "Hi.", "talkativeness": "0.7"}
    (tmp_path / "flat.json").write_text(json.dumps(flat), encoding="utf-8")
    program("import", "flat.json")
    first = program("character", "show", "Yuzu", "--json").json
    assert first["card"]["data"]["extensions"] == {"talkativeness": "0.7"}
    program("character", "export", "Yuzu", f"out/yuzu.{ending}")
    program("character", "delete", "Yuzu", "--yes")
    program("import", f"out/yuzu.{ending}")
    again = program("character", "show", "Yuzu", "--json").json
    for one in (first, again):
        del one["card"]["data"]["assets"]
    assert again["card"] == first["card"]


def test_json_carries_half_an_emoji_and_narrow_code_pages(program: Program, tmp_path: Path) -> None:
    script = {"scriptName": "s", "findRegex": "/(?:)/g", "replaceString": "-", "placement": [2]}
    scenario = [{"script": script, "text": "\U0001f431"}]
    (tmp_path / "s.json").write_text(json.dumps(scenario), encoding="utf-8")
    assert program("regex", "test", "--scenarios", "s.json").json == [{"out": "-\ud83d-\udc31-"}]
    result = program("regex", "test", "--scenarios", "s.json", PYTHONIOENCODING="cp1252")
    assert result.json == [{"out": "-\ud83d-\udc31-"}]


def test_a_backup_that_is_not_there_is_not_found(program: Program) -> None:
    assert program("restore", "nowhere.zip", "--json", code=5).error["code"] == "BACKUP_NOT_FOUND"


@pytest.mark.parametrize("preset", ["mirror_realm", "whisperer", "default"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_official_practice_model_speaks_as_the_character_to_the_person(
    program: Program, make_card: MakeCard, preset: str, language: str
) -> None:
    zh = language == "zh"
    name, person, said = ("林小满", "阿宁", "你好") if zh else ("Ada Holm", "Bob", "Hello")
    story = {"description": "她守着灯塔。", "first_mes": "你来了。"} if zh else {}
    program("import", str(make_card(name, "c.png", **story)), "--lang", language)
    options = ("--official", "001", "--user", person, "--preset", preset, "--json")
    reply = program("chat", name, "-m", said, *options, LUNALUX_LANG=language).json
    assert reply["event"].startswith(person) and name in reply["event"]
    assert "stranger" not in reply["content"] and "对方" not in reply["content"]


def test_a_model_is_not_saved_with_an_address_that_is_none(program: Program) -> None:
    saved = ("model", "add", "mine", "--provider", "openai", "--model", "m", "--base-url")
    assert "localhost:1234" in program(*saved, "localhost:1234", "--json", code=2).error["message"]
    program(*saved, "HTTP://localhost:1234/v1")
