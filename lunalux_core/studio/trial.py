"""A worldbook on a sample text: which entries fire, why, and why others do not."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lunalux_core.cards.card import Card

if TYPE_CHECKING:
    from lunalux_core.dialogue.ecma import EcmaEngine
    from lunalux_core.dialogue.worldbook import Activation
    from lunalux_core.settings import Settings


def try_book(
    document: Mapping[str, Any],
    text: str,
    settings: Settings,
    engine: EcmaEngine,
    *,
    user: str = "User",
    seed: int = 0,
) -> Activation:
    """What the book of a card does when the person says `text` (blocking; run it in a thread).

    Every entry that stays away has its reason. The dice are those of `seed`, so that the result moves only
    when the text or the book does.
    """
    from lunalux_core.cards.macros import ChatMessage, MacroContext, expander
    from lunalux_core.cards.worldbook import own_settings, read_book
    from lunalux_core.dialogue.nodes.worldbook import engine_settings
    from lunalux_core.dialogue.worldbook import (
        Activation,
        ActiveBook,
        ScanContext,
        ScanMessage,
        Tools,
        activate,
        regex_matcher,
    )
    from lunalux_core.llm.tokens import estimator

    card = Card(document, "")
    if card.character_book is None:
        return Activation()
    book = read_book(card.character_book, card.name).book
    dice = random.Random(seed)
    macros = MacroContext(
        user=user,
        char=card.nickname or card.name,
        chat=[ChatMessage(user, text, is_user=True)],
        random=dice.random,
    )
    return activate(
        [ActiveBook(book, "character", own_settings(book))],
        [ScanMessage(user, text, is_user=True)],
        engine_settings(settings),
        ScanContext(
            character=card.name,
            character_tags=card.tags,
            description=card.description,
            personality=card.personality,
            depth_prompt=card.depth_prompt.prompt,
            scenario=card.scenario,
            creator_notes=card.creator_notes,
            max_context=settings.context_tokens,
        ),
        Tools(expander(macros), estimator("").text, dice.random, regex_matcher(engine)),
        explain=True,
    )
