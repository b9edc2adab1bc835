"""`lunalux profile`: save, show, use, delete and import, and what a turn makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_program import Program


def body(program: Program, *options: str) -> dict[str, object]:
    result = program("chat", "Ada", "-m", "Hi", *options, "--show-request", OPENAI_API_KEY="k")
    found: dict[str, object] = result.json["body"]
    return found


def test_a_profile_is_saved_used_and_deleted(program: Program, ada: str) -> None:
    program(
        "model", "add", "fast", "--provider", "openai", "--base-url", "http://127.0.0.1:9/v1", "--model", "m1"
    )
    options = ("--model", "fast", "--preset", "default", "--stop", "END", "--set", "temperature=0.3")
    row = program("profile", "add", "Quick one", *options, "--start-with", "Well,", "--json").json
    assert row["name"] == "Quick one" and row["id"] and row["in_use"] == []
    assert (row["model"], row["preset"], row["stop"]) == ("fast", "default", ["END"])
    assert row["sampling"] == {"temperature": 0.3} and row["start_with"] == {"value": "Well,", "show": True}
    assert program("profile", "show", "quick", "--json").json == row
    program("settings", "set", "chat.model", "openai:other")
    assert body(program)["model"] == "other"
    assert body(program, "--profile", "Quick one")["model"] == "m1"
    used = program("profile", "use", "Quick", "--character", "Ada", "--json").json
    assert used == {"id": row["id"], "name": "Quick one", "scope": "character", "target": ada}
    sent = body(program)
    assert (sent["model"], sent["temperature"], sent["stop"]) == ("m1", 0.3, ["END"])
    assert body(program, "--model", "openai:third", "--set", "temperature=1")["temperature"] == 1
    (listed,) = program("profile", "list", "--json").json
    assert listed["in_use"] == [{"scope": "character", "target": ada}]
    program("model", "remove", "fast", "--yes")
    gone = program("chat", "Ada", "-m", "Hi", "--show-prompt")
    assert gone.out
    program("settings", "set", "chat.model", "practice")
    told = program("chat", "Ada", "-m", "Hi", LUNALUX_PRACTICE_RATE="0")
    assert "fast" in told.err and told.out.startswith("Well,")
    program("profile", "use", "none", "--character", "Ada")
    assert program("profile", "list", "--json").json[0]["in_use"] == []
    program("profile", "delete", "Quick", code=2)
    assert program("profile", "delete", "Quick", "--yes", "--json").json["deleted"] is True
    program("profile", "show", "Quick", code=5)


def test_places_and_tasks(program: Program, ada: str) -> None:
    program("profile", "add", "P", "--json")
    place = program("chat", "Ada", "-m", "Hi", "--json", LUNALUX_PRACTICE_RATE="0").json["conversation_id"]
    assert program("profile", "use", "P", "--json").json["scope"] == "global"
    assert program("profile", "use", "P", "--conversation", place, "--json").json["target"] == place
    assert program("profile", "use", "P", "--task", "memory", "--json").json["target"] == "memory"
    for wrong in (
        ("--task", "cooking"),
        ("--task", "memory", "--character", "Ada"),
        ("--group", "x"),
        ("--member", "x"),
    ):
        assert program("profile", "use", "P", *wrong, "--json", code=2).error["code"] == "USAGE"
    program("profile", "add", "P", "--model", "openai:mine")
    assert "openai:mine" in program("model", "use", "practice").err
    program("profile", "use", "P", "--character", "Nobody", code=5)
    program("profile", "use", "Q", code=5)


@pytest.mark.parametrize(
    ("option", "code"),
    [
        (("--model", "nothing"), 5),
        (("--preset", "nothing"), 5),
        (("--template", "nothing"), 5),
        (("--set", "temperature=hot"), 2),
        (("--set", "colour=1"), 2),
        (("--post-process", "some"), 2),
    ],
)
def test_a_profile_names_what_is_there(program: Program, option: tuple[str, str], code: int) -> None:
    program("profile", "add", "P", *option, "--json", code=code)
    assert program("profile", "list", "--json").json == []


def test_sillytaverns_profiles_come_in_and_none_is_switched_on(program: Program, tmp_path: Path) -> None:
    rows = [
        {"id": "a", "name": "Local", "mode": "cc", "model": "m", "secret-id": "S3CRET", "exclude": []},
        {"id": "b", "name": "Two", "mode": "tc", "instruct": "ChatML", "exclude": []},
    ]
    manager = {"selectedProfile": "a", "profiles": rows}
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"extension_settings": {"connectionManager": manager}}))
    result = program("profile", "import", str(path), "--json")
    assert [(row["name"], row["model"], row["in_use"]) for row in result.json] == [
        ("Local", "m", []),
        ("Two", "", []),
    ]
    assert result.json[1]["templates"] == {"instruct": "ChatML"}
    assert "S3CRET" not in result.out + result.err and "Local was in use there" in result.err
    program("profile", "add", "Two", "--set", "seed=1")
    again = program("profile", "import", str(path), "--json").json
    assert [row["name"] for row in again] == ["Local", "Two (2)"]
    path.write_text("{}")
    assert program("profile", "import", str(path), "--json", code=1).error["code"] == "PROFILES_NONE"
