"""Trackers on the command line: added, shown, corrected, refused, deleted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_program import Program

FIELDS = {
    *(
        "id",
        "name",
        "instruction",
        "form",
        "shape",
        "value",
        "at",
        "status",
        "made_by",
        "tokens",
        "run",
        "every",
    ),
    *("position", "depth", "role", "enabled", "created_at", "updated_at"),
}


@pytest.fixture
def chat(program: Program) -> str:
    program("chat", "Marigold Finch", "-m", "The harbour lies still.")
    (row,) = program("conversation", "list", "--json").json
    identity: str = row["id"]
    return identity


def test_a_tracker_is_added_shown_corrected_and_deleted(program: Program, chat: str, tmp_path: Path) -> None:
    made = program("tracker", "add", chat[:6], "--template", "clothes", "--every", "3", "--json").json
    assert set(made) == FIELDS
    assert (made["name"], made["every"], made["status"], made["value"]) == ("Clothes", 3, "empty", None)
    chinese = program(
        "tracker", "add", chat, "--template", "天气预报", "--lang", "zh", code=5, LUNALUX_LANG="zh"
    )
    assert "weather" in chinese.err
    program("tracker", "add", chat, "--template", "天气", "--lang", "zh")
    schema = {"type": "object", "properties": {"hp": {"type": "integer"}}, "required": ["hp"]}
    (tmp_path / "shape.json").write_text(json.dumps(schema), "utf-8")
    other = program(
        *("tracker", "add", chat, "Health", "--instruction", "Wounds.", "--shape", "shape.json", "--value"),
        *('{"hp": 7}', "--position", "before_main", "--run", "command", "--json"),
    ).json
    assert (other["form"], other["shape"], other["value"], other["status"]) == (
        "json",
        schema,
        {"hp": 7},
        "edited",
    )
    rows = program("tracker", "list", chat, "--json").json
    assert [row["name"] for row in rows] == ["Clothes", "日期与天气", "Health"]
    refused = program("tracker", "edit", chat, "health", "--value", '{"hp": "x"}', "--json", code=1)
    assert refused.error["code"] == "TRACKER_VALUE" and "hp" in refused.error["message"]
    edited = program("tracker", "edit", chat, "heal", "--value", '{"hp": 8}', "--depth", "2", "--json").json
    path = program("conversation", "show", chat, "--json").json["messages"]
    assert (edited["value"], edited["depth"], edited["at"]) == ({"hp": 8}, 2, path[-1]["id"])
    history = program("tracker", "show", chat, "Health", "--values", "--json").json
    assert [row["value"] for row in history] == [{"hp": 7}, {"hp": 8}]
    shown = program("chat", "Marigold Finch", "--conversation", chat, "-m", "Well?", "--show-prompt").out
    assert '{"hp": 8}' in shown
    program("tracker", "edit", chat, "Health", "--off")
    shown = program("chat", "Marigold Finch", "--conversation", chat, "-m", "Well?", "--show-prompt").out
    assert '{"hp": 8}' not in shown
    assert program("tracker", "delete", chat, "Health", "--json", code=2).error["code"] == "USAGE"
    assert program("tracker", "delete", chat, "Health", "--yes", "--json").json["deleted"] is True
    assert len(program("tracker", "list", chat, "--json").json) == 2


def test_what_cannot_be_done_is_said(program: Program, chat: str) -> None:
    def code_of(*arguments: str, code: int = 1) -> str:
        found: str = program("tracker", *arguments, "--json", code=code).error["code"]
        return found

    program("tracker", "add", chat, "--template", "plot")
    assert code_of("add", chat, "--template", "plot") == "TRACKER_EXISTS"
    assert code_of("add", chat, "Mood", code=2) == "TRACKER_EMPTY"
    assert code_of("add", chat, code=2) == "TRACKER_EMPTY"
    assert code_of("run", chat) == "TRACKER_NO_MODEL"
    assert code_of("edit", chat, "plot", code=2) == "USAGE"
    near = program("tracker", "show", chat, "plott", "--json", code=5)
    assert near.error["code"] == "TRACKER_NOT_FOUND" and "Plot threads" in near.error["hint"]
    assert len(program("tracker", "list", chat, "--templates", "--json").json) == 6
