"""What a scenario of a worldbook describes (vectors/README.md): books, messages, and dice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, repeat
from typing import Any

from lunalux_core.documents.coerce import as_number, as_object, as_text
from lunalux_core.worldbook.book_reader import NOWHERE, Book, read_book
from lunalux_core.worldbook.engine import ActiveBook, ScanMessage
from lunalux_core.worldbook.engine.engine_inputs import BookSource

FACTORY = {"whole_words": True, "max_recursion_steps": 0, "v3_decorators": False}
"""Where SillyTavern's factory settings differ from ours."""
_AS_NEW: Mapping[str, Any] = {"selective": True}
_AS_UNDEFINED: Mapping[str, Any] = {"position": NOWHERE, "useProbability": False}
"""What SillyTavern makes of fields that are missing: with the defaults of a new entry, and without."""
_FIELDS = {
    "persona": ("persona", "personaDescription", "persona_description"),
    "description": ("description", "characterDescription"),
    "personality": ("personality", "characterPersonality"),
    "depth_prompt": ("depthPrompt", "characterDepthPrompt", "charDepthPrompt", "depth_prompt"),
    "scenario": ("scenario",),
    "creator_notes": ("creatorNotes", "creator_notes", "creatorcomment"),
}
"""Members of `charFields` by the fields of `ScanContext`."""


def active_books(scenario: Mapping[str, Any]) -> list[ActiveBook]:
    """The books that are switched on; all of them globally where none is named."""
    raw = bool(scenario.get("rawEntries"))
    books = {name: _book(document, name, raw) for name, document in as_object(scenario.get("books")).items()}
    named: tuple[tuple[str, BookSource], ...] = (
        ("global", "global"),
        ("chatBook", "chat"),
        ("persona", "persona"),
        ("character", "character"),
        ("extraCharBooks", "character"),
    )
    chosen = [
        ActiveBook(books[name], source)
        for member, source in named
        for name in _names(scenario.get(member))
        if isinstance(name, str) and name in books
    ]
    return chosen or [ActiveBook(book) for book in books.values()]


def _book(document: Any, name: str, raw: bool) -> Book:
    """A book by its name in the scenario, World Info entries completed as the scenario says."""
    if isinstance(document, dict) and isinstance(document.get("entries"), dict):
        defaults = _AS_UNDEFINED if raw else _AS_NEW
        entries = {
            # An entry with `keys` is written as cards do it, where missing fields have other meanings.
            key: {**defaults, **entry} if isinstance(entry, dict) and "keys" not in entry else entry
            for key, entry in document["entries"].items()
        }
        document = {**document, "entries": entries}
    return replace(read_book(document, name).book, name=name)


def read_message(value: Any, user: str, character: str) -> ScanMessage:
    """A message; a bare text is one without a name."""
    if not isinstance(value, dict):
        return ScanMessage("", as_text(value), is_user=True)
    is_user = bool(value.get("is_user"))
    name = as_text(value.get("name")) or (user if is_user else character)
    return ScanMessage(name, as_text(value.get("mes", value.get("content"))), is_user)


def _names(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def in_turn(value: Any) -> Iterator[float]:
    """One number for every roll, or a list of them and then 0.5."""
    if isinstance(value, list):
        return chain(map(float, value), repeat(0.5))
    return repeat(float(as_number(value, 0.5)))


def texts(scenario: Mapping[str, Any]) -> dict[str, Any]:
    """The texts of the character, by the fields of `ScanContext` and `MacroContext`."""
    fields = as_object(scenario.get("charFields"))
    # Named as cards, macros or SillyTavern's own code do it; the first name that is there counts.
    return {
        name: as_text(next((fields[key] for key in keys if key in fields), ""))
        for name, keys in _FIELDS.items()
    }
