"""The worldbook of a card as an editor sees it: entries in the order of the file, read when looked at.

The book may come in either spelling and with its entries as a list or as an object;
an edit writes into what is there. An entry is written on top of the object it was at the beginning, so
unknown keys survive and a value that is brought back leaves no trace.

See docs/spec/formats.md: Tolerant reading, Worldbook files, Worldbooks inside cards, Scan buffer and keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lunalux_core.cards.card import Card
from lunalux_core.cards.document_edits import Path
from lunalux_core.documents.coerce import as_flag, as_object, as_text
from lunalux_core.text import clean_line
from lunalux_core.worldbook.book_reader import (
    Book,
    Entry,
    Shape,
    entry_from_character_book,
    entry_from_world_info,
    write_book,
)
from lunalux_core.worldbook.entry_fields import is_off

BOOK: Path = ("data", "character_book")
ENTRIES: Path = (*BOOK, "entries")
Edits = dict[Path, Any]


@dataclass(frozen=True, slots=True)
class Slot:
    """Where an entry stands: `key` is its index in a list or its name in an object."""

    key: int | str
    raw: Mapping[str, Any] = field(repr=False)
    world_info: bool = False

    @property
    def uid(self) -> int | str:
        uid = self.raw.get("uid" if self.world_info else "id")
        usable = isinstance(uid, int | str) and not isinstance(uid, bool)
        return uid if usable and uid != "" else self.key  # type: ignore[return-value]

    @property
    def entry(self) -> Entry:
        """The entry with all its fields, as the engine reads it."""
        read = entry_from_world_info if self.world_info else entry_from_character_book
        return read(self.raw, self.uid)

    @property
    def title(self) -> str:
        """What to call it in a list: its comment, else its keys."""
        name = as_text(self.raw.get("comment")) or as_text(self.raw.get("name"))
        keys = self.raw.get("key" if self.world_info else "keys")
        return clean_line(name or ", ".join(as_text(key) for key in _listed(keys)), 120)

    @property
    def enabled(self) -> bool:
        return not is_off(self.raw)

    @property
    def constant(self) -> bool:
        return as_flag(self.raw.get("constant"))

    @property
    def content(self) -> str:
        return as_text(self.raw.get("content"))

    def holds(self, words: Sequence[str]) -> bool:
        """Whether comment, keys or content hold all these words, in lower case."""
        keys = (as_text(key) for name in _KEYS for key in _listed(self.raw.get(name)))
        text = "\n".join((self.title, *keys, self.content)).casefold()
        return all(word in text for word in words)


_KEYS = ("key", "keys", "keysecondary", "secondary_keys")


class BookView:
    """The book of a document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._container = Card(document, "").get("character_book")
        entries = as_object(self._container).get("entries")
        pairs = (
            entries.items()
            if isinstance(entries, dict)
            else enumerate(entries if isinstance(entries, list) else ())
        )
        objects = [(key, raw) for key, raw in pairs if isinstance(raw, dict)]
        # A card's book and World Info spell their fields differently; an entry tells which one it is.
        of_card = any("keys" in raw and "key" not in raw for _, raw in objects)
        named = any("key" in raw or "disable" in raw for _, raw in objects)
        empty_file = isinstance(entries, dict) and not objects  # a card's own book has a list
        self.world_info = not of_card and (named or empty_file)
        self.slots = tuple(Slot(key, raw, self.world_info) for key, raw in objects)
        self._held: Any = entries

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def raw(self) -> Any:
        """The book as it is written, whatever that is."""
        return self._container

    def at(self, key: int | str) -> Slot | None:
        return next((slot for slot in self.slots if slot.key == key), None)

    def find(self, words: str) -> Sequence[Slot]:
        """The entries that hold all the words."""
        wanted_words = words.casefold().split()
        return [slot for slot in self.slots if slot.holds(wanted_words)] if wanted_words else self.slots

    # -- edits -------------------------------------------------------------------------------------

    def changed(self, slot: Slot, origin: BookView, **changes: Any) -> Edits:
        """Other values for fields of an entry (named as in `Entry`).

        Args:
            origin: the book as it was when the editing began.
        """
        # Files may use one number twice; then nobody can tell which entry it was at the beginning.
        begun = [other.raw for other in origin.slots if other.uid == slot.uid]
        base = begun[0] if len(begun) == 1 and origin.world_info == self.world_info else slot.raw
        entry = replace(slot.entry, **changes)
        return {(*ENTRIES, slot.key): self._written(entry, base)}

    def added(self, entry: Entry | None = None, *, after: Slot | None = None) -> tuple[Edits, int | str]:
        """A new entry, or a copy of one, at the end or after another; and its key."""
        fresh = replace(entry or Entry(0), uid=self._free_uid())
        raw = self._written(fresh, entry.raw if entry is not None else {})
        if isinstance(self._held, dict):
            key = str(self._free_uid())
            # An object's key need not be its entry's number, and may be another entry's.
            while key in self._held:
                key += "0"
            return {(*ENTRIES, key): raw}, key
        items = list(self._held) if isinstance(self._held, list) else []
        place = after.key + 1 if after is not None and isinstance(after.key, int) else len(items)
        items.insert(place, raw)
        return self._with(items), place

    def removed(self, slot: Slot) -> Edits:
        """The book without an entry."""
        if isinstance(self._held, dict):
            return self._with({key: raw for key, raw in self._held.items() if key != slot.key})
        items = [raw for place, raw in enumerate(self._held) if place != slot.key]
        return self._with(items)

    def moved(self, slot: Slot, step: int) -> tuple[Edits, int | str] | None:
        """An entry one place up (-1) or down (1), and its key there; None where it cannot go."""
        place = next(at for at, other in enumerate(self.slots) if other.key == slot.key)
        if not 0 <= place + step < len(self.slots):
            return None
        other = self.slots[place + step]
        entries: Any = dict(self._held) if isinstance(self._held, dict) else list(self._held)
        entries[slot.key], entries[other.key] = other.raw, slot.raw
        return self._with(entries), other.key

    def _with(self, entries: Any) -> Edits:
        if isinstance(self._container, dict):
            return {ENTRIES: entries}
        return {BOOK: {"extensions": {}, "entries": entries}}

    def _written(self, entry: Entry, base: Mapping[str, Any]) -> dict[str, Any]:
        shape: Shape = "world_info" if self.world_info else "character_book"
        entry = replace(entry, raw=base)
        # Only the writer of books knows how each field is spelled, so the
        # entry goes through it as a book of one.
        written: dict[str, Any] = write_book(Book("", (entry,), shape, {"entries": [base] if base else []}))
        entries = written["entries"]
        record: dict[str, Any] = entries[0] if isinstance(entries, list) else next(iter(entries.values()))
        return record

    def _free_uid(self) -> int:
        uids = [uid for slot in self.slots if isinstance(uid := slot.uid, int)]
        return max(uids, default=-1) + 1


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


# -- keys in one line of text ------------------------------------------------------------------------

_REGEX_KEY = re.compile(r"/(?:[^/\\\n]|\\.)+/[gimsuy]*(?=\s*(?:[,，]|\Z))")
_PLAIN_KEY = re.compile(r"(?:[^,，\\]|\\[,，\\]|\\)*")
# A key that begins with a slash would be read as a pattern, and one
# that ends with a backslash would take the comma along.
_TO_ESCAPE = re.compile(r"[,，]|\\(?=[,，\\]|\Z)|\A(?=/)|\A\\(?=/)")
_ESCAPED = re.compile(r"\\([,，\\])|\A\\(/)")


def join_keys(keys: Sequence[str]) -> str:
    """Keys as people type them: between commas; a comma within one has a backslash before it."""
    return ", ".join(key if _is_regex(key) else _TO_ESCAPE.sub(r"\\\g<0>", key) for key in keys)


def split_keys(text: str) -> tuple[str, ...]:
    """The keys in a line; patterns like ``/a{1,2}/i`` keep their commas."""
    keys = []
    rest = text.strip()
    while rest:
        if (match := _REGEX_KEY.match(rest)) is not None:
            key = match.group()
        else:
            match = _PLAIN_KEY.match(rest)
            assert match is not None  # it matches nothing at all too
            key = _ESCAPED.sub(lambda match: match[1] or match[2], match.group().strip())
        if key:
            keys.append(key)
        rest = rest[match.end() :].lstrip()[1:].lstrip()
    return tuple(keys)


def _is_regex(key: str) -> bool:
    match = _REGEX_KEY.match(key)
    return match is not None and match.end() == len(key)
