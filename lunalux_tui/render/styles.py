"""What a run of text is, as bits of one integer: cheap to combine, cheap as a key of a cache.

A `Run` is a piece of text with its bits; a `Line` is what fits in the width. Colours come later, from
the theme: see `palette`. A colour that the text itself asks for (`<font color=…>`) sits above the bits.
"""

from __future__ import annotations

Run = tuple[str, int]
Line = tuple[Run, ...]

PLAIN = 0
BOLD = 1 << 0
ITALIC = 1 << 1
UNDERLINE = 1 << 2
STRIKE = 1 << 3
CODE = 1 << 4
SPEECH = 1 << 5
NARRATION = 1 << 6
HEADING = 1 << 7
QUOTE = 1 << 8
LINK = 1 << 9
MUTED = 1 << 10
ACCENT = 1 << 11
CHARACTER = 1 << 12
USER = 1 << 13
ERROR = 1 << 14
WARNING = 1 << 15
REVERSE = 1 << 16
SURFACE = 1 << 17
PANEL = 1 << 18

COLOUR_SHIFT = 20
_BITS = (1 << COLOUR_SHIFT) - 1


def with_colour(style: int, rgb: int) -> int:
    """`style` in the colour 0xRRGGBB."""
    return style & _BITS | (rgb + 1) << COLOUR_SHIFT


def colour_of(style: int) -> int | None:
    """The colour that the text asked for, 0xRRGGBB, or None."""
    return (style >> COLOUR_SHIFT) - 1 if style >> COLOUR_SHIFT else None
