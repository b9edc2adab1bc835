"""Sort keys of the market's two orders, and the partitions they live in.

Ascending key order is descending heat or time, ties by id. With one shard the partitions have their
documented literal names; with more, `#00`, `#01` … follow.

See docs/spec/backend.md: Tables, Counters and ranking.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

RankSort = Literal["hot", "time"]
MAX_TIME = 9_999_999_999_999
TIME_WIDTH = 13


@dataclass(frozen=True, slots=True)
class Order:
    """Attribute names of one order on the card row, and the words in its keys."""

    sort: RankSort
    dirty_pk: str
    dirty_sk: str
    pk: str
    sk: str
    top_attr: str
    dirty_word: str
    all_word: str
    top_pk: str
    value: str


HOT = Order(
    "hot", "DIRTY_PK", "DIRTY_SK", "GSI_HOT_PK", "GSI_HOT_SK", "TopHotSK", "DIRTY#HOT", "ALL#HOT", "TOP#HOT",
    "HeatScore",
)  # fmt: skip
TIME = Order(
    "time", "DIRTY_TIME_PK", "DIRTY_TIME_SK", "GSI_TIME_PK", "GSI_TIME_SK", "TopTimeSK", "DIRTY#TIME",
    "ALL#TIME", "TOP#TIME", "UpdatedAt",
)  # fmt: skip
ORDERS: dict[RankSort, Order] = {"hot": HOT, "time": TIME}


def hot_key(heat: int, character_id: str, max_heat: int) -> str:
    """`NEGHEAT#…`; heat is clamped to 0…`max_heat`, the width is that of `max_heat`."""
    clamped = min(max(heat, 0), max_heat)
    # Padded, for keys are compared as text.
    return f"NEGHEAT#{max_heat - clamped:0{len(str(max_heat))}d}#CHAR#{character_id}"


def time_key(updated_ms: int, character_id: str) -> str:
    """`NEGTIME#…` of a time in milliseconds since 1970."""
    clamped = min(max(updated_ms, 0), MAX_TIME)
    return f"NEGTIME#{MAX_TIME - clamped:0{TIME_WIDTH}d}#CHAR#{character_id}"


def dirty_key(now_ms: int, character_id: str) -> str:
    return f"TS#{now_ms:0{TIME_WIDTH}d}#CHAR#{character_id}"


def shard_of(character_id: str, shards: int) -> int:
    """A shard that stays the card's own, whatever happens to it."""
    # Not `hash`, which differs from one process to the next.
    return int.from_bytes(hashlib.blake2s(character_id.encode(), digest_size=4).digest()) % shards


def partition(word: str, shard: int, shards: int) -> str:
    return word if shards == 1 else f"{word}#{shard:02d}"


def partitions(word: str, shards: int) -> list[str]:
    return [partition(word, shard, shards) for shard in range(shards)]
