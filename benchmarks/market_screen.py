"""The market screen with nothing on disk and with 100,000 cards: how soon it shows, how soon it answers keys.

    python benchmarks/market_screen.py --cards 100000
    python benchmarks/market_screen.py --cards 100000 --folder /var/tmp/market

Opens the real app without a terminal on a home of its own and an address where no backend answers, goes to
the market and waits until what it has is drawn, in turns with and without cards. Then types queries letter
by letter; one measurement is from the key to the frame with its results, the pause of the search box
included. Ends with 1 when opening takes more than 1.3 times as long as the empty market, or the 95th
percentile of a key is over 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from market_search import ENGLISH, fill

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.library.market_cache import MarketCache
from lunalux_core.runtime import Runtime
from lunalux_tui.app.app import LunaluxApp
from lunalux_tui.app.first_frame import read_opening
from lunalux_tui.market.screen import MarketScreen

NOWHERE = "http://127.0.0.1:9"
RATIO, KEY_MS = 1.3, 50.0
LONGEST_SECONDS = 30


async def open_market(home: Path, queries: list[str]) -> tuple[float, list[float]]:
    """Milliseconds to the first list, and of every key typed afterwards."""
    os.environ["LUNALUX_HOME"] = str(home)
    async with Runtime.open(load_settings()) as runtime:
        app = LunaluxApp(runtime, await read_opening(runtime))
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause(0.5)
            began = time.perf_counter()
            app.action_go("market")
            async with asyncio.timeout(LONGEST_SECONDS):
                while not (isinstance(app.screen, MarketScreen) and app.screen.shown is not None):  # noqa: ASYNC110
                    await asyncio.sleep(0)  # a pause would be measured too
                await drawn(app)
            opened = (time.perf_counter() - began) * 1000
            screen = app.screen
            assert isinstance(screen, MarketScreen)
            screen.field.focus()
            await pilot.pause(0.3)
            keys = []
            for query in queries:
                for end in range(1, len(query) + 1):
                    began = time.perf_counter()
                    screen.field.insert_text_at_cursor(query[end - 1])
                    async with asyncio.timeout(LONGEST_SECONDS):
                        while screen.shown is None or screen.shown[3] != query[:end]:  # noqa: ASYNC110
                            await asyncio.sleep(0.0005)
                        await drawn(app)
                    keys.append((time.perf_counter() - began) * 1000)
                screen.field.value = ""
                await pilot.pause(0.1)
            return opened, keys


async def drawn(app: LunaluxApp) -> None:
    """Wait until the next frame is out."""
    done = asyncio.Event()
    app.screen.call_after_refresh(done.set)
    await done.wait()


async def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cards", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=9, help="times each market is opened")
    parser.add_argument("--folder", type=Path, help="keep the generated market here and use it again")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ.update(LUNALUX_API_URL=NOWHERE, LUNALUX_LANG="en")
    with tempfile.TemporaryDirectory() as temporary:
        full, empty = options.folder or Path(temporary) / "full", Path(temporary) / "empty"
        await stocked(full, options.cards)
        opening: dict[str, list[float]] = {"empty": [], "full": []}
        await open_market(empty, [])  # imports and caches of the system
        for _ in range(options.runs):
            opening["empty"].append((await open_market(empty, []))[0])
            opening["full"].append((await open_market(full, []))[0])
        keys = sorted((await open_market(full, ENGLISH))[1])
    bare, stuffed = (statistics.median(opening[name]) for name in ("empty", "full"))
    result = {
        "empty_ms": round(bare, 1),
        "full_ms": round(stuffed, 1),
        "ratio": round(stuffed / bare, 2),
        "key_p50_ms": round(statistics.median(keys), 1),
        "key_p95_ms": round(statistics.quantiles(keys, n=20)[18], 1),
        "key_max_ms": round(keys[-1], 1),
    }
    print(
        json.dumps(result) if options.json else "  ".join(f"{name} {value}" for name, value in result.items())
    )
    return int(result["ratio"] > RATIO or result["key_p95_ms"] > KEY_MS)


async def stocked(home: Path, count: int) -> None:
    """A home whose market has `count` English cards on disk, fresh enough for nobody to fetch it."""
    paths = Paths.find({"LUNALUX_HOME": str(home)})
    paths.cache.mkdir(parents=True, exist_ok=True)
    shelf = MarketCache(paths.cache / "market.db", NOWHERE)
    try:
        if await shelf.count("en", "hot") != count:
            await fill(shelf, count, "en")
    finally:
        shelf.close()
    for leftover in paths.library.parent.glob("library.db*"):
        leftover.unlink()


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
