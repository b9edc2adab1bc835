"""Everything of a Narratium in one file: its stores as JSON, pictures as base64.

See docs/spec/formats.md: Narratium's files.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lunalux_core.documents.coerce import as_object, as_text
from lunalux_core.documents.json_text import canonical_json, decode_text, dump_json, parse_json
from lunalux_core.errors import LunaluxError
from lunalux_core.importing.card_import import store
from lunalux_core.importing.import_results import ImportResult, failed
from lunalux_core.importing.shelf_documents import ShelfDocument, shelf_documents
from lunalux_core.importing.sources import ImportSource
from lunalux_core.library.characters import allow_own_scripts
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.importing.import_store import ImportStore

MAX_LIBRARY = 256 * 1024 * 1024
"""Bytes of the whole file, which has pictures in it."""

UNUSED = "Narratium's chats never read this copy of a card's worldbook; it is kept, switched off."


def take_library(storing: ImportStore, source: ImportSource, data: bytes) -> Iterator[ImportResult]:
    """Characters, then what refers to them: scripts, books, presets, dialogues."""
    document = as_object(parse_json(decode_text(data, MAX_LIBRARY)[0]))
    pictures = {
        as_text(record.get("key")): as_text(record.get("data"))
        for record in _objects(document.get("character_images"))
    }
    ids: dict[str, str] = {}
    cards: dict[str, Mapping[str, Any]] = {}
    for record in _objects(document.get("characters_record")):
        label = f"{source}#{as_text(record.get('id'))}"
        try:
            result = _character(storing, source, label, record, pictures)
        except LunaluxError as error:
            yield failed(label, error)
            continue
        ids[as_text(record.get("id"))] = result.id
        cards[as_text(record.get("id"))] = as_object(record.get("data"))
        yield result
    yield from _scripts(storing, source, document, ids, cards)
    yield from _books(storing, source, document, cards)
    for preset in _objects(document.get("preset_data")):
        name = clean_line(as_text(preset.get("name")), 200) or "Narratium"
        yield from _shelved(storing, f"{source}#{name}", "preset", preset, name)
    yield from _dialogues(storing, source, document, ids)


def _character(
    storing: ImportStore,
    source: ImportSource,
    label: str,
    record: Mapping[str, Any],
    pictures: Mapping[str, str],
) -> ImportResult:
    from lunalux_core.cards.card_reader import read_card
    from lunalux_core.cards.export import export_card
    from lunalux_core.cards.png import is_png

    text = dump_json(record.get("data"))
    loaded = read_card(text.encode("utf-8", "surrogatepass"), f"{as_text(record.get('id'))}.json")
    data = b""
    picture = _decoded(pictures.get(as_text(record.get("imagePath")), ""))
    if is_png(picture):
        # As a card file, so that the picture and the card lie in one file like those of other imports.
        data = export_card(loaded.card, "png", picture=picture)
        loaded = read_card(data, "card.png")
    prepared = storing.reader.card(source, loaded, data)
    if prepared.new is not None and not storing.dry_run:
        store(storing.library, [prepared])
    result = prepared.result
    storing.owners.add(as_text(record.get("id")), result.name, result.id)
    return ImportResult(label, result.status, result.id, result.name, result.spec, warnings=result.warnings)


def _scripts(
    storing: ImportStore,
    source: ImportSource,
    document: Mapping[str, Any],
    ids: Mapping[str, str],
    cards: Mapping[str, Mapping[str, Any]],
) -> Iterator[ImportResult]:
    """Scripts beside those of the cards. The cards' own ran there without asking, so they may run here."""
    for owner, stored in _owned(document.get("regex_scripts")):
        scripts = [script for script in stored.values() if isinstance(script, dict) and "findRegex" in script]
        own = _own_finds(cards.get(owner, {}))
        others = [script for script in scripts if as_text(script.get("findRegex")) not in own]
        # Narratium keeps a copy of the card's own scripts in its store: that it is there shows that they ran.
        if len(others) < len(scripts) and owner in ids and not storing.dry_run:
            storing.library.database.write_now(
                lambda c, identity=ids[owner]: allow_own_scripts(c, [identity])  # type: ignore[misc]
            )
        if others:
            yield from _shelved(storing, f"{source}#{owner}", "regex", others, owner)


def _own_finds(card: Mapping[str, Any]) -> set[str]:
    extensions = as_object(as_object(card.get("data") or card).get("extensions"))
    own = extensions.get("regex_scripts")
    items = own.values() if isinstance(own, dict) else own if isinstance(own, list) else ()
    return {as_text(item.get("findRegex")) for item in items if isinstance(item, dict)}


def _books(
    storing: ImportStore,
    source: ImportSource,
    document: Mapping[str, Any],
    cards: Mapping[str, Mapping[str, Any]],
) -> Iterator[ImportResult]:
    """The editor's copies of books, where they say anything that the card does not."""
    for owner, stored in _owned(document.get("world_book")):
        entries = {key: book for key, book in stored.items() if isinstance(book, dict) and "content" in book}
        inside = canonical_json(as_object(cards.get(owner, {}).get("data") or cards.get(owner)))
        if not entries or all(
            canonical_json(as_text(entry["content"])) in inside for entry in entries.values()
        ):
            # Narratium's chats read the card alone; a copy that says the same would only stand there twice.
            continue
        name = clean_line(as_text(as_object(cards.get(owner, {}).get("data")).get("name")) or owner, 200)
        yield from _shelved(storing, f"{source}#{owner}", "worldbook", entries, name, UNUSED)


def _dialogues(
    storing: ImportStore, source: ImportSource, document: Mapping[str, Any], ids: Mapping[str, str]
) -> Iterator[ImportResult]:
    from dataclasses import replace

    from lunalux_core.chatlogs.chatlog_reader import read_chat

    for tree in _objects(document.get("character_dialogues")):
        owner = as_text(tree.get("character_id") or tree.get("id"))
        label = f"{source}#{owner}"
        try:
            log = read_chat(dump_json(tree).encode(), label)
            if log.nodes:
                log = replace(log, title=log.title or "Narratium")
                yield storing.chat(label, log, source, ids.get(owner, ""))
        except LunaluxError as error:
            yield failed(label, error, "chat")


def _shelved(
    storing: ImportStore, label: str, kind: Any, document: Any, name: str, note: str = ""
) -> Iterator[ImportResult]:
    try:
        documents = shelf_documents(kind, document, name)
    except LunaluxError as error:
        yield failed(label, error, kind)
        return
    if note:
        documents = [
            ShelfDocument(document.name, document.document, (*document.notes, note)) for document in documents
        ]
    yield storing.shelve(label, kind, documents)


def _owned(store: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What a store keeps by character: its records are objects of objects; settings are not looked at."""
    for record in _objects(store):
        for owner, stored in record.items():
            if isinstance(stored, dict) and not owner.endswith("_settings"):
                yield owner, stored


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _decoded(text: str) -> bytes:
    """The bytes of a picture, a data URL or bare base64; nothing where there is none."""
    try:
        return base64.b64decode(text.rpartition(",")[2])
    except (binascii.Error, ValueError):
        return b""
