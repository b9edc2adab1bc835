"""The settings in a real terminal: broken files at start, and a restore that starts the app again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("a pty is needed", allow_module_level=True)

from terminal import Terminal

from lunalux_core.config.paths import Paths

F6, CTRL_Q, RIGHT = "\x1b[17~", "\x11", "\x1b[C"


@pytest.fixture
def terminal(home: Path) -> Iterator[Terminal]:
    environ = {"LUNALUX_HOME": str(home), "LUNALUX_PRACTICE_RATE": "0", "LC_ALL": "C.UTF-8"}
    opened = Terminal((), environ, 100, 36)
    yield opened
    opened.close()


@pytest.fixture
def broken(paths: Paths) -> None:
    """A configuration, a theme and a key map with mistakes in them."""
    paths.themes.mkdir(parents=True)
    (paths.themes / "mine.toml").write_text("[colors]\nprimary = 7-\n", encoding="utf-8")
    paths.config_file.write_text(
        '[ui]\ntheme = "mine"\n[chat]\nreply_words = "many"\n[keys]\n"chat.no" = "x"\n', encoding="utf-8"
    )


@pytest.mark.usefixtures("broken")
def test_the_app_starts_with_everything_broken_and_says_where(terminal: Terminal) -> None:
    terminal.wait("Type a message")
    terminal.send(F6)
    terminal.wait("3 problems")
    terminal.send("p")
    for words in ("line 4 is not allowed", r"line 6\)", "line 2, column"):
        terminal.wait(words)
    terminal.send("\x1b")
    terminal.gone("What is wrong")
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0


def test_a_restore_brings_the_library_back_and_the_app_up_again(terminal: Terminal, paths: Paths) -> None:
    terminal.wait("‹1/")
    terminal.send("Good evening\r")
    terminal.wait("tokens")
    terminal.send(F6)
    terminal.wait("Search the settings")
    terminal.send("G" + RIGHT)
    terminal.wait("▌Configuration")
    terminal.send("b")
    terminal.wait("lunalux-")
    terminal.send("\r")
    terminal.wait("Saved to")
    terminal.send("o")
    terminal.wait("Restore a backup")
    terminal.send("\r")
    terminal.wait("Replace everything")
    terminal.send("y")
    terminal.wait("Type a message")
    terminal.wait("Good evening")
    assert list(paths.backups.glob("replaced-*/library.db"))
    assert not list(paths.data.glob("restore-*"))
    terminal.send(CTRL_Q)
    assert terminal.ended() == 0
