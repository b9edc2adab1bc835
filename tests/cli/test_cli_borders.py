"""What a command line can be given and cannot take: bytes that are no text, outputs that are shut, pipes and
devices in place of files, deletions that nobody was asked about."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_program import Program, environment

from lunalux_tui.cli import NOUNS, app, run_cli
from lunalux_tui.cli.plain_values import PlainChoice

BAD = os.fsdecode(b"caf\xe9")
MakeCard = Callable[..., Path]


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below a group, with the words that call it."""
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, one in below.items():
        yield from commands(one, (*path, name))


def every_command() -> list[tuple[tuple[str, ...], Any]]:
    group: Any = typer.main.get_command(app)
    context = typer.Context(group)
    return [found for noun in NOUNS for found in commands(group.get_command(context, noun), (noun,))]


EVERY = {" ".join(path): (path, command) for path, command in every_command()}


@pytest.mark.parametrize("called", EVERY)
def test_bytes_that_are_no_text_are_told_at_every_argument(
    called: str, home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    path, command = EVERY[called]
    takes = [param for param in command.params if _kind(param) is str and param.name != "paths"]
    needed = [param for param in command.params if param.param_type_name == "argument" and param.required]
    for parameter in takes:
        words = [BAD if one is parameter else "x" for one in needed]
        if parameter.param_type_name == "option":
            words += [parameter.opts[0], *[BAD] * parameter.nargs]
        elif parameter not in needed:
            words.append(BAD)
        code = run_cli([*path, *words])
        said = capfd.readouterr().err
        assert code == 2 and "not UTF-8" in said, (parameter.name, code, said)
    assert not list(home.rglob("crash-*"))


@pytest.mark.parametrize("called", EVERY)
def test_an_empty_text_is_not_taken_for_the_working_folder(
    called: str, home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`lunalux import "$CARDS"` without that variable would bring in whatever lies there."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    path, command = EVERY[called]
    needed = [param for param in command.params if param.param_type_name == "argument" and param.required]
    for parameter in command.params:
        if _kind(parameter) is Path or parameter.name == "paths":
            words = ["" if one is parameter else "1" for one in needed]
            if parameter not in needed:
                words += [parameter.opts[0], ""] if parameter.param_type_name == "option" else [""]
            code = run_cli([*path, *words])
            said = capfd.readouterr().err
            assert code == 2 and "An empty text names no file" in said, (parameter.name, code, said)


def test_what_the_system_says_of_a_file_is_told_in_chinese(program: Program, tmp_path: Path) -> None:
    told = program("preset", "import", str(tmp_path), code=1, LUNALUX_LANG="zh").err
    assert told.startswith(f"无法读取 {tmp_path}：这是一个文件夹。")


def _kind(parameter: Any) -> Any:
    read = getattr(parameter, "_runtime_param", None)
    return str if isinstance(read, PlainChoice) else getattr(read, "_kind", None)


def test_unknown_words_with_broken_bytes_are_wrong_usage(program: Program, home: Path) -> None:
    for words in ((BAD,), ("character", BAD), ("character", "list", f"--{BAD}"), ("macro", "test", "a", BAD)):
        result = program(*words, code=2)
        assert "Traceback" not in result.err and result.err.count("\n") == 1
    assert program("import", BAD + ".png", code=5)
    assert program("chat", "Ada", "--json", "-m", BAD, code=2).error["code"] == "USAGE"
    assert not list(home.rglob("crash-*"))


SHUT = {"full": ">/dev/full", "closed": ">&-"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("how", SHUT)
@pytest.mark.parametrize(
    "words",
    ["character list", "character list --json", "--version", "--help", "settings list", "paths", "doctor"],
)
def test_an_output_that_takes_nothing_is_told_in_a_sentence(words: str, how: str, home: Path) -> None:
    result = in_a_shell(f"{words} {SHUT[how]}", home)
    assert (
        result.returncode == 1
        and "The output cannot be written" in result.stderr.splitlines()[-1] + result.stderr
    )
    assert "Traceback" not in result.stderr and "ignored" not in result.stderr
    if "--json" in words:
        assert json.loads(result.stderr)["error"]["code"] == "OUTPUT_UNWRITABLE"
    assert not list(home.rglob("crash-*"))


def test_a_reader_that_goes_away_is_nothing_to_tell_and_stops_nothing(
    home: Path, make_card: MakeCard, program: Program
) -> None:
    for number in range(60):
        make_card(f"Reader {number}", f"cards/{number}.json")
    result = in_a_shell(f"import {make_card('x', 'cards/x.json').parent} | head -c 1 >/dev/null", home)
    assert result.stderr.count("\n") <= 1 and "failed (" not in result.stderr
    assert len(program("character", "list", "--json").json) == 61
    assert in_a_shell("character list | true", home).stderr == ""
    assert in_a_shell("chat 'Reader 1' -m hello 2>&-", home).stdout
    assert not list(home.rglob("crash-*"))


def in_a_shell(line: str, home: Path) -> subprocess.CompletedProcess[str]:
    """`lunalux` with redirections."""
    return subprocess.run(
        ["bash", "-c", f"exec 9>&2; {sys.executable} -m lunalux_tui {line}"],
        capture_output=True,
        text=True,
        env=environment(home),
        timeout=120,
        check=False,
    )


# -- pipes, devices, sockets and files without end ---------------------------------------------------

READING: dict[str, Callable[[str], tuple[str, ...]]] = {
    "import": lambda path: ("import", path),
    "validate": lambda path: ("character", "validate", path),
    "conversation": lambda path: ("conversation", "import", path, "--character", "Marigold Finch"),
    "worldbook": lambda path: ("worldbook", "import", path),
    "preset": lambda path: ("preset", "import", path),
    "regex": lambda path: ("regex", "import", path),
    "worldbook test": lambda path: ("worldbook", "test", path, "--text", "x"),
    "worldbook messages": lambda path: ("worldbook", "test", "book.json", "--messages", path),
    "worldbook settings": lambda path: ("worldbook", "test", "book.json", "--text", "x", "--settings", path),
    "regex test": lambda path: ("regex", "test", path, "--text", "x"),
    "scenarios worldbook": lambda path: ("worldbook", "test", "--scenarios", path),
    "scenarios regex": lambda path: ("regex", "test", "--scenarios", path),
    "scenarios macro": lambda path: ("macro", "test", "--scenarios", path),
    "quickreply": lambda path: ("quickreply", "import", path),
    "scenarios script": lambda path: ("script", "test", "--scenarios", path),
    "script": lambda path: ("script", "run", path),
    "scenarios preset": lambda path: ("preset", "test", "--scenarios", path),
    "restore": lambda path: ("restore", path),
    "publish": lambda path: ("market", "publish", path, "--lang", "en", "--intro", "x"),
}
"""Every command that reads a file somebody named."""

MEMORY = 512 * 1024 * 1024
"""Bytes of addresses that a command may take; a gigabyte read whole does not fit."""


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Paths of what is no file, and of one that is too large."""
    (tmp_path / "book.json").write_text('{"entries": {}}')
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe.zip")
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(2**30)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "s.json"))
    yield {
        "pipe": str(tmp_path / "pipe.png"),
        "zip": str(tmp_path / "pipe.zip"),
        "zero": "/dev/zero",
        "socket": str(tmp_path / "s.json"),
        "huge": str(tmp_path / "huge.json"),
    }
    listening.close()


@pytest.mark.parametrize("command", READING)
def test_what_is_no_file_or_too_large_is_never_read(
    command: str, odd: dict[str, str], program: Program, home: Path
) -> None:
    for what, path in odd.items():
        result = program(*READING[command](path), "--json", code=None, memory=MEMORY)
        said = result.out + result.err
        expected = {"FILE_TOO_LARGE"} if what == "huge" else {"FILE_NOT_REGULAR"}
        if command == "restore" and what == "huge":
            expected = {"BACKUP_DAMAGED"}
        assert result.code in (1, 7), (what, said)
        assert any(code in said for code in expected), (what, said)
        assert "MemoryError" not in said and not list(home.rglob("crash-*"))


def test_an_input_without_end_is_refused(home: Path, program: Program, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"scriptName": "a", "findRegex": "/a/g", "replaceString": "b"}')
    for line in (
        "chat 'Marigold Finch' --json",
        "import - --json",
        "character validate - --json",
        "worldbook test x --json",
        f"regex test {tmp_path / 's.json'} --json",
        "script run - --json",
        "model add m --provider openai --model m --base-url http://127.0.0.1:1/v1 --key-stdin --json",
        "account login ada@example.org --password-stdin --json",
    ):
        result = in_a_shell(f"{line} </dev/zero", home)
        wanted = "FILE_NOT_FOUND" if "worldbook" in line else "INPUT_TOO_LARGE"
        assert result.returncode not in (0, 130) and wanted in result.stderr, (line, result.stderr[-500:])
    assert not list(home.rglob("crash-*"))


@pytest.mark.parametrize("command", [one for one in READING if one not in ("import", "validate")])
def test_names_that_can_be_no_path_are_told(
    command: str, tmp_path: Path, program: Program, home: Path
) -> None:
    (tmp_path / "book.json").write_text('{"entries": {}}')
    for name in ("x" * 300 + ".json", "~nobody-here/x.json", "a**b.png", "a\x01b.json"):
        result = program(*READING[command](name), "--json", code=None)
        assert result.code in (1, 2, 5, 7), (name, result.err)
        assert "UNEXPECTED" not in result.err + result.out
    assert not list(home.rglob("crash-*"))


# -- deletions ---------------------------------------------------------------------------------------


def test_every_deletion_needs_a_word_where_nobody_can_be_asked(
    program: Program, make_card: MakeCard, tmp_path: Path
) -> None:
    program("import", str(make_card("Ada")))
    program("chat", "Ada", "-m", "hello")
    place = program("conversation", "list", "Ada", "--json").json[0]["id"]
    (tmp_path / "b.json").write_text('{"entries": {"0": {"key": ["a"], "content": "b"}}}')
    (tmp_path / "s.json").write_text('{"scriptName": "s", "findRegex": "/a/g", "replaceString": "b"}')
    (tmp_path / "quiet.json").write_text('{"prompts": [{"identifier": "main", "content": "x"}]}')
    for kind, file in (("worldbook", "b.json"), ("regex", "s.json"), ("preset", "quiet.json")):
        program(kind, "import", file)
    program(
        "model", "add", "m", "--provider", "openai", "--model", "m", "--base-url", "http://127.0.0.1:1/v1"
    )
    deletions = (
        ("conversation", "delete", place),
        ("worldbook", "delete", "b"),
        ("regex", "delete", "s"),
        ("preset", "delete", "quiet"),
        ("model", "remove", "m"),
        ("character", "delete", "Ada"),
    )
    for words in deletions:
        assert program(*words, "--json", code=2).error["code"] == "USAGE"
        assert "--yes" in program(*words, code=2).err
        assert program(*words[:2], "nobody", "--json", code=5).error["code"]
    for words in deletions:
        assert program(*words, "--yes", "--json").json
        assert program(*words, "--yes", "--json", code=5).error["code"]


def test_what_is_imported_is_not_switched_on(program: Program, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"entries": {"0": {"key": ["a"], "content": "b"}}}')
    program("preset", "export", "novel_king", "p.json")
    for kind, file in (("worldbook", "b.json"), ("preset", "p.json")):
        result = program(kind, "import", file, "--name", "Mine", "--json")
        assert result.json[0]["enabled"] is False and f"lunalux {kind} enable" in result.err
        assert [row["enabled"] for row in program(kind, "list", "--json").json if row["name"] == "Mine"] == [
            False
        ]
        again = program("import", file, "--on-duplicate", "copy", "--json").lines[0]
        assert f"lunalux {kind} enable" in " ".join(again["notes"])
        assert not any(
            row["enabled"] for row in program(kind, "list", "--json").json if not row.get("builtin")
        )
    listed = program("preset", "list", "--json").json
    assert [row["id"] for row in listed if row["enabled"]] == ["mirror_realm"]
    assert program("settings", "get", "chat.preset", "--json").json["value"] == "mirror_realm"


@pytest.mark.parametrize("off", [False, True])
def test_an_imported_script_keeps_the_switch_of_its_file(program: Program, tmp_path: Path, off: bool) -> None:
    script = {"scriptName": "s", "findRegex": "/a/g", "replaceString": "b", "placement": [2], "disabled": off}
    for number, noun in enumerate((("regex", "import"), ("import",))):
        (tmp_path / f"{number}.json").write_text(json.dumps({**script, "replaceString": f"b{number}"}))
        program(*noun, f"{number}.json")
    assert [row["enabled"] for row in program("regex", "list", "--json").json] == [not off, not off]


def test_a_plugin_that_is_not_there_cannot_be_run(program: Program, home: Path) -> None:
    assert program("plugin", "run", "NOPE", "--json", code=5).error["code"] == "PLUGIN_UNKNOWN"
    folder = home / "plugins"
    folder = Path(program("paths", "--json").json["plugins"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quiet.py").write_text("class Plugin:\n    api_version = 1\n\nplugin = Plugin()\n")
    assert program("plugin", "run", "quiet", "--json", code=5).error["code"] == "PLUGIN_NOT_ENABLED"
