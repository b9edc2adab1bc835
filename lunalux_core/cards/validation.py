"""How a card file departs from the specifications: the file around the document, then the document."""

from __future__ import annotations

import binascii
import codecs
from collections.abc import Iterator

from lunalux_core.cards import charx, png
from lunalux_core.cards.assets import Asset
from lunalux_core.cards.card_reader import LoadedCard, read_card
from lunalux_core.cards.png_card import decode_payload, read_png
from lunalux_core.cards.specification import Departure, Level, check_document
from lunalux_core.documents.json_text import LATIN_WARNING
from lunalux_core.errors import InvalidInput

_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

__all__ = ["Departure", "Level", "validate"]


def validate(data: bytes, filename: str = "") -> list[Departure]:
    """Everything about a card file that its specification asks otherwise; empty for a flawless card.

    A file that holds no readable card gives one finding of level "error" with the reader's own code.
    """
    try:
        loaded = read_card(data, filename)
    except InvalidInput as error:
        return [Departure("error", "", error.code, error.message)]
    findings: list[Departure] = []
    match loaded.source_format:
        case "png":
            findings += _check_png(data, loaded)
        case "charx":
            findings += _check_charx(data, loaded)
        case "yaml":
            message = "This is not a card but a file of oobabooga's; it was mapped to a card."
            findings.append(Departure("note", "", "FOREIGN_FORMAT", message))
        case "json":
            if data.startswith(_BYTE_ORDER_MARKS):
                message = "The file begins with a byte order mark, which many programs do not read."
                findings.append(Departure("error", "", "JSON_ENCODING", message))
            if LATIN_WARNING in loaded.warnings:
                findings.append(Departure("error", "", "JSON_ENCODING", LATIN_WARNING))
    findings += check_document(loaded.card.document)
    findings += _check_asset_files(loaded.assets)
    return findings


def _check_png(data: bytes, loaded: LoadedCard) -> Iterator[Departure]:
    shape = png.layout(data)
    if shape.cut:
        yield Departure("error", "", "PNG_CUT", "The file ends in the middle of a chunk.")
    elif not shape.ended:
        yield Departure("error", "", "PNG_NO_END", "The picture has no IEND chunk.")
    if shape.ended and shape.end < len(data):
        extra = len(data) - shape.end
        yield Departure("warning", "", "PNG_TRAILING", f"{extra} bytes follow the end of the picture.")
    texts = list(png.texts(data, png.CARD_KEYWORDS))
    for text in texts:
        yield from _check_chunk(text)
    values: dict[str, set[bytes]] = {}
    for text in texts:
        values.setdefault(text.keyword.lower(), set()).add(text.value)
    for keyword, several in values.items():
        count = sum(text.keyword.lower() == keyword for text in texts)
        if count > 1:
            differ = " and they differ" if len(several) > 1 else ""
            message = f"There are {count} {keyword} chunks{differ}; readers take the first."
            yield Departure("error" if differ else "warning", keyword, "PNG_CHUNK_TWICE", message)
    spec = loaded.card.document.get("spec")
    if read_png(data).keyword == "ccv3" and loaded.card.spec != "v3":
        message = "The ccv3 chunk holds a card that is not V3."
        yield Departure("error", "ccv3", "PNG_WRONG_CHUNK", message)
    if "ccv3" not in values and spec == "chara_card_v3":
        message = "A V3 card belongs in a ccv3 chunk; this one is in chara, where only some programs look."
        yield Departure("warning", "chara", "PNG_WRONG_CHUNK", message)
    if "chara" not in values:
        message = "There is no chara chunk, so programs that know only V2 find no card."
        yield Departure("note", "chara", "PNG_NO_CHARA", message)


def _check_chunk(text: png.TextChunk) -> Iterator[Departure]:
    keyword = text.keyword.lower()
    if text.keyword != keyword:
        message = f"The keyword is written {text.keyword}; some programs look for {keyword} only."
        yield Departure("error", keyword, "PNG_KEYWORD_CASE", message)
    if text.kind != "tEXt":
        message = f"The card is in a {text.kind} chunk; the specification asks for tEXt."
        yield Departure("error", keyword, "PNG_CHUNK_KIND", message)
    if not text.intact:
        yield Departure("error", keyword, "PNG_CHECKSUM", f"The checksum of the {keyword} chunk is wrong.")
    try:
        if binascii.a2b_base64(text.value, strict_mode=True).startswith(_BYTE_ORDER_MARKS):
            yield Departure(
                "error", keyword, "PNG_ENCODING", "The text is not plain UTF-8: it has a byte order mark."
            )
    except binascii.Error:
        yield Departure("error", keyword, "PNG_BASE64", f"The {keyword} chunk is not plain base64.")
    try:
        payload = decode_payload(text.value)
    except InvalidInput as error:
        yield Departure("error", keyword, error.code, error.message)
        return
    for warning in payload.warnings:
        yield Departure("error", keyword, "PNG_ENCODING", warning)
    if not payload.text.strip():
        yield Departure("error", keyword, "CARD_BAD_JSON", f"The {keyword} chunk is empty.")


def _check_charx(data: bytes, loaded: LoadedCard) -> Iterator[Departure]:
    read = charx.read_charx(data)
    if loaded.card.spec != "v3":
        yield Departure("error", "spec", "CHARX_NEEDS_V3", "The card of a CHARX archive must be V3.")
    if charx.CARD_MEMBER not in read.members:
        yield Departure("error", "", "CHARX_NAME", "The card's file must be called card.json, in lower case.")
    if charx.RISU_MODULE in read.members:
        yield Departure("note", charx.RISU_MODULE, "RISU_MODULE", charx.MODULE_WARNING)
    for name in read.members:
        if not name.isascii():
            message = f"The file name {name!r} is not ASCII."
            yield Departure("warning", name, "CHARX_NAME", message)


def _check_asset_files(assets: tuple[Asset, ...]) -> Iterator[Departure]:
    for number, asset in enumerate(assets):
        path = f"data.assets[{number}].uri"
        if asset.where == "missing":
            message = f"The file of the asset {asset.name or number} is not there."
            yield Departure("error", path, "ASSET_MISSING", message)
        elif asset.where == "remote":
            message = f"The asset {asset.name or number} is on the network; Lunalux does not fetch it."
            yield Departure("note", path, "ASSET_REMOTE", message)
