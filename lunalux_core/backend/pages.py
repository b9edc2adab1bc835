"""A listing as the wire's page: facts of the cards, signed addresses of pictures, how long both last."""

from __future__ import annotations

import asyncio
from urllib.parse import urljoin

from lunalux_core.backend.listing import Listing
from lunalux_core.backend.ranking_keys import Sort
from lunalux_core.backend.ranking_schedule import table_of
from lunalux_core.backend.repos.characters import MarketCard, Place, card_of
from lunalux_core.backend.services import Services
from lunalux_core.backend.settings import SIGV4_MAX_SECONDS
from lunalux_core.backend.storage.table import Key
from lunalux_core.wire.base import Lang
from lunalux_core.wire.characters import CharacterPageResponse, MarketCharacter

MARGIN_MS = 60_000
DOWNLOAD_SECONDS = 600


async def page_of(
    services: Services, lang: Lang, sort: Sort, listing: Listing, base_url: str
) -> CharacterPageResponse:
    """The page. It may be kept until a minute before the first of its addresses dies (S6)."""
    table = table_of(services.settings, lang)
    cards = [card_of(item, Place(table, Key(item["PK"], item["SK"]))) for item in listing.cards]
    wanted_s = services.settings.market_refresh_ms // 1000 + 2 * MARGIN_MS // 1000
    expires_in = min(wanted_s, SIGV4_MAX_SECONDS)
    signed = await asyncio.gather(*(_thumbnail(services, card, expires_in) for card in cards))
    dies_ms = [expires * 1000 for url, expires in signed if url]
    left = min(dies_ms) - services.now_ms() - MARGIN_MS if dies_ms else services.settings.market_refresh_ms
    return CharacterPageResponse(
        characters=[
            _view(card, absolute(url, services, base_url))
            for card, (url, _) in zip(cards, signed, strict=True)
        ],
        cache_ttl_millis=max(0, min(services.settings.market_refresh_ms, left)),
        next_key=services.listings.seal(lang, sort, listing),
    )


async def _thumbnail(services: Services, card: MarketCard, expires_in: int) -> tuple[str, int]:
    key = object_key(card.thumbnail_url)
    if key is None:
        return "", 0
    signed = await services.blobs.presign_get(key, expires_in=expires_in)
    return signed.url, signed.expires_s


def object_key(address: str) -> str | None:
    """The key in `s3://bucket/key`, None for anything else."""
    scheme, _, rest = address.partition("://")
    key = rest.partition("/")[2]
    return key if scheme == "s3" and key else None


def absolute(url: str, services: Services, base_url: str) -> str:
    """An address of ours as the client reaches this server; others are absolute already."""
    return urljoin(services.settings.public_url or base_url, url) if url.startswith("/") else url


def _view(card: MarketCard, thumbnail_url: str) -> MarketCharacter:
    return MarketCharacter(
        id=card.id,
        name=card.name,
        thumbnail_url=thumbnail_url,
        language=card.language,
        liked_count=card.liked_count,
        download_count=card.download_count,
        total_coin_used=card.total_coin_used,
        intro=card.intro,
        tags=list(card.tags),
    )
