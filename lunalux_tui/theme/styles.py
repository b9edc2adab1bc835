"""What a run of text is, as bits of one integer: cheap to combine, cheap as a key of a cache.

A `Run` is a piece of text with its bits; a `Line` is what fits in the width. Colours come later, from
the theme: see `palette`.
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
SPEAKER_2 = 1 << 19
SPEAKER_3 = 1 << 20
SPEAKER_4 = 1 << 21
SPEAKER_5 = 1 << 22
SPEAKER_6 = 1 << 23

SPEAKERS = (
    ("●", CHARACTER),
    ("◆", SPEAKER_2),
    ("▲", SPEAKER_3),
    ("■", SPEAKER_4),
    ("★", SPEAKER_5),
    ("◇", SPEAKER_6),
)
"""Sign and colour of the members of a group, by their place; from the seventh on they begin again."""
