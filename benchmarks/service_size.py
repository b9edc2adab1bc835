"""How large a service becomes, and what its storage costs, by how many people use it in a day.

    python benchmarks/service_size.py
    python benchmarks/service_size.py --users 50000 --chats 30 --write-price 0.7

A sum, not a measurement: units per action are those that `turn_cost.py` counts, sizes those of the rows that
a reply leaves, and everything else is an option with a default that is an ASSUMPTION, the prices above all.
Look yours up, per million request units and per GB and month, in your region. What the model's provider
charges is not in it.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass

DAY_S = 86_400
MONTH_DAYS = 30
MILLION = 1_000_000
TURN_WRITES, TURN_READS = 25, 4
RANKED_WRITES, RANKED_READS = 9, 1
LIKE_WRITES, LIKE_READS = 5, 2
PAGE_READS, PAGE_EVERY_S, PAGES = 114, 5, 4
SESSION_READS, SESSION_EVERY_S = 1, 5
REPLY_BYTES = 900
"""What a paid reply leaves in the ledger for good: its movement and its line of history."""
RANKINGS_A_SHARD = 500
STREAMS_A_PROCESS = 500
SIZES = (1_000, 100_000, 10_000_000)


@dataclass(frozen=True, slots=True)
class Use:
    """What people do. `likes` and `chats` are for each of them in a day, `peak` how much more than the mean
    the busiest minute has, `cards` how many market cards are talked to within one batch window."""

    users: int
    chats: float
    likes: float
    peak: float
    reply_s: float
    window_s: float
    cards: int


@dataclass(frozen=True, slots=True)
class Prices:
    """Per million request units, and per GB and month."""

    write: float
    read: float
    gigabyte: float


@dataclass(frozen=True, slots=True)
class Size:
    """What comes of it: per second at the busiest time, units per day."""

    chats_s: float
    streams: int
    processes: int
    rankings_s: float
    shards: int
    writes_s: float
    writes_day: float
    reads_day: float
    gigabytes_year: float

    def cost(self, prices: Prices) -> float:
        """Of a day, storage aside."""
        return (self.writes_day * prices.write + self.reads_day * prices.read) / MILLION


def size(use: Use) -> Size:
    """The sum for one use."""
    chats_day, likes_day = use.users * use.chats, use.users * use.likes
    chats_s = chats_day / DAY_S * use.peak
    streams = math.ceil(chats_s * use.reply_s)
    processes = max(1, math.ceil(streams / STREAMS_A_PROCESS))
    # A card is marked once a window however often it is talked to.
    ranked_s = min(chats_s + likes_day / DAY_S * use.peak, use.cards / use.window_s)
    ranked_day = min(chats_day + likes_day, use.cards / use.window_s * DAY_S)
    pages_day = min(chats_day, processes * PAGES * DAY_S / PAGE_EVERY_S)
    sessions_day = chats_day * max(1.0, use.reply_s / SESSION_EVERY_S)
    writes = chats_day * TURN_WRITES + ranked_day * RANKED_WRITES + likes_day * LIKE_WRITES
    reads = chats_day * TURN_READS + ranked_day * RANKED_READS + likes_day * LIKE_READS
    reads += pages_day * PAGE_READS + sessions_day * SESSION_READS
    return Size(
        chats_s=chats_s,
        streams=streams,
        processes=processes,
        rankings_s=ranked_s,
        shards=max(1, math.ceil(ranked_s / RANKINGS_A_SHARD)),
        writes_s=chats_s * TURN_WRITES + ranked_s * RANKED_WRITES,
        writes_day=writes,
        reads_day=reads,
        gigabytes_year=chats_day * 365 * REPLY_BYTES / 1e9,
    )


def rows(use: Use, prices: Prices) -> list[tuple[str, str]]:
    """The size and its cost in words."""
    found = size(use)
    chats = use.users * use.chats
    cost = found.cost(prices)
    return [
        ("people in a day", f"{use.users:,}"),
        ("replies in a day", f"{chats:,.0f}"),
        ("replies a second, busiest", f"{found.chats_s:,.1f}"),
        ("open streams, busiest", f"{found.streams:,}"),
        ("processes", f"{found.processes:,}"),
        ("rankings a second and language, at most", f"{found.rankings_s:,.1f}"),
        ("RANKING_SHARDS", f"{found.shards}"),
        ("write units a second, busiest", f"{found.writes_s:,.0f}"),
        ("ledger, GB more in a year", f"{found.gigabytes_year:,.1f}"),
        ("storage requests, a thousand replies", f"{cost / chats * 1000:.4f}"),
        ("the daily whole sweep after a year, a month", f"{_sweeps(found) * prices.read:,.2f}"),
        ("storage requests, a month", f"{cost * MONTH_DAYS:,.2f}"),
        ("kept ledger, a month after a year", f"{found.gigabytes_year * prices.gigabyte:,.2f}"),
    ]


def _sweeps(found: Size) -> float:
    """Millions of read units of a month's whole rounds over the ledger of a year, strongly read."""
    return found.gigabytes_year * 1e9 / 4096 * MONTH_DAYS / MILLION


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--users", type=int, action="append", help="people in a day; may be repeated")
    parser.add_argument("--chats", type=float, default=20, help="replies for each of them")
    parser.add_argument("--likes", type=float, default=1, help="likes for each of them")
    parser.add_argument("--peak", type=float, default=4, help="busiest minute against the mean")
    parser.add_argument("--reply", type=float, default=20, help="seconds that a reply takes")
    parser.add_argument("--window", type=float, default=5, help="BATCH_WINDOW_MS in seconds")
    parser.add_argument("--cards", type=int, default=20_000, help="cards talked to within a window")
    parser.add_argument("--write-price", type=float, default=0.625, help="assumed; a million write units")
    parser.add_argument("--read-price", type=float, default=0.125, help="assumed; a million read units")
    parser.add_argument("--gigabyte-price", type=float, default=0.25, help="assumed; a GB for a month")
    options = parser.parse_args()
    prices = Prices(options.write_price, options.read_price, options.gigabyte_price)
    columns = [
        rows(
            Use(
                users,
                options.chats,
                options.likes,
                options.peak,
                options.reply,
                options.window,
                options.cards,
            ),
            prices,
        )
        for users in options.users or SIZES
    ]
    for lines in zip(*columns, strict=True):
        print(f"{lines[0][0]:46}" + "".join(f"{value:>18}" for _, value in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
