"""A market card's values, and the one mapping between them and its item. Pure.

See docs/spec/backend.md: Tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from lunalux_core.backend.storage.foreign_values import (
    is_whole,
    mapping,
    optional_text,
    storable,
    text,
    texts,
    unchanged,
    whole,
)
from lunalux_core.backend.storage.table import Absent, All, AnyOf, Condition, Eq, Exists, Item, Key, Update
from lunalux_core.errors import NotFound
from lunalux_core.language import Language

CardStatus = Literal["active", "hidden", "deleted"]
COUNTERS = ("TotalLunaCoinUsed", "LikedCount", "DownloadCount", "DialogueCount")
VISIBLE: Condition = All(Exists(), AnyOf(Absent("Status"), Eq("Status", "active")))
"""The card is there and may be seen."""


@dataclass(frozen=True, slots=True)
class CardPlace:
    """Where a card's item is."""

    table: str
    key: Key

    @property
    def character_id(self) -> str:
        return self.key.pk.removeprefix("CHAR#")


@dataclass(frozen=True, slots=True)
class MarketCard:
    """A published character. Addresses of pictures are `s3://bucket/key`; times are ISO 8601, UTC."""

    place: CardPlace
    id: str
    name: str
    language: Language
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
    language: Language
    thumbnail_url: str
    image_url: str
    intro: str
    tags: tuple[str, ...]
    owner: str
    creator: str = ""


def card_of(item: Item, place: CardPlace) -> MarketCard:
    """The card in an item; what an older one lacks is read as nothing or zero."""
    counters = mapping(item.get("Metadata"))

    def count(name: str) -> int:
        return max(0, whole(counters.get(name)))

    language: Language = "zh" if item.get("Language") == "zh" else "en"
    return MarketCard(
        place=place,
        id=place.character_id,
        name=text(item.get("CharacterName")),
        language=language,
        thumbnail_url=text(item.get("ThumbnailURL")),
        image_url=text(item.get("FullImageURL")),
        intro=optional_text(item.get("Intro")),
        tags=tuple(sorted(texts(item.get("Tags")))),
        creator=optional_text(item.get("Creator")),
        owner=optional_text(item.get("OwnerUserId")),
        status=text(item.get("Status", "active"), "unknown"),
        version=whole(item.get("Version"), 1),
        heat=whole(item.get("HeatScore")),
        created_at=text(item.get("CreatedAt")),
        updated_at=text(item.get("UpdatedAt")),
        liked_count=count("LikedCount"),
        download_count=count("DownloadCount"),
        dialogue_count=count("DialogueCount"),
        total_coin_used=count("TotalLunaCoinUsed" if "TotalLunaCoinUsed" in counters else "TotalCoinUsed"),
    )


def counts(item: Item) -> bool:
    """Whether every counter, and the heat, is there to be added to."""
    counters = item.get("Metadata")
    return (
        isinstance(counters, Mapping)
        and all(is_whole(counters.get(name)) for name in COUNTERS)
        and is_whole(item.get("HeatScore", 0))
    )


def mended(item: Item) -> Update | None:
    """What makes a card's counters and heat numbers to be added to, with what they said; None where nothing
    is to be done. `table` and key are the caller's to set."""
    if counts(item):
        return None
    metadata, old = mapping(item.get("Metadata")), item.get("Metadata")
    counted = {name: max(0, whole(metadata.get(name))) for name in COUNTERS}
    if "TotalLunaCoinUsed" not in metadata:
        counted["TotalLunaCoinUsed"] = max(0, whole(metadata.get("TotalCoinUsed")))  # its older name
    changes: dict[str, Any] = {}
    # Only while what was read still stands: what is counted meanwhile must not be lost.
    as_read: list[Condition] = [Exists()]
    if isinstance(old, Mapping):
        odd = [name for name in COUNTERS if not is_whole(old.get(name))]
        changes |= {f"Metadata.{name}": counted[name] for name in odd}
        for name in odd:
            as_read += [
                each if isinstance(each, AnyOf | All) else replace(each, path=f"Metadata.{name}")
                for each in unchanged(old, name)
            ]
    else:
        rest = {name: storable(value) for name, value in metadata.items() if isinstance(name, str) and name}
        changes["Metadata"] = rest | counted
        as_read += unchanged(item, "Metadata")
    if not is_whole(item.get("HeatScore", 0)):
        changes["HeatScore"] = max(0, whole(item["HeatScore"]))
        as_read += unchanged(item, "HeatScore")
    return Update("", Key(item["PK"], item["SK"]), set=changes, when=as_read)


def no_character(character_id: str) -> NotFound:
    return NotFound(
        "CHARACTER_NOT_FOUND",
        "This character is not on the market.",
        "Refresh the market.",
        character=character_id[:128],
    )
