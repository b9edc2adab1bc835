"""The cards a new embedded market begins with: our own, in both languages, published once."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from pathlib import Path

from lunalux_core.backend.market.publishing import NAME_CHARS, PNG, WEBP, clean_tags
from lunalux_core.backend.money.seed_models import seed_models
from lunalux_core.backend.repos.characters import NewCard
from lunalux_core.backend.running.services import Services
from lunalux_core.backend.running.signatures import published_key, thumbnail_key
from lunalux_core.backend.storage.table import ConditionFailed, Put
from lunalux_core.cards.card import Card
from lunalux_core.cards.png_card import read_png
from lunalux_core.language import Language
from lunalux_core.text import clean_line

OWNER = "lunalux"
_FIRST, _SECOND = ("SEED#1", "SEED"), ("SEED#2", "SEED")
"""Written once a market has the cards of a new library, and once it has the others, too."""
_NAMES = uuid.UUID("5d0c1f54-7c2a-4a43-9d53-1f2f3b0a7e61")


@dataclass(frozen=True, slots=True)
class _Starter:
    """A card of the package, ready to be published."""

    id: str
    language: Language
    card: Card
    png: bytes
    thumbnail: bytes


async def seed(services: Services) -> bool:
    """Give a new backend its price list and its first cards; False where that was done before.

    A mark in the user table is read first and written last, so a start that was cut off is completed by the
    next one, and what an operator removed later stays removed. A market of an earlier version, which began
    with fewer cards, is given the others.
    """
    table = services.settings.tables.user
    if await services.store.get(table, _SECOND) is not None:
        return False
    begun = await services.store.get(table, _FIRST) is not None
    if not begun:
        await seed_models(services.store, services.settings.tables.model_config)
    starters = await asyncio.to_thread(_starters, begun)
    for starter in starters:
        await _publish(services, starter)
    for language in {starter.language for starter in starters}:
        await services.ranking.drain(language, "time")
        await services.ranking.drain(language, "hot")
    for key, kind in (_FIRST, _SECOND):
        await services.store.write(Put(table, {"PK": key, "SK": kind}))
    return True


def _starters(begun: bool) -> list[_Starter]:
    from lunalux_core.starter import cards, market_cards

    there = cards() if begun else []
    return [_starter(path) for path in market_cards() if path not in there]


def _starter(path: Path) -> _Starter:
    language: Language = "zh" if path.name.endswith(".zh.png") else "en"
    png, small = path.read_bytes(), path.with_suffix(".webp").read_bytes()
    # The same id at every try, so that a start that was cut off publishes nothing twice.
    return _Starter(str(uuid.uuid5(_NAMES, path.name)), language, read_png(png).card, png, small)


async def _publish(services: Services, starter: _Starter) -> None:
    settings, blobs = services.settings, services.blobs
    image = published_key(settings.original_prefix, starter.id)
    small = thumbnail_key(settings.thumbnail_prefix, starter.id)
    await asyncio.gather(
        blobs.put(image, starter.png, PNG, replace=True),
        blobs.put(small, starter.thumbnail, WEBP, replace=True),
    )
    card = NewCard(
        id=starter.id,
        name=starter.card.name,
        language=starter.language,
        thumbnail_url=f"s3://{settings.bucket}/{small}",
        image_url=f"s3://{settings.bucket}/{image}",
        intro=starter.card.user_description or starter.card.creator_notes,
        tags=clean_tags(starter.card.tags),
        owner=OWNER,
        creator=clean_line(starter.card.creator, NAME_CHARS),
    )
    try:
        await services.characters.publish(card)
    except ConditionFailed:
        return  # published by a start that was cut off later
