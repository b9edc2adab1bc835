"""Writing worldbooks without losing anything.

A file of the same kind comes out as it was, but for the fields that were changed. In the other kind every
field is written as SillyTavern writes it, and what has no place there is kept where reading finds it again.

See docs/spec/formats.md: Worldbooks inside cards, Worldbook departures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lunalux_core.documents.coerce import as_object
from lunalux_core.worldbook.entry import BEFORE, Book, CharacterFilter, Entry
from lunalux_core.worldbook.entry_fields import (
    FIELDS,
    RISU_FIELDS,
    Field,
    entry_from_character_book,
    entry_from_world_info,
)

_Writer = Callable[[Entry, Mapping[str, Any]], dict[str, Any]]

_KEPT = "world_info"
"""Under this name a card's entry keeps, in `extensions`, what World Info alone knows."""
_BOOK_LEVEL = ("name", "description", "scan_depth", "token_budget", "recursive_scanning", "extensions")
_DERIVED = {"uid", "addMemo", "disable", "extensions", *(field.world for field in FIELDS)}


def write_book(book: Book) -> dict[str, Any]:
    """The book as a file of the kind it came from; other programs' books as World Info."""
    match book.shape:
        case "character_book":
            return write_character_book(book)
        case "lorebook_v3":
            return write_lorebook_v3(book)
        case _:
            return write_world_info(book)


def write_world_info(book: Book) -> dict[str, Any]:
    """The book as SillyTavern's own file. A card's book goes along as `originalData`, as SillyTavern does."""
    if book.shape == "world_info" and book.raw:
        entries = _placed(book, book.raw.get("entries"), "uid", _world_info_entry)
        return _renamed(book, book.raw) | {"entries": entries}
    inner = _inner(book)
    head = {key: inner[key] for key in _BOOK_LEVEL if key in inner}
    entries = {str(entry.uid): _world_info_entry(entry, {}) for entry in book.entries}
    return _titled(book, head) | {"entries": entries} | ({"originalData": inner} if inner else {})


def write_character_book(book: Book) -> dict[str, Any]:
    """The book as it stands in a card."""
    if book.shape in ("character_book", "lorebook_v3") and book.raw:
        inner = _inner(book)
        return _renamed(book, inner) | {"entries": _placed(book, inner.get("entries"), "id", _card_entry)}
    original = as_object(book.raw.get("originalData")) if book.shape == "world_info" else {}
    sources = original.get("entries")
    originals = {
        str(raw.get("id", place)): raw
        for place, raw in enumerate(sources if isinstance(sources, list) else ())
        if isinstance(raw, dict) and "keys" in raw
    }
    head = {key: book.raw[key] for key in _BOOK_LEVEL if key in book.raw}
    head = {**original, **head} if originals else {"extensions": {}, **head}
    entries = [_card_entry(entry, originals.get(str(entry.uid), {})) for entry in book.entries]
    return _titled(book, head) | {"entries": entries}


def write_lorebook_v3(book: Book) -> dict[str, Any]:
    """The book as a lorebook file of its own (V3)."""
    head = dict(book.raw) if book.shape == "lorebook_v3" else {"spec": "lorebook_v3"}
    return head | {"data": write_character_book(book)}


def _inner(book: Book) -> Mapping[str, Any]:
    return as_object(book.raw.get("data")) if book.shape == "lorebook_v3" else book.raw


def _renamed(book: Book, head: Mapping[str, Any]) -> dict[str, Any]:
    """The head with a changed name. A file without one stays so: then the name is that of the file."""
    name = head.get("name")
    if not isinstance(name, str) or not name.strip() or name.strip() == book.name:
        return dict(head)
    return {**head, "name": book.name}


def _titled(book: Book, head: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": book.name} | dict(head) | {"name": book.name} if book.name else dict(head)


def _placed(book: Book, container: object, label: str, write: _Writer) -> Any:
    """The entries in a container like the original one, each where it stood, new ones after them.

    Deleted entries go; what was never read (no object, or hidden by a later one of its id) stays.
    """
    if not book.entries and not container:
        return container
    if isinstance(container, dict):
        places = list(container.items())
    else:
        places = [(str(i), raw) for i, raw in enumerate(container if isinstance(container, list) else ())]
    # Of entries that share an object, which copies do, the first has its place; the others come after.
    unplaced = {id(entry.raw): entry for entry in reversed(book.entries)}
    uids = {str(entry.uid) for entry in book.entries}
    written: list[tuple[str, Any]] = []
    for key, raw in places:
        entry = unplaced.pop(id(raw), None)
        if entry is not None:
            written.append((key, write(entry, raw)))
        elif not isinstance(raw, dict) or str(raw.get(label, key)) in uids:
            written.append((key, raw))
    there = {id(raw) for _, raw in places}
    copies: set[int] = set()
    for entry in book.entries:
        if id(entry.raw) not in there or id(entry.raw) in copies:
            written.append((str(entry.uid), write(entry, entry.raw)))
        copies.add(id(entry.raw))
    return dict(written) if isinstance(container, dict) else [item for _, item in written]


def _world_info_entry(entry: Entry, base: Mapping[str, Any]) -> dict[str, Any]:
    """One entry on top of the World Info object it came from; a whole new object where there is none."""
    if base:
        before = entry_from_world_info(base, entry.uid)
        changes = {field.world: _value(entry, field) for field in FIELDS if _differs(entry, before, field)}
        if entry.disabled != before.disabled:
            changes["disable"] = entry.disabled
            if "enabled" in base:  # the word of the other format, which would keep it off
                changes["enabled"] = not entry.disabled
        if str(base.get("uid", entry.uid)) != str(entry.uid):
            changes["uid"] = entry.uid
        return {**base, **changes}
    extensions = dict(as_object(entry.raw.get("extensions")))
    extra = as_object(extensions.pop(_KEPT, None))
    written = {
        "uid": entry.uid,
        **{field.world: _value(entry, field) for field in FIELDS if _is_set(entry, field)},
        "addMemo": bool(entry.comment),
        "disable": entry.disabled,
    }
    return {**extra, **written} | ({"extensions": extensions} if extensions else {})


def _card_entry(entry: Entry, base: Mapping[str, Any]) -> dict[str, Any]:
    """One entry on top of the card's object it came from; a whole new object where there is none."""
    string_position = "before_char" if entry.position == BEFORE else "after_char"
    if base:
        before = entry_from_character_book(base, entry.uid)
        changed = [field for field in FIELDS if _differs(entry, before, field)]
        result = {**base, **{field.book: _value(entry, field) for field in changed if not field.nested}}
        if nested := {field.book: _value(entry, field) for field in changed if field.nested}:
            extensions = as_object(base.get("extensions"))
            result["extensions"] = {**extensions, **nested, **_risu_names(changed, entry, extensions)}
        if entry.position != before.position:
            result["position"] = string_position
        if entry.disabled != before.disabled:
            result["enabled"] = not entry.disabled
            if "disable" in base:
                result["disable"] = entry.disabled
        if str(base.get("id", entry.uid)) != str(entry.uid):
            result["id"] = entry.uid
        return result
    extensions = dict(as_object(entry.raw.get("extensions")))
    extensions |= {
        field.book: _value(entry, field) for field in FIELDS if field.nested and _is_set(entry, field)
    } | _risu_names(FIELDS, entry, extensions)
    if others := {key: value for key, value in entry.raw.items() if key not in _DERIVED}:
        extensions[_KEPT] = others
    return {
        "id": entry.uid,
        **{field.book: _value(entry, field) for field in FIELDS if not field.nested},
        "enabled": not entry.disabled,
        "position": string_position,
        # As SillyTavern writes it, where any key may be a pattern.
        "use_regex": True,
        "extensions": extensions,
    }


def _risu_names(fields: Iterable[Field], entry: Entry, extensions: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an entry that RisuAI has written beside ours."""
    return {
        theirs: _value(entry, field)
        for field in fields
        if (theirs := RISU_FIELDS.get(field.name)) is not None and theirs in extensions
    }


def _differs(entry: Entry, before: Entry, field: Field) -> bool:
    return bool(getattr(entry, field.name) != getattr(before, field.name))


def _is_set(entry: Entry, field: Field) -> bool:
    """Everything is written but two members that files usually do not have."""
    match field.name:
        case "character_filter":
            return entry.character_filter != CharacterFilter()
        case "display_index":
            return entry.display_index is not None
        case _:
            return True


def _value(entry: Entry, field: Field) -> Any:
    """A field's value as JSON."""
    value = getattr(entry, field.name)
    match value:
        case tuple():
            return list(value)
        case CharacterFilter():
            return {"isExclude": value.exclude, "names": list(value.names), "tags": list(value.tags)}
    # SillyTavern writes true for the first level.
    if field.name == "delay_until_recursion":
        return value if value > 1 else bool(value)
    if field.name in ("sticky", "cooldown", "delay"):
        return value or None
    return value
