"""The whole command tree in Chinese: help, headings, notes and errors hold no English sentence."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_program import Program

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
    lines = [line for line in text.splitlines() if "lunalux " not in line and "echo " not in line]
    return re.sub(r"`[^`]*`|\{[^}]*\}", "", "\n".join(lines))


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
