"""Text under the mouse in a real terminal: dragged over, clicked twice, copied; what ctrl+c leaves alone."""

from __future__ import annotations

import os
import re
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("a pty is needed", allow_module_level=True)

from rich.cells import cell_len
from terminal import Terminal

Open = Callable[..., Terminal]
COPIED = re.compile(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)(?:\x07|\x1b\\)")


@pytest.fixture
def open_terminal(home: Path, tmp_path: Path) -> Iterator[Open]:
    """The app, with a clipboard tool that notes what it is given."""
    opened: list[Terminal] = []
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("xclip", "xsel", "wl-copy"):
        (tools / name).write_text(f'#!/bin/sh\nprintf "<%s>" "$(cat)" >>{tmp_path}/clipboard\n')
        (tools / name).chmod(0o755)

    def start(*arguments: str, columns: int = 100, rows: int = 40, **environ: str) -> Terminal:
        environ = {
            "LUNALUX_HOME": str(home),
            "LUNALUX_LANG": "en",
            "LUNALUX_PRACTICE_RATE": "0",
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "DISPLAY": ":0",
            **environ,
        }
        opened.append(Terminal(arguments, environ, columns, rows))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def place_of(terminal: Terminal, text: str) -> tuple[int, int]:
    """Column and row of a text on the screen, from 1."""
    for row, line in enumerate(terminal.text().split("\n"), 1):
        if (column := line.find(text)) >= 0:
            return cell_len(line[:column]) + 1, row
    raise AssertionError(f"no {text!r} on the screen:\n{terminal.text()}")


def mouse(terminal: Terminal, button: int, at: tuple[int, int], *, up: bool = False) -> None:
    terminal.send(f"\x1b[<{button};{at[0]};{at[1]}{'m' if up else 'M'}")
    terminal.pump(0.05)


def drag(terminal: Terminal, start: tuple[int, int], end: tuple[int, int]) -> None:
    mouse(terminal, 0, start)
    mouse(terminal, 32, ((start[0] + end[0]) // 2, (start[1] + end[1]) // 2))
    mouse(terminal, 32, end)
    mouse(terminal, 0, end, up=True)
    terminal.pump(0.3)


def copied(terminal: Terminal) -> list[str]:
    return [b64decode(found).decode() for found in COPIED.findall(terminal.raw)]


def reversed_text(terminal: Terminal) -> str:
    cells = (terminal.screen.buffer[y][x] for y in range(terminal.screen.lines) for x in range(100))
    return "".join(cell.data for cell in cells if cell.reverse)


def until(terminal: Terminal, true: Callable[[], bool], seconds: float = 60) -> None:
    """Read until something holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{reversed_text(terminal)!r} {copied(terminal)}\n{terminal.text()}"
        terminal.pump(0.05)


def talk(terminal: Terminal) -> None:
    terminal.wait("Type a message")
    terminal.wait("‹1/")
    terminal.send("The quick brown fox\r")
    terminal.wait(r"tokens")
    terminal.wait("The quick brown fox")
    terminal.pump(0.5)


def test_a_drag_is_highlighted_and_copied(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal()
    talk(terminal)
    column, row = place_of(terminal, "The quick brown fox")
    drag(terminal, (column + 4, row), (column + 14, row))
    until(terminal, lambda: "quick brown" in reversed_text(terminal))
    assert not copied(terminal)
    terminal.send("\x03")
    terminal.wait("[Cc]opied")
    until(terminal, lambda: copied(terminal) == ["quick brown"])
    assert terminal.process.poll() is None
    drag(terminal, (column + 8, row), (column + 3, row))  # backwards
    until(terminal, lambda: reversed_text(terminal).strip() == "quick")
    terminal.send("\x03")
    until(terminal, lambda: copied(terminal)[1:] == [" quick"])
    noted = tmp_path / "clipboard"
    if noted.exists():
        assert "<>" not in noted.read_text()


def test_a_drag_over_several_messages_copies_the_lines_between(open_terminal: Open) -> None:
    terminal = open_terminal()
    talk(terminal)
    column, row = place_of(terminal, "The quick brown fox")
    lines = terminal.text().split("\n")
    below = next(y for y in range(row + 2, 36) if lines[y - 1][column - 4 :].strip(" ▄"))
    drag(terminal, (column + 4, row), (column + 9, below + 1))
    until(terminal, lambda: "quick brown fox" in reversed_text(terminal))
    terminal.send("\x03")
    until(terminal, lambda: bool(copied(terminal)))
    (text,) = copied(terminal)
    first, *_, last = text.split("\n")
    assert first == "quick brown fox" and last.strip() and "\n\n" in text
    assert lines[below - 1][column - 1 :].strip()[:20] in text


def test_a_double_click_selects_a_word_and_a_click_lets_it_go(open_terminal: Open) -> None:
    terminal = open_terminal()
    talk(terminal)
    column, row = place_of(terminal, "The quick brown fox")
    at = column + 12, row
    press = f"\x1b[<0;{at[0]};{at[1]}"
    terminal.send(f"{press}M{press}m{press}M{press}m")
    until(terminal, lambda: reversed_text(terminal).strip() == "brown")
    terminal.send("\x03")
    until(terminal, lambda: copied(terminal) == ["brown"])
    terminal.pump(0.6)
    mouse(terminal, 0, (column, row))
    mouse(terminal, 0, (column, row), up=True)
    until(terminal, lambda: "brown" not in reversed_text(terminal))


def test_nothing_selected_touches_no_clipboard(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal()
    talk(terminal)
    terminal.send("\x03")
    _, top = place_of(terminal, "The quick brown fox")
    empty = next(y for y in range(top, 36) if not terminal.text().split("\n")[y - 1][30:].strip(" │▏▕"))
    drag(terminal, (60, empty), (70, empty))
    terminal.send("\x03")
    drag(terminal, (2, 39), (30, 39))  # a bar
    terminal.send("\x03")
    drag(terminal, (3, 5), (15, 8))  # the list of characters
    terminal.send("\x03")
    terminal.pump(1.5)
    assert copied(terminal) == [] and b"\x1b]52;" not in terminal.raw
    assert not (tmp_path / "clipboard").exists()
    assert terminal.process.poll() is None


def test_words_of_help_and_of_wide_letters_are_copied(open_terminal: Open) -> None:
    terminal = open_terminal(LUNALUX_LANG="zh")
    terminal.wait("‹1/")
    terminal.send("今晚的月亮很圆\r")
    terminal.wait("词元|tokens")
    terminal.pump(0.8)
    row = next(y for y, line in enumerate(terminal.text().split("\n"), 1) if "月" in line and "亮" in line)
    cells = terminal.screen.buffer[row - 1]
    column = next(x for x in range(100) if cells[x].data == "月") + 1
    drag(terminal, (column, row), (column + 2, row))
    until(terminal, lambda: "月亮" in reversed_text(terminal))
    terminal.send("\x03")
    until(terminal, lambda: copied(terminal) == ["月亮"])
    terminal.send("\x1bOP")  # F1
    terminal.pump(1.0)
    lines = terminal.text().split("\n")
    row = next(y for y, line in enumerate(lines, 1) if y > 6 and len(line[30:70].split()) > 1)
    drag(terminal, (30, row), (70, row))
    until(terminal, lambda: bool(reversed_text(terminal).strip()))
    terminal.send("\x03")
    until(terminal, lambda: len(copied(terminal)) == 2)
    assert copied(terminal)[1].strip()
