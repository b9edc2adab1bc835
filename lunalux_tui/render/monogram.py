"""What stands where a picture is missing: the first sign of a name, on a colour of its own."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from lunalux_tui.render.picture_drawing import Lines
from lunalux_tui.theme.palette import Palette
from lunalux_tui.theme.styles import BOLD, MUTED, PANEL

_HUES = ((143, 167, 214), (216, 179, 106), (134, 185, 138), (221, 107, 116), (167, 159, 192), (112, 178, 178))


def monogram(name: str, seed: str, palette: Palette, columns: int, rows: int) -> Lines:
    """The first sign of `name` on a colour chosen by `seed`, or in a frame where there are no colours."""
    sign = next((sign for sign in name if sign.isalnum()), "?").upper()
    # Not by `hash`, which is another one in every run of the program.
    return _drawn(sign, zlib.crc32(seed.encode()) % len(_HUES), palette, columns, rows)


@lru_cache(maxsize=512)
def _drawn(sign: str, colour: int, palette: Palette, columns: int, rows: int) -> Lines:
    plain, ground = palette.style(BOLD), palette.style(PANEL)
    if ground.bgcolor is None or ground.bgcolor.triplet is None or plain.color is None:
        return _framed(sign, palette.style(MUTED), plain, columns, rows)
    hue = _HUES[colour]
    under = ground.bgcolor.triplet
    shades = [Style(bgcolor=_blend(under, hue, 0.15 + 0.30 * (rows - y) / rows)) for y in range(rows)]
    ink = Style(color=_blend(hue, plain.color.triplet or hue, 0.6), bold=True)
    lines = [(Segment(" " * columns, shade),) for shade in shades]
    return _signed(lines, sign, shades[rows // 2], shades[rows // 2] + ink, columns, "")


def _framed(sign: str, quiet: Style, ink: Style, columns: int, rows: int) -> Lines:
    inner = columns - 2
    lines = [(Segment(f"│{' ' * inner}│", quiet),)] * rows
    lines[0], lines[-1] = (Segment(f"╭{'─' * inner}╮", quiet),), (Segment(f"╰{'─' * inner}╯", quiet),)
    return _signed(lines, sign, quiet, ink, columns, "│")


def _signed(
    lines: Sequence[tuple[Segment, ...]], sign: str, quiet: Style, ink: Style, columns: int, edge: str
) -> Lines:
    """The lines with the sign in the middle one."""
    before = (columns - cell_len(sign)) // 2 - len(edge)
    after = columns - before - cell_len(sign) - 2 * len(edge)
    middle = (Segment(edge + " " * before, quiet), Segment(sign, ink), Segment(" " * after + edge, quiet))
    at = len(lines) // 2
    return (*lines[:at], middle, *lines[at + 1 :])


def _blend(under: Sequence[int], over: Sequence[int], share: float) -> Color:
    red, green, blue = (int(a + (b - a) * share) for a, b in zip(under, over, strict=True))
    return Color.from_rgb(red, green, blue)
