"""The endpoints of the market: its pages, single cards, and what a person publishes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from lunalux_core.client.backend_exchange import BackendExchange, bounded
from lunalux_core.language import Language
from lunalux_core.wire.characters import (
    CharacterPageResponse,
    LikedResponse,
    OwnCharactersResponse,
    PresignOriginalResponse,
    PresignUploadResponse,
    PublishResponse,
    UploadDirectResponse,
)
from lunalux_core.wire.wire_body import Success

if TYPE_CHECKING:
    from lunalux_core.library.market_cache import Sort

_PAGES: Mapping[Sort, str] = {"hot": "hot", "new": "time"}


class MarketEndpoints:
    """The cards of the community."""

    def __init__(self, exchange: BackendExchange) -> None:
        self._exchange = exchange

    async def first_page(self, sort: Sort, lang: Language, limit: int | None = None) -> CharacterPageResponse:
        path = f"/api/character/{_PAGES[sort]}-first-page"
        return await self._exchange.get(CharacterPageResponse, path, lang=lang, limit=limit)

    async def more(self, sort: Sort, lang: Language, key: str) -> CharacterPageResponse:
        body = {"lang": lang, "exclusiveStartKey": key}
        return await self._exchange.post(
            CharacterPageResponse, f"/api/character/{_PAGES[sort]}-more", body, again=True
        )

    async def presign_original(self, character_id: str, *, skip_count: bool) -> str:
        query = {"id": character_id, "skipCount": "1" if skip_count else None}
        return (
            await self._exchange.get(PresignOriginalResponse, "/api/character/presign-original", **query)
        ).url

    async def download_original(self, character_id: str, *, skip_count: bool) -> bytes:
        """The card's PNG through the backend (for clients that cannot reach the bucket)."""
        query = {"id": character_id, **({"skipCount": "1"} if skip_count else {})}
        path = f"/api/character/download-original?{httpx.QueryParams(query)}"
        async with self._exchange.stream("GET", path, {}, None) as response:
            return await bounded(response, self._exchange.place)

    async def presign_upload(self, filename: str, data: bytes) -> PresignUploadResponse:
        body = {"filename": filename, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        return await self._exchange.post(PresignUploadResponse, "/api/character/presign-upload", body)

    async def upload_direct(self, filename: str, data: bytes) -> UploadDirectResponse:
        http = await self._exchange.http()
        files = {"file": (filename, data, "image/png")}
        request = http.build_request("POST", "/api/character/upload-direct", files=files)
        return self._exchange.parsed(UploadDirectResponse, await self._exchange.ask(request, again=False))

    async def publish(
        self, key: str, language: Language, intro: str, *, name: str | None = None, tags: tuple[str, ...] = ()
    ) -> PublishResponse:
        body = {"s3Key": key, "language": language, "intro": intro, "name": name, "tags": list(tags)}
        return await self._exchange.post(PublishResponse, "/api/character/finalize-publish", body)

    async def like(self, character_id: str) -> None:
        await self._exchange.post(Success, "/api/liked/add", {"characterId": character_id}, again=True)

    async def liked(self) -> LikedResponse:
        return await self._exchange.get(LikedResponse, "/api/liked/me")

    async def own_characters(self) -> OwnCharactersResponse:
        return await self._exchange.get(OwnCharactersResponse, "/api/character/mine")

    async def edit(
        self, character_id: str, *, name: str | None = None, intro: str | None = None, tags: Any = None
    ) -> None:
        """Change a published card of one's own; what is None stays."""
        body = {"name": name, "intro": intro, "tags": None if tags is None else list(tags)}
        await self._exchange.send_body("PATCH", f"/api/character/{_segment(character_id)}", body)

    async def withdraw(self, character_id: str) -> None:
        """Take a published card of one's own out of the community, for good."""
        await self._exchange.send_body("DELETE", f"/api/character/{_segment(character_id)}", None)

    async def report(self, character_id: str, reason: str) -> None:
        """Tell the operators what is wrong with a card."""
        await self._exchange.post(
            Success, "/api/character/report", {"characterId": character_id, "reason": reason}
        )


def _segment(identity: str) -> str:
    """An id as a part of an address, whatever was typed for one."""
    return quote(identity, safe="") or "-"
