"""A library in order from the command line: tags of one's own, personas, author's notes, pins and marks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cli_program import Program


def test_tags_of_ones_own_stand_beside_the_cards(program: Program, make_card: Callable[..., Path]) -> None:
    for name, tags in (("Ada", ["fantasy"]), ("Bao", ["Fantasy", "sea"]), ("Cleo", [])):
        program("import", str(make_card(name, tags=tags)))
    rows = {row["name"]: row for row in program("character", "list", "--json").json}
    done = program("tag", "add", "To read", "Ada", rows["Cleo"]["id"], "--json").json
    assert done["name"] == "To read" and done["changed"] == [rows["Ada"]["id"], rows["Cleo"]["id"]]
    assert program("tag", "add", "to READ", "ada", "--json").json["changed"] == []

    def named(*options: str) -> set[str]:
        found = program("character", "list", "--sort", "name", *options, "--json").json
        return {row["name"] for row in found} & {"Ada", "Bao", "Cleo"}

    assert named("--tag", "to read") == {"Ada", "Cleo"}
    assert named("--tag", "FANTASY") == {"Ada", "Bao"}
    assert named("--tag", "fantasy", "--tag", "to") == {"Ada"}
    assert named("--tag", "fantasy", "--without", "To Read") == {"Bao"}
    assert named("--without", "nowhere") == {"Ada", "Bao", "Cleo"}
    assert program("character", "list", "--tag", "nowhere", "--json", code=5).error["code"] == "TAG_NOT_FOUND"
    shown = program("character", "show", "Ada", "--json").json
    assert shown["own_tags"] == ["To read"] and shown["tags"] == ["fantasy"]
    assert shown["card"]["data"]["tags"] == ["fantasy"], "the card is not touched"

    assert program("tag", "rename", "to", "Later", "--json").json["name"] == "Later"
    folder = program("tag", "folder", "later", "closed", "--json").json
    assert folder["folder"] == "closed" and program("tag", "list", "--json").json == [folder]
    assert program("tag", "remove", "later", "Ada", "Bao", "--json").json["changed"] == [rows["Ada"]["id"]]
    assert named("--tag", "later") == {"Cleo"}
    program("tag", "add", "other", "Ada")
    assert program("tag", "rename", "other", "LATER", "--json", code=1).error["code"] == "TAG_EXISTS"
    assert program("tag", "add", "  ", "Ada", "--json", code=1).error["code"] == "TAG_EMPTY"
    assert program("tag", "delete", "later", code=2).out == ""
    assert program("tag", "delete", "later", "--yes", "--json").json["deleted"] is True
    assert [row["name"] for row in program("tag", "list", "--json").json] == ["other"]


def test_a_tag_for_somebody_who_is_not_there_tags_nobody(program: Program) -> None:
    name = program("character", "list", "--json").json[0]["name"]
    assert (
        program("tag", "add", "new", name, "nobody", "--json", code=5).error["code"] == "CHARACTER_NOT_FOUND"
    )
    assert program("tag", "list", "--json").json == []
    near = program("tag", "delete", "new", "--yes", "--json", code=5, LUNALUX_LANG="zh").error
    assert near["code"] == "TAG_NOT_FOUND" and "标签" in near["message"]
