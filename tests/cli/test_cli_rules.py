"""The rules that hold for every noun: deletions ask, names are found by a part, streams may be closed."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_program import Program, environment, on_a_terminal

from lunalux_core.config.config_file import set_value
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


def test_models_settings_and_plugins_are_found_by_a_part_of_their_name(
    stocked: Program, home: Path, tmp_path: Path
) -> None:
    stocked(
        "model", "add", "Sleepy", "--provider", "ollama", "--model", "m", "--base-url", "http://127.0.0.1:9"
    )
    assert stocked("model", "use", "SLEEP", "--json").json["name"] == "Sleepy"
    assert stocked("settings", "get", "chat.mod", "--json").json["value"] == "Sleepy"
    assert stocked("model", "show", "night", "--json").json["name"] == "nightly"
    shown = stocked("chat", "finch", "-m", "hi", "--model", "prac", "--json").json
    assert shown["model"] == "practice"
    for words in (
        ("show", "nightlx"),
        ("test", "nightlx"),
        ("use", "nightlx"),
        ("remove", "nightlx", "--yes"),
    ):
        refused = stocked("model", *words, "--json", code=5).error
        assert refused["code"] == "MODEL_UNKNOWN" and "nightly" in refused["hint"], words
        assert "相近" in stocked("model", *words, code=5, LUNALUX_LANG="zh").err
    unknown = stocked("chat", "finch", "-m", "hi", "--model", "nightlx", "--json", code=5).error
    assert "nightly" in unknown["hint"]
    stocked("model", "remove", "NIGHT", "--yes")
    assert "nightly" not in [row["id"] for row in stocked("model", "list", "--json").json["own"]]
    refused = stocked("settings", "set", "chat.reply_wordz", "9", "--json", code=5).error
    assert refused["code"] == "SETTING_UNKNOWN" and "chat.reply_words" in refused["hint"]
    paths = stocked("paths", "--json").json
    folder = Path(paths["plugins"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "night_dice.py").write_text("class Dice:\n    pass\nplugin = Dice()\n", encoding="utf-8")
    assert stocked("plugin", "enable", "Night", "--json").json == {
        "id": "night_dice",
        "name": "night_dice",
        "enabled": True,
    }
    refused = stocked("plugin", "disable", "night_dize", "--json", code=5).error
    assert refused["code"] == "PLUGIN_UNKNOWN" and "night_dice" in refused["hint"]
    assert stocked("plugin", "disable", "night", "--json").json["enabled"] is False


def test_a_removed_model_that_is_stored_by_name_does_not_become_another(stocked: Program, home: Path) -> None:
    stocked("model", "add", "nightly-dear", "--provider", "ollama", "--model", "m")
    stocked("model", "remove", "nightly", "--yes")
    set_value(home / "config" / "config.toml", "chat.model", "nightly")  # as an older program left it
    refused = stocked("chat", "finch", "-m", "hi", "--json", code=5).error
    assert refused["code"] == "MODEL_UNKNOWN" and "nightly-dear" in refused["hint"]


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("chat.model", "nope", "MODEL_UNKNOWN"),
        ("memory.model", "nope", "MODEL_UNKNOWN"),
        ("chat.preset", "nope", "PRESET_NOT_FOUND"),
        ("ui.theme", "luna-drak", "THEME_NOT_FOUND"),
    ],
)
def test_a_setting_names_nothing_that_is_not_there(stocked: Program, key: str, value: str, code: str) -> None:
    before = stocked("settings", "get", key, "--json").json
    assert stocked("settings", "set", key, value, "--json", code=5).error["code"] == code
    assert stocked("settings", "get", key, "--json").json == before


def test_options_that_exclude_each_other_are_refused(stocked: Program) -> None:
    for apart in (
        ("--official", "001", "--model", "practice"),
        ("--new", "--conversation", "abcd"),
        ("--show-prompt", "--show-request"),
    ):
        refused = stocked("chat", "finch", "-m", "hi", *apart, "--json", code=2).error
        assert refused["code"] == "USAGE" and "do not go together" in refused["message"], apart


CHOSEN = [
    (("import", "x.png"), "--on-duplicate", ("skip", "replace", "copy")),
    (("import", "x.png"), "--lang", ("en", "zh")),
    (("market", "list"), "--lang", ("en", "zh")),
    (("market", "list"), "--sort", ("hot", "new")),
    (("backup", "x.zip"), "--format", ("lunalux", "sillytavern", "narratium")),
    (("character", "list"), "--sort", ("name", "recent")),
    (("template", "show", "ChatML"), "--kind", ("instruct", "context", "sysprompt", "sampler", "reasoning")),
    (("model", "add", "x", "--model", "m", "--provider", "ollama"), "--mode", ("chat", "text")),
    (
        ("model", "add", "x", "--model", "m", "--provider", "ollama"),
        "--post-process",
        ("none", "merge", "semi-strict", "strict", "single"),
    ),
    (("profile", "use", "x"), "--task", ("memory", "tracker", "impersonate", "suggest")),
]


@pytest.mark.parametrize(("words", "option", "choices"), CHOSEN)
def test_choices_stand_in_the_help_and_in_the_refusal(
    program: Program, words: tuple[str, ...], option: str, choices: tuple[str, ...]
) -> None:
    refused = program(*words, option, "nonsense", "--json", code=2).error
    command = words[:1] if words[0] in {"import", "backup"} else words[:2]
    for language in ("en", "zh"):
        shown = program(*command, "--help", LUNALUX_LANG=language).out
        told = " ".join(shown.split())
        for choice in choices:
            assert choice in refused["message"] + refused["hint"], (option, choice)
            assert choice in told, (option, choice, language)


def test_a_negative_number_is_a_value_and_no_option(program: Program) -> None:
    refused = program("settings", "set", "chat.reply_words", "-5", "--json", code=2).error
    assert refused["code"] == "SETTING_INVALID"
    assert program("settings", "set", "chat.reply_words", "--jsn", code=2).err.count("--jsn") == 1


def test_settings_are_listed_by_the_beginning_of_their_keys(program: Program) -> None:
    keys = [row["key"] for row in program("settings", "list", "market.", "--json").json]
    assert keys and all(key.startswith("market.") for key in keys)
    assert program("settings", "list", "markt", "--json", code=5).error["code"] == "SETTING_UNKNOWN"


def test_an_ending_that_names_no_format_is_a_usage_error(stocked: Program) -> None:
    refused = stocked("character", "export", "finch", "m.txt", "--json", code=2).error
    assert refused["code"] == "EXPORT_FORMAT_UNKNOWN"


def test_a_missing_address_is_told_as_missing(program: Program) -> None:
    assert program("account", "confirm", code=2).err.startswith("The e-mail address is missing.")
    assert "缺少" in program("account", "confirm", code=2, LUNALUX_LANG="zh").err


def answered(home: Path, cwd: Path, answer: str, *words: str, **variables: str) -> tuple[int, str, str]:
    """How a command ended whose question somebody answered on a terminal; stdout, and what the terminal
    showed."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "lunalux_tui", *words],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=cwd,
        env=environment(home, variables),
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    out, _ = process.communicate(timeout=60)
    shown = b""
    while select.select([ours], [], [], 0.5)[0]:
        try:
            shown += os.read(ours, 65536)
        except OSError:
            break
    os.close(ours)
    return process.returncode, out.decode(), shown.decode()


def test_a_withdrawal_is_asked_about_in_the_language_of_the_person(
    program: Program, home: Path, tmp_path: Path
) -> None:
    code, _, shown = answered(home, tmp_path, "n", "market", "withdraw", "abc")
    assert code == 1 and "[y/N]" in shown and "Nothing was withdrawn." in shown
    code, _, shown = answered(home, tmp_path, "不", "market", "withdraw", "abc", LUNALUX_LANG="zh")
    assert code == 1 and "撤下" in shown and "没有撤下任何角色" in shown


def test_a_template_is_deleted_by_a_chinese_yes(stocked: Program, home: Path, tmp_path: Path) -> None:
    document = {"name": "Night tags", "input_sequence": "<u>", "output_sequence": "<a>"}
    (tmp_path / "tags.json").write_text(json.dumps(document), encoding="utf-8")
    stocked("template", "import", "tags.json")
    code, _, shown = answered(home, tmp_path, "否", "template", "delete", "night", LUNALUX_LANG="zh")
    assert code == 1 and "没有删除任何内容" in shown
    code, _, shown = answered(home, tmp_path, "是", "template", "delete", "night", LUNALUX_LANG="zh")
    assert code == 0 and "Abort" not in shown
    assert not [row for row in stocked("template", "list", "--json").json if not row["builtin"]]


def test_a_dearer_price_is_asked_about_before_anything_is_sent(
    program: Program, home: Path, tmp_path: Path
) -> None:
    program("account", "show")
    put = ("admin", "model", "put", "002", "--name", "Lamp", "--type", "practice", "--model", "practice")
    program(*put, "--free-level", "-1", "--star-cost", "9")
    ask = ("chat", "Marigold Finch", "-m", "Hello", "--official", "002", "--new", "--json")
    assert program(*ask, code=4).error["code"] == "PRICE_CHANGED"
    code, out, shown = answered(home, tmp_path, "n", *ask)
    assert code == 1 and not out and "Nothing was sent" in shown
    assert program("wallet", "show", "--json").json["starCoin"] == 100
    before = len(program("conversation", "list", "--json").json)
    code, out, _ = answered(home, tmp_path, "y", *ask)
    assert code == 0 and json.loads(out)["billing"]["cost"] == 9
    assert len(program("conversation", "list", "--json").json) == before + 1


def test_an_empty_list_says_so_on_a_terminal(program: Program, home: Path, tmp_path: Path) -> None:
    shown = on_a_terminal(home, tmp_path, "worldbook", "list").decode()
    assert "There is nothing to show." in shown
    assert program("worldbook", "list").out == ""


def test_a_built_in_preset_is_found_by_a_part_of_its_name(program: Program) -> None:
    for word in ("mirror", "MIRROR_REALM", "realm"):
        program("chat", "Marigold Finch", "--new", "-m", "hi", "--preset", word, "--show-prompt")
        told = program("preset", "disable", word, "--json", code=1).error
        assert told["code"] == "PRESET_BUILTIN" and "mirror_realm" in told["message"]
        assert "switched off" in told["message"]
        told = program("preset", "delete", word, "--yes", "--json", code=1).error
        assert told["code"] == "PRESET_BUILTIN" and "mirror_realm" in told["message"]
    assert "novel_king" in program("profile", "add", "P", "--preset", "novel", "--json").out
    for command in (
        ("chat", "Marigold Finch", "-m", "hi", "--preset", "mirorrealm"),
        ("preset", "delete", "mirorrealm", "--yes"),
        ("profile", "add", "P", "--preset", "mirorrealm"),
    ):
        told = program(*command, "--json", code=5).error
        assert told["code"] == "PRESET_NOT_FOUND" and "mirror_realm" in told["hint"]
