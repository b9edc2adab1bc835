"""Groups on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_program import Program

FIELDS = """
    content thinking next_prompts event message_id conversation_id character_id model usage billing
    finish speed cost
"""


@pytest.fixture
def group(program: Program, make_card: Callable[..., Path]) -> dict[str, Any]:
    program("import", str(make_card("Ada")), str(make_card("Bela")))
    made: dict[str, Any] = program(
        *("conversation", "group", "The table", "Ada", "Bela", "--order", "list", "--json")
    ).json
    return made


def test_a_group_is_made_listed_shown_and_talked_with(program: Program, group: dict[str, Any]) -> None:
    assert group["character_id"] is None and group["length"] == 2
    assert [member["name"] for member in group["group"]["members"]] == ["Ada", "Bela"]
    (listed,) = program("conversation", "list", "ada", "--json").json
    assert listed["group"] == group["group"] and listed["id"] == group["id"]
    assert "The table (Ada, Bela)" in program("conversation", "list").out
    result = program("chat", "the table", "-m", "Good evening", "--json").json
    assert list(result) == [*FIELDS.split(), "speaker", "replies"]
    assert [reply["speaker"] for reply in result["replies"]] == ["Ada", "Bela"]
    assert result["message_id"] == result["replies"][1]["message_id"] and result["character_id"]
    shown = program("conversation", "show", group["id"], "--json").json["messages"]
    assert [one["name"] for one in shown] == ["Ada", "Bela", "Traveller", "Ada", "Bela"]
    assert shown[3]["speaker_id"] == result["replies"][0]["character_id"] and shown[2]["speaker_id"] is None


def test_one_member_is_asked(program: Program, group: dict[str, Any]) -> None:
    arguments = ("--conversation", group["id"], "--speaker", "bela")
    first = program("chat", "Ada", "-m", "Bela?", *arguments)
    assert first.out.startswith("Bela: ") and "\nAda: " not in first.out
    program("chat", "The table", *arguments, "--json")
    shown = program("conversation", "show", group["id"], "--json").json["messages"]
    assert [one["name"] for one in shown[2:]] == ["Traveller", "Bela", "Bela"]
    prompt = program("chat", "The table", "-m", "Hm", "--speaker", "Ada", "--show-prompt").out
    assert "Write Ada's next reply" in prompt
    assert len(program("conversation", "show", group["id"], "--json").json["messages"]) == 5


def test_what_gets_no_answer_is_refused(program: Program, group: dict[str, Any]) -> None:
    program("chat", "The table", "-m", "x", "--speaker", "Dora", "--json", code=5)
    program("chat", "Ada", "-m", "x", "--speaker", "Ada", code=1)
    program("conversation", "group", "Alone", "Ada", code=1)
    quiet = program("conversation", "group", "Quiet", "Ada", "Bela", "--order", "manual").out.strip()
    refused = program("chat", "Quiet", "-m", "Hello?", code=1)
    assert "--speaker" in refused.err
    assert len(program("conversation", "show", quiet, "--json").json["messages"]) == 2


def test_a_group_chat_goes_out_and_comes_back(
    program: Program, group: dict[str, Any], tmp_path: Path
) -> None:
    program("chat", "The table", "-m", "Good evening")
    file = tmp_path / "evening.jsonl"
    program("conversation", "export", group["id"], str(file))
    identity = program("conversation", "import", str(file)).out.strip()
    back = program("conversation", "show", identity, "--json").json
    assert back["group"] == group["group"]
    assert [message["speaker_id"] for message in back["messages"]][1] == group["group"]["members"][1][
        "character_id"
    ]
