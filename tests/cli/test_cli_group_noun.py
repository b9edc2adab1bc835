"""`lunalux group`: groups made, changed and looked at without a screen."""

from __future__ import annotations

import json
from pathlib import Path

from cli_program import Program


def test_a_group_is_made_changed_and_shown(program: Program, make_card) -> None:  # type: ignore[no-untyped-def]
    for name in ("Ada", "Bea", "Cleo"):
        program("import", str(make_card(name)))
    made = program("group", "create", "Watch", "Ada", "Bea", "--order", "pooled", "--json").json
    assert made["order"] == "pooled" and made["cards"] == "swap" and made["self_responses"] is False
    assert [member["name"] for member in made["members"]] == ["Ada", "Bea"]
    added = program("group", "add", "watch", "Cleo", "--json").json
    assert [member["name"] for member in added["members"]] == ["Ada", "Bea", "Cleo"]
    muted = program("group", "mute", "Watch", "bea", "--json").json
    assert [member["muted"] for member in muted["members"]] == [False, True, False]
    left = program("group", "remove", "Watch", "Ada", "--json").json
    assert [member["name"] for member in left["members"]] == ["Bea", "Cleo"]
    changed = program("group", "set", "Watch", "--name", "Night", "--order", "list", "--json").json
    assert (changed["name"], changed["order"], changed["id"]) == ("Night", "list", made["id"])
    assert program("group", "list", "--json").json == [changed]
    assert "Bea" in program("group", "show", "Night").out
    program("group", "unmute", "Night", "Bea")
    assert not any(member["muted"] for member in program("group", "show", "Night", "--json").json["members"])
    refused = program("group", "mute", "Night", "Nobody", "--json", code=5)
    assert refused.error["code"] == "MEMBER_NOT_FOUND"
    program("group", "delete", "Night", code=2)
    assert program("group", "delete", "Night", "--yes", "--json").json["deleted"] is True
    assert program("group", "list", "--json").json == []


def test_a_pooled_group_hears_everybody_before_anybody_again(program: Program, make_card) -> None:  # type: ignore[no-untyped-def]
    for name in ("Ada", "Bea", "Cleo"):
        program("import", str(make_card(name)))
    place = program("conversation", "group", "Watch", "Ada", "Bea", "Cleo", "--order", "pooled").out.strip()
    program("chat", "Ada", "--conversation", place, "-m", "Hello all")
    shown = program("conversation", "show", place, "--json").json["messages"]
    assert [message["role"] for message in shown][-2:] == ["user", "assistant"], "one of them answers"


def test_scenarios_are_replayed(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "scenarios.json"
    crowd = [{"name": "Ada", "talkativeness": None}, {"name": "Bea", "talkativeness": "0.2"}]
    scenario = {"order": "natural", "members": crowd, "history": [], "input": "Bea?", "is_user_input": True}
    file.write_text(json.dumps([{"scenario": {**scenario, "random": [0.9]}}, {**scenario, "order": "list"}]))
    assert program("group", "test", "--scenarios", str(file)).json == [["Bea"], ["Ada", "Bea"]]


def test_a_group_goes_on_by_itself_is_directed_and_its_members_have_profiles(  # type: ignore[no-untyped-def]
    program: Program, make_card
) -> None:
    for name in ("Ada", "Bea"):
        program("import", str(make_card(name)))
    made = program(
        *("group", "create", "Watch", "Ada", "Bea", "--order", "director", "--auto", "--auto-delay", "9"),
        "--json",
    ).json
    assert (made["order"], made["auto_mode"], made["auto_delay"]) == ("director", True, 9)
    program("profile", "add", "Cheap", "--model", "practice")
    changed = program("group", "set", "Watch", "--no-auto", "--profile", "bea=cheap", "--json").json
    assert [member["profile"] for member in changed["members"]] == [None, "Cheap"]
    assert changed["auto_mode"] is False and changed["auto_delay"] == 9
    assert "Cheap" in program("group", "show", "Watch").out
    changed = program("group", "set", "Watch", "--profile", "Bea=none", "--json").json
    assert [member["profile"] for member in changed["members"]] == [None, None]
    program("group", "set", "Watch", "--profile", "Bea", code=2)
    program("group", "set", "Watch", "--profile", "Bea=nosuch", code=5)
    program("group", "set", "Watch", "--profile", "Nobody=cheap", code=5)
    program("group", "set", "Watch", "--auto-delay", "99999", code=2)
    program("profile", "use", "Cheap", "--task", "director")
