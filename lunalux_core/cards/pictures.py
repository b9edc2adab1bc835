"""Pictures that a card takes, and those that must become PNG when the card is written as one.

The bytes of a PNG picture are kept as they are.

See docs/spec/formats.md: PNG cards.
"""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import TYPE_CHECKING

from lunalux_core.cards.png import is_png
from lunalux_core.errors import InvalidInput, LimitExceeded

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 32_000_000
LONGEST_SIDE = 16_384
"""Pixels of the longest side of a picture: each row costs memory of its own, however short it is."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")


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


def _measure(picture: Image) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_large()
    if max(picture.size) > LONGEST_SIDE:
        raise LimitExceeded(
            "PICTURE_TOO_LARGE",
            f"The picture is longer than {LONGEST_SIDE} pixels.",
            "Scale it down first.",
            kind="side",
            limit=LONGEST_SIDE,
        )


def _too_large() -> LimitExceeded:
    return LimitExceeded(
        "PICTURE_TOO_LARGE",
        f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels.",
        "Scale it down first.",
        limit=MAX_PIXELS // 1_000_000,
    )
