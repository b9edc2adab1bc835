"""Worldbooks, presets and regex scripts into the library: what a file brings, and what is there already."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lunalux_core.database import Connection
from lunalux_core.documents.coerce import as_flag
from lunalux_core.documents.json_text import canonical_json, decode_text, parse_file, well_formed_value
from lunalux_core.errors import InvalidInput
from lunalux_core.library.shelf import ShelfItem, ShelfKind, insert_item, load_shelf
from lunalux_core.text import clean_line


@dataclass(frozen=True, slots=True)
class ShelfDocument:
    """One document of a file, ready for the shelf; `notes` say what differs from its home."""

    name: str
    document: Any
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShelfResult:
    """What became of a document: a new item, or the one that was there with the same content."""

    item: ShelfItem
    is_new: bool


def read_document(data: bytes, filename: str = "") -> tuple[Any, tuple[str, ...]]:
    """The JSON of a file, or of the lorebook inside a NovelAI picture, and what was mended.

    Raises:
        InvalidInput: JSON_INVALID, YAML_NOT_READ. LimitExceeded: as `json_text`.
    """
    from lunalux_core.worldbook.foreign_books import png_document

    inside = png_document(data)
    if inside is not None:
        return inside, ()
    text, notes = decode_text(data)
    try:
        return parse_file(text, filename), notes
    except InvalidInput as error:
        raise _yaml(text, filename) or error from None


def _yaml(text: str, filename: str) -> InvalidInput | None:
    """What to say of a file in YAML, which no repair makes JSON; None for everything else."""
    from lunalux_core.cards.foreign_cards import is_oobabooga_setting, looks_like_yaml

    if text.lstrip()[:1] in ("{", "["):
        return None
    if is_oobabooga_setting(text):
        return InvalidInput(
            "YAML_NOT_READ",
            f"{filename or 'The file'} is a preset or an instruction template of oobabooga, "
            "which Lunalux does not read.",
            "Use SillyTavern's file for the same model.",
            path=filename,
            kind="oobabooga",
        )
    if looks_like_yaml(text):
        return InvalidInput(
            "YAML_NOT_READ",
            f"{filename or 'The file'} is a character in YAML.",
            "Import it with `lunalux import`.",
            path=filename,
        )
    return None


def read_worldbook_document(data: bytes, filename: str = "") -> tuple[Any, tuple[str, ...]]:
    """`read_document` for a worldbook, also for the one inside a card of any kind.

    Raises:
        InvalidInput: also CARD_WITHOUT_WORLDBOOK, and what reading a card raises.
    """
    from lunalux_core.cards.card_reader import read_card
    from lunalux_core.cards.file_kind import FileKind, recognise

    if recognise(data, filename) is not FileKind.CARD:
        return read_document(data, filename)
    book = read_card(data, filename).card.character_book
    if book is None:
        raise InvalidInput(
            "CARD_WITHOUT_WORLDBOOK",
            f"The card {filename} has no worldbook.",
            "Choose another file.",
            path=filename,
        )
    return book, ()


def shelf_documents(kind: ShelfKind, document: Any, stem: str) -> list[ShelfDocument]:
    """What a file of this kind brings.

    Args:
        stem: the file's name without its ending, for what has no name of its own.

    Raises:
        InvalidInput: it is of another kind.
    """
    readers = {"worldbook": _worldbook, "preset": _preset, "regex": _scripts}
    return [
        ShelfDocument(
            clean_line(document_.name, 200) or stem, well_formed_value(document_.document), document_.notes
        )
        for document_ in readers[kind](document, stem)
    ]


Known = dict[bytes, ShelfItem]
"""Items of a shelf by their content, without their documents."""


def known_items(connection: Connection, kind: ShelfKind) -> Known:
    """What is on a shelf; of equal contents the first."""
    items: Known = {}
    for item in load_shelf(connection, kind):
        items.setdefault(_fingerprint(item.document), replace(item, document=None))
    return items


def put(
    connection: Connection,
    kind: ShelfKind,
    name: str,
    document: Any,
    *,
    enabled: bool,
    copy: bool = False,
    shelved: Known | None = None,
) -> ShelfResult:
    """Put a document on its shelf unless one of the same content is there (`copy`: in any case).

    A script that is switched off in its file is so on the shelf.

    Args:
        shelved: what is on the shelf, kept up to date here; read anew where it is not given.
    """
    shelved = known_items(connection, kind) if shelved is None else shelved
    content = _fingerprint(document)
    if not copy and content in shelved:
        return ShelfResult(shelved[content], False)
    if kind == "regex" and isinstance(document, dict):
        enabled = enabled and not as_flag(document.get("disabled"))
    item = insert_item(connection, kind, name, document, enabled=enabled)
    shelved.setdefault(content, replace(item, document=None))
    return ShelfResult(item, True)


def _fingerprint(document: Any) -> bytes:
    """Of the content alone: a book without a name got its file's."""
    if isinstance(document, dict):
        document = {key: value for key, value in document.items() if key != "name"}
    return hashlib.sha256(canonical_json(document).encode("utf-8", "replace")).digest()


def _worldbook(document: Any, stem: str) -> Sequence[ShelfDocument]:
    from lunalux_core.worldbook.book_reader import read_book, write_world_info

    read = read_book(document, stem)
    return [ShelfDocument(read.book.name or stem, write_world_info(read.book), read.notes)]


def _preset(document: Any, stem: str) -> Sequence[ShelfDocument]:
    from lunalux_core.presets.document import preset_document, read_preset

    preset, notes = read_preset(document, stem)
    return [ShelfDocument(stem, preset_document(preset), notes)]


def _scripts(document: Any, stem: str) -> Sequence[ShelfDocument]:
    from lunalux_core.regex.risu_scripts import is_risu, read_risu
    from lunalux_core.regex.script import read_scripts, write_script

    notes: tuple[str, ...] = ()
    if isinstance(document, dict) and is_risu(document):
        document, notes = read_risu(document)
        if not document:
            raise InvalidInput(
                "REGEX_NO_SCRIPTS",
                "None of RisuAI's scripts in this file has a counterpart here.",
                "Commands such as @@emo and @@inject, and scripts for translations, work only there.",
                kind="risu",
            )
    scripts = read_scripts(document, "narratium" if _of_narratium(document) else "sillytavern")
    return [
        ShelfDocument(script.name or stem, write_script(script), notes if place == 0 else ())
        for place, script in enumerate(scripts)
    ]


def _of_narratium(document: Any) -> bool:
    """Only Narratium's store gives its scripts a `scriptKey`."""
    items = [document, *document.values()] if isinstance(document, dict) else document
    return isinstance(items, list) and any(isinstance(item, dict) and "scriptKey" in item for item in items)
