"""Cards out: JSON, PNG and CHARX files.

The document is written, not our reading of it. Assets change their place with the kind of file (a chunk of
a PNG, a member of an archive), and only then is an address in the asset list rewritten.

See docs/spec/formats.md: PNG cards, CHARX and assets.
"""

from __future__ import annotations

import binascii
from typing import Any, Literal

from lunalux_core.cards import assets, charx, png, png_card
from lunalux_core.cards.card import Card
from lunalux_core.cards.envelope import without_binding
from lunalux_core.cards.placeholder_picture import placeholder_png
from lunalux_core.documents.json_text import dump_json
from lunalux_core.errors import InvalidInput

ExportFormat = Literal["png", "json", "charx"]
ExportSpec = Literal["v2", "v3"]
FORMATS: tuple[ExportFormat, ...] = ("png", "json", "charx")


def export_card(
    card: Card,
    target: ExportFormat,
    *,
    spec: ExportSpec | None = None,
    picture: bytes | None = None,
    archive: bytes | None = None,
) -> bytes:
    """The bytes of a card file.

    Args:
        spec: envelope of JSON (None leaves the document as it is) and of PNG ("v2" writes no `ccv3`);
            an archive always holds V3.
        picture: the card's picture; for PNG it must be one. None draws a placeholder.
        archive: the CHARX file the card came from, whose other files go along.

    Raises:
        InvalidInput: PICTURE_NOT_PNG, CHARX_NEEDS_V3, and what reading `archive` raises.
    """
    match target:
        case "json":
            return (dump_json(card.export(spec), indent=4) + "\n").encode()
        case "png":
            return _to_png(card, spec, picture, archive)
        case "charx":
            if spec == "v2":
                raise InvalidInput(
                    "CHARX_NEEDS_V3", "A CHARX archive holds V3 cards only.", "Leave out the version."
                )
            return _to_charx(card, picture, archive)


def _to_png(card: Card, spec: ExportSpec | None, picture: bytes | None, archive: bytes | None) -> bytes:
    base = picture or placeholder_png()
    if not png.is_png(base):
        raise InvalidInput(
            "PICTURE_NOT_PNG", "A PNG card needs a PNG picture.", "Choose a PNG, or convert the picture."
        )
    if archive is None:
        return png_card.write_png(base, card, spec)
    files = charx.all_files(archive)
    listed = assets.list_assets(card, {name: len(content) for name, content in files.items()})
    main = assets.main_picture(listed)
    chunks: list[tuple[str, bytes]] = []
    addresses: dict[str, str] = {}
    for asset in listed:
        # Several assets may name one file, which is stored once.
        if asset.where != "member" or asset.key in addresses:
            continue
        # The main picture is the PNG itself.
        if main is not None and asset.key == main.key:
            addresses[asset.key] = "ccdefault:"
            continue
        number = str(len(chunks))
        addresses[asset.key] = f"__asset:{number}"
        content = binascii.b2a_base64(files[asset.key], newline=False)
        chunks.append((f"{assets.ASSET_KEYWORD}:{number}", content))
    moved = _readdressed(card, listed, addresses)
    with_assets = png.write_texts(base, chunks, [text[0] for text in chunks])
    return png_card.write_png(with_assets, moved, spec)


def _to_charx(card: Card, picture: bytes | None, archive: bytes | None) -> bytes:
    files = charx.all_files(archive) if archive is not None else {}
    if archive is None and picture is not None and png.is_png(picture):
        files, card = _unpacked(card, picture)
        # They are files of the archive now; left in the picture, they would be there twice.
        spent = [f"{assets.ASSET_KEYWORD}:{key}" for key, _ in assets.png_assets(picture)]
        picture = png.write_texts(picture, [], [*png.CARD_KEYWORDS, *spent])
    listed = assets.list_assets(card, {name: len(content) for name, content in files.items()})
    main = assets.main_picture(listed)
    there = files.get(main.key) if main is not None and main.where == "member" else None
    if there is None or (picture is not None and picture != there):
        card = _with_main_icon(card, files, picture or placeholder_png())
    return charx.write_charx(without_binding(card.document), files)


def _unpacked(card: Card, picture: bytes) -> tuple[dict[str, bytes], Card]:
    """The assets of a RisuAI PNG as files, and the card with their new addresses."""
    chunks = dict(assets.png_assets(picture))
    listed = assets.list_assets(card, {key: chunk.length for key, chunk in chunks.items()})
    files: dict[str, bytes] = {}
    addresses: dict[str, str] = {}
    inflation = png.Inflation(charx.MAX_INFLATED)
    for asset in listed:
        if asset.where != "chunk" or asset.key in addresses:
            continue
        content = assets.png_asset_bytes(picture, chunks[asset.key], inflation)
        if content is not None:
            # The ending comes from the card and becomes a part of a path.
            ending = asset.ext if asset.ext.isalnum() and asset.ext.isascii() else "bin"
            path = f"assets/other/{len(files)}.{ending}"
            files[path] = content
            # Spelled so in the specification itself.
            addresses[asset.key] = f"embeded://{path}"
    return files, _readdressed(card, listed, addresses)


def _readdressed(card: Card, listed: tuple[assets.Asset, ...], addresses: dict[str, str]) -> Card:
    """The card with other URIs for the assets stored under these keys."""
    by_uri = {asset.uri: addresses[asset.key] for asset in listed if asset.key in addresses}
    raw = card.get("assets")
    if not by_uri or not isinstance(raw, list):
        return card
    return card.with_edits({"data.assets": [_moved(item, by_uri) for item in raw]})


def _moved(item: Any, by_uri: dict[str, str]) -> Any:
    uri = item.get("uri") if isinstance(item, dict) else None
    return {**item, "uri": by_uri[uri]} if isinstance(uri, str) and uri in by_uri else item


def _with_main_icon(card: Card, files: dict[str, bytes], picture: bytes) -> Card:
    """Add a picture to the files and name it as the main icon."""
    ext = (assets.picture_ext(picture) or ".png")[1:]
    path = f"assets/icon/images/main.{ext}"
    files[path] = picture
    icon = {"type": "icon", "uri": f"embeded://{path}", "name": "main", "ext": ext.replace("jpg", "jpeg")}
    raw = card.get("assets")
    others = [
        item
        for item in (raw if isinstance(raw, list) else [])
        if not (isinstance(item, dict) and item.get("type") == "icon" and item.get("name") == "main")
    ]
    return card.with_edits({"data.assets": [icon, *others]})
