"""Pictures that must become PNG: a card's JPEG, WebP or GIF when the card is written as a PNG.

The bytes of a PNG picture are kept as they are (FORMATS 1.3).
"""

from __future__ import annotations

from io import BytesIO

from lunalux_core.cards.png import is_png
from lunalux_core.errors import InvalidInput, LimitExceeded

MAX_PIXELS = 32_000_000


def as_png(data: bytes) -> bytes:
    """The first frame of a picture as PNG; what is PNG already comes back untouched.

    Raises:
        InvalidInput: PICTURE_UNREADABLE. LimitExceeded: PICTURE_TOO_LARGE over 32 million pixels.
    """
    if is_png(data):
        return data
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(data), formats=("JPEG", "WEBP", "GIF", "AVIF")) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise LimitExceeded(
                    "PICTURE_TOO_LARGE",
                    "The picture is too large to be converted.",
                    "Scale it down first.",
                    limit=MAX_PIXELS,
                )
            out = BytesIO()
            picture.convert("RGBA" if picture.has_transparency_data else "RGB").save(out, "PNG")
            return out.getvalue()
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidInput(
            "PICTURE_UNREADABLE", "The card's picture cannot be read.", "Export as .json or .charx instead."
        ) from error
