"""Pictures that a card or a message takes, and those that must become PNG when a card is written as one.

The bytes of a card's PNG picture are kept as they are. Of a message's picture only the picture is kept: not
where and when it was taken, no texts, no further frames, no bytes after its end. One that is clean already
keeps its bytes, so that the same picture is stored once. Sides are read from the header and judged before
anything is decoded.

See docs/spec/formats.md: PNG cards.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from lunalux_core.cards import png
from lunalux_core.cards.png import is_png
from lunalux_core.errors import InvalidInput, LimitExceeded, LunaluxError

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 32_000_000
LONGEST_SIDE = 16_384
"""Pixels of the longest side of a picture: each row costs memory of its own, however short it is."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")
MESSAGE_FORMATS = (*FORMATS, "BMP")

LARGEST_FILE = 32 * 1024 * 1024
"""Bytes of a message's picture that is read."""
LONGEST_KEPT = 2048
"""Pixels of the longest side of one that is kept: models see no more."""
LARGEST_KEPT = 3_500_000
"""Bytes of one that is kept: the strictest service takes five million, in base64."""
SCALED_PIXELS = 128_000_000
"""Pixels of a JPEG that can be decoded scaled down, so that its size costs no memory."""

_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
_PNG_DRAWING = frozenset({b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"IDAT", b"IEND"})
_WEBP_DRAWING = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH"})
_QUALITIES = (90, 80, 65)


def check_picture(data: bytes) -> None:
    """Look whether a picture is whole and of a size that can be shown (blocking: it is decoded).

    Raises:
        InvalidInput: PICTURE_BROKEN. LimitExceeded: PICTURE_TOO_LARGE over 32 million pixels.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit here is lower
            with Image.open(BytesIO(data), formats=FORMATS) as picture:
                _measure(picture)
                picture.load()
    except Image.DecompressionBombError as error:
        raise _too_large() from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, ArithmeticError) as error:
        raise InvalidInput(
            "PICTURE_BROKEN", "This picture is damaged.", "Get it again, or choose another one."
        ) from error


def as_png(data: bytes) -> bytes:
    """The first frame of a picture as PNG; what is PNG already comes back untouched.

    Raises:
        InvalidInput: PICTURE_UNREADABLE. LimitExceeded: PICTURE_TOO_LARGE over 32 million pixels.
    """
    if is_png(data):
        return data
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit here is lower
            with Image.open(BytesIO(data), formats=FORMATS) as picture:
                _measure(picture)
                out = BytesIO()
                picture.convert("RGBA" if picture.has_transparency_data else "RGB").save(out, "PNG")
                return out.getvalue()
    except (OSError, ValueError, SyntaxError, ArithmeticError, Image.DecompressionBombError) as error:
        raise InvalidInput(
            "PICTURE_UNREADABLE", "The card's picture cannot be read.", "Export as .json or .charx instead."
        ) from error


@dataclass(frozen=True, slots=True)
class CleanPicture:
    """A picture without anything else in it; sides in pixels."""

    data: bytes
    type: str
    width: int
    height: int


def clean_picture(data: bytes) -> CleanPicture:
    """The picture in `data`, scaled down to what models see (blocking: it is decoded).

    Raises:
        InvalidInput: PICTURE_UNKNOWN, it is no picture; PICTURE_BROKEN.
        LimitExceeded: PICTURE_TOO_LARGE, too many pixels or bytes.
    """
    if len(data) > LARGEST_FILE:
        raise LimitExceeded(
            "PICTURE_TOO_LARGE",
            f"The picture's file is larger than {LARGEST_FILE // 2**20} MB.",
            "Scale it down first.",
            kind="bytes",
            limit=LARGEST_FILE // 2**20,
        )
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limits here are lower
            with Image.open(BytesIO(data), formats=MESSAGE_FORMATS) as picture:
                _measure(picture, _scaled(picture))
                return _cleaned(picture, data)
    except UnidentifiedImageError as error:
        raise InvalidInput(
            "PICTURE_UNKNOWN", "This file is no picture.", "Choose a PNG, JPEG, WebP, GIF or AVIF file."
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_large() from error
    except LunaluxError:
        raise
    except (OSError, ValueError, SyntaxError, ArithmeticError, EOFError) as error:
        raise InvalidInput(
            "PICTURE_BROKEN", "This picture is damaged.", "Get it again, or choose another one."
        ) from error


def _cleaned(picture: Image, data: bytes) -> CleanPicture:
    kind, (width, height) = picture.format or "", picture.size
    if max(width, height) <= LONGEST_KEPT and len(data) <= LARGEST_KEPT and _is_clean(picture, data):
        picture.load()  # one that is cut off is told now
        return CleanPicture(data, _TYPES[kind], width, height)
    from PIL import ImageOps

    # A JPEG is decoded smaller at once, so that a camera's picture never stands in memory whole.
    picture.draft(None, (LONGEST_KEPT, LONGEST_KEPT))
    # Turned as the camera was held, since the note that says so is taken out.
    drawn = ImageOps.exif_transpose(picture)
    drawn = drawn.convert("RGBA" if drawn.has_transparency_data else "RGB")
    drawn.thumbnail((LONGEST_KEPT, LONGEST_KEPT))
    # Saving would write the comments and profiles that stand there.
    drawn.info.clear()
    if kind not in {"JPEG", "MPO"}:
        out = BytesIO()
        drawn.save(out, "PNG", optimize=True)
        if len(out.getvalue()) <= LARGEST_KEPT:
            return CleanPicture(out.getvalue(), "image/png", *drawn.size)
    return CleanPicture(_jpeg(drawn), "image/jpeg", *drawn.size)


def _jpeg(drawn: Image) -> bytes:
    from PIL import Image

    # JPEG knows no transparency; on black, dark drawings would be lost.
    if drawn.mode == "RGBA":
        ground = Image.new("RGB", drawn.size, "white")
        ground.paste(drawn, mask=drawn.getchannel("A"))
        drawn = ground
    data = b""
    for quality in _QUALITIES:
        out = BytesIO()
        drawn.save(out, "JPEG", quality=quality)
        data = out.getvalue()
        if len(data) <= LARGEST_KEPT:
            break
    return data


def _is_clean(picture: Image, data: bytes) -> bool:
    """Whether there is nothing but the picture in the file."""
    if getattr(picture, "n_frames", 1) != 1:
        return False
    match picture.format:
        case "PNG":
            chunks = list(png.walk(data))
            return {chunk.type for chunk in chunks} <= _PNG_DRAWING and chunks[-1].end == len(data)
        case "JPEG":
            return _is_clean_jpeg(data)
        case "WEBP":
            return _is_clean_webp(data)
    return False


def _is_clean_jpeg(data: bytes) -> bool:
    """Whether no segment before the pixels is about anything but them, and nothing follows the end."""
    at = 2
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data):
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xDA:
            # The first end mark has to be the last: what follows it is no part of the picture.
            return data.find(b"\xff\xd9", at) == len(data) - 2
        # JFIF and Adobe say how colours are meant; other applications' segments and comments do not.
        if (0xE0 <= marker <= 0xEF and marker not in (0xE0, 0xEE)) or marker == 0xFE or length < 2:
            return False
        at += 2 + length
    return False


def _is_clean_webp(data: bytes) -> bool:
    at, end = 12, int.from_bytes(data[4:8], "little") + 8
    while at + 8 <= end:
        if data[at : at + 4] not in _WEBP_DRAWING:
            return False
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        # Chunks are filled up to an even length.
        at += 8 + length + length % 2
    return at == end == len(data)


def _scaled(picture: Image) -> int:
    """How many pixels a message's picture may have."""
    # A progressive JPEG is held in memory whole while it is decoded.
    scaled = picture.format == "JPEG" and not picture.info.get("progressive")
    return SCALED_PIXELS if scaled else MAX_PIXELS


def _measure(picture: Image, most: int = MAX_PIXELS) -> None:
    if picture.width * picture.height > most:
        raise _too_large(most)
    if max(picture.size) > LONGEST_SIDE:
        raise LimitExceeded(
            "PICTURE_TOO_LARGE",
            f"The picture is longer than {LONGEST_SIDE} pixels.",
            "Scale it down first.",
            kind="side",
            limit=LONGEST_SIDE,
        )


def _too_large(most: int = MAX_PIXELS) -> LimitExceeded:
    return LimitExceeded(
        "PICTURE_TOO_LARGE",
        f"The picture has more than {most // 1_000_000} million pixels.",
        "Scale it down first.",
        limit=most // 1_000_000,
    )
