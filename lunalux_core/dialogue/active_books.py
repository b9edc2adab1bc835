"""Which worldbooks take part in a turn, and their parsed forms, kept as long as their text stays the same.

See docs/spec/formats.md: Which books take part.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from lunalux_core.cards.card import Card
from lunalux_core.documents.coerce import as_object, as_text
from lunalux_core.errors import InvalidInput

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.library.conversations import Conversation
    from lunalux_core.library.personas import Persona
    from lunalux_core.worldbook.book_reader import Book
    from lunalux_core.worldbook.engine import ActiveBook
    from lunalux_core.worldbook.engine.engine_inputs import BookSource

T = TypeVar("T")

KEPT_CHARACTERS = 24_000_000
"""Of JSON text whose parsed form is kept; a book of 10,000 entries has about 3 million."""


class ParseCache(Generic[T]):
    """Values by the text they were read from, those used last, up to a total length of text.

    The text itself is the key: an edit is another text, so nothing ever has to be told to forget.
    """

    def __init__(self, limit: int = KEPT_CHARACTERS) -> None:
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[tuple[str, str], T] = OrderedDict()
        self._lock = Lock()

    def get(self, name: str, text: str, read: Callable[[], T]) -> T:
        """The value for this name and text; `read` makes it when it is not there."""
        key = (name, text)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        # Without the lock: a book of thousands of entries takes a
        # while, and other chats need not wait for it.
        value = read()
        with self._lock:
            # Two threads may have read the same text meanwhile; its length counts once.
            if key not in self._kept:
                self._kept[key] = value
                self._size += len(text)
            while self._size > self._limit and self._kept:
                (_, dropped), _ = self._kept.popitem(last=False)
                self._size -= len(dropped)
        return value

    def __len__(self) -> int:
        return len(self._kept)


_books: ParseCache[Book | None] = ParseCache()
_cards: ParseCache[Card] = ParseCache()
_own_books: ParseCache[Book | None] = ParseCache()


def parsed_card(text: str) -> Card:
    """`Card.parse`, remembered. Cards are values: nobody changes one."""
    return _cards.get("", text, lambda: Card.parse(text))


def active_books(
    connection: Connection,
    card: Card,
    document: str,
    conversation: Conversation,
    persona: Persona | None = None,
    character_id: str = "",
) -> list[ActiveBook]:
    """The books of a turn: the chat's, the persona's, the character's, and those enabled for
    every chat.

    A card that names a book of the library uses that one, as in SillyTavern; else the one it carries.

    Args:
        document: the card's JSON text.
        character_id: whose further books count too.
    """
    from lunalux_core.library.characters import load_worldbooks
    from lunalux_core.library.shelf import load_book_texts
    from lunalux_core.worldbook.book_reader import own_settings
    from lunalux_core.worldbook.engine import ActiveBook

    chat = as_text(as_object(conversation.metadata.get("chat_metadata")).get("world_info")).casefold()
    world = card.world.casefold()
    played = persona.worldbook.casefold() if persona else ""
    tied = {name.casefold() for name in load_worldbooks(connection, character_id)}
    named = sorted({chat, world, played, *tied} - {""})
    books: list[ActiveBook] = []
    linked = False
    for stored in load_book_texts(connection, named):
        # Parsed only where it takes part, and remembered by its text: most turns parse nothing.
        book = _shelf_book(stored.name, stored.text)
        if book is None:
            continue
        sources: list[BookSource] = ["global"] if stored.enabled else []
        if chat and stored.key == chat:
            sources.append("chat")
        if played and stored.key == played:
            sources.append("persona")
        if stored.key in {world, *tied} - {""}:
            sources.append("character")
            linked = linked or stored.key == world
        books += [ActiveBook(book, source, own_settings(book)) for source in sources]
    if not linked and (own := _own(card, document)) is not None:
        books.insert(0, ActiveBook(own, "character", own_settings(own)))
    return books


def _shelf_book(name: str, text: str) -> Book | None:
    from lunalux_core.worldbook.book_reader import read_book

    return _books.get(name, text, lambda: _readable(lambda: read_book(json.loads(text), name).book))


def _own(card: Card, document: str) -> Book | None:
    from lunalux_core.worldbook.book_reader import read_book

    def read() -> Book | None:
        own = card.character_book
        return None if own is None else _readable(lambda: read_book(own, card.name).book)

    return _own_books.get(card.name, document, read)


def _readable(read: Callable[[], Book]) -> Book | None:
    """The book, None where it cannot be read: it is kept and told at its import, and stops no turn."""
    try:
        return read()
    except (InvalidInput, ValueError, RecursionError):
        return None
