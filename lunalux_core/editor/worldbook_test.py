"""A worldbook on a sample text: which entries fire, why, and why others do not."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lunalux_core.cards.card import Card

if TYPE_CHECKING:
    from lunalux_core.config.settings import Settings
    from lunalux_core.regex.engine import EcmaEngine
    from lunalux_core.worldbook.engine import Activation
    from lunalux_core.worldbook.engine.entry_keys import RegexMatcher
    from lunalux_core.worldbook.entry import Book


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

    Every entry that stays away has its reason, among them "slow_key" (a pattern that takes too long) and
    "bad_key" (one that is none, so that it is read as words). The dice are those of `seed`, so that the
    result moves only when the text or the book does.
    """
    from lunalux_core.dialogue.nodes.worldbook import engine_settings
    from lunalux_core.llm.tokens import estimator
    from lunalux_core.macros.expansion import ChatMessage, MacroContext, expander
    from lunalux_core.worldbook.book_reader import own_settings, read_book
    from lunalux_core.worldbook.engine import (
        Activation,
        ActiveBook,
        ScanContext,
        ScanMessage,
        Tools,
        activate,
        regex_matcher,
    )

    card = Card(document, "")
    if card.character_book is None:
        return Activation()
    book = read_book(card.character_book, card.name).book
    dice, matcher = random.Random(seed), regex_matcher(engine)
    # The same dice as the engine's: the whole trial comes out alike for one seed.
    macros = MacroContext(
        user=user,
        char=card.nickname or card.name,
        chat=[ChatMessage(user, text, is_user=True)],
        random=dice.random,
    )
    activation = activate(
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
        Tools(expander(macros), estimator("").text, dice.random, matcher),
        explain=True,
    )
    return _with_patterns(activation, book, matcher)


def _with_patterns(activation: Activation, book: Book, matcher: RegexMatcher) -> Activation:
    """The outcome, telling of entries whose patterns gave no answer."""
    from lunalux_core.regex.script import parse_slashed

    if not (matcher.slow or matcher.invalid):
        return activation
    reasons: dict[int | str, str] = {}
    for entry in book.entries:
        patterns = {
            (pattern.source, pattern.flags)
            for key in entry.keys
            if (pattern := parse_slashed(key)) is not None
        }
        if patterns & matcher.slow:
            reasons[entry.uid] = "slow_key"
        elif patterns & matcher.invalid:
            reasons[entry.uid] = "bad_key"
    skipped = tuple(
        replace(entry, reason=reasons[entry.uid])
        if entry.reason == "no_key" and entry.uid in reasons
        else entry
        for entry in activation.skipped
    )
    return replace(activation, skipped=skipped)
