"""From dirty marks to the market's two orders.

Whatever changes a card's heat or time leaves one mark on it, the oldest first in a sparse index. A batch
takes marks in that order and, per card, in one transaction conditioned on the value as read: writes the
order's sort key, moves the card's row in the top list, clears the mark. An increment that comes between
fails the condition and the card is read again, so none is lost. The top list holds the best `buffer` cards;
it is trimmed when it grows beyond, and filled again from the index when cards have left it.

Tables are shared with other programs: rows of the top list that no card has a note of belong to the card they
name, fractions of heat are rounded, and a card that cannot be ranked at all is named in the log, loses its
mark, and never stops the others.

See docs/spec/backend.md: Transactions, Counters and ranking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lunalux_core.backend.market.ranking_keys import (
    Order,
    hot_key,
    partition,
    partitions,
    shard_of,
    time_key,
)
from lunalux_core.backend.running.clock import from_iso
from lunalux_core.backend.running.logs import logger
from lunalux_core.backend.storage.foreign_values import storable, text, unchanged, whole
from lunalux_core.backend.storage.operation_checks import check_key
from lunalux_core.backend.storage.table import (
    Absent,
    Condition,
    ConditionFailed,
    Delete,
    Eq,
    Exists,
    Invalid,
    Item,
    Key,
    Operation,
    Put,
    Store,
    Update,
)

RANK_TRIES = 5
PAGE = 100
MOST_DOUBLES = 50
MOST_TOP_ROWS = 100_000
ODD = (Invalid, LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
"""What a row can raise that another program wrote."""


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
        self._hopeless: set[Key] = set()
        self.passed_over = 0
        """Cards that could not be ranked since the process began."""

    async def batch(self, limit: int) -> int:
        """Rank up to `limit` marked cards, oldest marks first; returns how many marks were found."""
        # Marks that cannot be taken away stand at the head of the index for ever: so many more are read.
        rows = await self.marks(limit + len(self._hopeless))
        keys = [Key(mark["PK"], mark["SK"]) for mark in rows]
        marked = [key for key in keys if key not in self._hopeless][:limit]
        if not marked:
            return 0
        top = await self._top()
        before = len(top)
        for key in marked:
            try:
                await self._rank(key, top)
            except ODD as error:
                await self._pass_over(key, error)
        await self._trim(top)
        # Cards left the top list: the best of the others take their places.
        if len(top) < min(before, self._scale.buffer):
            await self._fill(top)
        return len(marked)

    async def marked(self) -> bool:
        """Whether any card waits to be ranked, as far as the index knows yet."""
        rows = await self.marks(1 + len(self._hopeless))
        return any(Key(mark["PK"], mark["SK"]) not in self._hopeless for mark in rows)

    async def marks(self, limit: int) -> list[Item]:
        """The first `limit` rows of the index of marks, oldest first, as far as it knows yet.

        Raises:
            Invalid: the table has no such index.
        """
        word, shards = self._order.dirty_word, self._scale.shards
        marked = partitions(word, shards)
        if (
            shards > 1
        ):  # a card that was marked before there were shards keeps its mark: it would wait for ever
            marked = [word, *marked]
        return await self._first(self._dirty_index, marked, self._order.dirty_sk, limit)

    async def _first(self, index: str, pks: Sequence[str], sort_attr: str, limit: int) -> list[Item]:
        """The first `limit` rows of an index over these partitions, in order."""
        rows: list[Item] = []
        for pk in pks:
            rows += await self._rows(pk, index, limit)
        return sorted(rows, key=lambda row: str(row[sort_attr]))[:limit]

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
        return {str(row["SK"]): named_card(row) for row in rows}

    async def _pass_over(self, key: Key, error: Exception) -> None:
        """Name a card that cannot be ranked, and let it wait no longer: the next change marks it again."""
        self.passed_over += 1
        logger.error("a card cannot be ranked: %s", error, extra={"card": key.pk, "order": self._order.sort})
        unmark = Update(self._table, key, remove=(self._order.dirty_pk, self._order.dirty_sk), when=Exists())
        try:
            await self._store.write(unmark)
        except ConditionFailed:
            return  # gone meanwhile
        except Invalid:
            self._hopeless.add(key)

    async def _rank(self, key: Key, top: dict[str, str]) -> None:
        for _ in range(RANK_TRIES):
            card = await self._store.get(self._table, key)
            # An index follows its table with a delay, so a mark in it may be done with by now.
            if card is None or card.get(self._order.dirty_pk) is None:
                return  # the index was behind: the card is ranked or gone
            if not key.pk.startswith("CHAR#"):
                raise ValueError("this row is no card")
            try:
                await self._place(key, card, top)
            except ConditionFailed:
                continue  # it changed since it was read; its mark is still there
            return

    async def _place(self, key: Key, card: Item, top: dict[str, str]) -> None:
        """One card's transaction: its sort key, its top row, its mark."""
        order, scale = self._order, self._scale
        character_id = key.pk.removeprefix("CHAR#")
        visible = card.get("Status", "active") == "active"
        new = self._sort_key(card, character_id) if visible else None
        its = [sort_key for sort_key, owner in top.items() if owner == character_id][:MOST_DOUBLES]
        note = text(card.get(order.top_attr))
        # Rows that `top` does not show: another program may have written one since it was read.
        its += [note] if note.endswith(f"#CHAR#{character_id}") and note not in its else []
        others = [sort_key for sort_key in top if sort_key not in its]
        # Sort keys rise as the rank falls: a smaller key is a better place.
        joins = new is not None and (len(others) < scale.buffer or new < max(others))
        changes = self._mended(card)
        remove = {order.dirty_pk, order.dirty_sk, order.pk, order.sk, order.top_attr}
        if new is not None:
            shard = shard_of(character_id, scale.shards)
            changes |= {order.pk: partition(order.all_word, shard, scale.shards), order.sk: new}
            if joins:
                changes[order.top_attr] = new
        writes: list[Operation] = [
            Update(
                self._table, key, set=changes, remove=sorted(remove - set(changes)), when=as_read(order, card)
            )
        ]
        for sort_key in its:
            if not (joins and sort_key == new):
                writes.append(Delete(self._table, Key(order.top_pk, sort_key)))
        if joins and new is not None:
            writes.append(Put(self._table, top_row(order, new, card, character_id)))
        # Only after the transaction is `top` changed: a failed one is tried again with it.
        await self._store.transact(writes)
        for sort_key in its:
            top.pop(sort_key, None)
        if joins and new is not None:
            top[new] = character_id

    def _sort_key(self, card: Item, character_id: str) -> str:
        if self._order.sort == "hot":
            return hot_key(whole(card.get("HeatScore")), character_id, self._scale.max_heat)
        return time_key(from_iso(card.get("UpdatedAt")) or 0, character_id)

    def _mended(self, card: Item) -> dict[str, Any]:
        """Heat that was kept as something else than a whole number, once and for all."""
        if self._order.sort != "hot" or type(card.get("HeatScore", 0)) is int:
            return {}
        return {"HeatScore": whole(card["HeatScore"])}

    async def _trim(self, top: dict[str, str]) -> None:
        """Let go of the rows beyond the buffer, each together with its card's note of it, and of rows
        that name no card."""
        nameless = [sort_key for sort_key, owner in top.items() if not owner]
        for sort_key in [*nameless, *sorted(set(top) - set(nameless))[self._scale.buffer :]]:
            await self._let_go(sort_key, top[sort_key])
            del top[sort_key]

    async def _let_go(self, sort_key: str, character_id: str) -> None:
        order, row = self._order, Delete(self._table, Key(self._order.top_pk, sort_key))
        key = await self._key_of(character_id) if character_id else None
        if key is not None:
            forget = Update(self._table, key, remove=(order.top_attr,), when=Eq(order.top_attr, sort_key))
            try:
                await self._store.transact([row, forget])
                return
            except ConditionFailed:
                pass  # the card has a note of another row, or of none: this one is nobody's
        await self._store.write(row)

    async def adopt(self, *, dry_run: bool = False) -> int:
        """Let cards know of the top list's rows that another program wrote, and drop the rows that no card
        can be shown by; returns how many rows it was about."""
        order, count = self._order, 0
        for row in await self._rows(order.top_pk, None, MOST_TOP_ROWS):
            sort_key, character_id = str(row["SK"]), named_card(row)
            key = await self._key_of(character_id) if character_id else None
            card = None if key is None else await self._store.get(self._table, key)
            if card is not None and card.get(order.top_attr) == sort_key:
                continue
            count += 1
            if dry_run:
                continue
            if key is None or card is None or order.top_attr in card:
                await self._store.write(Delete(self._table, Key(order.top_pk, sort_key)))
                continue
            mine = Update(
                self._table, key, set={order.top_attr: sort_key}, when=(Exists(), Absent(order.top_attr))
            )
            try:
                await self._store.write(mine)
            except ConditionFailed:
                continue  # ranked meanwhile, by this row's id
        return count

    async def _fill(self, top: dict[str, str]) -> None:
        """Bring the best cards that are not in the top list back into it."""
        order = self._order
        ordered = partitions(order.all_word, self._scale.shards)
        best = await self._first(self._index, ordered, order.sk, self._scale.buffer)
        for row in best:
            key = Key(row["PK"], row["SK"])
            card, character_id = await self._store.get(self._table, key), key.pk.removeprefix("CHAR#")
            sort_key = text(card.get(order.sk)) if card is not None else ""
            if card is None or not sort_key or order.top_attr in card or character_id in top.values():
                continue
            # The index is behind its table: the card must still stand where the index has it.
            unmoved = Eq(order.sk, sort_key)
            try:
                await self._store.transact(
                    [
                        Update(self._table, key, set={order.top_attr: sort_key}, when=unmoved),
                        Put(self._table, top_row(order, sort_key, card, character_id)),
                    ]
                )
            except (ConditionFailed, Invalid):
                continue  # moved meanwhile, or too odd to be shown; the index still has it
            top[sort_key] = character_id

    async def _key_of(self, character_id: str) -> Key | None:
        """A card's key: `PROFILE`, or the legacy `"0"`."""
        for sk in ("PROFILE", "0"):
            key = Key(f"CHAR#{character_id}", sk)
            try:
                check_key(key)
            except Invalid:
                return None
            if await self._store.get(self._table, key) is not None:
                return key
        return None


def as_read(order: Order, card: Item) -> tuple[Condition, ...]:
    """The condition that a card's rank still follows from what was read."""
    return Exists(), *unchanged(card, order.value, "Status")


def named_card(row: Item) -> str:
    """The id of the card that a row of a top list stands for, "" where it names none."""
    return text(row.get("CharacterID")) or str(row["SK"]).partition("#CHAR#")[2]


def top_row(order: Order, sort_key: str, card: Item, character_id: str) -> dict[str, Any]:
    """A row of the top list: the card's public attributes under the order's sort key."""
    public = {name: storable(card[name]) for name in _PUBLIC if name in card}
    row = {name: value for name, value in public.items() if value is not None}
    return {**row, "CharacterID": character_id, "PK": order.top_pk, "SK": sort_key}


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
