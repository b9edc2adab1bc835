"""From dirty marks to the market's two orders (A9, R2 to R9).

Whatever changes a card's heat or time leaves one mark on it, the oldest first in a sparse index. A batch
takes marks in that order and, per card, in one transaction conditioned on the value as read: writes the
order's sort key, moves the card's row in the top list, clears the mark. An increment that comes between
fails the condition and the card is read again, so none is lost. The top list holds the best `buffer` cards;
it is trimmed when it grows beyond, and filled again from the index when cards have left it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lunalux_core.backend.clock import from_iso
from lunalux_core.backend.ranking_keys import (
    Order,
    hot_key,
    partition,
    partitions,
    shard_of,
    time_key,
)
from lunalux_core.backend.storage.table import (
    Absent,
    Condition,
    ConditionFailed,
    Delete,
    Eq,
    Exists,
    Key,
    Operation,
    Put,
    Store,
    Update,
)

Item = Mapping[str, Any]
RANK_TRIES = 5
PAGE = 100


@dataclass(frozen=True, slots=True)
class Scale:
    """The numbers that a ranking goes by. `buffer` is the length of the top list."""

    buffer: int
    max_heat: int
    shards: int


class Ranker:
    """Ranks the cards of one character table in one order; `index` and `dirty_index` name its indexes."""

    def __init__(
        self, store: Store, table: str, order: Order, scale: Scale, *, index: str, dirty_index: str
    ) -> None:
        self._store, self._table, self._order, self._scale = store, table, order, scale
        self._index, self._dirty_index = index, dirty_index

    async def batch(self, limit: int) -> int:
        """Rank up to `limit` marked cards, oldest marks first; returns how many marks were found."""
        marked = await self._first(self._dirty_index, self._order.dirty_word, self._order.dirty_sk, limit)
        if not marked:
            return 0
        top = await self._top()
        before = len(top)
        for mark in marked:
            await self._rank(Key(mark["PK"], mark["SK"]), top)
        await self._trim(top)
        if len(top) < min(before, self._scale.buffer):
            await self._fill(top)
        return len(marked)

    async def _first(self, index: str, word: str, sort_attr: str, limit: int) -> list[Item]:
        """The first `limit` rows of an index over all its shards, in order."""
        found: list[Item] = []
        for pk in partitions(word, self._scale.shards):
            found += await self._rows(pk, index, limit)
        return sorted(found, key=lambda row: str(row[sort_attr]))[:limit]

    async def _rows(self, pk: str, index: str | None, limit: int) -> list[Item]:
        rows: list[Item] = []
        after: Mapping[str, str] | None = None
        while len(rows) < limit:
            size = min(PAGE, limit - len(rows))
            page = await self._store.query(self._table, pk, index=index, after=after, limit=size)
            rows += page.items
            after = page.after
            if after is None:
                break
        return rows

    async def _top(self) -> dict[str, str]:
        """The top list: sort key → id of its card."""
        rows = await self._rows(self._order.top_pk, None, 2 * self._scale.buffer + PAGE)
        return {str(row["SK"]): str(row["CharacterID"]) for row in rows}

    async def _rank(self, key: Key, top: dict[str, str]) -> None:
        for _ in range(RANK_TRIES):
            card = await self._store.get(self._table, key)
            if card is None or card.get(self._order.dirty_pk) is None:
                return  # the index was behind: the card is ranked or gone
            try:
                await self._place(key, card, top)
            except ConditionFailed:
                continue  # it changed since it was read; its mark is still there
            return

    async def _place(self, key: Key, card: Item, top: dict[str, str]) -> None:
        """One card's transaction: its sort key, its top row, its mark (A9)."""
        order, scale = self._order, self._scale
        character_id = str(card["CharacterID"])
        visible = card.get("Status", "active") == "active"
        new = self._sort_key(card) if visible else None
        old = card.get(order.top_attr)
        others = [sort_key for sort_key in top if sort_key != old]
        joins = new is not None and (len(others) < scale.buffer or new < max(others))
        changes: dict[str, Any] = {}
        remove = {order.dirty_pk, order.dirty_sk, order.pk, order.sk, order.top_attr}
        if new is not None:
            shard = shard_of(character_id, scale.shards)
            changes = {order.pk: partition(order.all_word, shard, scale.shards), order.sk: new}
            if joins:
                changes[order.top_attr] = new
        writes: list[Operation] = [
            Update(
                self._table, key, set=changes, remove=sorted(remove - set(changes)), when=as_read(order, card)
            )
        ]
        if old is not None and not (joins and old == new):
            writes.append(Delete(self._table, Key(order.top_pk, str(old))))
        if joins and new is not None:
            writes.append(Put(self._table, top_row(order, new, card)))
        await self._store.transact(writes)
        top.pop(str(old), None)
        if joins and new is not None:
            top[new] = character_id

    def _sort_key(self, card: Item) -> str:
        character_id = str(card["CharacterID"])
        if self._order.sort == "hot":
            return hot_key(int(card["HeatScore"]), character_id, self._scale.max_heat)
        return time_key(from_iso(card["UpdatedAt"]) or 0, character_id)

    async def _trim(self, top: dict[str, str]) -> None:
        """Let go of the rows beyond the buffer, each together with its card's note of it (R6)."""
        for sort_key in sorted(top)[self._scale.buffer :]:
            key = await self._key_of(top[sort_key])
            writes: list[Operation] = [Delete(self._table, Key(self._order.top_pk, sort_key))]
            if key is not None:
                note = Eq(self._order.top_attr, sort_key)
                writes.append(Update(self._table, key, remove=(self._order.top_attr,), when=note))
            try:
                await self._store.transact(writes)
            except ConditionFailed:
                continue  # the card has moved meanwhile, and its old row with it
            del top[sort_key]

    async def _fill(self, top: dict[str, str]) -> None:
        """Bring the best cards that are not in the top list back into it."""
        order = self._order
        best = await self._first(self._index, order.all_word, order.sk, self._scale.buffer)
        for row in best:
            key = Key(row["PK"], row["SK"])
            card = await self._store.get(self._table, key)
            if card is None or card.get(order.sk) is None or card.get(order.top_attr) is not None:
                continue
            sort_key = str(card[order.sk])
            unmoved = Eq(order.sk, sort_key)
            try:
                await self._store.transact(
                    [
                        Update(self._table, key, set={order.top_attr: sort_key}, when=unmoved),
                        Put(self._table, top_row(order, sort_key, card)),
                    ]
                )
            except ConditionFailed:
                continue
            top[sort_key] = str(card["CharacterID"])

    async def _key_of(self, character_id: str) -> Key | None:
        """A card's key: `PROFILE`, or the legacy `"0"`."""
        for sk in ("PROFILE", "0"):
            key = Key(f"CHAR#{character_id}", sk)
            if await self._store.get(self._table, key) is not None:
                return key
        return None


def as_read(order: Order, card: Item) -> tuple[Condition, ...]:
    """The condition that a card's rank still follows from what was read (R5)."""
    status: Condition = Eq("Status", card["Status"]) if "Status" in card else Absent("Status")
    return Exists(), Eq(order.value, card[order.value]), status


def top_row(order: Order, sort_key: str, card: Item) -> dict[str, Any]:
    """A row of the top list: the card's public attributes under the order's sort key."""
    row = {name: card[name] for name in _PUBLIC if name in card}
    return {**row, "PK": order.top_pk, "SK": sort_key}


_PUBLIC = (
    "CharacterID",
    "CharacterName",
    "Language",
    "HeatScore",
    "ThumbnailURL",
    "Intro",
    "Tags",
    "Creator",
    "UpdatedAt",
    "Metadata",
)
