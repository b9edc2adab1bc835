"""A library of 10,000 characters with 200 tags: a keystroke in the list, and the first frame.

    python benchmarks/large_library.py
    python benchmarks/large_library.py --characters 30000 -n 5

Words are typed letter by letter, as people do, and each prefix is one measured reading of the list's first
page, with and without tags, folders and every order. The first frame is measured in a terminal, against the
same program over a library of one character, in turns. Prints milliseconds and ratios; nothing is asserted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from screen_probe import Probe

MARK = "LASTWORD"
PAGE = 200
QUERIES = ("ada", "the storm", "elf maid", "zzz", "an", "lighthouse keeper", "e")
SYLLABLES = [
    "ka",
    "la",
    "mi",
    "ne",
    "ro",
    "sa",
    "ti",
    "vu",
    "zo",
    "an",
    "el",
    "ir",
    "on",
    "ul",
    "ast",
    "orm",
    "ight",
    "eep",
    "aid",
    "elf",
    "ada",
    "sto",
    "the",
]


async def fill(home: Path, count: int, tags: int) -> None:
    """A library of `count` characters, one of them with a conversation."""
    os.environ["LUNALUX_HOME"] = str(home)
    from lunalux_core.database import Connection
    from lunalux_core.library.characters import NewCharacter, insert_character
    from lunalux_core.library.conversations import append_message, create_conversation, new_message
    from lunalux_core.library.tags import put_tag, tag_characters
    from lunalux_core.runtime import Runtime

    chance = random.Random(7)
    words = ["".join(chance.choices(SYLLABLES, k=chance.randint(1, 4))) for _ in range(8000)]
    names = [f"{words[number]} {number}" for number in range(tags)]

    def write(connection: Connection) -> None:
        ids = [f"{number:012x}" for number in range(count)]
        for number, identity in enumerate(ids):
            name = " ".join(chance.sample(words, 2)).title()
            card = json.dumps({"spec": "chara_card_v2", "data": {"name": name, "description": "x" * 4000}})
            new = NewCharacter(
                identity,
                name,
                card,
                str(number),
                creator=chance.choice(words),
                intro=" ".join(chance.sample(words, 60)),
                tags=tuple(chance.sample(names, min(len(names), chance.randint(0, 6)))),
            )
            insert_character(connection, new)
        for name in names[: tags // 2]:
            folder = "closed" if name == names[0] else "none"
            tag = put_tag(connection, name, folder=folder)
            tag_characters(connection, tag, chance.sample(ids, min(50, count)))
        conversation = create_conversation(connection, ids[-1])
        append_message(connection, new_message(conversation.id, None, "assistant", "Ada", f"Hello. {MARK}"))

    async with Runtime.open() as runtime:
        await runtime.library.database.write(write)
        await runtime.library.state.set("starters_added", True)


async def keystrokes(home: Path) -> dict[str, list[float]]:
    """Milliseconds of each reading, by what narrows the list; beside them those of the processor alone."""
    os.environ["LUNALUX_HOME"] = str(home)
    from lunalux_core.library.character_list import ORDERS, CharacterQuery
    from lunalux_core.runtime import Runtime

    times: dict[str, list[float]] = {}
    async with Runtime.open() as runtime:
        characters = runtime.library.characters
        known = [tag.name for tag in await runtime.library.tags.of_cards()]
        prefixes = [query[:length] for query in QUERIES for length in range(1, len(query) + 1)]
        cases = {"words": [CharacterQuery(words, outside=True) for words in prefixes]}
        cases["words and a tag"] = [CharacterQuery(words, tags=known[:1]) for words in prefixes]
        cases["tags alone"] = [CharacterQuery(tags=[name], without=known[:2]) for name in known[2:40]]
        cases["any order"] = [CharacterQuery(order=order, outside=True) for order in ORDERS for _ in range(4)]
        for name, wishes in cases.items():
            for wanted in wishes:
                began, busy = time.perf_counter(), time.process_time()
                await characters.page(wanted, PAGE)
                spent = (time.perf_counter() - began, time.process_time() - busy)
                times.setdefault(name, []).append(spent[0] * 1000)
                times.setdefault(f"{name}, processor", []).append(spent[1] * 1000)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--characters", type=int, default=10_000)
    parser.add_argument("--tags", type=int, default=200)
    parser.add_argument("-n", "--runs", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lunalux-bench-") as folder:
        homes = {"one": Path(folder) / "one", "many": Path(folder) / "many"}
        asyncio.run(fill(homes["one"], 1, 2))
        asyncio.run(fill(homes["many"], options.characters, options.tags))
        everything: list[float] = []
        for name, times in asyncio.run(keystrokes(homes["many"])).items():
            if not name.endswith("processor"):
                everything += times
            _tell(name, times)
        _tell("all keystrokes", everything)
        frames: dict[str, list[float]] = {name: [] for name in homes}
        for turn in range(-1, options.runs):
            for name, home in homes.items():
                environment = {**os.environ, "LUNALUX_HOME": str(home), "TERM": "xterm-256color"}
                probe = Probe([sys.executable, "-m", "lunalux_tui"], environment)
                seconds = probe.wait(MARK) - probe.began
                probe.close()
                if turn >= 0:
                    frames[name].append(seconds)
        ratio = statistics.median(many / one for one, many in zip(frames["one"], frames["many"], strict=True))
        for name, seconds in frames.items():
            sys.stdout.write(f"first frame, {name}: {statistics.median(seconds) * 1000:.0f} ms\n")
        sys.stdout.write(f"first frame, many / one: {ratio:.2f}\n")


def _tell(name: str, times: list[float]) -> None:
    ordered = sorted(times)
    p50, p95 = (ordered[min(int(len(ordered) * part), len(ordered) - 1)] for part in (0.5, 0.95))
    sys.stdout.write(f"{name}: p50 {p50:.1f} ms, p95 {p95:.1f} ms, slowest {ordered[-1]:.1f} ms\n")


if __name__ == "__main__":
    main()
