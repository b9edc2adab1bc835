"""How the suites of the command line run the program."""

from __future__ import annotations

import json
import os
import select
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forked_program import shared

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """One JSON document a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> Any:
        """The error of a command with --json; the last line of stderr."""
        return json.loads(self.err.splitlines()[-1])["error"]


Program = Callable[..., Done]


def messages(program: Program) -> list[Any]:
    """The messages of the only conversation there is."""
    (one,) = program("conversation", "list", "--json").json
    shown: list[Any] = program("conversation", "show", one["id"], "--json").json["messages"]
    return shown


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "LUNALUX_HOME": str(home),
        "PYTHONIOENCODING": "utf-8",
        **(extra or {}),
    }


def on_a_terminal(home: Path, cwd: Path, *words: str, columns: int = 0, **variables: str) -> bytes:
    """What a command writes to the terminal that all its streams are."""
    import fcntl
    import termios

    ours, theirs = os.openpty()
    if columns:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        variables = {"COLUMNS": str(columns), **variables}  # workers of xdist bring one of their own
    streams = (os.open(os.devnull, os.O_RDONLY), theirs, os.dup(theirs))
    environ = environment(home, {"TERM": "xterm-256color", **variables})
    raw = b""
    with shared().begin(words, streams, cwd, environ) as command:
        while select.select([ours], [], [], 60)[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            raw += piece
        os.close(ours)
        assert command.wait(60) in (0, 1, 2, 3, 4, 5, 6, 7), raw
    return raw
