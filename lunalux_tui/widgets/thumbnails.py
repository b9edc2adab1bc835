"""Pictures in character cells, and the queue that brings them while the person looks at something else.

A cell shows four pixels in two colours (quadrant blocks), so a picture needs no ability of the terminal
but colours. Pillow is imported with the first picture, in a thread. Pictures of strangers are opened under
limits; one that cannot be shown is simply not there, and the card keeps its monogram.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Protocol, TypeAlias

from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from lunalux_core.errors import LunaluxError

Picture: TypeAlias = tuple[tuple[Segment, ...], ...]
"""Lines of a picture, from the top."""

FORMATS = ("PNG", "WEBP", "JPEG", "GIF")
PIXELS = 16_000_000
"""Largest picture that is opened, in pixels."""

KEPT = 600
AT_ONCE = 4

_QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
"""By the bits of the pixels in the first colour: top left 1, top right 2, bottom left 4, bottom right 8."""

Pixel: TypeAlias = tuple[int, int, int]


def mosaic(data: bytes, columns: int, rows: int) -> Picture:
    """The middle of a picture as `rows` lines of `columns` cells (blocking; run it in a thread).

    Raises:
        ValueError: no picture, damaged, or too large.
    """
    import io

    from PIL import Image, ImageOps  # a tenth of a second that the first frame does without

    wide, high = columns * 2, rows * 2
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            if opened.width * opened.height > PIXELS:
                raise ValueError("too many pixels")
            opened.draft("RGB", (wide * 2, high * 4))
            shape = (wide, wide * high // columns)  # a cell is twice as high as wide
            fitted = ImageOps.fit(_opaque(opened.convert("RGBA")), shape, centering=(0.5, 0.3))
            small = fitted.resize((wide, high), Image.Resampling.BOX)
    except (OSError, ArithmeticError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from error
    raw = small.tobytes()
    pixels = [(raw[at], raw[at + 1], raw[at + 2]) for at in range(0, len(raw), 3)]
    return tuple(
        tuple(
            _cell([pixels[y * wide + x], pixels[y * wide + x + 1], pixels[y * wide + wide + x], pixels[y * wide + wide + x + 1]])
            for x in range(0, wide, 2)
        )
        for y in range(0, high, 2)
    )
