"""Strangers' text on its way through the app: the bytes that a real terminal got."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("a pty is needed", allow_module_level=True)

from hostile_text import HOSTILE, hostile_backend, kinds, loose
from terminal import Terminal

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_core.config.paths import Paths
from lunalux_core.importing import gather, import_files
from lunalux_core.library import Library

KEYS = ("\x1bOQ", "\x1bOR", "\x1b[15~", "\x1bOS", "\x1b[17~", "\x1bOP", "\x1b", "\x10", "\x1b")
"""F2, F3, F5, F4, F6, F1, escape, the palette, escape."""


def walk(home: Path, url: str) -> Terminal:
    """Go through every place and back; the terminal with all it got."""
    environ = {
        "LUNALUX_HOME": str(home),
        "LUNALUX_LANG": "en",
        "LUNALUX_API_URL": url,
        "LUNALUX_PRACTICE_RATE": "0",
    }
    terminal = Terminal((), environ, 110, 34)
    try:
        terminal.wait("Type a message", 60)
        terminal.pump(1.5)
        terminal.send("hello\r")
        terminal.wait("tokens", 60)
        for key in KEYS:
            terminal.send(key)
            terminal.pump(1.2)
        terminal.send("\x1bOQ")
        terminal.pump(0.5)
        terminal.send("\x11")
        terminal.ended(30)
    finally:
        terminal.close()
    return terminal


def furnish(home: Path, text: str, name: str) -> None:
    """A library, themes, plug-ins and settings in which every text is `text`."""
    paths = Paths.find({"LUNALUX_HOME": str(home)})
    card = Card.new(
        f"Eve {text}", description=text, first_mes=text, creator=text, tags=[text], creator_notes=text
    )
    file = home.parent / f"{home.name}.json"
    file.write_bytes(export_card(card, "json"))
    library = Library(paths)
    assert [file.status for file in import_files(library, paths, gather([str(file)]))] == ["imported"]
    library.close()
    for folder, ending in ((paths.themes, "toml"), (paths.plugins, "py")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.{ending}").write_text("= [ raise\n")
    (paths.config_file.parent).mkdir(parents=True, exist_ok=True)
    (paths.config_file).write_text(
        f'[ui]\ntheme = "{name.encode("unicode_escape").decode().replace(chr(92) + "x", chr(92) + "u00")}"\n'
    )


def test_nothing_acts_on_the_terminal_of_the_app(tmp_path: Path) -> None:
    with hostile_backend() as url:
        furnish(tmp_path / "tame", "plain words", "plain")
        tame = walk(tmp_path / "tame", "http://127.0.0.1:9")
        name = "t\x1b]0;PWNED\x07\u202e\x1b[2J"
        furnish(tmp_path / "wild", HOSTILE, name)
        wild = walk(tmp_path / "wild", url)
    assert not loose(wild.raw)
    assert "PWNED" not in wild.screen.title
    assert kinds(wild.raw) <= kinds(tame.raw) | {
        b"CSI" + end for end in (b"A", b"B", b"C", b"D", b"H", b"m", b"K")
    }
