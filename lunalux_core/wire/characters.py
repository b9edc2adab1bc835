"""Bodies of the community market.

See docs/spec/backend.md: HTTP API, Identity and security.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from lunalux_core.language import Language
from lunalux_core.wire.wire_body import NULL_IS_ABSENT, Identifier, Success, Wire

Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
Tags = Annotated[list[Tag], Field(max_length=10)]
Name = Annotated[str, StringConstraints(max_length=200)]
Intro = Annotated[str, StringConstraints(max_length=4000)]


class MarketCharacter(Wire):
    """One card of a market page. `thumbnail_url` dies with the page: fetch the bytes, keep them by ETag.

    `creator` is what the card's file says of its author, where it says anything; older rows lack it.
    """

    id: str
    name: str
    thumbnail_url: str
    language: Language
    liked_count: int
    download_count: int
    total_coin_used: int
    intro: str | None = None
    tags: list[str]
    creator: str | None = None


class CharacterPageResponse(Success):
    """`cache_ttl_millis`: how long the page, and every URL in it, may be used."""

    characters: list[MarketCharacter]
    cache_ttl_millis: int
    next_key: str | None = None


class OwnCharacter(MarketCharacter):
    """A published card as its owner sees it; `hidden` ones are out of sight while operators look at them."""

    status: Literal["active", "hidden"]


class OwnCharactersResponse(Success):
    characters: list[OwnCharacter]


class MoreRequest(Wire):
    lang: Annotated[Language, NULL_IS_ABSENT] = "en"
    exclusive_start_key: Annotated[str, StringConstraints(max_length=4096)] | None = None
    limit: int | None = None


class PresignUploadRequest(Wire):
    """`size` in bytes; `sha256` is the hex digest the stored bytes must have."""

    filename: Annotated[str, StringConstraints(max_length=512)]
    size: int
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$")] | None = None


class PresignUploadResponse(Success):
    """PUT the bytes to `url` with `headers` within `expires_in` seconds, then publish `key`."""

    url: str
    key: str
    headers: dict[str, str]
    expires_in: int


class UploadDirectResponse(Success):
    key: str


class PublishRequest(Wire):
    """`intro` is checked by the route, since a blank one has its own code (INTRO_REQUIRED)."""

    s3_key: Annotated[str, Field(alias="s3Key"), StringConstraints(max_length=1024)]
    language: Annotated[Language, NULL_IS_ABSENT] = "en"
    name: Name | None = None
    intro: Intro | None = None
    tags: Annotated[Tags, NULL_IS_ABSENT] = Field(default_factory=list)


class PublishResponse(Success):
    id: str


class PresignOriginalResponse(Success):
    url: str


class LikeRequest(Wire):
    character_id: Identifier


class LikedResponse(Success):
    character_ids: list[str]


class ReportRequest(Wire):
    character_id: Identifier
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class EditRequest(Wire):
    """Only what is given changes. `version` guards against overwriting somebody's newer edit."""

    name: Name | None = None
    intro: Intro | None = None
    tags: Tags | None = None
    version: int | None = None
