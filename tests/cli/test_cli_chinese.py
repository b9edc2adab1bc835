"""The whole command tree in Chinese: help, headings, notes and errors hold no English sentence."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_program import ROOT, Program, on_a_terminal

from lunalux_core import errors
from lunalux_tui import i18n
from lunalux_tui.cli import NOUNS, app, run_cli
from lunalux_tui.cli.help import prose, sentences

CHINESE = re.compile("[\u4e00-\u9fff]")
ENGLISH = re.compile(r"(?:\b[A-Za-z][a-z']+[,;:]? +){2,}[a-z']+\b")
"""Three words in a row: names and what is typed have no more."""


def tree(command: Any, context: Any) -> Iterator[tuple[list[str], Any, Any]]:
    yield context.command_path.split()[1:], command, context
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        below = command.get_command(context, name)
        yield from tree(below, typer.Context(below, info_name=name, parent=context))


def commands() -> list[tuple[list[str], Any, Any]]:
    root = typer.main.get_command(app)
    names = ["-h", "--help"]
    return list(tree(root, typer.Context(root, info_name="lunalux", help_option_names=names)))


def without_typed(text: str) -> str:
    """A text without the examples, which stay as they are typed, and without what stands in backquotes."""
    lines = re.sub(r"`[^`]*`|\{[^}]*\}", "", text).splitlines()
    return "\n".join(line for line in lines if "lunalux " not in line and "echo " not in line)


@pytest.mark.parametrize("language", ["zh", "zh_CN", "zh-CN", "ZH"])
def test_the_help_of_every_command_is_chinese(
    language: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUNALUX_LANG", language)
    seen = commands() if language == "zh" else commands()[:3]
    for path, command, _ in seen:
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out):
            assert run_cli([*path, "--help"]) == 0
        text = without_typed(out.getvalue())
        assert not ENGLISH.search(text), (path, ENGLISH.search(text))
        assert "用法：" in out.getvalue() and "Options" not in text and "Usage" not in text
        assert CHINESE.search(text.partition("选项：")[0]), path
        assert command.help, path


def test_no_text_of_the_help_lacks_its_chinese_and_none_is_left_over() -> None:
    texts = set(NOUNS.values())
    for _, command, context in commands():
        texts |= {text for kind, text in prose(command.help or "") if kind == "words"}
        texts |= {
            " ".join(param.help.split())
            for param in command.get_params(context)
            if getattr(param, "help", None)
        }
    assert texts - set(sentences("zh")) == set()
    assert set(sentences("zh")) - texts == set()


def test_help_can_be_asked_for_in_three_ways(program: Program) -> None:
    asked = program("group", "list", "--help").out
    assert program("group", "list", "-h").out == program("help", "group", "list").out == asked
    assert program("help").out == program("--help").out
    assert "Did you mean chat?" in program("help", "chta", code=2).err


def test_help_names_what_is_to_be_typed(program: Program) -> None:
    shown = program("import", "-h").out
    assert "lunalux import [OPTIONS] PATH…\n" in shown and "<" not in shown
    assert "lunalux chat [OPTIONS] CHARACTER\n" in program("chat", "-h").out
    assert '    find . -name "*.png" | lunalux import -\n' in shown


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_help_fits_the_terminal(program: Program, columns: int) -> None:
    from rich.cells import cell_len

    for language in ("en", "zh"):
        shown = program("chat", "-h", COLUMNS=str(columns), LUNALUX_LANG=language).out
        lines = [line for line in shown.splitlines() if "lunalux chat Mira" not in line]
        assert max(map(cell_len, lines)) <= columns


NO_SENTENCES = [
    (("doctor",), 0),
    (("chat",), 2),
    (("chta",), 2),
    (("chat", "nobody", "-m", "x"), 5),
    (("chat", "x", "-m"), 2),
    (("character", "lst"), 2),
    (("character", "show", "nobody"), 5),
    (("character", "list", "--bogus"), 2),
    (("character", "delete", "nobody", "--yes"), 5),
    (("import", "--jobs", "x", "a"), 2),
    (("import", "--jobs", "99", "a"), 2),
    (("import", "nowhere.png"), 5),
    (("group", "create", "a", "b", "--order", "bogus"), 2),
    (("group", "show", "nobody"), 5),
    (("memory", "add", "x", "--kind", "bogus"), 2),
    (("worldbook", "bind", "x"), 2),
    (("worldbook", "own-settings", "x"), 5),
    (("worldbook", "test", "x", "--settings", "{"), None),
    (("regex", "delete", "x", "--yes"), 5),
    (("preset", "delete", "default", "--yes"), None),
    (("settings", "set", "chat.temperature", "9"), 2),
    (("settings", "set", "ui.bell", "maybe"), 2),
    (("settings", "get", "nothing"), 5),
    (("model", "use", "nothing"), 5),
    (("model", "add", "a", "--provider", "x", "--model", "m"), 2),
    (("persona", "show", "x"), 5),
    (("profile", "show", "x"), 5),
    (("tag", "delete", "x", "--yes"), 5),
    (("template", "show", "x"), 5),
    (("quickreply", "run", "x", "y"), 5),
    (("conversation", "show", "x"), 5),
    (("note", "show", "x"), 5),
    (("script", "run", "nowhere"), None),
    (("plugin", "run", "x"), 5),
    (("wallet", "redeem", "NONE"), 1),
    (("wallet", "settle"), 0),
    (("wallet", "invites"), 0),
    (("account", "signup", "foo"), 2),
    (("backup", "nowhere/x.zip"), None),
    (("completion", "show", "tcsh"), 2),
    (("paths", "more"), 2),
]


@pytest.mark.parametrize(("arguments", "code"), NO_SENTENCES)
def test_what_commands_say_in_chinese_holds_no_english_sentence(
    arguments: tuple[str, ...], code: int | None, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUNALUX_LANG", "zh_CN")
    monkeypatch.chdir(tmp_path)
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        ended = run_cli(list(arguments))
    text = without_typed(out.getvalue())
    assert code is None or ended == code, out.getvalue()
    assert not ENGLISH.search(text), text
    assert CHINESE.search(text) or ended == 0, text


def test_headings_of_tables_are_in_both_catalogues() -> None:
    folder = Path(__file__).resolve().parents[2] / "lunalux_tui"
    words = set()
    for file in (folder / "cli").glob("*.py"):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "print_table":
                words |= {word for word in literals(call.args[0]) if word}
    for language in ("en", "zh"):
        known = i18n.catalogue(language)
        assert words and not [w for w in words if f"cli.column.{w.replace(' ', '_')}" not in known]


def literals(node: ast.expr) -> set[str]:
    return {
        one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }


@pytest.mark.parametrize("columns", [50, 80, 120])
@pytest.mark.parametrize(
    "arguments", [("settings", "list"), ("character", "list"), ("market", "list"), ("preset", "list")]
)
def test_tables_fit_the_terminal_and_have_chinese_headings(
    arguments: tuple[str, ...], columns: int, home: Path, tmp_path: Path
) -> None:
    from rich.cells import cell_len

    shown = on_a_terminal(home, tmp_path, *arguments, LUNALUX_LANG="zh", COLUMNS=str(columns))
    lines = re.sub("\x1b\\[[0-9;]*[A-Za-z]|\r", "", shown.decode()).splitlines()
    assert len(lines) > 2 and max(map(cell_len, lines)) <= columns
    assert CHINESE.search(lines[0])


RAISED = re.compile("[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
ERRORS = {name for name, one in vars(errors).items() if isinstance(one, type)} | {
    *("missing", "refuse", "refusal", "Fault", "fail", "usage"),
}
NEVER_TOLD = {
    "ADOPTION_CONFLICT",  # between two runs of one command; the first is told
}


def raised() -> dict[str, str]:
    """Every code of an error that the program makes, and a place that makes it."""
    codes = {}
    for package in ("lunalux_core", "lunalux_tui"):
        for file in (ROOT / package).rglob("*.py"):
            for call in ast.walk(ast.parse(file.read_text("utf-8"))):
                if not isinstance(call, ast.Call) or not call.args:
                    continue
                named = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
                code = getattr(call.args[0], "value", "")
                if named in ERRORS and isinstance(code, str) and RAISED.fullmatch(code):
                    codes[code] = f"{file.relative_to(ROOT)}:{call.lineno}"
    return codes


def test_every_error_has_a_chinese_sentence() -> None:
    known = {key.partition("@")[0] for key in i18n.error_sentences("zh")}
    known |= {key.split(".")[1] for key in i18n.catalogue("zh") if key.startswith("error.")}
    codes = raised()
    assert len(codes) > 250
    assert {code: place for code, place in codes.items() if code not in known} == {}


def test_errors_say_in_chinese_what_they_are_about(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    i18n.use("zh")
    for error, part in (
        (errors.LimitExceeded("FILE_TOO_LARGE", "", "", path="a.png", limit=32 * 2**20), "a.png 超过 32 MB"),
        (errors.LimitExceeded("FILE_TOO_LARGE", "", "", limit=5), "文件过大"),
        (errors.InvalidInput("WEAK_PASSWORD", "", "", least=8), "8 个字符"),
        (errors.NotFound("CHARACTER_NOT_FOUND", "", "", name="阿灯"), "阿灯"),
        (errors.InvalidInput("WORLDBOOK_UNKNOWN", "", "", name=""), "这个文件"),
        (
            errors.InvalidInput("EXPORT_FORMAT_UNKNOWN", "", "", path="m.txt", formats=".png, .json"),
            ".png、.json",
        ),
    ):
        assert part in "".join(i18n.tell(error)), error.code


def test_remarks_on_files_are_chinese(program: Program, tmp_path: Path) -> None:
    (tmp_path / "book.json").write_text('{"entries": {"0": {"uid": 0, "key": [], "content": "x"}}}', "utf-8")
    (tmp_path / "card.json").write_text(
        '{"spec": "chara_card_v2", "data": {"name": "Ada", "tags": "a"}}', "utf-8"
    )
    shown = program("import", "book.json", "card.json", LUNALUX_LANG="zh")
    assert not ENGLISH.search(without_typed(shown.err)) and "目前停用" in shown.err
    shown = program("character", "validate", "card.json", LUNALUX_LANG="zh", code=7)
    assert not ENGLISH.search(without_typed(shown.out)) and "它必须是字符串列表" in shown.out
    assert "It is switched off" in program("worldbook", "import", "book.json", "--name", "Two").err


@pytest.mark.parametrize(
    "text", ['{"a": 1,}', '{"a" 1}', '{"a": 1} x', '{"a": "b', '{"a": NaN}', '{"a": "\\q"}', ""]
)
def test_what_is_wrong_with_json_is_told_in_chinese(program: Program, tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text(text, "utf-8")
    shown = program("preset", "import", "p.json", LUNALUX_LANG="zh", code=1)
    assert not ENGLISH.search(without_typed(shown.err)) and "JSON" in shown.err


def test_a_remark_is_translated_with_its_values() -> None:
    i18n.use("zh")
    assert i18n.note("Worldbook: Entry 3: has no keys and is not constant, so it never fires.").startswith(
        "世界书：条目 3：没有关键词"
    )
    assert i18n.note("`data.tags` is a string; it must be a list of strings.") == (
        "`data.tags` 是字符串；它必须是字符串列表。"
    )
    assert i18n.note("Nobody knows this one.") == "Nobody knows this one."
    for english, chinese in json.loads(
        (ROOT / "lunalux_tui/locales/notes.zh.json").read_text("utf-8")
    ).items():
        assert english.count("{}") == chinese.count("{}") and CHINESE.search(chinese), english


def test_a_configuration_that_is_written_anew_explains_itself_in_chinese(
    program: Program, home: Path
) -> None:
    program("settings", "set", "chat.reply_words", "300", LUNALUX_LANG="zh")
    text = (home / "config" / "config.toml").read_text("utf-8")
    explained = [line for line in text.splitlines() if line.startswith("# ") and " = " not in line]
    assert len(explained) > 60 and all(CHINESE.search(line) for line in explained)
    assert "reply_words = 300" in text
    assert program("settings", "get", "chat.reply_words").out.strip() == "300"


def test_a_price_in_either_coin_says_or(program: Program) -> None:
    assert "8 star or 3 luna" in program("model", "list", LUNALUX_LANG="en").out
    assert "8 星币或 3 月币" in program("model", "list", LUNALUX_LANG="zh").out
