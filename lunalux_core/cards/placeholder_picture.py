"""A picture for cards that have none: a night sky with a moon, computed row by row."""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache

from lunalux_core.cards.png import SIGNATURE, make_chunk

WIDTH, HEIGHT = 400, 600
_TOP, _BOTTOM, _MOON = (24, 22, 54), (104, 84, 138), (238, 230, 205)
_CENTRE, _RADIUS = (270, 170), 62


@lru_cache(maxsize=1)
def placeholder_png() -> bytes:
    """A PNG of 400 by 600 pixels without a card; the same bytes every time."""
    rows = b"".join(b"\0" + _row(y) for y in range(HEIGHT))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return (
        SIGNATURE
        + make_chunk(b"IHDR", header)
        + make_chunk(b"IDAT", zlib.compress(rows, 9))
        + make_chunk(b"IEND", b"")
    )


def _row(y: int) -> bytes:
    share = y / (HEIGHT - 1)
    sky = bytes(round(top + (bottom - top) * share) for top, bottom in zip(_TOP, _BOTTOM, strict=True))
    across = _RADIUS**2 - (y - _CENTRE[1]) ** 2
    half = int(across**0.5) if across > 0 else 0
    left = _CENTRE[0] - half
    return sky * left + bytes(_MOON) * (2 * half) + sky * (WIDTH - left - 2 * half)
