"""PNG as a stream of chunks: the text in it out, the card's text in, every other byte as it was.

No pixel is ever decoded or encoded here, and picture data is neither copied nor summed while
reading: a card's text is found at the speed of reading the file.

See docs/spec/formats.md: PNG cards.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lunalux_core.errors import InvalidInput, LimitExceeded

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 10_000
MAX_INFLATED = 16 * 1024 * 1024
"""Bytes that one compressed text may have when it is unpacked."""

MAX_INFLATED_TOGETHER = 24 * 1024 * 1024
"""Bytes that all compressed texts of one file may have; a few kilobytes can claim megabytes each."""

CARD_KEYWORDS = ("ccv3", "chara")
"""Where a card lies, in order of precedence; the case of a keyword does not count."""

TEXT_TYPES = (b"tEXt", b"iTXt", b"zTXt")
_HEADER = struct.Struct(">I4s")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Where a chunk lies: `start` is its length field, the data begins eight bytes later."""

    type: bytes
    start: int
    length: int

    @property
    def end(self) -> int:
        """First byte after the chunk and its checksum."""
        return self.start + 12 + self.length


@dataclass(frozen=True, slots=True)
class TextChunk:
    """A text chunk: `keyword` as written, `value` inflated, `kind` one of tEXt, iTXt, zTXt."""

    keyword: str
    value: bytes
    kind: str
    intact: bool


@dataclass(slots=True)
class Inflation:
    """How many bytes the compressed texts of one file may still take."""

    left: int = MAX_INFLATED_TOGETHER


@dataclass(frozen=True, slots=True)
class PngLayout:
    """The chunks of a file in order, and whether it ends as it should.

    `ended` is False without IEND; `cut` is True where the last chunk claims more than the file holds.
    """

    chunks: tuple[Chunk, ...]
    ended: bool
    cut: bool

    @property
    def end(self) -> int:
        """First byte after the last whole chunk; anything further is no part of the picture."""
        return self.chunks[-1].end if self.chunks else len(SIGNATURE)


def is_png(data: bytes) -> bool:
    return data.startswith(SIGNATURE)


def walk(data: bytes) -> Iterator[Chunk]:
    """The whole chunks of a PNG in order, up to IEND, without a look at their data.

    The walk ends early where the file does, so the last chunk's type and end tell how the file ends.
    """
    at, size = len(SIGNATURE), len(data)
    while at + 8 <= size:
        length, kind = _HEADER.unpack_from(data, at)
        chunk = Chunk(kind, at, length)
        # The length is what the file claims: what goes beyond its end is no chunk.
        if chunk.end > size:
            return
        yield chunk
        if kind == b"IEND":
            return
        at = chunk.end


def layout(data: bytes) -> PngLayout:
    """The chunks of a PNG, and how it ends.

    Raises:
        InvalidInput: PNG_NO_SIGNATURE.
        LimitExceeded: PNG_TOO_MANY_CHUNKS over 10,000.
    """
    if not is_png(data):
        raise InvalidInput("PNG_NO_SIGNATURE", "This is not a PNG picture.", "Choose a PNG file.")
    chunks: list[Chunk] = []
    for chunk in walk(data):
        if len(chunks) == MAX_CHUNKS:
            raise LimitExceeded(
                "PNG_TOO_MANY_CHUNKS",
                f"This PNG has more than {MAX_CHUNKS} parts.",
                "Save the picture again with an image editor; the card must then be added anew.",
                limit=MAX_CHUNKS,
            )
        chunks.append(chunk)
    end = chunks[-1].end if chunks else len(SIGNATURE)
    ended = bool(chunks) and chunks[-1].type == b"IEND"
    return PngLayout(tuple(chunks), ended, cut=not ended and end < len(data))


def is_intact(data: bytes, chunk: Chunk) -> bool:
    """Whether a chunk's checksum fits its type and data."""
    end = chunk.end - 4
    (stored,) = struct.unpack_from(">I", data, end)
    return zlib.crc32(memoryview(data)[chunk.start + 4 : end]) == int(stored)


def keyword_of(data: bytes, chunk: Chunk) -> str | None:
    """The keyword of a text chunk, None for every other chunk and for text without one."""
    if chunk.type not in TEXT_TYPES:
        return None
    start = chunk.start + 8
    # A keyword has at most 79 bytes; without the bound, a picture without one would be searched whole.
    nul = data.find(b"\0", start, start + min(chunk.length, 80))
    return data[start:nul].decode("latin-1") if nul > start else None


def read_text(data: bytes, chunk: Chunk, inflation: Inflation | None = None) -> TextChunk | None:
    """Keyword and value of a text chunk; None where it is none or cannot be inflated.

    Args:
        inflation: shared by all reads of one file; what is unpacked is taken from it.

    Raises:
        LimitExceeded: PNG_TEXT_TOO_LARGE when compressed text grows beyond 16 MB, or beyond what is left.
    """
    keyword = keyword_of(data, chunk)
    if keyword is None:
        return None
    start, end = chunk.start + 8, chunk.end - 4
    value = _value(chunk.type, data[start + len(keyword) + 1 : end], inflation or Inflation())
    return (
        None
        if value is None
        else TextChunk(keyword, value, chunk.type.decode("ascii"), is_intact(data, chunk))
    )


def texts(data: bytes, keywords: Sequence[str]) -> Iterator[TextChunk]:
    """The text chunks of a PNG with one of these lower-case keywords, in the order of the file.

    Raises:
        LimitExceeded: PNG_TEXT_TOO_LARGE, all of them together are too large.
    """
    inflation = Inflation()
    for chunk in layout(data).chunks:
        keyword = keyword_of(data, chunk)
        if keyword is not None and keyword.lower() in keywords:
            text = read_text(data, chunk, inflation)
            if text is not None:
                yield text


def write_texts(data: bytes, texts: Sequence[tuple[str, bytes]], replace: Sequence[str]) -> bytes:
    """The PNG with tEXt chunks added before IEND, in place of all text chunks with a keyword in `replace`.

    All other chunks stay byte for byte and in order. A chunk that is cut off at the end of the file goes,
    as do bytes after IEND; a missing IEND is added.
    """
    parts: list[bytes | memoryview] = [SIGNATURE]
    view = memoryview(data)
    for chunk in layout(data).chunks:
        keyword = keyword_of(data, chunk)
        if chunk.type != b"IEND" and (keyword is None or keyword.lower() not in replace):
            parts.append(view[chunk.start : chunk.end])
    parts += [make_chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + value) for keyword, value in texts]
    parts.append(make_chunk(b"IEND", b""))
    return b"".join(parts)


def make_chunk(kind: bytes, data: bytes) -> bytes:
    """A whole chunk with its length and checksum."""
    return _HEADER.pack(len(data), kind) + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _value(kind: bytes, rest: bytes, inflation: Inflation) -> bytes | None:
    """What follows the keyword's NUL, brought to plain bytes."""
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        # The byte names the method of compression; PNG knows only this one.
        return _inflate(rest[1:], inflation) if rest[:1] == b"\0" else None
    compressed, method = rest[:1], rest[1:2]
    _language, _, rest = rest[2:].partition(b"\0")
    _translated, nul, text = rest.partition(b"\0")
    if not nul:
        return None
    if compressed == b"\1":
        return _inflate(text, inflation) if method == b"\0" else None
    return text


def _inflate(packed: bytes, inflation: Inflation) -> bytes | None:
    most = min(MAX_INFLATED, inflation.left)
    inflater = zlib.decompressobj()
    try:
        # One byte more than allowed shows that the text goes on; the rest is never unpacked.
        value = inflater.decompress(packed, most + 1)
    except zlib.error:
        return None
    inflation.left = max(inflation.left - len(value), 0)
    if len(value) > most:
        raise LimitExceeded(
            "PNG_TEXT_TOO_LARGE",
            f"The texts in this PNG grow beyond {MAX_INFLATED // 2**20} MB when they are unpacked.",
            "No real card is that large; get it again from its source.",
            limit=MAX_INFLATED,
        )
    return value if inflater.eof else None
