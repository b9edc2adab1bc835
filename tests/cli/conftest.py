"""The real program in a process of its own, in a home of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_program import Done, Program, environment

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card


@pytest.fixture
def program(home: Path, tmp_path: Path) -> Program:
    """`program("character", "list", "--json")`; `stdin` and more variables by keyword."""

    def run(*arguments: str, stdin: str = "", code: int | None = 0, **variables: str) -> Done:
        result = subprocess.run(
            [sys.executable, "-m", "lunalux_tui", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            cwd=tmp_path,
            env=environment(home, variables),
            check=False,
        )
        assert code is None or result.returncode == code, result.stderr + result.stdout
        return Done(result.returncode, result.stdout, result.stderr)

    return run


@pytest.fixture
def make_card(tmp_path: Path) -> Callable[..., Path]:
    """Write a card file of the given name; the ending decides the kind."""

    def make(name: str, file: str = "", **fields: Any) -> Path:
        fields = {"description": f"{name} keeps a lighthouse.", "first_mes": f"I am {name}.", **fields}
        path = tmp_path / (file or f"{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(export_card(Card.new(name, **fields), path.suffix[1:]))  # type: ignore[arg-type]
        return path

    return make


@pytest.fixture
def ada(program: Program, make_card: Callable[..., Path]) -> str:
    """The id of a character called Ada."""
    identity: str = program("import", str(make_card("Ada")), "--json").lines[0]["id"]
    return identity
