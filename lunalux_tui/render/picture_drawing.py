"""A picture as lines of cells: quadrant blocks for every terminal, or places of a picture it keeps itself.

Blocks show four pixels a cell in two colours and need nothing but colours. Terminals with the Kitty
graphics protocol and its Unicode placeholders (Kitty, Ghostty) are sent the picture once; the cells then
are ordinary characters that name it, so scrolling, dialogs and clipping work as with text. Sixel is left
out: its pixels lie over the cells, where neither a dialog nor a scrolled list knows of them.

Pillow is imported with the first picture; all of this blocks and belongs into a thread. Pictures of
strangers are opened under limits.
"""

from __future__ import annotations

import itertools
import secrets
import warnings
from base64 import b64encode
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, TypeAlias

from rich.color import Color
from rich.segment import Segment
from rich.style import Style

if TYPE_CHECKING:
    from PIL import Image as Pillow

Lines: TypeAlias = tuple[tuple[Segment, ...], ...]
"""Lines of a picture, from the top."""

Pixel: TypeAlias = tuple[int, int, int]

FORMATS = ("PNG", "WEBP", "JPEG", "GIF")
LARGEST = 16_000_000
"""Pixels of the largest picture that is opened."""

LONGEST_SIDE = 16_384
"""Pixels of its longest side: each row costs memory of its own, however short it is."""

SENT_PIXELS = 360_000
"""Pixels of the largest picture that is sent to a terminal; it is enlarged there."""

GROUND = (20, 19, 28)
FACES = (0.5, 0.25)
"""What stays when a picture is cut to its place: faces are in the upper part."""

FLAT = 80
"""Difference in light (of 2550) within a cell that is drawn as one colour."""

_QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
"""By the bits of the pixels in the first colour: top left 1, top right 2, bottom left 4, bottom right 8."""

_PLACEHOLDER = "\U0010eeee"
_CHUNK = 4096
_MARKS = "".join(
    map(
        chr,
        (
            *(0x305, 0x30D, 0x30E, 0x310, 0x312, 0x33D, 0x33E, 0x33F, 0x346, 0x34A, 0x34B, 0x34C),
            *(0x350, 0x351, 0x352, 0x357, 0x35B, *range(0x363, 0x370), *range(0x483, 0x488)),
            *(*range(0x592, 0x596), *range(0x597, 0x59A), *range(0x59C, 0x5A2), 0x5A8, 0x5A9),
            *(0x5AB, 0x5AC, 0x5AF, 0x5C4, *range(0x610, 0x618), *range(0x657, 0x65C), 0x65D, 0x65E),
        ),
    )
)
"""The combining marks that number rows and columns, in the order the protocol gives them."""

_numbers = itertools.count(secrets.randbelow(1 << 24))
"""Names of pictures within one terminal; other programs in it begin somewhere else."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Pixels of a terminal's cell."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture that can be shown. `upload` must reach the terminal first, `drop` when it is done with."""

    lines: Lines
    upload: str = ""
    drop: str = ""


def draw(data: bytes, columns: int, rows: int, cell: Cell | None = None) -> Drawing:
    """A picture cut to `columns` by `rows` cells: in full where `cell` is given, else in blocks.

    Raises:
        ValueError: no picture, damaged, or too large.
    """
    if cell is None or max(columns, rows) > len(_MARKS) or min(columns, rows) < 1:
        return Drawing(mosaic(data, columns, rows))
    scale = min(1.0, (SENT_PIXELS / (columns * cell.width * rows * cell.height)) ** 0.5)
    size = max(int(columns * cell.width * scale), 1), max(int(rows * cell.height * scale), 1)
    png = BytesIO()
    _fitted(data, *size).save(png, "PNG")
    # 24 bits, for it travels as the colour of the cells; 0 names no picture.
    number = next(_numbers) % 0xFFFFFF + 1
    named = Color.from_rgb(number >> 16, number >> 8 & 255, number & 255)
    style = Style(color=named, bgcolor=Color.from_rgb(*GROUND))
    lines = tuple(
        tuple(Segment(_PLACEHOLDER + _MARKS[y] + _MARKS[x], style) for x in range(columns))
        for y in range(rows)
    )
    upload = _upload(png.getvalue(), number, columns, rows)
    return Drawing(lines, upload, f"\x1b_Ga=d,d=I,i={number},q=2\x1b\\")


def mosaic(data: bytes, columns: int, rows: int) -> Lines:
    """A picture as `rows` lines of `columns` cells of quadrant blocks.

    Raises:
        ValueError: no picture, damaged, or too large.
    """
    wide, high = columns * 2, rows * 2
    raw = _fitted(data, columns * 4, rows * 8, (wide, high)).tobytes()  # a cell is twice as high as wide
    pixels = list(zip(raw[::3], raw[1::3], raw[2::3], strict=True))
    return tuple(
        _line(pixels[y * wide : (y + 1) * wide], pixels[(y + 1) * wide : (y + 2) * wide])
        for y in range(0, high, 2)
    )


def _fitted(data: bytes, width: int, height: int, into: tuple[int, int] | None = None) -> Pillow.Image:
    """A picture on dark ground, cut to `width` by `height` pixels, then scaled to the size `into`."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings(), ExitStack() as open_one:
            # The limit here is lower, and a warning would be written over the screen.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = open_one.enter_context(Image.open(BytesIO(data), formats=FORMATS))
            if opened.width * opened.height > LARGEST or max(opened.size) > LONGEST_SIDE:
                raise ValueError("too many pixels")
            # A JPEG is decoded at a fraction of its size; other formats do not know this.
            opened.draft("RGB", (width * 2, height * 2))
            opened.load()
            # One copy of the whole at most: what is seen through is put on its ground when it is small.
            plain = opened.mode in ("RGB", "RGBA") and "transparency" not in opened.info
            whole = opened if plain else opened.convert("RGBA")
            how = Image.Resampling.LANCZOS if into is None else Image.Resampling.BOX
            small = ImageOps.fit(whole, (width, height), how, centering=FACES)
        if small.mode == "RGBA":
            ground = Image.new("RGBA", small.size, (*GROUND, 255))
            small = Image.alpha_composite(ground, small).convert("RGB")
        return small if into is None else small.resize(into, Image.Resampling.BOX)
    except (OSError, ArithmeticError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from error


def _upload(png: bytes, number: int, columns: int, rows: int) -> str:
    """The picture in the protocol's pieces; the first one says what it is and where it will stand."""
    text = b64encode(png).decode("ascii")
    pieces = [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)]
    # `q=2` below forbids the terminal to answer: an answer would be taken for keys.
    head = f"a=T,U=1,f=100,t=d,i={number},c={columns},r={rows},"
    return "".join(
        f"\x1b_G{'' if place else head}q=2,m={int(place < len(pieces) - 1)};{piece}\x1b\\"
        for place, piece in enumerate(pieces)
    )


def _line(upper: Sequence[Pixel], lower: Sequence[Pixel]) -> tuple[Segment, ...]:
    return tuple(_block((*upper[x : x + 2], *lower[x : x + 2])) for x in range(0, len(upper), 2))


def _block(pixels: Sequence[Pixel]) -> Segment:
    """Four pixels as one character: the light ones in one colour, the dark ones in the other."""
    lights = [red * 3 + green * 6 + blue for red, green, blue in pixels]
    middle = sum(lights) / 4 if max(lights) - min(lights) > FLAT else max(lights)
    mask = sum(1 << place for place, light in enumerate(lights) if light > middle)
    ink = [pixel for place, pixel in enumerate(pixels) if mask >> place & 1]
    ground = [pixel for place, pixel in enumerate(pixels) if not mask >> place & 1]
    return Segment(_QUADRANTS[mask], Style(color=_mean(ink or ground), bgcolor=_mean(ground or ink)))


def _mean(pixels: Sequence[Pixel]) -> Color:
    red, green, blue = (sum(channel) // len(pixels) for channel in zip(*pixels, strict=True))
    return Color.from_rgb(red, green, blue)
