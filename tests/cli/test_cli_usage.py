"""Wrong usage is told in one sentence of the person's language, with what was probably meant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_program import Program, messages

from lunalux_tui.cli import NOUNS, app

WRONG = [
    (["bogus"], "There is no command bogus.", "没有 bogus 这个命令。"),
    (["character", "lst"], "Did you mean list?", "是不是 list？"),
    (
        ["character", "list", "--jsn"],
        "There is no option --jsn. Did you mean --json?",
        "没有 --jsn 这个选项。",
    ),
    (["character", "show"], "NAME_OR_ID is missing.", "缺少 NAME_OR_ID。"),
    (["paths", "more"], "Unexpected argument: more.", "多余的参数：more。"),
    (["chat", "--model"], "--model needs a value.", "--model 需要一个值。"),
]


@pytest.mark.parametrize(("arguments", "english", "chinese"), WRONG)
def test_wrong_usage_is_told_in_both_languages(
    program: Program, arguments: list[str], english: str, chinese: str
) -> None:
    for language, sentence in (("en", english), ("zh", chinese)):
        result = program(*arguments, code=2, LUNALUX_LANG=language)
        assert not result.out
        assert sentence in result.err and result.err.count("\n") == 1


def test_help_writes_numbers_as_they_are_typed(program: Program) -> None:
    for language in ("en", "zh"):
        told = " ".join(program("serve", "--help", LUNALUX_LANG=language).out.split())
        assert "65535" in told and "8080" in told


def test_no_parameter_needs_pydantic() -> None:
    """Typer would import it, at the cost of a fifth of a short command, for the first one that does."""

    def parameters(command: Any, path: str) -> Iterator[tuple[str, Any]]:
        for parameter in command.params:
            yield f"{path} {parameter.name}", parameter
        for name, below in getattr(command, "commands", {}).items():
            yield from parameters(below, f"{path} {name}")

    program = typer.main.get_command(app)
    context = typer.Context(program)
    every = [pair for noun in NOUNS for pair in parameters(program.get_command(context, noun), noun)]
    assert len(every) > 500
    assert not [name for name, parameter in every if parameter._runtime_param is None]


def test_a_choice_is_told_with_its_words(program: Program) -> None:
    result = program("chat", "Marigold", "--person", "fourth", code=2)
    assert result.err == "--person fourth is not known. Use one of first, second, third.\n"


@pytest.mark.parametrize("command", ["api", "serve"])
@pytest.mark.parametrize("host", ["", " "])
def test_a_blank_host_is_refused(program: Program, command: str, host: str) -> None:
    """To the system it would be every address there is, and a shell gives it for an unset variable."""
    result = program(command, "--host", host, "--port", "0", code=2)
    assert not result.out and result.err.startswith("An empty text names no address to listen on.")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["chat"], "CHARACTER"),
        (["settings", "get"], "KEY"),
        (["settings", "set", "ui.bell"], "VALUE"),
        (["worldbook", "export", "x"], "PATH"),
        (["lab", "run"], "FILE"),
        (["admin", "user", "lux", "ada@example.org"], "LEVEL"),
    ],
)
def test_a_missing_argument_is_named_as_in_the_help(
    program: Program, arguments: list[str], sentence: str
) -> None:
    assert program(*arguments, code=2).err.startswith(f"{sentence} is missing.")
    assert program(*arguments, code=2, LUNALUX_LANG="zh").err.startswith(f"缺少 {sentence}。")
    assert sentence in program(*arguments[:3], "--help").out


def test_an_empty_name_means_nothing(program: Program) -> None:
    """Shells give it for a variable that is not set."""
    for arguments in (
        ["character", "show"],
        ["character", "delete", "--yes"],
        ["conversation", "show"],
        ["market", "show"],
        ["preset", "show"],
        ["chat", "-m", "hi"],
        ["memory", "list"],
        ["tag", "add", "x"],
        ["model", "use"],
        ["settings", "get"],
    ):
        for name in ("", " "):
            result = program(*arguments, name, code=2)
            assert result.err.startswith("An empty text names nothing."), arguments
        assert "空文本不是任何东西的名字" in program(*arguments, "", code=2, LUNALUX_LANG="zh").err
    # An empty value of a setting, and words to look for, are what they say.
    program("settings", "set", "chat.model", "")
    told = program("settings", "set", "ui.bell", "", code=2, LUNALUX_LANG="zh").err
    assert "''" in told


def test_wrong_usage_ends_with_2(program: Program, ada: str, tmp_path: Path) -> None:
    place = program("chat", ada, "-m", "hello", "--json").json["conversation_id"]
    at = messages(program)[-1]["id"]
    for arguments in (
        ["memory", "export", place, "mem.txt"],
        ["memory", "add", place],
        ["tracker", "add", place],
        ["market", "publish", f"{tmp_path}/Ada.png", "--lang", "en"],
        ["market", "report", "x", "--reason", " "],
        ["chat", ada, "-m", "   "],
        ["conversation", "mark", place, "zzz"],
        ["conversation", "mark", place, at],
    ):
        assert not program(*arguments, code=2).out, arguments
    assert "删除" not in program("memory", "add", place, code=2, LUNALUX_LANG="zh").err
    assert len(messages(program)) == 3
    program("conversation", "mark", place, at, "--name", "here")
    assert program("conversation", "mark", place, "--json").json[0]["name"] == "here"


def test_what_is_not_found_is_named_in_chinese(program: Program) -> None:
    for arguments in (["market", "download"], ["market", "like"], ["lab", "show"], ["market", "show"]):
        told = program(*arguments, "zzz", code=5, LUNALUX_LANG="zh").err
        assert "zzz" in told and "character list" not in told, told
        assert "zzz" in program(*arguments, "zzz", code=5).err


@pytest.mark.parametrize("name", ["nowhere", "nowhere.xyz", "nowhere.txt"])
def test_a_document_that_is_not_there_is_not_found(program: Program, name: str) -> None:
    assert program("bank", "add", name, "--json", code=5).error["code"] == "FILE_NOT_FOUND"


@pytest.mark.parametrize("option", [("--placement", "3"), ("--placement", "4"), ("--depth", "-1")])
def test_a_script_is_tested_where_scripts_run(
    program: Program, tmp_path: Path, option: tuple[str, str]
) -> None:
    (tmp_path / "x.json").write_text('{"scriptName": "x", "findRegex": "a", "placement": [1, 2, 3]}')
    result = program("regex", "test", "x.json", "--text", "a", *option, "--json", code=2)
    assert not result.out and result.error["code"] == "USAGE"


@pytest.mark.parametrize("written", ["[]", "4", "null", '"depth"', "[1"])
def test_settings_of_a_worldbook_test_are_an_object(program: Program, tmp_path: Path, written: str) -> None:
    (tmp_path / "b.json").write_text('{"entries": {}}')
    test = ("worldbook", "test", "b.json", "--text", "x", "--settings")
    assert "JSON" in program(*test, written, "--json", code=2).error["message"]
    (tmp_path / "s.json").write_text('{"depth": 2}')
    program(*test, "s.json", "--json")
    program(*test, "nowhere.json", "--json", code=5)


def test_near_names_are_like_the_one_that_was_typed(program: Program, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"prompts": [], "prompt_order": []}')
    for name in ("p", "Night, by the sea", "Night on the hill"):
        program("preset", "import", "p.json", "--name", name)
    assert "Did you mean" not in program("preset", "show", "nope", code=5).err
    assert (
        "Did you mean Night, by the sea, Night on the hill?" in program("preset", "show", "night", code=5).err
    )
    # The comma of the language stands between names, and none of it in a name.
    told = program("preset", "show", "night", code=5, LUNALUX_LANG="zh").err
    assert "Night, by the sea、Night on the hill" in told
    for typed, near in (("temp", "temperature"), ("temprature", "temperature")):
        told = program("chat", "Marigold", "-m", "hi", "--set", f"{typed}=1", code=2).err
        assert near in told
    program("group", "create", "Crew", "Marigold Finch", "Captain Sol Varga")
    told = program("chat", "Crew", "-m", "hi", "--speaker", "zzz", code=5, LUNALUX_LANG="zh").err
    assert "Marigold Finch、Captain Sol Varga" in told
