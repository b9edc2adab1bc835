"""A keystroke in the market's search box, with 100,000 or a million cards on disk.

    python benchmarks/market_search.py --cards 100000
    python benchmarks/market_search.py --cards 1000000 --folder /var/tmp/market

The cards are generated (words and characters as unevenly frequent as in a language). Every query of a
list of real ones is typed letter by letter, as people do, and each prefix is one measured search; so are
queries that match nothing and filters that leave almost nothing. Prints the 50th, 95th and 99th
percentile and the slowest, in milliseconds, and ends with 1 when the target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from lunalux_core.library.market_cache import Filters, MarketCache

PAGE = 5000
ONSETS = "b c d f g h k l m n p r s t v w th sh st tr"
ENDINGS = "an el er in on ing ed al is or"
COMMON = (
    "the of and to in a is that for it as was with be by on not he she his her or are but at from have an "
    "they which one you had this will who when there their what up out them then into only some could new "
    "other time these two may first any now like our over me even most made after did many your way where "
    "world girl boy love life story magic school night friend city knight dragon princess sister master"
)
ENGLISH = [
    "mirelle",
    "dragon",
    "the knight",
    "thering",
    "o'brien",
    "qzx",
    "school magic",
    "x",
    "vampire queen",
]
CHINESE = ["魔法", "学院", "猫娘", "冒险 魔法", "q", "龘", "剑", "公主殿下", "恋爱故事"]


def cards(count: int, lang: str) -> Iterator[dict[str, Any]]:
    chance = random.Random(lang)
    if lang == "en":
        syllables = [onset + vowel for onset in ONSETS.split() for vowel in "aeiou"] + ENDINGS.split()
        rare = ["".join(chance.choices(syllables, k=chance.randint(2, 4))) for _ in range(30_000)]
        words, blank = COMMON.split() + rare, " "
    else:
        signs = [chr(code) for code in range(0x4E00, 0x5A00)]
        chance.shuffle(signs)
        signs[:0] = list(
            "的一是了我不在人有他这中大来上个国和也子时道说出得年你她那要下以生会自着去学院猫娘恋爱"
        )
        words, blank = [*signs, "魔法", "学院", "公主", "殿下", "冒险", "故事"], ""
    weights = [1 / (rank + 3) for rank in range(len(words))]
    tags = [f"tag {n}" for n in range(40)] + ["Fantasy", "Romance", "NSFW", "original", "魔法", "校园"]
    pool = chance.choices(words, weights, k=2_000_000)
    at = 0
    for number in range(count):
        length = chance.randint(20, 60) if lang == "en" else chance.randint(40, 110)
        if at + length + 4 > len(pool):
            at = chance.randint(0, 1000)
        text = blank.join(pool[at : at + length])
        name = blank.join(pool[at + length : at + length + 3]).title()
        at += length + 4
        yield {
            "id": f"{number:08d}-{lang}",
            "name": f"{name} {number}" if lang == "en" else f"{name}{number}",
            "intro": text,
            "tags": ["rare tag"] if number % 50_000 == 49_999 else chance.sample(tags, 4),
            "thumbnailUrl": f"https://cards.example/thumbs/{number:08d}.webp?{'s' * 200}",
            "likedCount": number % 977,
            "downloadCount": number % 1009,
            "totalCoinUsed": number % 503,
        }


async def fill(shelf: MarketCache, count: int, lang: Any) -> None:
    began = time.monotonic()
    source = cards(count, lang)
    for start in range(0, count, PAGE):
        page = list(islice(source, PAGE))
        if not start:
            await shelf.replace(lang, "hot", page, 3_600_000, "1")
        else:
            await shelf.append(lang, "hot", page, str(start // PAGE), str(start // PAGE + 1))
    print(f"{count} {lang} cards stored in {time.monotonic() - began:.0f} s")


async def measure(shelf: MarketCache, lang: Any, queries: list[str]) -> list[tuple[float, str]]:
    typed = [query[: n + 1] for query in queries for n in range(len(query)) if query[n] != " "]
    asked = [(text, Filters()) for text in typed]
    asked += [("a", Filters(tags=("rare tag",))), ("", Filters("only", original=True)), ("", Filters())]
    took = []
    for text, filters in asked * 3:
        began = time.perf_counter()
        await shelf.search(text, lang, "hot", filters, limit=100)
        took.append(((time.perf_counter() - began) * 1000, text or str(filters)))
    return took


async def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cards", type=int, default=100_000, help="for each language")
    parser.add_argument("--langs", default="en,zh")
    parser.add_argument("--folder", type=Path, help="keep the generated market here and use it again")
    parser.add_argument("--target", type=float, default=0, help="95th percentile allowed, in ms")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    target = options.target or (50 if options.cards <= 100_000 else 100)
    late = False
    with tempfile.TemporaryDirectory() as temporary:
        shelf = MarketCache((options.folder or Path(temporary)) / "market.db", "benchmark")
        try:
            for lang in options.langs.split(","):
                if await shelf.count(lang, "hot") != options.cards:
                    await fill(shelf, options.cards, lang)
                took = await measure(shelf, lang, ENGLISH if lang == "en" else CHINESE)
                times = sorted(ms for ms, _ in took)
                cuts = statistics.quantiles(times, n=100)
                result = {"lang": lang, "p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": times[-1]}
                late = late or result["p95"] > target
                if options.json:
                    print(json.dumps(result))
                    continue
                print("  ".join(f"{k} {v:.1f}" if k != "lang" else str(v) for k, v in result.items()))
                for ms, text in sorted(took, reverse=True)[:9:3]:
                    print(f"  slowest {ms:.1f} ms: {text!r}")
        finally:
            shelf.close()
    return int(late)


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
