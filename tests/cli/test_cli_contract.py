"""What every command promises: nouns, help with examples, plain output, one-sentence errors, exit codes."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_program import Program, environment

from lunalux_tui.cli import NOUNS, Nouns

NOUNS_IN_ORDER = """
    chat import character conversation memory tracker bank note persona tag group worldbook preset
    template regex macro quickreply script market account wallet model lab profile plugin settings paths
    backup restore mirror doctor web api serve admin completion
"""


def leaves(command: Any, path: str) -> list[tuple[str, Any]]:
    below = getattr(command, "commands", {})
    if not below:
        return [(path, command)]
    return [leaf for name, inner in below.items() for leaf in leaves(inner, f"{path} {name}")]


def every_command() -> list[tuple[str, Any]]:
    group = Nouns(name="lunalux")
    context = typer.Context(group, info_name="lunalux")
    return [
        leaf
        for noun in group.list_commands(context)
        for leaf in leaves(group.get_command(context, noun), noun)
    ]


def test_the_help_lists_every_noun(program: Program) -> None:
    assert list(NOUNS) == NOUNS_IN_ORDER.split()
    shown = program("--help").out.partition("Commands:")[2]
    listed = [line.split()[0] for line in shown.splitlines() if line.startswith("  ") and line[2:3].isalpha()]
    assert listed == NOUNS_IN_ORDER.split()


def test_every_command_s_help_has_an_example() -> None:
    lacking = [path for path, command in every_command() if "lunalux " not in (command.help or "")]
    assert not lacking


def test_no_command_is_a_coroutine_or_asks_for_what_the_program_brings() -> None:
    """An asynchronous command without `in_runtime` would end without having done anything."""
    for path, command in every_command():
        assert not inspect.iscoroutinefunction(command.callback.__wrapped__), path
        assert not {"runtime", "services"} & {parameter.name for parameter in command.params}, path


def test_without_a_terminal_the_program_shows_its_help_and_exits_2(program: Program) -> None:
    done = program(code=2)
    assert done.out == "" and "Commands:" in done.err
    done = program("market", code=2)
    assert done.out == "" and "search" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("character", "list", "--sort", "colour"),
        ("market", "list", "--lang", "fr"),
        ("market", "search", "x", "--limit", "none"),
        ("import",),
        ("chat",),
        ("regex", "test"),
    ],
)
def test_wrong_usage_is_2(program: Program, arguments: tuple[str, ...]) -> None:
    done = program(*arguments, "--json", code=2)
    assert done.out == ""
    assert done.error["code"] == "USAGE"
    assert "Traceback" not in done.err


def test_errors_are_one_sentence(program: Program) -> None:
    done = program("character", "show", "nobody", code=5)
    assert len(done.err.splitlines()) == 1
    done = program("character", "show", "nobody", "--json", code=5)
    assert done.error == {
        "code": "CHARACTER_NOT_FOUND",
        "message": done.error["message"],
        "hint": done.error["hint"],
    }


def test_output_is_plain_when_piped(program: Program) -> None:
    program("character", "list")
    for arguments in (("character", "list"), ("preset", "list"), ("settings", "list"), ("paths",)):
        out = program(*arguments, NO_COLOR="").out
        assert "\x1b" not in out and "\t" in out


def test_errors_follow_the_language(program: Program) -> None:
    english = program("character", "show", "nobody", code=5).err
    chinese = program("character", "show", "nobody", code=5, LUNALUX_LANG="zh").err
    assert english != chinese


def test_a_bad_setting_is_told_and_does_not_stop_the_program(program: Program, home: Path) -> None:
    config = home / "config" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[chat]\ntemperature = "hot"\n', encoding="utf-8")
    done = program("settings", "get", "chat.temperature", "--json")
    assert done.json["value"] == 1.0
    assert "chat.temperature" in done.err and str(config) in done.err


def test_settings_set_and_get(program: Program) -> None:
    program("settings", "set", "chat.reply_words", "321")
    assert program("settings", "get", "chat.reply_words", "--json").json == {
        "id": "chat.reply_words",
        "name": "chat.reply_words",
        "key": "chat.reply_words",
        "value": 321,
        "source": "file",
    }
    assert program("settings", "set", "chat.reply_words", "9999999", "--json", code=2).error["code"]
    assert program("settings", "get", "chat.nothing", "--json", code=5).error["code"] == "SETTING_UNKNOWN"


def test_paths_lie_in_the_home(program: Program, home: Path) -> None:
    assert all(Path(path).is_relative_to(home) for path in program("paths", "--json").json.values())


def test_a_reader_that_goes_away_is_no_error(program: Program, home: Path) -> None:
    script = f"{sys.executable} -m lunalux_tui settings list --json | head -c 10"
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, timeout=60, env=environment(home), check=False
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_completion(program: Program) -> None:
    assert "_LUNALUX_COMPLETE" in program("completion", "show", "bash").out
    done = program(_LUNALUX_COMPLETE="complete_bash", COMP_WORDS="lunalux market s", COMP_CWORD="2")
    assert done.out.split() == ["search", "show"]


def test_doctor_names_every_check(program: Program) -> None:
    done = program("doctor", "--json", code=None)
    names = {check["name"] for check in done.json["checks"]}
    assert {"terminal", "storage", "keyring", "model", "backend"} <= names
    assert all(check["status"] in {"ok", "warn", "fail"} for check in done.json["checks"])
    assert all(check["hint"] for check in done.json["checks"] if check["status"] != "ok")
    assert done.code == (0 if done.json["ok"] else 1)
