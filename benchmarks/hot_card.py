"""A million likes on one card in an hour: what the ranking makes of it, and what the card's row bears.

    python benchmarks/hot_card.py
    python benchmarks/hot_card.py --likes 100000 --shards 4 --json

The real ranking code on the storage in this process, with a clock that is moved by hand. Likes of one batch
window come to the card in one update, as replies do; other cards are warmed at random beside it. After every
window the market's order must be that of the heat. How often one row refuses is simulated with the rule of
DynamoDB (1,000 write units a second for one row) on arrivals at random moments; that part is a sum.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from storage import fill
from turn_cost import Metered

from lunalux_core.backend.money.seed_models import seed_models
from lunalux_core.backend.repos.heat import Gain, counting
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.embedded import DATABASE, open_embedded
from lunalux_core.backend.running.services import Services, assemble
from lunalux_core.backend.running.signatures import Signer

ROW_UNITS = 1000
"""Write units a second that one row takes."""
LIKE_UNITS = (2, 4)
"""Units of a like on the card's row: up to 1 KB, up to 2 KB, in a transaction."""
WARMED = 20


@dataclass
class Clock:
    ms: int = 1_770_000_000_000

    def __call__(self) -> int:
        return self.ms


async def simulate(
    folder: Path, likes: int, seconds: int, cards: int, shards: int, seed: int
) -> dict[str, Any]:
    """Rank a card that everybody likes for `seconds`; the figures of it."""
    plain_settings = BackendSettings.from_env({"LUNALUX_RATE_LIMITS": "0"})
    ranking = replace(plain_settings.ranking, like_heat=1, shards=shards)
    settings, clock = replace(plain_settings, ranking=ranking), Clock()
    plain = await open_embedded(folder, settings, seeded=False)
    await seed_models(plain.store, settings.tables.model_config)
    fill(folder / DATABASE, cards)
    metered = Metered(plain.store)
    services = assemble(
        settings,
        metered,
        plain.blobs,
        plain.identity,
        Signer(("x" * 32,)),
        rank_on_request=False,
        now_ms=clock,
    )
    await services.ranking.drain("en", "hot")
    names = [f"{number:08d}-card" for number in range(cards)]
    hot, chance, window_s = names[-1], random.Random(seed), ranking.batch_window_ms_en // 1000
    windows, left, wrong, ranked, slowest = seconds // window_s, likes, 0, 0, 0.0
    units = 0.0
    for number in range(windows):
        now = left // (windows - number)
        left -= now
        await warm(services, hot, now, clock())
        for name in chance.sample(names[:-1], WARMED):
            await warm(services, name, chance.randint(1, 5), clock())
        clock.ms += window_s * 1000
        metered.reset()
        begun = time.perf_counter()
        ranked += await services.ranking.drain("en", "hot")
        slowest = max(slowest, time.perf_counter() - begun)
        units += metered.writes
        wrong += not await in_order(services, hot)
    card = await services.characters.require(hot)
    await services.aclose()
    rate = likes / seconds
    return {
        "likes": likes,
        "seconds": seconds,
        "likes_a_second": round(rate, 1),
        "liked_count": card.liked_count,
        "windows": windows,
        "rankings": ranked,
        "rankings_of_the_hot_card": windows,
        "write_units_a_ranking": round(units / max(1, ranked), 1),
        "write_units_an_hour_for_it": round(units / max(1, ranked) * windows),
        "windows_out_of_order": wrong,
        "slowest_batch_ms": round(slowest * 1000, 1),
        "first_try_refused": {
            f"{size} KB row": round(refused(rate, per, seconds, chance), 4)
            for size, per in zip((1, 2), LIKE_UNITS, strict=True)
        },
    }


async def warm(services: Services, name: str, likes: int, now_ms: int) -> None:
    """So many likes on a card, as one update."""
    place = await services.characters.countable(name)
    assert place is not None
    gain = Gain({"LikedCount": likes}, likes * services.settings.ranking.like_heat)
    await services.store.write(counting(services.characters, place, gain, now_ms))


async def in_order(services: Services, hot: str) -> bool:
    """Whether the first page is sorted by heat, with the hot card where its heat belongs."""
    ranking = services.settings.ranking
    rows = await services.store.query(
        services.settings.tables.character_en, "TOP#HOT", limit=ranking.hot_top_limit
    )
    ids = [str(row["CharacterID"]) for row in rows.items]
    heats = [(await services.characters.require(name)).heat for name in ids]
    best = (await services.characters.require(hot)).heat
    return heats == sorted(heats, reverse=True) and (hot in ids or best <= heats[-1])


def refused(rate: float, per: int, seconds: int, chance: random.Random) -> float:
    """The share of likes that come in a second in which the row has no room for them any more."""
    room, over = ROW_UNITS // per, 0
    total = 0
    for _ in range(seconds):
        arrived = max(0, round(chance.gauss(rate, rate**0.5)))
        total += arrived
        over += max(0, arrived - room)
    return over / max(1, total)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--likes", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--cards", type=int, default=500, help="in the market")
    parser.add_argument("--shards", type=int, default=1, help="RANKING_SHARDS")
    parser.add_argument("--seed", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        found = asyncio.run(
            simulate(
                *(Path(place), options.likes, options.seconds, options.cards, options.shards, options.seed)
            )
        )
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:28}{value}")
    return 0 if found["windows_out_of_order"] == 0 and found["liked_count"] >= found["likes"] else 1


if __name__ == "__main__":
    sys.exit(main())
