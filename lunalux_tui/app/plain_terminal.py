"""Terminals without Unicode: every character becomes an ASCII one of the same width."""

from __future__ import annotations

import codecs
import sys

HANDLER = "lunalux-ascii"

_ALIKE = {
    "|": "│┃┊",
    "-": "─━╴–—‑",
    "+": "╭╮╰╯┌┐└┘├┤┬┴┼",
    "=": "═",
    "_": "▁",
    ".": "…",
    "*": "·•★✦✧◆",
    "o": "●◉",
    "O": "○◐☆◇",
    "x": "×✕✗",
    "v": "✓↓▾⇩",
    "^": "↑⇧▲▴",
    ">": "→▸›»",
    "<": "←◂‹«⏎⌫",
    "'": "‘’",
    '"': "“”„",
    "~": "⇄～",
    "h": "♥♡",
    "c": "☾",
    "?": "⌕",
    "!": "⚠",
    " ": "␣",
    "#": "■□▪▫" + "".join(map(chr, range(0x2580, 0x25A0))),
}
_SIGNS = {ord(sign): plain for plain, signs in _ALIKE.items() for sign in signs}


def prepare() -> None:
    """Let everything that is drawn be shown on a terminal of any encoding."""
    codecs.register_error(HANDLER, _replace)
    # Textual draws on these; `sys.stdout` is another one while it runs.
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=HANDLER)


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return as_ascii(error.object[error.start : error.end]), error.end


def as_ascii(text: str) -> str:
    """Signs of ASCII for `text`, as wide as it is in cells."""
    from rich.cells import cell_len

    out = []
    for sign in text:
        plain = sign.translate(_SIGNS)
        width = cell_len(sign)
        out.append(plain * width if plain.isascii() else "?" * width)
    return "".join(out)
