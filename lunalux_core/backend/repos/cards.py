"""A market card's values, and the one mapping between them and its item (BACKEND 1.1). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lunalux_core.backend.storage.table import Absent, All, AnyOf, Condition, Eq, Exists, Item, Key
from lunalux_core.errors import NotFound
from lunalux_core.wire.base import Lang

Status = Literal["active", "hidden", "deleted"]
COUNTERS = ("TotalLunaCoinUsed", "LikedCount", "DownloadCount", "DialogueCount")
VISIBLE: Condition = All(Exists(), AnyOf(Absent("Status"), Eq("Status", "active")))
"""The card is there and may be seen."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a card's item is."""

    table: str
    key: Key

    @property
    def character_id(self) -> str:
        return self.key.pk.removeprefix("CHAR#")


@dataclass(frozen=True, slots=True)
class MarketCard:
    """A published character. Addresses of pictures are `s3://bucket/key`; times are ISO 8601, UTC."""

    place: Place
    id: str
    name: str
    language: Lang
    thumbnail_url: str
    image_url: str
    intro: str | None
    tags: tuple[str, ...]
    creator: str | None
    owner: str | None
    status: str
    version: int
    heat: int
    created_at: str
    updated_at: str
    liked_count: int
    download_count: int
    dialogue_count: int
    total_coin_used: int


@dataclass(frozen=True, slots=True)
class NewCard:
    """What publishing needs to know."""

    id: str
    name: str
    language: Lang
    thumbnail_url: str
    image_url: str
    intro: str
    tags: tuple[str, ...]
    owner: str
    creator: str = ""


def card_of(item: Item, place: Place) -> MarketCard:
    """The card in an item; what an older one lacks is read as nothing or zero."""
    counted = item.get("Metadata")
    counters: Mapping[str, Any] = counted if isinstance(counted, Mapping) else {}

    def count(name: str) -> int:
        value = counters.get(name, 0)
        return value if type(value) is int else 0

    tags = item.get("Tags", ())
    language: Lang = "zh" if item.get("Language") == "zh" else "en"
    return MarketCard(
        place=place,
        id=place.character_id,
        name=str(item.get("CharacterName", "")),
        language=language,
        thumbnail_url=str(item.get("ThumbnailURL", "")),
        image_url=str(item.get("FullImageURL", "")),
        intro=item.get("Intro"),
        tags=tuple(sorted(str(tag) for tag in tags)),
        creator=item.get("Creator"),
        owner=item.get("OwnerUserId"),
        status=str(item.get("Status", "active")),
        version=int(item.get("Version", 1)),
        heat=int(item.get("HeatScore", 0)),
        created_at=str(item.get("CreatedAt", "")),
        updated_at=str(item.get("UpdatedAt", "")),
        liked_count=count("LikedCount"),
        download_count=count("DownloadCount"),
        dialogue_count=count("DialogueCount"),
        total_coin_used=count("TotalLunaCoinUsed" if "TotalLunaCoinUsed" in counters else "TotalCoinUsed"),
    )


def counts(item: Item) -> bool:
    """Whether every counter is there to be added to."""
    counters = item.get("Metadata")
    return isinstance(counters, Mapping) and all(type(counters.get(name)) is int for name in COUNTERS)


def legacy_coins(counters: Mapping[str, Any]) -> int:
    """What a card counted under its older name."""
    value = counters.get("TotalCoinUsed", 0)
    return value if type(value) is int else 0


def no_character(character_id: str) -> NotFound:
    return NotFound(
        "CHARACTER_NOT_FOUND",
        "This character is not on the market.",
        "Refresh the market.",
        character=character_id[:128],
    )
