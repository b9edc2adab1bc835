"""What older rows of the market ask for: sort keys, counters, places in the orders, rows of the top lists.

See docs/spec/backend.md: Tables, Counters and ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from lunalux_core.backend.market.ranking_keys import HOT, TIME, Order, hot_key, partition, shard_of, time_key
from lunalux_core.backend.market.ranking_schedule import Ranking
from lunalux_core.backend.operators.adopted_accounts import Rule
from lunalux_core.backend.operators.adoption import LOOK, Deed, shown
from lunalux_core.backend.repos.characters import Characters
from lunalux_core.backend.repos.market_card import VISIBLE, mended
from lunalux_core.backend.running.backend_settings import RankingSettings
from lunalux_core.backend.running.clock import from_iso
from lunalux_core.backend.storage.foreign_values import text, whole
from lunalux_core.backend.storage.migrate import NEW, OLD, move, whole_row
from lunalux_core.backend.storage.table import Item, Key, Store, Update
from lunalux_core.language import Language

STATUSES = ("active", "hidden", "deleted")


class CardRows(Rule):
    """The cards of one language, and the top lists of its table."""

    def __init__(
        self,
        store: Store,
        table: str,
        lang: Language,
        characters: Characters,
        ranking: Ranking,
        scale: RankingSettings,
    ) -> None:
        super().__init__(store, table)
        self._lang, self._characters, self._ranking, self._scale = lang, characters, ranking, scale

    async def deeds(self, row: Item) -> Sequence[Deed]:
        pk, sk = str(row["PK"]), str(row["SK"])
        character_id = pk.removeprefix("CHAR#")
        if sk not in (OLD, NEW) or not pk.startswith("CHAR#") or not character_id:
            return ()
        deeds = list[Deed]()
        if sk == OLD:
            if await self._store.get(self._table, Key(pk, NEW)) is not None:
                return [Deed(LOOK, f"this card stands under {NEW} as well; both are left as they are")]
            deeds.append(
                Deed(
                    "move", f"from the sort key {OLD} to {NEW}", partial(move, self._store, self._table, row)
                )
            )
            # The deeds below are done after the move, on the row as it stands then.
            row = {**whole_row(row), "SK": NEW}
        key, changes = Key(pk, NEW), {}
        if row.get("CharacterID") != character_id:
            changes["CharacterID"] = character_id
        if row.get("Language") not in ("en", "zh"):
            changes["Language"] = self._lang
        if changes:
            said = ", ".join(f"{name} {shown(row.get(name))} → {value}" for name, value in changes.items())
            deeds.append(Deed("mend", said, self.update(key, changes, row)))
        if (mending := mended(row)) is not None:
            write = replace(mending, table=self._table, key=key)
            said = ", ".join(sorted({path.partition(".")[0] for path in mending.set}))
            deeds.append(Deed("mend", f"{said} as whole numbers", self.transaction([write])))
        if text(row.get("Status", "active")) not in STATUSES:
            deeds.append(Deed(LOOK, f"Status {shown(row.get('Status'))} is not known: nobody sees this card"))
        deeds += self._marks(key, row, character_id)
        return deeds

    def _marks(self, key: Key, row: Item, character_id: str) -> list[Deed]:
        """Ask for the card to be ranked where it does not stand in an order as it should."""
        if row.get("Status", "active") != "active":
            return []
        shards = self._scale.shards
        shard, heat = shard_of(character_id, shards), whole(row.get("HeatScore"))
        places: list[tuple[Order, str]] = [
            (HOT, hot_key(heat, character_id, self._scale.max_heat)),
            (TIME, time_key(from_iso(row.get("UpdatedAt")) or 0, character_id)),
        ]
        deeds = list[Deed]()
        for order, sort_key in places:
            there = row.get(order.pk), row.get(order.sk)
            # A card that is marked will be ranked anyway.
            if there == (partition(order.all_word, shard, shards), sort_key) or order.dirty_pk in row:
                continue
            mark = Update(
                self._table, key, set_default=self._characters.mark(order, character_id), when=VISIBLE
            )
            words = "by heat" if order is HOT else "by time"
            deeds.append(Deed("mark", f"to be ranked {words}", self.transaction([mark])))
        return deeds

    async def finish(self, *, dry_run: bool) -> Sequence[Deed]:
        """Rows of the top lists, and everything that waits to be ranked."""
        deeds = list[Deed]()
        if count := await self._ranking.adopt(self._lang, dry_run=dry_run):
            deeds.append(Deed("mend", f"{count} rows of the top lists are their cards', or nobody's and go"))
        if not dry_run:
            for order in (HOT, TIME):
                if ranked := await self._ranking.drain(self._lang, order.sort):
                    deeds.append(Deed("rank", f"{ranked} cards {'by heat' if order is HOT else 'by time'}"))
        return deeds
