"""The card in a PNG: which text chunk is believed, and every way tools are known to have encoded it.

``ccv3`` before ``chara``, tEXt before iTXt and zTXt, the first of a kind; what cannot be read
is passed over with a warning as long as something else can.
"""

from __future__ import annotations

import binascii
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lunalux_core.cards import png
from lunalux_core.cards.card import Card
from lunalux_core.cards.envelope import as_v2, as_v3, mirrored
from lunalux_core.documents.json_text import MAX_JSON_BYTES, decode_text, dump_json
from lunalux_core.errors import InvalidInput, LimitExceeded

LOREBOOK_KEYWORD = "naidata"
MAX_CANDIDATES = 8
"""Chunks that are tried before a file is given up; no program writes more than two."""

MAX_STORED = 2 * MAX_JSON_BYTES
"""Bytes of the largest chunk that is looked at: the largest JSON, packed in base64 twice."""

_BLANKS = b" \t\r\n\v\f\0"
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_BASE64_TEXT = re.compile(rb"[A-Za-z0-9+/_-][A-Za-z0-9+/_\s-]{7,}={0,2}\s*\Z")


@dataclass(frozen=True, slots=True)
class Payload:
    """A candidate's text, and what had to be mended to get it."""

    text: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PngCard:
    """The card of a PNG, the chunk it came from, and warnings about the file."""

    card: Card
    keyword: str
    warnings: tuple[str, ...]


def read_png(data: bytes) -> PngCard:
    """The card in a PNG.

    Raises:
        InvalidInput: CARD_NO_METADATA, NOT_A_CARD (a lorebook in a picture), CARD_ENCRYPTED,
            CARD_BAD_JSON, CARD_NOT_OBJECT, PNG_NO_SIGNATURE.
        LimitExceeded: PNG_TOO_MANY_CHUNKS, PNG_TEXT_TOO_LARGE, JSON_TOO_LARGE, JSON_TOO_DEEP.
    """
    shape = png.layout(data)
    candidates, lorebook = _candidates(data, shape)
    if not candidates:
        raise _nothing_found(shape, lorebook)
    warnings: list[str] = []
    if not shape.ended:
        warnings.append("The picture is cut off at its end; the card itself is complete.")
    first_error: InvalidInput | None = None
    inflation = png.Inflation()
    for chunk in candidates[:MAX_CANDIDATES]:
        try:
            candidate = _text_of(data, chunk, inflation)
            if candidate is None:
                continue
            payload = decode_payload(candidate.value)
            card = Card.parse(payload.text)
        except InvalidInput as error:
            # A limit says most: the card is there and only too large.
            if first_error is None or isinstance(error, LimitExceeded):
                first_error = error
            keyword = png.keyword_of(data, chunk)
            warnings.append(f"The {keyword} chunk was passed over: {error.message}")
            continue
        warnings += _warnings(data, candidate, chunk, candidates, payload)
        return PngCard(card, candidate.keyword.lower(), tuple(warnings))
    raise first_error or _nothing_found(shape, lorebook)


def _text_of(data: bytes, chunk: png.Chunk, inflation: png.Inflation) -> png.TextChunk | None:
    """A candidate's text, judged by its size before anything of it is copied or unpacked."""
    if chunk.length > MAX_STORED:
        raise LimitExceeded(
            "JSON_TOO_LARGE",
            f"The JSON in this file is larger than {MAX_JSON_BYTES // 2**20} MB.",
            "Make the card smaller, for example by moving pictures out of its text.",
            limit=MAX_JSON_BYTES,
        )
    return png.read_text(data, chunk, inflation)


def write_png(picture: bytes, card: Card, spec: Literal["v2", "v3"] | None = None) -> bytes:
    """A PNG card: `chara` and `ccv3` before IEND, all other chunks byte for byte as they were.

    With `spec` "v2" only `chara` is written, since a reader would believe `ccv3` before it.
    """
    document = mirrored(as_v2(card.document))
    texts = [("chara", encode_payload(document))]
    if spec != "v2":
        texts.append(("ccv3", encode_payload(mirrored(as_v3(card.document)))))
    return png.write_texts(picture, texts, png.CARD_KEYWORDS)


def encode_payload(document: Mapping[str, Any]) -> bytes:
    """A document as the value of a text chunk: base64 of UTF-8 JSON."""
    return binascii.b2a_base64(dump_json(document).encode(), newline=False)


def decode_payload(value: bytes) -> Payload:
    """The JSON text in the value of a text chunk, encoded in any of the known ways.

    Raises:
        InvalidInput: CARD_ENCRYPTED for the locked cards of RisuAI.
        LimitExceeded: JSON_TOO_LARGE.
    """
    value = value.strip(_BLANKS)
    if value.startswith(b"rcc||"):
        raise InvalidInput(
            "CARD_ENCRYPTED",
            "This card is encrypted by RisuAI and cannot be read by other programs.",
            "Ask its creator for an open export.",
        )
    warnings: tuple[str, ...] = ()
    # Some programs write the JSON as it is, without base64.
    if not value.startswith((b"{", b"[", b'"', b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        value = _from_base64(value)
        if _BASE64_TEXT.match(value):
            value = _from_base64(value)
            warnings = ("The card was packed in base64 twice.",)
    text, mended = decode_text(value)
    return Payload(text.strip("\0"), (*warnings, *mended))


def _candidates(data: bytes, shape: png.PngLayout) -> tuple[list[png.Chunk], bool]:
    """The card's chunks, the most trustworthy first, and whether there is a NovelAI lorebook. None of them is
    read or unpacked here: the first good one ends the search."""
    candidates: list[tuple[int, bool, png.Chunk]] = []
    lorebook = False
    for chunk in shape.chunks:
        keyword = png.keyword_of(data, chunk)
        lowered = keyword.lower() if keyword is not None else ""
        lorebook = lorebook or lowered == LOREBOOK_KEYWORD
        if lowered in png.CARD_KEYWORDS:
            candidates.append((png.CARD_KEYWORDS.index(lowered), chunk.type != b"tEXt", chunk))
    candidates.sort(key=lambda candidate: candidate[:2])
    return [chunk for _, _, chunk in candidates], lorebook


def _nothing_found(shape: png.PngLayout, lorebook: bool) -> InvalidInput:
    if lorebook:
        return InvalidInput(
            "NOT_A_CARD",
            "This picture holds a NovelAI lorebook, not a character.",
            "Import it with `lunalux worldbook import`.",
            kind="worldbook",
        )
    if shape.cut:
        return InvalidInput(
            "PNG_CUT",
            "This PNG is cut off, and what is left of it holds no card.",
            "Download it again.",
        )
    return InvalidInput(
        "CARD_NO_METADATA",
        "This picture holds no character.",
        "Use the original PNG: sites that convert or shrink pictures remove the card from them.",
    )


def _warnings(
    data: bytes, chosen: png.TextChunk, at: png.Chunk, candidates: list[png.Chunk], payload: Payload
) -> list[str]:
    keyword = chosen.keyword.lower()
    warnings = list(payload.warnings)
    if not chosen.intact:
        warnings.append(f"The checksum of the {keyword} chunk is wrong; its text may be damaged.")
    others = (
        chunk
        for chunk in candidates
        if chunk is not at and (png.keyword_of(data, chunk) or "").lower() == keyword
    )
    if any(_differs(data, chosen, chunk) for chunk in itertools.islice(others, MAX_CANDIDATES)):
        warnings.append(f"The file holds several different {keyword} chunks; the first one was read.")
    return warnings


def _differs(data: bytes, chosen: png.TextChunk, other: png.Chunk) -> bool:
    """Whether a chunk says something else. Only a text as large as the chosen one is unpacked for it."""
    room = png.Inflation(len(chosen.value))
    try:
        text = png.read_text(data, other, room)
    except LimitExceeded:
        return True
    return text is not None and text.value != chosen.value


def _from_base64(value: bytes) -> bytes:
    """Decode like a browser does: blanks, missing padding and the URL-safe alphabet are no matter."""
    compact = value.translate(_TO_STANDARD, _BLANKS).rstrip(b"=")
    # One sign beyond whole groups is what a cut has left; it stands for no byte.
    if len(compact) % 4 == 1:
        compact = compact[:-1]
    try:
        return binascii.a2b_base64(compact + b"=" * (-len(compact) % 4))
    except binascii.Error:
        return b""
