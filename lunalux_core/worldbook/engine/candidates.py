"""Which entries take part, in the order they are considered.

See docs/spec/formats.md: Which books take part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from lunalux_core.worldbook.engine.decorators import Decorations, decorated
from lunalux_core.worldbook.engine.engine_inputs import ActiveBook, BookSource, WorldbookSettings
from lunalux_core.worldbook.entry import Book, Entry

Identity = tuple[str, int | str]

_PRECEDENCE: tuple[BookSource, ...] = ("global", "chat", "persona", "character")


@dataclass(slots=True, eq=False)
class Candidate:
    """An entry that takes part. `place` is its rank in the order of consideration.

    The entry is as its decorators and its book's own settings make it.
    """

    place: int
    book: str
    entry: Entry
    decorations: Decorations | None = None

    @property
    def identity(self) -> Identity:
        return self.book, self.entry.uid


def candidates(books: Sequence[ActiveBook], settings: WorldbookSettings) -> list[Candidate]:
    """Every entry once: chat lore, persona lore, then by strategy; in each the highest `order` first."""
    sources: dict[BookSource, list[Candidate]] = {source: [] for source in _PRECEDENCE}
    for name, active in named(books):
        entries = active.book.entries
        if active.own_settings:
            entries = tuple(_as_its_book_wishes(active.book, entry) for entry in entries)
        sources[active.source] += [
            Candidate(0, name, *decorated(entry, settings.v3_decorators))
            if entry.content.startswith("@@")
            else Candidate(0, name, entry)
            for entry in entries
        ]

    def falling(*names: BookSource) -> list[Candidate]:
        pool = chain.from_iterable(sources[name] for name in names)
        return sorted(pool, key=lambda candidate: -candidate.entry.order)

    match settings.strategy:
        case 0:
            shared = falling("global", "character")
        case 2:
            shared = falling("global") + falling("character")
        case _:
            shared = falling("character") + falling("global")
    ordered = [*falling("chat"), *falling("persona"), *shared]
    for place, candidate in enumerate(ordered):
        candidate.place = place
    return ordered


def named(books: Sequence[ActiveBook]) -> Iterator[tuple[str, ActiveBook]]:
    """The books with a name that is theirs alone.

    A book that is active through several sources counts once: globally before chat, persona and character.
    Two different books of one name within a source are told apart.
    """
    books_of: dict[str, list[ActiveBook]] = {}
    for active in sorted(books, key=lambda book: _PRECEDENCE.index(book.source)):
        same = books_of.setdefault(active.book.name, [])
        if any(active.book.name and book.source != active.source for book in same):
            continue
        if all(book.book != active.book for book in same):
            same.append(active)
            yield active.book.name + (f"#{len(same)}" if len(same) > 1 else ""), active


def _as_its_book_wishes(book: Book, entry: Entry) -> Entry:
    """The entry with its book's own scan depth and recursion."""
    changes: dict[str, Any] = {}
    if book.scan_depth is not None and entry.scan_depth is None:
        changes["scan_depth"] = book.scan_depth
    if book.recursive_scanning is False:
        changes |= {"prevent_recursion": True, "exclude_recursion": True}
    return replace(entry, **changes) if changes else entry
