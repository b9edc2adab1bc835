"""The first messages of a character as one list: the first, its alternates, those for groups only.

Functions of the document that give edits; `Draft.edit` applies them.

See docs/spec/formats.md: Tolerant reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lunalux_core.cards.card import Card
from lunalux_core.cards.document_edits import Path
from lunalux_core.documents.coerce import as_text, as_texts
from lunalux_core.text import clean

GreetingKind = Literal["first", "alternate", "group"]
Edits = dict[Path, Any]

FIRST: Path = ("data", "first_mes")
LISTS: Mapping[GreetingKind, Path] = {
    "alternate": ("data", "alternate_greetings"),
    "group": ("data", "group_only_greetings"),
}


@dataclass(frozen=True, slots=True)
class Greeting:
    """One of them. `place` counts in its own list, odd items of the document included; `raw` is the item."""

    kind: GreetingKind
    place: int
    text: str
    raw: Any = field(default="", compare=False, repr=False)

    @property
    def id(self) -> str:
        return f"{self.kind} {self.place}"


def greetings(document: Mapping[str, Any]) -> tuple[Greeting, ...]:
    """All of them; what is no text in a list is not shown and stays where it is."""
    card = Card(document, "")
    result = [Greeting("first", 0, clean(card.first_mes), card.get("first_mes"))]
    for kind in LISTS:
        result += [
            Greeting(kind, place, clean(as_text(item)), item)
            for place, item in enumerate(_items(document, kind))
            if isinstance(item, str | int | float) and not isinstance(item, bool)
        ]
    return tuple(result)


def rewritten(document: Mapping[str, Any], greeting: Greeting, text: str) -> Edits:
    """Other words for a greeting."""
    if greeting.kind == "first":
        return {FIRST: text}
    if isinstance(_raw(document, greeting.kind), list):
        return {(*LISTS[greeting.kind], greeting.place): text}
    # A card may hold a bare text where a list belongs; it becomes a list only where it is changed.
    items = _items(document, greeting.kind)
    items[greeting.place] = text
    return {LISTS[greeting.kind]: items}


def added(document: Mapping[str, Any], kind: GreetingKind, text: str = "") -> tuple[Edits, Greeting]:
    """One more at the end of a list, and which it is."""
    items = _items(document, kind)
    return {LISTS[kind]: [*items, text]}, Greeting(kind, len(items), text, text)


def removed(document: Mapping[str, Any], greeting: Greeting) -> Edits:
    """Without a greeting. Where the first goes, the first alternate becomes it."""
    if greeting.kind != "first":
        items = _items(document, greeting.kind)
        del items[greeting.place]
        return {LISTS[greeting.kind]: items}
    others = _texts_of(document, "alternate")
    if not others:
        return {FIRST: ""}
    items = _items(document, "alternate")
    del items[others[0].place]
    return {FIRST: others[0].raw, LISTS["alternate"]: items}


def moved(document: Mapping[str, Any], greeting: Greeting, step: int) -> tuple[Edits, Greeting] | None:
    """One place up (-1) or down (1), and which it is then; None where it cannot go.

    The first message and the alternates are one row: what moves to its top becomes the first.
    """
    # Greetings for groups are chosen by themselves, so nothing moves between them and the others.
    row = [each for each in greetings(document) if (each.kind == "group") == (greeting.kind == "group")]
    at = next((place for place, each in enumerate(row) if each.id == greeting.id), -1)
    if at < 0 or not 0 <= at + step < len(row):
        return None
    other = row[at + step]
    edits: Edits = {}
    lists: dict[GreetingKind, list[Any]] = {}
    for target, raw in ((other, row[at].raw), (greeting, other.raw)):
        if target.kind == "first":
            edits[FIRST] = raw
        else:
            lists.setdefault(target.kind, _items(document, target.kind))[target.place] = raw
    edits |= {LISTS[kind]: items for kind, items in lists.items()}
    return edits, other


def _texts_of(document: Mapping[str, Any], kind: GreetingKind) -> list[Greeting]:
    return [greeting for greeting in greetings(document) if greeting.kind == kind]


def _raw(document: Mapping[str, Any], kind: GreetingKind) -> Any:
    return Card(document, "").get(str(LISTS[kind][1]))


def _items(document: Mapping[str, Any], kind: GreetingKind) -> list[Any]:
    """The items as they are written; a single text is a list of one."""
    raw = _raw(document, kind)
    return list(raw) if isinstance(raw, list) else list(as_texts(raw))
