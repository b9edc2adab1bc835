"""What the terminal can do with pictures, and the way to hand it one.

Only the environment is asked, and the size of the window: a question to the terminal would cost a round
trip before the first frame, and its answer could be taken for keys.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Mapping
from typing import Any, Literal, Protocol, cast

from textual.app import App

from lunalux_tui.render.picture_drawing import Cell

Graphics = Literal["kitty", "blocks"]
USUAL = Cell(10, 20)
"""A cell's pixels where the terminal does not tell them; it scales the picture."""


class _Set(Protocol):
    """What is read of the app."""

    runtime: Any


def graphics(environ: Mapping[str, str]) -> Graphics:
    """The best way to show a picture, as far as the environment tells.

    Only Kitty and Ghostty have the placeholders that let a picture scroll with the text; a multiplexer
    in between would eat them.
    """
    if environ.get("TMUX") or environ.get("STY"):
        return "blocks"
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "").lower()
    supported = term in {"xterm-kitty", "xterm-ghostty"} or program in {"kitty", "ghostty"}
    return "kitty" if supported or (environ.get("KITTY_WINDOW_ID") and not program) else "blocks"


def pictures_wanted(app: App[Any]) -> bool:
    """Whether pictures are drawn at all: not when they are switched off, nor without colours."""
    return cast(_Set, app).runtime.settings.pictures != "off" and not app.native_ansi_color


def cell_of(app: App[Any]) -> Cell | None:
    """The pixels of a cell where pictures can be shown in full; None where blocks have to do."""
    # The placeholders of a picture carry its number as their colour: with fewer colours it would be lost.
    if app.is_headless or app.is_web or app.console.color_system != "truecolor":
        return None
    if cast(_Set, app).runtime.settings.pictures == "blocks" or graphics(os.environ) != "kitty":
        return None
    return _cell_pixels() or USUAL


def tell_terminal(app: App[Any], sequence: str) -> None:
    """Write to the terminal, in order with the frames."""
    if sequence and app._driver is not None:
        app._driver.write(sequence)


def _cell_pixels() -> Cell | None:
    """What the window's size says; no question is sent."""
    # `sys.stdout` is Textual's own while the app runs; the terminal is behind `sys.__stdout__`.
    if sys.platform == "win32" or sys.__stdout__ is None:
        return None
    import fcntl
    import termios

    try:
        answer = fcntl.ioctl(sys.__stdout__, termios.TIOCGWINSZ, bytes(8))
    except (OSError, ValueError):
        return None
    rows, columns, width, height = struct.unpack("HHHH", answer)
    # Many terminals leave the pixels at zero.
    if not (rows and columns and width >= columns and height >= rows):
        return None
    return Cell(width // columns, height // rows)
