"""Completion in shells: commands, and the names of the person's own library."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_program import ROOT, Program, environment


@pytest.fixture
def library(program: Program, make_card: Callable[..., Path]) -> Program:
    for name in ("Mira Vale", "mist's keeper", "林晚"):
        program("import", str(make_card(name)))
    return program


def asked(program: Program, *words: str, shell: str = "fish") -> list[str]:
    """What completes the last word."""
    line = " ".join(["lunalux", *words])
    variables = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words))},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    return [
        line for line in program(_LUNALUX_COMPLETE=f"complete_{shell}", **variables).out.splitlines() if line
    ]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("character", "show", "mi"), {"Mira Vale", "mist's keeper"}),
        (("chat", "林"), {"林晚"}),
        (("chat", "x", "--model", "pr"), {"practice"}),
        (("chat", "x", "--preset", "mirror"), {"mirror_realm"}),
        (("settings", "get", "ui.the"), {"ui.theme"}),
        (("market", "list", "--sort", "h"), {"hot"}),
        (("import", "--on-duplicate", "re"), {"replace"}),
        (("worldbook", "show", "nothing"), set()),
    ],
)
def test_values_are_completed(library: Program, words: tuple[str, ...], wanted: set[str]) -> None:
    assert set(asked(library, *words)) == wanted


def test_saved_models_are_completed_but_not_where_a_new_name_is_asked(library: Program) -> None:
    library(
        "model", "add", "ollie", "--provider", "openai", "--model", "m", "--base-url", "http://127.0.0.1:1/v1"
    )
    assert asked(library, "model", "use", "oll") == ["ollie"]
    assert asked(library, "model", "add", "oll") == []


def test_a_library_that_cannot_be_read_completes_to_nothing(home: Path, program: Program) -> None:
    assert asked(program, "character", "show", "m") == []
    assert not home.exists() or not list(home.rglob("*.db"))


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_in_a_real_bash_a_name_with_a_space_stays_one_word(
    library: Program, home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "lunalux"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m lunalux_tui "$@"\n')
    command.chmod(0o755)
    (tmp_path / "script").write_text(library("completion", "show", "bash").out)
    lines = (
        f"source {shlex.quote(str(tmp_path / 'script'))}",
        r"COMP_WORDS=(lunalux character show 'Mira\ V'); COMP_CWORD=3",
        '_lunalux_completion lunalux; printf "%s\\n" "${COMPREPLY[@]}"',
    )
    result = subprocess.run(
        ["bash", "--norc", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        env={**environment(home), "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
        cwd=ROOT,
        check=False,
    )
    assert result.stdout.splitlines() == [r"Mira\ Vale"], result.stderr
