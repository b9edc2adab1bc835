"""The pictures of a character: its own, and its expressions (V3 assets of the type emotion).

See docs/spec/formats.md: CHARX and assets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lunalux_core.cards import charx, png
from lunalux_core.cards.assets import Asset, data_uri_bytes, list_assets, png_asset_bytes, png_assets
from lunalux_core.cards.card import Card
from lunalux_core.errors import LunaluxError

CALM = ("neutral", "default", "normal", "calm", "idle", "平静", "默认", "普通")
"""Names of the expression for a text that names none."""
_LATIN = re.compile(r"[a-z0-9]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Gallery:
    """The pictures of one character. `main` is a file, or None where there is no picture."""

    main: Path | None
    file: Path | None = None
    expressions: Mapping[str, Asset] = field(default_factory=dict)

    def expression(self, text: str) -> str:
        """The expression that a reply calls for: the one whose name it speaks of last.

        A text that names none calls for a calm one; "" where there is none of those either.
        """
        places = {name: place for name in self.expressions if (place := _last(name, text)) >= 0}
        if places:
            # Of names that begin at one place ("smile", "smiles sadly") the longer is the one that is meant.
            return max(places, key=lambda name: (places[name], len(name)))
        return next((name for name in CALM if name in self.expressions), "")

    def picture(self, expression: str) -> Path | bytes | None:
        """The picture of an expression; the character's own where there is none, or it cannot be read."""
        asset = self.expressions.get(expression)
        data = _bytes(asset, self.file) if asset is not None else None
        return data or self.main


def read_gallery(pictures: Path, identity: str, picture: str, card: Card) -> Gallery:
    """What there is of a character: its file in `pictures`, and the expressions its assets name."""
    main = pictures / picture if picture else None
    if not card.assets:
        return Gallery(main)
    archive = pictures / f"{identity}.charx"
    file = archive if archive.exists() else main
    try:
        stored = _stored(file.read_bytes()) if file is not None else {}
    except (OSError, LunaluxError):
        stored = {}
    emotions = {
        # Some cards name an expression by its file, as "joy.png".
        Path(asset.name.strip().casefold()).stem: asset
        for asset in list_assets(card, stored)
        if asset.type.casefold() == "emotion" and asset.where in {"member", "chunk", "data"}
    }
    return Gallery(main, file, {name: asset for name, asset in emotions.items() if name})


def _stored(data: bytes) -> dict[str, int]:
    """The files inside of a card file, by key, with their sizes."""
    if charx.is_zip(data):
        return charx.sizes(data)
    if png.is_png(data):
        return {key: chunk.length for key, chunk in png_assets(data)}
    return {}


def _bytes(asset: Asset, file: Path | None) -> bytes | None:
    if asset.where == "data":
        return data_uri_bytes(asset.uri)
    try:
        data = file.read_bytes() if file is not None else b""
        if asset.where == "member":
            return charx.read_member(data, asset.key)
        chunk = dict(png_assets(data)).get(asset.key)
        return png_asset_bytes(data, chunk) if chunk is not None else None
    except (OSError, LunaluxError):
        return None


def _last(name: str, text: str) -> int:
    """Where `text` speaks of `name` for the last time; -1 where it does not.

    A name of Latin letters begins a word (smile: smiles, smiled); others stand anywhere.
    """
    # \b finds no border between two signs of a script without blanks.
    if not _LATIN.match(name):
        return text.casefold().rfind(name)
    starts = [match.start() for match in re.finditer(rf"\b{re.escape(name)}", text, re.IGNORECASE)]
    return starts[-1] if starts else -1
