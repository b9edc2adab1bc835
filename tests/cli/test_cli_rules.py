"""The rules that hold for every noun: deletions ask, names are found by a part, streams may be closed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_program import Program, environment

from lunalux_tui.cli import app

TAKING_AWAY = {"delete", "remove", "erase", "withdraw", "revoke"}
NO_DELETION = {("tag", "remove"), ("group", "remove")}
"""They take characters out of a tag or a group; nothing is lost."""


def commands(command: Any, context: Any) -> list[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "list_commands"):
        return [(tuple(context.command_path.split()[1:]), command)]
    found = []
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        found += commands(below, typer.Context(below, info_name=name, parent=context))
    return found


def taking_away() -> list[tuple[tuple[str, ...], Any]]:
    root = typer.main.get_command(app)
    every = commands(root, typer.Context(root, info_name="lunalux"))
    return [one for one in every if any(word in TAKING_AWAY for word in one[0]) and one[0] not in NO_DELETION]


def test_every_deletion_has_yes_and_asks() -> None:
    found = taking_away()
    assert len(found) > 12
    for path, command in found:
        assert "--yes" in [name for param in command.params for name in param.opts], path


@pytest.fixture
def stocked(program: Program, tmp_path: Path) -> Program:
    """A library with one of each thing that can be deleted."""
    files = {
        "book.json": {"entries": {"0": {"uid": 0, "key": ["x"], "content": "y"}}},
        "script.json": {"id": "1", "scriptName": "Night script", "findRegex": "/a/", "replaceString": "b"},
        "dice.json": {"name": "Night replies", "qrList": [{"label": "d6", "message": "/roll d6"}]},
    }
    for name, document in files.items():
        (tmp_path / name).write_text(json.dumps(document), encoding="utf-8")
    (tmp_path / "paper.txt").write_text("The lighthouse burns all night.", encoding="utf-8")
    program("character", "list")
    program("worldbook", "import", "book.json", "--name", "Night book")
    program("regex", "import", "script.json")
    program("preset", "export", "novel_king", "preset.json")
    program("preset", "import", "preset.json", "--name", "Night preset")
    program("quickreply", "import", "dice.json")
    program("persona", "add", "Night person")
    program("tag", "add", "Night tag", "Marigold Finch")
    program("group", "create", "Night watch", "Marigold Finch", "Captain Sol Varga")
    program("profile", "add", "Night profile", "--model", "practice")
    program("model", "add", "nightly", "--provider", "ollama", "--model", "m")
    program("bank", "add", "paper.txt")
    return program


NAMED = [
    ("character", "finch", "Marigold Finch"),
    ("worldbook", "night", "Night book"),
    ("regex", "NIGHT", "Night script"),
    ("preset", "night", "Night preset"),
    ("quickreply", "night", "Night replies"),
    ("persona", "night", "Night person"),
    ("tag", "night", "Night tag"),
    ("group", "watch", "Night watch"),
    ("profile", "night", "Night profile"),
    ("bank", "paper", "paper.txt"),
]


def test_things_are_found_by_a_part_of_their_name_and_are_not_deleted_unasked(stocked: Program) -> None:
    for noun, part, whole in NAMED:
        refused = stocked(noun, "delete", part, "--json", code=2)
        assert refused.error["code"] == "USAGE" and "--yes" in refused.error["hint"], noun
        rows = stocked(noun, "list", "--json").json
        assert whole in [row["name"] for row in rows] and all(row["id"] for row in rows), noun
        missing = stocked(noun, "delete", whole[:-2] + "xy", "--yes", "--json", code=5).error
        assert whole in missing["hint"], (noun, missing)
        chinese = stocked(noun, "delete", whole[:-2] + "xy", "--yes", code=5, LUNALUX_LANG="zh").err
        assert whole in chinese, (noun, chinese)
    for noun, part, whole in NAMED:
        stocked(noun, "delete", part, "--yes", "--json")
        assert whole not in [row["name"] for row in stocked(noun, "list", "--json").json], noun
    stocked("model", "remove", "nightly", code=2)
    stocked("model", "remove", "nightly", "--yes")


def test_a_whole_name_goes_before_a_part_of_another(stocked: Program) -> None:
    stocked("preset", "import", "preset.json", "--name", "mirror_realm and more")
    assert stocked("preset", "show", "mirror_realm", "--json").json["name"] == "mirror_realm"
    assert stocked("preset", "show", "novel", "--json").json["name"] == "novel_king"
    stocked("group", "create", "Marigold", "Marigold Finch", "Captain Sol Varga")
    said = stocked("chat", "Marigold", "-m", "hi", "--no-reply", "--json").json
    rows = {row["id"]: row for row in stocked("conversation", "list", "--json").json}
    assert len(rows[said["conversation_id"]]["group"]["members"]) == 2


def test_a_built_in_preset_is_not_deleted(program: Program) -> None:
    assert program("preset", "delete", "default", "--yes", "--json", code=1).error["code"] == "PRESET_BUILTIN"


LISTS = ["character", "conversation", "worldbook", "preset", "regex", "persona", "tag", "group", "profile"]


def test_rows_are_snake_case_with_name_and_id(stocked: Program) -> None:
    stocked("chat", "Marigold Finch", "-m", "hi", "--no-reply")
    for noun in [*LISTS, "quickreply", "template", "bank"]:
        rows = stocked(noun, "list", "--json").json
        assert rows, noun
        for row in rows:
            assert row["name"] and row["id"], (noun, row)
            keys = [key for key in row if key != "marketBinding"]
            assert not [key for key in keys if key != key.lower()], (noun, keys)
            times = [row[key] for key in keys if key.endswith("_at") and row[key] is not None]
            assert all(isinstance(one, str) and one.endswith("Z") for one in times), (noun, times)


@pytest.mark.parametrize("arguments", [("character", "list"), ("character", "-h"), ("paths", "--json")])
def test_a_closed_reader_is_silent_and_a_full_disk_is_a_sentence(
    program: Program, home: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    program("character", "list")
    run = [sys.executable, "-m", "lunalux_tui", *arguments]
    for target in (">/dev/full", ">&-", "| true"):
        done = subprocess.run(
            ["/bin/sh", "-c", f'"$@" {target}', "sh", *run],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(home),
            check=False,
        )
        assert len(done.stderr.splitlines()) <= 1 and "failed" not in done.stderr, (target, done.stderr)
        if target == ">/dev/full":
            assert "cannot be written" in done.stderr and done.returncode == 1
    assert not list(home.rglob("crash-*"))
