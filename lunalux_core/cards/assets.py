"""Files that travel with a card: pictures, sounds, anything an asset list names.

An asset's bytes lie in a member of a CHARX archive, in a text chunk of a RisuAI PNG, or in the URI itself.
Addresses on the network are listed and never fetched.

See docs/spec/formats.md: CHARX and assets.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lunalux_core.cards import png
from lunalux_core.cards.card import Card
from lunalux_core.documents.coerce import as_text

ASSET_KEYWORD = "chara-ext-asset_"
MAX_ASSET = 64 * 1024 * 1024

Where = Literal["member", "chunk", "data", "remote", "default", "missing"]
_EMBEDDED = re.compile(r"embedd?ed://", re.IGNORECASE)
_DATA_URI = re.compile(r"data:[^,]*?(?P<base64>;base64)?,", re.IGNORECASE)
_IMAGE_TYPES = (".png", ".jpg", ".webp", ".gif", ".avif")


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset of a card. `where` says how it is stored, `key` names the member or the chunk.

    `size` is in bytes, None where the bytes are not at hand.
    """

    type: str
    name: str
    ext: str
    uri: str
    where: Where
    key: str = ""
    size: int | None = None


def list_assets(card: Card, stored: Mapping[str, int]) -> tuple[Asset, ...]:
    """The asset list of a card, each looked up among the `stored` files (key to size in bytes).

    Keys are member paths of an archive, or what stands after ``__asset:`` for the chunks of a PNG.
    """
    return tuple(_asset(item, stored) for item in card.assets)


def main_picture(assets: tuple[Asset, ...]) -> Asset | None:
    """The icon called main, else the first icon, else the first picture."""
    at_hand = [asset for asset in assets if asset.where in ("member", "chunk", "data")]
    icons = [asset for asset in at_hand if asset.type == "icon"]
    named = [asset for asset in icons if asset.name.lower() == "main"]
    images = [asset for asset in at_hand if f".{asset.ext}".replace(".jpeg", ".jpg") in _IMAGE_TYPES]
    return next(iter((*named, *icons, *images)), None)


def picture_ext(data: bytes) -> str | None:
    """File ending of a picture by its first bytes, None for what is no known picture."""
    if png.is_png(data):
        return ".png"
    if data.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return ".gif"
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
        return ".avif"
    return None


def data_uri_bytes(uri: str) -> bytes | None:
    """The bytes in a ``data:`` URI, None where they are damaged or over 64 MB."""
    from urllib.parse import unquote_to_bytes

    match = _DATA_URI.match(uri)
    # Judged before anything is decoded: base64 has four signs for three bytes.
    if match is None or len(uri) > MAX_ASSET * 4 // 3 + 200:
        return None
    body = unquote_to_bytes(uri[match.end() :])
    if not match["base64"]:
        return body
    try:
        return binascii.a2b_base64(body)
    except binascii.Error:
        return None


def png_assets(data: bytes) -> Iterator[tuple[str, png.Chunk]]:
    """The asset chunks of a RisuAI PNG: the key after ``__asset:`` and where the chunk lies."""
    for chunk in png.layout(data).chunks:
        keyword = png.keyword_of(data, chunk)
        if keyword is not None and keyword.startswith(ASSET_KEYWORD):
            yield keyword[len(ASSET_KEYWORD) :].lstrip(":"), chunk


def png_asset_bytes(data: bytes, chunk: png.Chunk, inflation: png.Inflation | None = None) -> bytes | None:
    """The bytes of one asset chunk, None where it is damaged. Raises LimitExceeded (PNG_TEXT_TOO_LARGE)."""
    text = png.read_text(data, chunk, inflation)
    if text is None:
        return None
    try:
        return binascii.a2b_base64(text.value)
    except binascii.Error:
        return None


def _asset(item: Mapping[str, Any], stored: Mapping[str, int]) -> Asset:
    uri = as_text(item.get("uri"))
    kind, name = as_text(item.get("type")), as_text(item.get("name"))
    ext = as_text(item.get("ext")).lower().lstrip(".")
    where, key, size = _locate(uri, stored)
    # A data URI can have megabytes, and this is what lists show.
    return Asset(kind, name, ext, uri if len(uri) < 2000 else uri[:100] + "…", where, key, size)


def _locate(uri: str, stored: Mapping[str, int]) -> tuple[Where, str, int | None]:
    if uri.startswith("ccdefault:"):
        return "default", "", None
    if uri.lower().startswith(("http://", "https://")):
        return "remote", uri, None
    if uri.lower().startswith("data:"):
        return "data", uri, len(uri) * 3 // 4
    if uri.startswith("__asset:"):
        key = uri.removeprefix("__asset:")
        return ("chunk", key, stored[key]) if key in stored else ("missing", key, None)
    if match := _EMBEDDED.match(uri):
        path = uri[match.end() :].lstrip("/")
        return ("member", path, stored[path]) if path in stored else ("missing", path, None)
    return "missing", uri, None
