"""Listings as the wire's pages: facts of the cards, signed addresses of pictures, how long both last.

See docs/spec/backend.md: Counters and ranking, Identity and security.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from lunalux_core.backend.market.listing import Listing, Listings
from lunalux_core.backend.market.ranking_keys import RankSort
from lunalux_core.backend.market.ranking_schedule import table_of
from lunalux_core.backend.repos.characters import CardPlace, MarketCard, card_of
from lunalux_core.backend.running.backend_settings import SIGV4_MAX_SECONDS, BackendSettings
from lunalux_core.backend.storage.blobs import Blobs, is_blob_key
from lunalux_core.backend.storage.table import Key
from lunalux_core.language import Language
from lunalux_core.wire.characters import (
    CharacterPageResponse,
    MarketCharacter,
    OwnCharacter,
    OwnCharactersResponse,
)

MARGIN_MS = 60_000
MOST_KEPT = 64


class Pages:
    """Makes pages; a first page that is asked for again within seconds is the same bytes."""

    def __init__(
        self, listings: Listings, blobs: Blobs, settings: BackendSettings, now_ms: Callable[[], int]
    ) -> None:
        self._listings, self._blobs, self._settings = listings, blobs, settings
        self._now_ms = now_ms
        self._made: dict[tuple[Language, RankSort, str], tuple[Listing, bytes]] = {}

    async def first(self, lang: Language, sort: RankSort, limit: int | None, base_url: str) -> bytes:
        """The first page as JSON. `base_url` is how the client reaches this server."""
        listing = await self._listings.first(lang, sort, limit)
        cached = self._made.get((lang, sort, base_url))
        # The same object: `Listings` gives another one as soon as it has read the page again.
        if cached is not None and cached[0] is listing:
            return cached[1]
        page = await self._page(lang, sort, listing, base_url)
        body = page.model_dump_json(by_alias=True, exclude_none=True).encode()
        # Clients choose `base_url` by their Host header, so there may be any number of them.
        if len(self._made) >= MOST_KEPT:
            self._made.clear()
        self._made[lang, sort, base_url] = (listing, body)
        return body

    async def more(
        self, lang: Language, sort: RankSort, key: str | None, limit: int | None, base_url: str
    ) -> CharacterPageResponse:
        """The page after `key`. Raises BackendError (INVALID_REQUEST) for a key that is not good here."""
        return await self._page(lang, sort, await self._listings.more(lang, sort, key, limit), base_url)

    async def own(self, cards: Sequence[MarketCard], base_url: str) -> OwnCharactersResponse:
        """Cards for the eyes of their owner."""
        rows = []
        for card in cards:
            url, _ = await self._thumbnail(card, MARGIN_MS // 100)
            status = "hidden" if card.status == "hidden" else "active"
            address = absolute(url, self._settings, base_url)
            rows.append(OwnCharacter.of(card, thumbnail_url=address, status=status))
        return OwnCharactersResponse(characters=rows)

    async def _page(
        self, lang: Language, sort: RankSort, listing: Listing, base_url: str
    ) -> CharacterPageResponse:
        """A page may be kept until a minute before the first of its addresses dies."""
        table, refresh_ms = table_of(self._settings, lang), self._settings.market_refresh_ms
        cards = [card_of(item, CardPlace(table, Key(item["PK"], item["SK"]))) for item in listing.cards]
        # Longer than the page may be kept, so that no address dies in a kept page.
        expires_in = min((refresh_ms + 2 * MARGIN_MS) // 1000, SIGV4_MAX_SECONDS)
        signed = [await self._thumbnail(card, expires_in) for card in cards]  # signing asks nobody
        dies_ms = [expires_s * 1000 for url, expires_s in signed if url]
        left_ms = min(dies_ms) - self._now_ms() - MARGIN_MS if dies_ms else refresh_ms
        return CharacterPageResponse(
            characters=[
                MarketCharacter.of(card, thumbnail_url=absolute(url, self._settings, base_url))
                for card, (url, _) in zip(cards, signed, strict=True)
            ],
            cache_ttl_millis=max(0, min(refresh_ms, left_ms)),
            next_key=self._listings.seal(lang, sort, listing),
        )

    async def _thumbnail(self, card: MarketCard, expires_in: int) -> tuple[str, int]:
        key = object_key(card.thumbnail_url)
        if key is None:
            return "", 0
        signed = await self._blobs.presign_get(key, expires_in=expires_in)
        return signed.url, signed.expires_s


def object_key(address: str) -> str | None:
    """The key in `s3://bucket/key`, None for anything else."""
    scheme, _, rest = address.partition("://")
    key = rest.partition("/")[2]
    return key if scheme == "s3" and is_blob_key(key) else None


def absolute(url: str, settings: BackendSettings, base_url: str) -> str:
    """An address of ours as the client reaches this server; others are absolute already."""
    return _origin(settings.public_url or base_url) + url if url.startswith("/") else url


@lru_cache(maxsize=32)
def _origin(address: str) -> str:
    scheme, host, *_ = urlsplit(address)
    return f"{scheme}://{host}"
