"""What DynamoDB would bill for a chat turn, a market page and a like, and so for a thousand chats.

    python benchmarks/turn_cost.py
    python benchmarks/turn_cost.py --write-price W --read-price R --turns 20

Counts request units by AWS's published rules for on-demand tables: a transactional write is 2 units per
started KB of each item, a plain write 1; a strongly consistent read 1 unit per started 4 KB, an index or
batch read as its rows are. Items are those the service really writes, on the storage in this process, whose
operations are the same. Prices are yours to look up, per million units in your region; none are built in.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("LUNALUX_PRACTICE_RATE", "0")

from storage import Client, fill

from lunalux_core.backend.market.ranking_keys import ORDERS
from lunalux_core.backend.money.seed_models import seed_models
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.embedded import DATABASE, open_embedded
from lunalux_core.backend.running.services import assemble
from lunalux_core.backend.running.signatures import Signer
from lunalux_core.backend.storage.operation_checks import item_size, key_of
from lunalux_core.backend.storage.table import Check, Delete, Item, Operation, Page, Put, Store, Update

CARDS = 300
MILLION = 1_000_000
INDEX_KEYS = ("OPEN_PK", *(name for order in ORDERS.values() for name in (order.dirty_pk, order.pk)))


class Metered:
    """A store that adds up request units. Index rows hold keys alone and cost one unit a change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reset()

    def reset(self) -> None:
        self.reads, self.writes, self.requests = 0.0, 0.0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def get(self, table: str, key: tuple[str, str], *, consistent: bool = True) -> Item | None:
        item = await self._store.get(table, key, consistent=consistent)
        self._read([item] if item else [{}], 1 if consistent else 0.5)
        return item

    async def get_many(self, table: str, keys: Sequence[tuple[str, str]]) -> dict[Any, Item]:
        found = await self._store.get_many(table, keys)
        self.requests += 1
        self.reads += sum(math.ceil(max(1, item_size(item)) / 4096) for item in found.values())
        return found

    async def query(self, table: str, pk: str, **options: Any) -> Page:
        page = await self._store.query(table, pk, **options)
        self._read([*page.items], 0.5 if options.get("index") else 1)
        return page

    async def write(self, operation: Put | Update | Delete) -> Item | None:
        before = await self._store.get(operation.table, key_of(operation))
        told = await self._store.write(operation)
        await self._wrote([operation], [before], 1)
        return told

    async def transact(self, operations: Sequence[Operation], token: str | None = None) -> None:
        before = [await self._store.get(operation.table, key_of(operation)) for operation in operations]
        await self._store.transact(operations, token)
        await self._wrote(operations, before, 2)

    def _read(self, items: Sequence[Item], factor: float) -> None:
        self.requests += 1
        self.reads += factor * max(1, math.ceil(sum(map(item_size, items)) / 4096))

    async def _wrote(self, operations: Sequence[Operation], before: Sequence[Item | None], by: int) -> None:
        self.requests += 1
        for operation, old in zip(operations, before, strict=True):
            new = await self._store.get(operation.table, key_of(operation))
            size = max(item_size(item) if item else 1 for item in (old, new))
            self.writes += by * math.ceil(size / 1024)
            if not isinstance(operation, Check):
                self.writes += _index_changes(old or {}, new or {})


def _index_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> int:
    """Rows that come into an index or leave it; one whose key changes does both."""
    changed = 0
    for name in INDEX_KEYS:
        keys = (name, name.replace("_PK", "_SK"))
        was, now = ([item.get(key) for key in keys] for item in (old, new))
        if was != now:
            changed += (was[0] is not None) + (now[0] is not None)
    return changed


async def measure(folder: Path, turns: int) -> dict[str, tuple[float, float, float]]:
    """Requests, write units and read units, each on average, by what is done."""
    settings = BackendSettings.from_env({"LUNALUX_RATE_LIMITS": "0"})
    plain = await open_embedded(folder, settings, seeded=False)
    await seed_models(plain.store, settings.tables.model_config)
    fill(folder / DATABASE, CARDS)
    heated = replace(settings, ranking=replace(settings.ranking, dialogue_heat=(1, 1, 1), like_heat=1))
    metered = Metered(plain.store)
    services = assemble(
        heated,
        metered,
        plain.blobs,
        plain.identity,
        Signer(("x" * 32,)),
        rank_on_request=False,
        now_ms=plain.now_ms,
    )
    await services.ranking.drain("en", "hot")
    client = Client(services)
    await client.begin()
    await services.wallets.adjust(client.user_id, "star", 1_000_000)
    names = [f"{number:08d}-card" for number in range(CARDS)]
    await client.submit(names[0])
    found: dict[str, tuple[float, float, float]] = {}
    for what in ("turn", "turn, free talk", "page", "like"):
        totals = [0.0, 0.0, 0.0]
        for number in range(turns):
            services.listings.forget("en")
            metered.reset()
            match what:
                case "turn":
                    await client.submit(names[number])
                case "turn, free talk":
                    await client.submit()
                case "page":
                    await client.page()
                case _:
                    await client.like(names[number + turns])
            for place, value in enumerate((metered.requests, metered.writes, metered.reads)):
                totals[place] += value / turns
        found[what] = (totals[0], totals[1], totals[2])
    metered.reset()
    ranked = await services.ranking.drain("en", "hot")
    found["ranking, a card"] = tuple(  # type: ignore[assignment]
        value / max(1, ranked) for value in (metered.requests, metered.writes, metered.reads)
    )
    await client.http.aclose()
    await services.aclose()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=40, help="how often each is done")
    parser.add_argument("--write-price", type=float, help="of a million write request units")
    parser.add_argument("--read-price", type=float, help="of a million read request units")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        found = asyncio.run(measure(Path(place), min(options.turns, CARDS // 2 - 1)))
    print(f"{'':18}{'requests':>10}{'write units':>13}{'read units':>12}")
    for what, (requests, writes, reads) in found.items():
        print(f"{what:18}{requests:10.1f}{writes:13.1f}{reads:12.1f}")
    _, writes, reads = found["turn"]
    print(f"a thousand chat turns: {writes * 1000:,.0f} write units and {reads * 1000:,.0f} read units")
    if options.write_price is not None and options.read_price is not None:
        cost = 1000 * (writes * options.write_price + reads * options.read_price) / MILLION
        print(f"at the prices given: {cost:.4f} for a thousand chat turns")
    return 0


if __name__ == "__main__":
    sys.exit(main())
