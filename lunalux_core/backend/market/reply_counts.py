"""Counting official replies on market characters, apart from the money.

A settled movement says `counted: false` until its card was counted, both in one transaction, so that a
reply counts once whatever fails between; the sweep counts what was left over. While one transaction for a
card is under way the next replies wait and go together: the busier a card, the fewer writes for each reply.

See docs/spec/backend.md: Counters and ranking.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from lunalux_core.backend.money.money import Reservation
from lunalux_core.backend.repos.characters import Characters
from lunalux_core.backend.repos.heat import Gain, counting, dialogue
from lunalux_core.backend.repos.movements import MOVE, move_key
from lunalux_core.backend.running.backend_settings import RankingSettings, TableNames
from lunalux_core.backend.running.logs import logger
from lunalux_core.backend.storage.foreign_values import text, whole
from lunalux_core.backend.storage.table import (
    TRANSACTION_LIMIT,
    ConditionFailed,
    Eq,
    Invalid,
    Item,
    Operation,
    Store,
    Update,
)
from lunalux_core.errors import StorageError

TOGETHER = TRANSACTION_LIMIT - 1


@dataclass(frozen=True, slots=True)
class _Reply:
    """A settled movement that waits to be counted. `card_exists` gets whether the card is there."""

    user_id: str
    operation: str
    gain: Gain
    card_exists: asyncio.Future[bool] = field(compare=False)


class Dialogues:
    """Counts replies. One per process."""

    def __init__(
        self,
        store: Store,
        tables: TableNames,
        characters: Characters,
        ranking: RankingSettings,
        now_ms: Callable[[], int],
    ) -> None:
        self._store, self._tables, self._characters = store, tables, characters
        self._ranking, self._now_ms = ranking, now_ms
        self._waiting: dict[str, list[_Reply]] = {}
        self._workers: set[asyncio.Task[None]] = set()

    async def count(self, reservation: Reservation) -> bool:
        """Count a settled reply on its character; False where that is not on the market any more.

        A store that does not answer is no reason to withhold the reply: the sweep counts it later.
        """
        action, approval = reservation.action, reservation.approval
        if action.character_id is None:
            return True
        luna = approval.cost if approval.currency == "luna" else 0
        gain = dialogue(self._ranking, reservation.lux_level, luna)
        return await self._count(action.user_id, action.operation, action.character_id, gain)

    async def count_row(self, row: Item) -> bool:
        """Count what a MOVE# row says, for the sweep."""
        luna = max(0, whole(row.get("cost"))) if row.get("currency") == "luna" else 0
        gain = dialogue(self._ranking, whole(row.get("luxLevel")), luna)
        user_id, operation = str(row["PK"]).removeprefix("USER#"), str(row["SK"]).removeprefix(MOVE)
        return await self._count(user_id, operation, text(row.get("characterId")), gain)

    async def _count(self, user_id: str, operation: str, character_id: str, gain: Gain) -> bool:
        reply = _Reply(user_id, operation, gain, asyncio.get_running_loop().create_future())
        if character_id in self._waiting:
            self._waiting[character_id].append(reply)
        else:
            self._waiting[character_id] = [reply]
            worker = asyncio.create_task(self._work(character_id))
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return await reply.card_exists

    async def _work(self, character_id: str) -> None:
        """Count everything that waits for a card, as many replies at once as fit a transaction."""
        try:
            while self._waiting[character_id]:
                together = self._waiting[character_id][:TOGETHER]
                del self._waiting[character_id][:TOGETHER]
                there = True
                try:
                    there = await self._count_all(character_id, together)
                except (StorageError, Invalid) as error:
                    logger.warning("replies wait to be counted: %s", error)  # the sweep tries again
                finally:
                    _tell(together, there)
        finally:
            _tell(self._waiting.pop(character_id), True)

    async def _count_all(self, character_id: str, replies: list[_Reply]) -> bool:
        place = await self._characters.countable(character_id)
        while place is not None and replies:
            now = self._now_ms()
            total = sum((reply.gain for reply in replies), start=Gain())
            writes: list[Operation] = [counting(self._characters, place, total, now)]
            try:
                await self._store.transact(writes + [self._counted(reply) for reply in replies])
            except ConditionFailed as failed:
                if failed.index == 0:
                    place = await self._characters.moved(place)
                    continue
                replies = [*replies[: failed.index - 1], *replies[failed.index :]]  # that one was counted
                continue
            await self._characters.heated(place, total.heat)
            return True
        if not replies:
            return True
        for reply in replies:
            await self._give_up(reply)
        return False

    def _counted(self, reply: _Reply) -> Update:
        key = move_key(reply.user_id, reply.operation)
        return Update(self._tables.ledger, key, set={"counted": True}, when=Eq("counted", False))

    async def _give_up(self, reply: _Reply) -> None:
        """Its card is gone: there is nothing left to count it on."""
        try:
            await self._store.write(self._counted(reply))
        except ConditionFailed:
            return  # settled by the sweep meanwhile

    async def aclose(self) -> None:
        """Wait for what is being counted."""
        if self._workers:
            await asyncio.wait(self._workers)


def _tell(replies: list[_Reply], there: bool) -> None:
    for reply in replies:
        if not reply.card_exists.done():
            reply.card_exists.set_result(there)
