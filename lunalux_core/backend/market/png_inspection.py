"""What a stranger's PNG must be before anything decodes it, and what of it is kept.

The header is read here, not by a picture library: size and shape are judged first. Then every chunk is
walked within its limits, and the file is written anew with the chunks that draw the picture and nothing
else: no metadata, no animation, nothing after the end. The card's text is put back by the caller, after
it was validated.

See docs/spec/backend.md: Identity and security.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from lunalux_core.cards import png
from lunalux_core.errors import InvalidInput, LimitExceeded

MAX_SIDE = 4096
MAX_CHUNKS = 8192
MAX_TEXT_BYTES = 4 * 1024 * 1024
"""Of all texts of a file together, unpacked: 15 KB in a file can be 15 MB in memory."""
UNPACKED_AT_ONCE = 64 * 1024
MAX_CARDS = 8
"""Chunks that say they hold a character. Real files have two."""
_CARD = frozenset(keyword.encode() for keyword in png.CARD_KEYWORDS)
_DRAWING = frozenset({b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"IDAT", b"IEND"})
_CUT = "The picture is cut off or damaged."
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG that has passed. `bare` is the file without anything but the picture; sides in pixels."""

    width: int
    height: int
    bare: bytes


def inspect(data: bytes) -> Picture:
    """Judge `data` and strip it.

    Raises:
        InvalidInput: code INVALID_CARD, not a well-formed PNG.
        LimitExceeded: code INVALID_CARD, larger than 4096 × 4096, or with too many or too long chunks.
    """
    if not png.is_png(data):
        raise _invalid("The file is not a PNG picture.")
    width = height = 0
    texts = _Texts()
    chunks = [png.SIGNATURE]
    seen_pixels, last = False, b""
    for number, (kind, body, raw) in enumerate(_chunks(data)):
        if number == 0:
            width, height = _header(kind, body)
        elif kind == b"IHDR" or number >= MAX_CHUNKS:
            raise _too_much("The picture has too many parts.")
        if kind in png.TEXT_TYPES:
            texts.weigh(kind, body)
        if kind in _DRAWING:
            # PNG wants the chunks of pixels in one run.
            if kind == b"IDAT" and seen_pixels and last != b"IDAT":
                raise _invalid("The picture's data is interrupted.")
            seen_pixels |= kind == b"IDAT"
            last = kind
            chunks.append(raw)
    if not seen_pixels:
        raise _invalid("The picture has no pixels.")
    return Picture(width, height, b"".join(chunks))


class _Texts:
    """The one budget of a file's texts, unpacked no further than it reaches."""

    def __init__(self) -> None:
        self._left, self._cards = MAX_TEXT_BYTES, 0

    def weigh(self, kind: bytes, body: bytes) -> None:
        """Count one text chunk. Raises LimitExceeded where the file holds too much."""
        keyword, _, rest = body.partition(b"\0")
        self._cards += keyword.lower() in _CARD
        if self._cards > MAX_CARDS:
            raise _too_much("The picture holds too many characters.")
        self._left -= len(body)
        if self._left >= 0 and (packed := _packed(kind, rest)):
            self._left -= self._unpacked(packed)
        if self._left < 0:
            raise _too_much("The texts inside the picture are too long.")

    def _unpacked(self, packed: bytes) -> int:
        """How many bytes they become, as far as that matters."""
        # In pieces that are thrown away: only the length is asked for.
        inflater, total = zlib.decompressobj(), 0
        while packed and total <= self._left:
            try:
                total += len(inflater.decompress(packed, UNPACKED_AT_ONCE))
            except zlib.error:
                break  # whoever reads the text will find the same
            packed = inflater.unconsumed_tail
        return total


def _packed(kind: bytes, rest: bytes) -> bytes:
    """What is compressed in a text chunk, after its keyword; nothing in a plain one."""
    if kind == b"zTXt":
        return rest[1:]
    if kind == b"iTXt" and rest[:1] == b"\1":
        return rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return b""


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Kind, body and raw bytes of every chunk up to IEND; what follows is ignored, so it is not kept.

    Stricter than a reader of cards: chunks have proper names and intact checksums, and the last is IEND.
    """
    kind, at = b"", len(png.SIGNATURE)
    for chunk in png.walk(data):
        kind, at = chunk.type, chunk.end
        if not kind.isalpha():
            raise _invalid(_CUT)
        if not png.is_intact(data, chunk):
            raise _invalid("The picture is damaged: a checksum does not match.")
        yield kind, data[chunk.start + 8 : chunk.end - 4], data[chunk.start : chunk.end]
    if kind != b"IEND":
        raise _invalid("The picture ends too early." if len(data) - at < 12 else _CUT)


def _header(kind: bytes, body: bytes) -> tuple[int, int]:
    if kind != b"IHDR" or len(body) != 13:
        raise _invalid("The picture has no header.")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", body)
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise _invalid("The picture's header makes no sense.")
    if not width or not height:
        raise _invalid("The picture has no size.")
    if width > MAX_SIDE or height > MAX_SIDE:
        raise _too_much(f"The picture is larger than {MAX_SIDE} × {MAX_SIDE} pixels.")
    return width, height


def _invalid(message: str) -> InvalidInput:
    return InvalidInput("INVALID_CARD", message, "Choose an ordinary PNG character card.")


def _too_much(message: str) -> LimitExceeded:
    return LimitExceeded("INVALID_CARD", message, "Scale the picture down and try again.", limit=MAX_SIDE)
