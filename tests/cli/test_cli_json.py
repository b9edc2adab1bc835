"""What `--json` prints has the declared shapes (docs/shapes.toml), and every command declares one."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from json_tour import ROOT, Tourist, tour

from lunalux_tui.cli import app

_spec = importlib.util.spec_from_file_location("docs_shapes", ROOT / "docs" / "shapes.py")
assert _spec is not None and _spec.loader is not None
shapes = importlib.util.module_from_spec(_spec)
sys.modules["docs_shapes"] = shapes  # its dataclasses look their module up
_spec.loader.exec_module(shapes)

NOT_TOURED = {
    "account confirm",  # needs a mailed code; tests/cli/test_cli_community.py
    "api",  # goes on until it is interrupted; test_cli_api.py
    "web",  # goes on until it is interrupted; tests/tui/test_web.py
}
NOT_SEEN = {
    "chat[].name",  # only presets that name the speakers of examples send it
    "Failure.hint",  # of rows of a batch; what single commands fail with is in the tests of refusals
}


def commands() -> set[str]:
    """Every command that takes `--json`."""

    def below(command: Any, context: Any, path: list[str]) -> Iterator[str]:
        if hasattr(command, "list_commands"):
            for name in command.list_commands(context):
                one = command.get_command(context, name)
                yield from below(one, typer.Context(one, info_name=name, parent=context), [*path, name])
        elif any("--json" in param.opts for param in command.params):
            yield " ".join(path)

    root = typer.main.get_command(app)
    return set(below(root, typer.Context(root, info_name="lunalux"), []))


def test_every_command_declares_what_it_prints_as_json() -> None:
    assert set(shapes.declared().commands) - {"error"} == commands()


def test_what_commands_print_has_the_declared_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = Tourist(commands())
    tour(run, tmp_path)
    known = shapes.declared()
    read = {command: shapes.Reader(known, text).whole() for command, text in known.commands.items()}
    seen: set[str] = set()
    wrong = {
        command: found
        for command, document in run.seen
        if (found := shapes.departures(read[command], document, seen, command))
    }
    assert wrong == {}
    assert commands() - {command for command, _ in run.seen} == NOT_TOURED
    declared = {
        key
        for command, shape in read.items()
        if command not in NOT_TOURED
        for key in shapes.keys(shape, command)
    }
    assert declared - seen == NOT_SEEN
    rows = {command: document for command, document in run.seen if command.endswith(" list")}
    assert len(rows) > 12
    for command, document in rows.items():
        listed = [*document["own"], *document["official"]] if command == "model list" else document
        assert listed and all(row["id"] and row["name"] for row in listed), command


SERVICE = {"chat", "wallet", "market", "model", "admin", "import"}
"""Nouns with objects of the service, which keep its spelling; `chat` has its `billing`."""


def test_our_own_keys_are_in_one_style() -> None:
    known = shapes.declared()
    ours = [text for command, text in known.commands.items() if command.split()[0] not in SERVICE]
    shared = [
        known.shared[name]
        for name in ("Conversation", "Note", "Persona", "Tag", "Group", "Account", "Profile")
    ]
    for text in (*ours, *shared):
        keys = re.findall(r"[{,]\s*(\w+)\??:", text)
        assert not [key for key in keys if key != key.lower()], text


def test_a_departure_is_noticed() -> None:
    known = shapes.declared()
    persona = shapes.Reader(known, "[Persona]").whole()
    row = {"id": "a", "name": "b", "description": "", "chosen": True, "worldbook": None}
    assert shapes.departures(persona, [row], set()) == []
    for wrong in ({**row, "more": 1}, {**row, "chosen": "yes"}, {"id": "a"}, None):
        assert shapes.departures(persona, [wrong], set()), json.dumps(wrong)
    assert shapes.departures(shapes.Reader(known, "time").whole(), "yesterday", set())
    assert shapes.departures(shapes.Reader(known, "TurnOrder").whole(), "backwards", set())
