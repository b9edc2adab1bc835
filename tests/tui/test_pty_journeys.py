"""Journeys in a real terminal: the program as it is installed, keys as they are typed."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("a pty is needed", allow_module_level=True)

from terminal import Terminal

Open = Callable[..., Terminal]


@pytest.fixture
def open_terminal(home: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*arguments: str, columns: int = 100, rows: int = 30, **environ: str) -> Terminal:
        environ = {"LUNALUX_HOME": str(home), "LUNALUX_LANG": "en", "LUNALUX_PRACTICE_RATE": "0", **environ}
        opened.append(Terminal(arguments, environ, columns, rows))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def test_first_start_to_reply_swipe_and_branch(open_terminal: Open) -> None:
    terminal = open_terminal(rows=40)
    terminal.wait("Type a message")
    terminal.wait("‹1/")
    terminal.send("Good evening\r")
    terminal.wait(r"tokens")
    terminal.send("\x12")  # ctrl+r
    terminal.wait("‹2/2›")
    terminal.wait(r"\^r Again")  # while a reply comes, escape stops it
    terminal.send("\x1b")
    terminal.wait("browsing")
    terminal.send("\x1b[D")  # left
    terminal.wait("‹1/2›")
    terminal.send("\x14")  # ctrl+t
    terminal.wait("Tree")
    terminal.wait("2 branches")
    terminal.send("\x1b")
    terminal.gone("╭─ Tree")
    terminal.send("\x11")  # ctrl+q
    assert terminal.ended() == 0


def test_a_paste_with_escape_sequences_presses_no_key(open_terminal: Open) -> None:
    terminal = open_terminal(rows=40)
    terminal.wait("Type a message")
    terminal.wait("‹1/")
    lines = "".join(f"line {n}\r" for n in range(400))
    terminal.send(
        f"\x1b[200~My terminal:\r\x1b[32mPASS\x1b[0m 12\r\x1b]0;title\x07{lines}Why is that?\x1b[201~"
    )
    terminal.wait(r"Why is that\?")
    terminal.send("!")
    terminal.wait(r"Why is that\?!")
    assert "Models" not in terminal.text() and "writing" not in terminal.text()
    terminal.send("\x1bo")  # an alt key, which begins as a paste does, is one still
    terminal.wait("Author's note")


def test_the_app_is_seen_where_stderr_goes_elsewhere(home: Path) -> None:
    """`lunalux 2>errors`"""
    errors = home.parent / "errors"
    with errors.open("wb") as file:
        terminal = Terminal([], {"LUNALUX_HOME": str(home), "LUNALUX_LANG": "en"}, stderr=file.fileno())
    try:
        terminal.wait("Type a message")
        terminal.send("\x11")
        assert terminal.ended() == 0
    finally:
        terminal.close()
    assert errors.read_bytes() == b""


def test_what_was_said_survives_a_kill_in_the_middle_of_a_reply(open_terminal: Open) -> None:
    terminal = open_terminal(LUNALUX_PRACTICE_RATE="20")
    terminal.wait("‹1/")
    terminal.send("Remember these words\r")
    terminal.wait("is writing")
    terminal.pump(2.5)
    os.kill(terminal.process.pid, signal.SIGKILL)
    terminal.ended()
    again = open_terminal()
    again.wait("Remember these words")
    again.wait("Stopped here")


def test_small_terminals_and_a_resize_in_the_middle_of_a_reply(open_terminal: Open) -> None:
    terminal = open_terminal(columns=40, rows=10, LUNALUX_PRACTICE_RATE="60")
    terminal.wait("Type a message")
    terminal.wait("Marigold Finch")
    terminal.send("Hello from a small screen\r")
    terminal.wait("Stop")
    terminal.resize(100, 30)
    terminal.wait("Hello from a small screen")
    terminal.wait("tokens", 60)
    terminal.resize(30, 8)
    terminal.pump(0.5)
    assert terminal.process.poll() is None


def test_chinese_without_colour(open_terminal: Open) -> None:
    terminal = open_terminal(LUNALUX_LANG="zh", NO_COLOR="1")
    terminal.wait("输\\s*入\\s*消\\s*息")
    terminal.wait("‹1/")
    terminal.send("你好\r")
    terminal.wait("词")
    colours = [part for part in terminal.raw.split(b"\x1b[") if part[:3] in (b"38;", b"48;")]
    assert not colours


def test_a_character_named_on_the_command_line(open_terminal: Open) -> None:
    first = open_terminal()
    first.wait("‹1/")
    first.send("\x11")
    first.ended()
    second = open_terminal("chat", "Captain Sol Varga")
    second.wait(r"Captain Sol Varga.*Practice")


def test_a_closed_window_ends_the_program_and_keeps_the_draft(open_terminal: Open) -> None:
    terminal = open_terminal()
    terminal.wait("The bell over the door")
    terminal.send("half a thought")
    terminal.wait("half a thought")
    terminal.hang_up()
    terminal.process.wait(30)
    again = open_terminal()
    again.wait("half a thought")


def test_a_window_closed_in_the_middle_of_a_reply_ends_the_program_too(open_terminal: Open) -> None:
    """What is painted from then on goes nowhere, and nothing waits for it."""
    terminal = open_terminal(LUNALUX_PRACTICE_RATE="60")
    terminal.wait("The bell over the door")
    terminal.send("Tell me a long story\r")
    terminal.wait("Stop")
    terminal.pump(1)
    terminal.hang_up()
    for _ in range(4):  # shells and multiplexers wake what they hang up, and Textual paints again
        terminal.process.send_signal(signal.SIGCONT)
        time.sleep(0.05)
    terminal.process.wait(30)
    again = open_terminal()
    again.wait("Tell me a long story")


def test_a_terminated_program_keeps_the_draft_and_leaves_the_terminal_clean(open_terminal: Open) -> None:
    terminal = open_terminal()
    terminal.wait("The bell over the door")
    terminal.send("another thought")
    terminal.wait("another thought")
    terminal.process.terminate()
    assert terminal.ended() == 0
    assert b"\x1b[?1049l" in terminal.raw
    again = open_terminal()
    again.wait("another thought")


def test_suspended_and_resumed(open_terminal: Open) -> None:
    terminal = open_terminal()
    terminal.wait("Type a message")
    terminal.send("before")
    terminal.wait("before")
    terminal.process.send_signal(signal.SIGSTOP)
    terminal.send(" after")
    terminal.process.send_signal(signal.SIGCONT)
    terminal.wait("before after")


def test_a_stopped_program_paints_its_whole_screen_again(open_terminal: Open) -> None:
    terminal = open_terminal()
    terminal.wait("The bell over the door")
    terminal.wait("Tip 1/6")
    terminal.process.send_signal(signal.SIGTSTP)
    until = time.monotonic() + 30
    while os.waitpid(terminal.process.pid, os.WUNTRACED | os.WNOHANG) == (0, 0):
        assert time.monotonic() < until
        terminal.pump(0.05)  # a screen that nobody reads holds the program up
    terminal.pump(0.2)
    terminal.screen.reset()  # what a terminal does with the screen that the program left
    terminal.process.send_signal(signal.SIGCONT)
    terminal.wait("The bell over the door")
    terminal.wait("Type a message")


def test_a_megabyte_pasted_is_taken_and_told(open_terminal: Open) -> None:
    terminal = open_terminal()
    terminal.wait("Type a message")
    terminal.send("\x1b[200~")
    for _ in range(1024):
        terminal.send("lorem ipsum dolor " * 57)
        terminal.pump(0.0)
    terminal.send("\x1b[201~")
    terminal.send("done")
    terminal.wait("done", 60)


def test_a_long_reply_notifies_a_window_without_the_focus(open_terminal: Open) -> None:
    terminal = open_terminal(LUNALUX_PRACTICE_RATE="12", TERM_PROGRAM="WezTerm", TMUX="")
    terminal.wait("The bell over the door")
    terminal.send("Good evening\r")
    terminal.send("\x1b[O")  # the terminal tells that it lost the focus
    terminal.wait(r"\d tokens", 60)
    assert b"\x1b]9;Marigold Finch: " in terminal.raw


def test_a_terminal_without_unicode_or_colour_or_room(open_terminal: Open) -> None:
    terminal = open_terminal(
        columns=40, rows=10, LC_ALL="C", LANG="C", PYTHONUTF8="0", PYTHONIOENCODING="", NO_COLOR="1"
    )
    terminal.wait("The bell over the door")
    terminal.send("Good evening\r")
    terminal.wait("k of ")
    assert terminal.raw.isascii()
    assert b"\\u" not in terminal.raw
    assert b"[38;" not in terminal.raw and b"[48;" not in terminal.raw


def test_copying_reaches_the_terminal_and_the_system(open_terminal: Open, tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "xclip"
    tool.parent.mkdir()
    # Renamed when it is whole: that the file is there says that all of it is.
    tool.write_text(f"#!/bin/sh\ncat > {tmp_path}/part && mv {tmp_path}/part {tmp_path}/clipboard\n")
    tool.chmod(0o755)
    path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    terminal = open_terminal(PATH=path, DISPLAY=":9", SSH_CONNECTION="", SSH_TTY="", WAYLAND_DISPLAY="")
    terminal.wait("The bell over the door")
    terminal.send("\x1b")
    terminal.wait("browsing")
    terminal.send("y")
    terminal.wait("opied")
    assert b"\x1b]52;c;" in terminal.raw
    for _ in range(100):
        if (tmp_path / "clipboard").exists():
            break
        terminal.pump(0.1)
    assert "The bell over the door" in (tmp_path / "clipboard").read_text()


def test_alt_with_a_digit_takes_a_suggestion_and_types_no_sign(open_terminal: Open) -> None:
    terminal = open_terminal()
    terminal.wait("‹1/")
    terminal.send("Good evening\r")
    terminal.wait("tokens in", 60)
    second = re.search(r" 2  (\w+ \w+)", terminal.text())
    assert second is not None
    terminal.send("\x1b2")
    terminal.wait(r"│ \*?" + second[1])
