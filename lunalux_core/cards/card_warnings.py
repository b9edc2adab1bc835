"""The import report of a card: what it brings that behaves otherwise here, or not at all."""

from __future__ import annotations

from collections.abc import Iterator

from lunalux_core.cards.card import Card
from lunalux_core.documents.coerce import as_object
from lunalux_core.errors import InvalidInput
from lunalux_core.worldbook.book_reader import read_book

_RUNTIMES = {
    "TavernHelper_scripts": "Tavern Helper",
    "tavern_helper": "Tavern Helper",
    "mvu": "MVU",
}
"""Extensions of SillyTavern whose scripts a card may carry."""

_RISU = ("triggerscript", "customScripts", "virtualscript", "backgroundHTML")


def card_warnings(card: Card) -> tuple[str, ...]:
    """One sentence for each thing to know, in English."""
    return tuple(_remarks(card))


def _remarks(card: Card) -> Iterator[str]:
    texts = (card.description, card.personality, card.scenario, card.mes_example, card.system_prompt)
    if not any(text.strip() for text in (*texts, *card.greetings)):
        yield "It holds no text that a model is told: no description, personality, scenario or first message."
    book = card.character_book
    if book is not None:
        try:
            yield from (f"Worldbook: {note}" for note in read_book(book, card.name).notes)
        except InvalidInput:
            yield "Its worldbook cannot be read; it is kept as it is and not used."
    elif card.world:
        yield f"It uses the worldbook {card.world!r}, which is a file of its own; import that too."
    scripts = card.regex_scripts
    if isinstance(scripts, list | dict) and scripts:
        yield f"It carries {len(scripts)} regex scripts, which run only once you allow it."
    extensions = card.extensions
    for program in dict.fromkeys(name for key, name in _RUNTIMES.items() if extensions.get(key)):
        yield f"Its scripts for {program} are kept, not run."
    if any(as_object(extensions.get("risuai")).get(key) for key in _RISU):
        yield "Its scripts for RisuAI are kept, not run."
    if any("<%" in text for text in (card.first_mes, card.description, *card.alternate_greetings)):
        yield "Its texts hold EJS (<% … %>), which is not executed."
