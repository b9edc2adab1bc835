"""Worldbooks (lorebooks): SillyTavern's World Info, the `character_book` of cards, lorebook_v3 and others.

Every entry keeps the object it was read from; its fields are a tolerant reading of that
object, and writing (`write`) changes only what was changed here. Nothing is activated here:
`worldbook.engine` does that.

See docs/spec/formats.md: Worldbook files, Worldbooks inside cards, Worldbook departures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lunalux_core.documents.coerce import as_flag, as_object, as_optional_integer, as_text, is_integer
from lunalux_core.errors import InvalidInput
from lunalux_core.worldbook import foreign_books as worldbook_foreign
from lunalux_core.worldbook.book_warnings import book_warnings
from lunalux_core.worldbook.book_writer import (
    write_book,
    write_character_book,
    write_lorebook_v3,
    write_world_info,
)
from lunalux_core.worldbook.entry import (
    AFTER,
    AND_ALL,
    AND_ANY,
    AT_DEPTH,
    BEFORE,
    DEFAULT_DEPTH,
    EXAMPLES_BOTTOM,
    EXAMPLES_TOP,
    EXTENSION_KEY,
    NOT_ALL,
    NOT_ANY,
    NOTE_BOTTOM,
    NOTE_TOP,
    NOWHERE,
    OUTLET,
    Book,
    CharacterFilter,
    Entry,
    ReadBook,
    Shape,
)
from lunalux_core.worldbook.entry_fields import (
    entry_from_character_book,
    entry_from_world_info,
    is_index,
    javascript_order,
)

__all__ = [
    "AFTER",
    "AND_ALL",
    "AND_ANY",
    "AT_DEPTH",
    "BEFORE",
    "DEFAULT_DEPTH",
    "EXAMPLES_BOTTOM",
    "EXAMPLES_TOP",
    "NOTE_BOTTOM",
    "NOTE_TOP",
    "NOT_ALL",
    "NOT_ANY",
    "NOWHERE",
    "OUTLET",
    "Book",
    "CharacterFilter",
    "Entry",
    "ReadBook",
    "Shape",
    "entry_from_character_book",
    "entry_from_world_info",
    "own_settings",
    "read_book",
    "with_own_settings",
    "write_book",
    "write_character_book",
    "write_lorebook_v3",
    "write_world_info",
]

Items = Sequence[tuple[str, Mapping[str, Any]]]
"""Entries with the keys they stand under."""


def read_book(document: Any, name: str = "") -> ReadBook:
    """Read any worldbook, also the one inside a card, recognised by its content.

    No entry, however broken, is a reason to fail.

    Args:
        name: for a book that has none of its own.

    Raises:
        InvalidInput: WORLDBOOK_UNKNOWN, when the document is no worldbook at all.
    """
    if isinstance(document, list) and any(map(_may_be_entry, document)):
        document = {"entries": document}
    if not isinstance(document, dict):
        raise _unknown(name)
    inner = as_object(document.get("data"))
    if document.get("spec") == "lorebook_v3":
        return _read("lorebook_v3", inner, _items(inner.get("entries")), name, document)
    if isinstance(inner.get("character_book"), dict):
        return read_book(inner["character_book"], as_text(inner.get("name")).strip() or name)
    if (foreign := worldbook_foreign.read(document)) is not None:
        read = _read("other", foreign, _items(foreign["entries"]), name, document)
        return ReadBook(read.book, (*worldbook_foreign.remarks_on(document), *read.notes))
    if "entries" not in document and isinstance(inner.get("entries"), list | dict):
        return read_book(inner, name)  # a lorebook_v3 that does not say so
    if not isinstance(document.get("entries", 0), list | dict | None):
        raise _unknown(name)
    items = _items(document["entries"])
    return _read(_shape(document["entries"], items), document, items, name, document)


def _may_be_entry(item: object) -> bool:
    return isinstance(item, dict) and (
        "key" in item or "keys" in item or "content" in item or worldbook_foreign.is_entry(item)
    )


def _shape(entries: object, items: Items) -> Shape:
    """World Info has `key`, a card's book has `keys`; both are seen with a list and with an object."""
    if any("keys" in entry and "key" not in entry for _, entry in items):
        return "character_book"
    if isinstance(entries, dict) or any("key" in entry or "disable" in entry for _, entry in items):
        return "world_info"
    return "character_book"


def _items(entries: object) -> Items:
    """The entries in the order JavaScript walks them; what is no object is left out."""
    if isinstance(entries, dict):
        pairs = javascript_order(entries.items())
    else:
        pairs = [
            (str(place), entry) for place, entry in enumerate(entries if isinstance(entries, list) else ())
        ]
    return [(key, entry) for key, entry in pairs if isinstance(entry, dict)]


def _read(
    shape: Shape, book: Mapping[str, Any], items: Items, name: str, document: Mapping[str, Any]
) -> ReadBook:
    of_card = shape in ("character_book", "lorebook_v3")
    entries, doubled = _of_card(items) if of_card else _of_world(items)
    result = Book(
        name=as_text(book.get("name")).strip() or name,
        entries=entries,
        shape=shape,
        raw=document,
        scan_depth=as_optional_integer(book.get("scan_depth")),
        token_budget=as_optional_integer(book.get("token_budget")),
        recursive_scanning=None if (on := book.get("recursive_scanning")) is None else as_flag(on),
    )
    return ReadBook(result, book_warnings(result, doubled))


def _of_card(items: Items) -> tuple[tuple[Entry, ...], list[int | str]]:
    """Entries by their `id`, and the ids that were there twice.

    SillyTavern makes one object of them: the later entry of an id replaces the earlier, and whole numbers
    come first.
    """
    entries: dict[str, Entry] = {}
    doubled = []
    for place, (_, raw) in enumerate(items):
        uid = _identity(raw.get("id"), place)
        if str(uid) in entries:
            doubled.append(uid)
        entries[str(uid)] = entry_from_character_book(raw, uid)
    return tuple(entry for _, entry in javascript_order(entries.items())), doubled


def _of_world(items: Items) -> tuple[tuple[Entry, ...], list[int | str]]:
    """Entries by their `uid`, else by their key. A uid that is there twice gets another one."""
    entries: dict[int | str, Entry] = {}
    doubled = []
    spare = len(items)
    for place, (key, raw) in enumerate(items):
        uid = _identity(raw.get("uid"), int(key) if is_index(key) else place)
        if uid in entries:
            doubled.append(uid)
            while spare in entries:
                spare += 1
            uid = spare
        entries[uid] = entry_from_world_info(raw, uid)
    return tuple(entries.values()), doubled


def _identity(value: object, otherwise: int) -> int | str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value:
        return int(value) if is_index(value) else as_text(value)
    return value if is_integer(value) else otherwise


def own_settings(book: Book) -> bool:
    """Whether the person wants this book searched with its own depth, budget and recursion."""
    inner = as_object(book.raw.get("data")) if book.shape == "lorebook_v3" else book.raw
    ours = as_object(as_object(inner.get("extensions")).get(EXTENSION_KEY))
    return ours.get("own_settings") is True


def with_own_settings(document: Mapping[str, Any], on: bool) -> dict[str, Any]:
    """The document of a book (World Info or a card's) with that wish, and everything else as it was."""
    extensions = dict(as_object(document.get("extensions")))
    ours = {
        key: value
        for key, value in as_object(extensions.pop(EXTENSION_KEY, None)).items()
        if key != "own_settings"
    }
    if on:
        ours["own_settings"] = True
    if ours:
        extensions[EXTENSION_KEY] = ours
    # A file without `extensions` does not get an empty one.
    if not extensions and "extensions" not in document:
        return dict(document)
    return {**document, "extensions": extensions}


def _unknown(name: str) -> InvalidInput:
    return InvalidInput(
        "WORLDBOOK_UNKNOWN",
        f"{name or 'This file'} is not a worldbook.",
        "World Info, character_book, lorebook_v3, NovelAI, Agnai, RisuAI, JanitorAI, Kobold Lite and "
        "Narratium files are read.",
        name=name,
    )
