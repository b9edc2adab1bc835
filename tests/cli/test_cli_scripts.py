"""Scripts that cards bring, on the command line: named until the person answered, run only when allowed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_program import Program

SCRIPT = {
    "scriptName": "Shout",
    "findRegex": "/hello/g",
    "replaceString": "HELLO",
    "placement": [1],
    "markdownOnly": False,
    "promptOnly": True,
}


@pytest.fixture
def panel(program: Program, tmp_path: Path) -> str:
    data = {"name": "Panel", "first_mes": "Here.", "extensions": {"regex_scripts": [SCRIPT]}}
    path = tmp_path / "panel.json"
    path.write_text(json.dumps({"spec": "chara_card_v2", "spec_version": "2.0", "data": data}))
    identity: str = program("import", str(path), "--json").lines[0]["id"]
    return identity


def test_scripts_of_a_card_wait_for_a_word_and_say_so(program: Program, panel: str) -> None:
    shown = ("chat", "Panel", "-m", "hello", "--show-prompt", "--json")
    first = program(*shown)
    assert f"lunalux character allow-scripts {panel}" in first.err
    assert "HELLO" not in first.out
    result = program("character", "allow-scripts", "Panel", "--json").json
    assert result == {
        "id": panel,
        "name": "Panel",
        "scripts_allowed": True,
        "scripts": [{"name": "Shout", "works_on": ["input"], "changes": ["prompt"]}],
    }
    second = program(*shown)
    assert second.err == "" and "HELLO" in second.out
    assert "Panel" in program("character", "allow-scripts", panel, "--no").err
    third = program(*shown)
    assert third.err == "" and "HELLO" not in third.out


def test_a_card_without_scripts_is_told_so(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "ada.json"
    path.write_text(json.dumps({"name": "Ada", "description": "", "first_mes": "Hi."}))
    program("import", str(path))
    result = program("character", "allow-scripts", "Ada", "--json").json
    assert result["scripts"] == [] and result["scripts_allowed"] is None
    program("character", "allow-scripts", "Nobody", "--json", code=5)
