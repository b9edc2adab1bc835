"""The real program in a process of its own, in a home of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_program import Done, Program, environment
from forked_program import shared, started

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card


@pytest.fixture
def program(home: Path, tmp_path: Path) -> Program:
    """`program("character", "list", "--json")`; `stdin` and more variables by keyword."""

    def run(
        *arguments: str, stdin: str = "", code: int | None = 0, memory: int | None = None, **variables: str
    ) -> Done:
        data, environ = stdin.encode("utf-8", "surrogateescape"), environment(home, variables)
        # What Python reads as it starts holds for a process that starts it.
        if any(name.startswith("PYTHON") for name in variables):
            status, out, err = started(arguments, data, tmp_path, environ, 120)
        else:
            status, out, err = shared().run(arguments, data, tmp_path, environ, 120, memory)
        done = Done(status, out.decode(), err.decode())
        assert code is None or done.code == code, done.err + done.out
        return done

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
