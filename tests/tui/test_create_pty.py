"""Creating a character in a real terminal, keys as they are typed."""

from __future__ import annotations

import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("a pty is needed", allow_module_level=True)

from terminal import Terminal

Open = Callable[..., Terminal]

F4, DOWN, ESCAPE = "\x1bOS", "\x1b[B", "\x1b"
CTRL_B, CTRL_G, CTRL_T = "\x02", "\x07", "\x14"


@pytest.fixture
def open_terminal(home: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*, columns: int = 120, rows: int = 36, **environ: str) -> Terminal:
        environ = {"LUNALUX_HOME": str(home), "LUNALUX_LANG": "en", "LUNALUX_PRACTICE_RATE": "0", **environ}
        opened.append(Terminal([], environ, columns, rows))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def begin(terminal: Terminal) -> None:
    """To the editor, into the name."""
    terminal.wait("Type a message")
    terminal.send(F4)
    terminal.wait("Worldbook")
    terminal.send("\r")
    terminal.pump(0.5)


def part(terminal: Terminal, steps: int, words: str) -> None:
    """Back to the list of parts, some down, and in."""
    terminal.send(ESCAPE)
    terminal.pump(0.7)  # an escape alone is told from the beginning of a key by waiting
    terminal.send(DOWN * steps)
    terminal.wait(words)
    terminal.send("\r")
    terminal.pump(0.5)


def test_from_nothing_to_a_chat(open_terminal: Open) -> None:
    terminal = open_terminal()
    begin(terminal)
    terminal.send("Wren Ashdown")
    terminal.wait(r"New character  Wren Ashdown")
    part(terminal, 1, "Looks, history, manners")
    terminal.send("A clock mender who talks to her clocks.")
    terminal.wait("clock mender who talks")
    part(terminal, 1, r"Words")
    terminal.send("\r")
    terminal.pump(0.3)
    terminal.send("*She looks up from a spring.* You are late.")
    terminal.wait("You are late")
    terminal.send(CTRL_B)
    terminal.wait(r'"name": "Wren Ashdown"')
    terminal.send(CTRL_T)
    terminal.wait(r"Type a message")
    terminal.wait("She looks up from a spring")
    terminal.send("Good evening\r")
    terminal.wait(r"tokens")
    terminal.send("\x11")
    assert terminal.ended() == 0


def test_a_draft_survives_a_kill(open_terminal: Open) -> None:
    terminal = open_terminal(columns=80, rows=24)
    begin(terminal)
    terminal.send("Half a heroine")
    terminal.wait("draft kept")
    os.kill(terminal.process.pid, signal.SIGKILL)
    terminal.ended()
    again = open_terminal(columns=80, rows=24)
    again.wait("Type a message")
    again.send(F4)
    again.wait("Half a heroine")


def test_a_long_text_goes_through_the_editor_of_the_person(open_terminal: Open, tmp_path: Path) -> None:
    script = tmp_path / "my editor"
    script.write_text('#!/bin/sh\nprintf "Written elsewhere" > "$1"\n', encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    terminal = open_terminal(VISUAL=f"'{script}'")
    begin(terminal)
    part(terminal, 1, "Looks, history, manners")
    terminal.send(CTRL_G)
    terminal.wait("Written elsewhere")
    terminal.send("!")
    terminal.wait("!Written elsewhere|Written elsewhere!")
