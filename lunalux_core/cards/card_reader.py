"""The front door for card files: any of them in, one `LoadedCard` out. The content decides, not the name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Literal

from lunalux_core.cards import assets, byaf, charx, envelope, file_kind, foreign_cards, png_card
from lunalux_core.cards.assets import Asset
from lunalux_core.cards.card import Card
from lunalux_core.cards.png import is_png
from lunalux_core.documents.coerce import as_number, as_object
from lunalux_core.documents.json_text import decode_text, parse_json, parse_object
from lunalux_core.errors import InvalidInput, LimitExceeded

MAX_FILE = 64 * 1024 * 1024
MAX_ARCHIVE = 256 * 1024 * 1024
"""Largest card file and largest archive, in bytes; callers may check a file's size before they read it."""

SourceFormat = Literal["png", "json", "charx", "byaf", "yaml"]


@dataclass(frozen=True, slots=True)
class LoadedCard:
    """A card and what came with it.

    `picture` is the file itself for a PNG card (the same object, not a copy), the main picture of an
    archive, or None; `picture_ext` begins with a dot. `warnings` are English sentences for the person.
    """

    card: Card
    picture: bytes | None
    picture_ext: str
    source_format: SourceFormat
    warnings: tuple[str, ...] = ()
    assets: tuple[Asset, ...] = ()
    filename: str = ""

    @property
    def name(self) -> str:
        """What to call the character where a name is needed: its own, else the file's."""
        return self.card.name if self.card.name.strip() else PurePath(self.filename).stem


def read_card(data: bytes, filename: str = "") -> LoadedCard:
    """Read a character from the bytes of a PNG, JSON, CHARX, BYAF or YAML file.

    Args:
        filename: for messages and as a last resort for the name; its ending does not matter.

    Raises:
        InvalidInput: FILE_EMPTY, CARD_NO_METADATA, CARD_BAD_JSON, CARD_NOT_OBJECT, CARD_ENCRYPTED,
            NOT_A_CARD (with `kind` in its params), PNG_CUT, CHARX_DAMAGED, CHARX_UNSAFE, CARD_BAD_YAML.
        LimitExceeded: FILE_TOO_LARGE, JSON_TOO_LARGE, JSON_TOO_DEEP, PNG_TOO_MANY_CHUNKS,
            PNG_TEXT_TOO_LARGE, CHARX_TOO_LARGE, CHARX_TOO_MANY_FILES, YAML_TOO_LARGE.
    """
    if not data:
        raise InvalidInput("FILE_EMPTY", "The file is empty.", "Get it again from its source.")
    loaded = _read(data, filename)
    document = envelope.mended(loaded.card.document)
    return loaded if document is loaded.card.document else replace(loaded, card=Card.of(document))


def _read(data: bytes, filename: str) -> LoadedCard:
    if is_png(data):
        _check_size(data, MAX_FILE)
        return _from_png(data, filename)
    if charx.is_zip(data):
        _check_size(data, MAX_ARCHIVE)
        if byaf.is_byaf(charx.sizes(data)):
            return _from_byaf(data, filename)
        read = charx.read_charx(data)
        warnings = (*read.warnings, *_warnings(read.card))
        return LoadedCard(read.card, read.picture, read.picture_ext, "charx", warnings, read.assets, filename)
    _check_size(data, MAX_FILE)
    # Only now: a CHARX may begin with a JPEG, after which its archive lies.
    if assets.picture_ext(data):
        raise InvalidInput(
            "CARD_NO_METADATA",
            "This picture holds no character; only PNG pictures and CHARX archives can.",
            "Use the original PNG: sites that convert pictures remove the card from them.",
        )
    return _from_text(data, filename)


def _from_byaf(data: bytes, filename: str) -> LoadedCard:
    """The first character of an archive of Backyard; an import takes them all, and their chats."""
    read = byaf.read_byaf(data)
    first = read.characters[0]
    warnings = (*read.warnings, *_warnings(first.card))
    return LoadedCard(first.card, first.picture, first.picture_ext, "byaf", warnings, filename=filename)


def _from_png(data: bytes, filename: str) -> LoadedCard:
    read = png_card.read_png(data)
    embedded: tuple[Asset, ...] = ()
    if read.card.assets:
        stored = {key: chunk.length * 3 // 4 for key, chunk in assets.png_assets(data)}
        embedded = assets.list_assets(read.card, stored)
    warnings = (*read.warnings, *_warnings(read.card))
    return LoadedCard(read.card, data, ".png", "png", warnings, embedded, filename)


_OTHERS = {
    ".risum": (
        "This is a module of RisuAI, which Lunalux does not read.",
        "Export its lorebook and its regex scripts from RisuAI as JSON.",
    ),
    ".risup": file_kind.TOLD[file_kind.FileKind.RISU_PRESET],
}
"""Binary files of other programs that only their ending tells, with a sentence and what to do instead."""


def _from_text(data: bytes, filename: str) -> LoadedCard:
    ending = PurePath(filename).suffix.lower()
    if ending in _OTHERS and not data.lstrip().startswith(b"{"):
        raise InvalidInput("NOT_A_CARD", *_OTHERS[ending], kind=ending[1:])
    text, mended = decode_text(data)
    start = text.lstrip()[:1]
    if start in ("{", "[", '"'):
        card, told = _from_json(text)
        return LoadedCard(card, None, "", "json", (*mended, *told, *_warnings(card)), filename=filename)
    # YAML takes nearly any text for something, so it gets none that had to be mended first.
    if not mended and (foreign_cards.looks_like_yaml(text) or filename.lower().endswith((".yaml", ".yml"))):
        card = foreign_cards.from_yaml(text)
        return LoadedCard(card, None, "", "yaml", _warnings(card), filename=filename)
    raise _no_card(file_kind.FileKind.UNKNOWN)


def _from_json(text: str) -> tuple[Card, tuple[str, ...]]:
    """The card in a JSON text, and what to tell of the rest of it."""
    try:
        document = parse_json(text)
    except InvalidInput:
        if file_kind.recognise(text.encode()) is file_kind.FileKind.CHAT:
            raise _no_card(file_kind.FileKind.CHAT) from None
        raise
    kind = file_kind.recognise_document(document)
    if kind is file_kind.FileKind.CARD:
        inner = as_object(as_object(document).get("data"))
        if "name" not in inner and "name" in as_object(inner.get("data")):
            return Card.of({**as_object(document), **inner}), ()  # an envelope within an envelope
        foreign = foreign_cards.from_object(document)
        return (foreign, foreign_cards.left_beside(document)) if foreign else (Card(document, text), ())
    if kind is file_kind.FileKind.UNKNOWN and not isinstance(document, dict):
        parse_object(text)  # says what it is instead
    raise _no_card(kind)


def _warnings(card: Card) -> tuple[str, ...]:
    warnings = []
    if not card.name.strip():
        warnings.append("The card has no name.")
    version = card.document.get("spec_version")
    if isinstance(card.document.get("spec"), str) and _newer(str(card.document["spec"]), version):
        warnings.append(f"The card follows a newer specification ({version}); what is unknown is kept.")
    return tuple(warnings)


def _newer(spec: str, version: object) -> bool:
    number = as_number(version, 0.0)
    specs = ("chara_card_v1", "chara_card_v2", "chara_card_v3")
    return number > 3.0 or (spec.startswith("chara_card_v") and spec not in specs)


def _check_size(data: bytes, limit: int) -> None:
    if len(data) > limit:
        raise LimitExceeded(
            "FILE_TOO_LARGE",
            f"The file is larger than {limit // 2**20} MB.",
            "Make its picture smaller.",
            limit=limit,
        )


def _no_card(kind: file_kind.FileKind) -> InvalidInput:
    message, hint = file_kind.TOLD[kind]
    return InvalidInput("NOT_A_CARD", message, hint, kind=kind.value)
