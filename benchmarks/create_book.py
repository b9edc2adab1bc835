"""The worldbook of the character editor: empty, and with hundreds of entries: how soon it is there.

    python benchmarks/create_book.py --entries 261 -n 15

Opens the real app without a terminal on a home of its own. In turns, a card without entries and one with
them is brought into the editor; one measurement is from the order to show the worldbook until it is drawn
with its list, the entry under the cursor and the test. The very first showing of each, which builds the
widgets, is measured in fresh apps and told apart. Ends with 1 when the full book takes more than 1.3 times
as long as the empty one.
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
from typing import Any

from textual.pilot import Pilot

from lunalux_core.config.settings import load_settings
from lunalux_core.runtime import Runtime
from lunalux_tui.app.app import LunaluxApp
from lunalux_tui.app.first_frame import read_opening
from lunalux_tui.create.screen import CreateScreen
from lunalux_tui.create.sections.worldbook_section import WorldbookSection

NOWHERE = "http://127.0.0.1:9"
RATIO = 1.3
SECONDS = 30


def card(entries: int) -> dict[str, Any]:
    """A card whose book has so many entries, of the size they have in real books."""
    book = [
        {
            "id": number,
            "keys": [f"key {number}", f"/other{number}/i"],
            "comment": f"Entry {number}",
            "content": f"What is told about number {number}. " * 20,
            "enabled": True,
            "insertion_order": 100,
            "extensions": {"position": 4, "depth": 4, "probability": 100, "useProbability": True},
        }
        for number in range(entries)
    ]
    data = {"name": f"With {entries}", "first_mes": "Hello", "character_book": {"entries": book}}
    return {"spec": "chara_card_v3", "spec_version": "3.0", "data": data}


async def show(app: LunaluxApp, pilot: Pilot[None], path: Path) -> float:
    """Milliseconds from the order to the drawn book."""
    screen = app.screen
    assert isinstance(screen, CreateScreen)
    await screen.bring(str(path))
    screen.show_section("basics")
    await pilot.pause(0.2)
    began = time.perf_counter()
    screen.show_section("book", enter=True)
    pane = screen.section_view
    assert isinstance(pane, WorldbookSection)
    async with asyncio.timeout(SECONDS):
        while not (pane.stands and pane.rows.has_focus):  # noqa: ASYNC110
            await asyncio.sleep(0)  # a pause would be measured too
        done = asyncio.Event()
        app.call_after_refresh(done.set)
        await done.wait()
    return (time.perf_counter() - began) * 1000


async def run(home: Path, paths: list[Path]) -> list[float]:
    """Milliseconds of each showing, in one app."""
    os.environ["LUNALUX_HOME"] = str(home)
    async with Runtime.open(load_settings()) as runtime:
        app = LunaluxApp(runtime, await read_opening(runtime))
        async with app.run_test(size=(120, 40)) as pilot:
            app.action_go("create")
            async with asyncio.timeout(SECONDS):
                while not getattr(app.screen, "ready", False):
                    await pilot.pause(0.05)
            return [await show(app, pilot, path) for path in paths]


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare an empty worldbook with a full one in the editor.")
    parser.add_argument("--entries", type=int, default=261)
    parser.add_argument("-n", type=int, default=15, help="showings of each")
    parser.add_argument("--fresh", type=int, default=3, help="apps of their own for the very first showing")
    options = parser.parse_args()
    os.environ |= {"LUNALUX_API_URL": NOWHERE, "LUNALUX_LANG": "en"}
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{count}.json" for count in (0, options.entries)]
        for path, count in zip(paths, (0, options.entries), strict=True):
            path.write_text(json.dumps(card(count)), encoding="utf-8")
        first = [
            [asyncio.run(run(Path(folder) / f"home{turn}{at}", [path]))[0] for at, path in enumerate(paths)]
            for turn in range(options.fresh)
        ]
        times = asyncio.run(run(Path(folder) / "home", [paths[0], *paths * (options.n + 1)]))[3:]
    pairs = list(zip(times[::2], times[1::2], strict=True))
    for name, found in (("first showing", first), ("again", pairs)):
        empty, full = (statistics.median(column) for column in zip(*found, strict=True))
        ratio = statistics.median(full / empty for empty, full in found)
        print(f"{name}: empty {empty:.0f} ms, {options.entries} entries {full:.0f} ms, ratio {ratio:.2f}")
    return int(statistics.median(full / empty for empty, full in pairs) > RATIO)


if __name__ == "__main__":
    raise SystemExit(main())
