"""Scanning worldbooks against plainer ways to do it, with equal results.

    python benchmarks/worldbook.py

An ordinary book (300 entries, 20 messages) against one substring search for each key, which is the least
anybody could do; a large one (10,000 entries, 200 messages searched) against the plain loop of
`worldbook_loop.js` in Node, if Node is there. Both sides get the same books and must activate the same.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lunalux_core.worldbook.book_reader import Book, read_book
from lunalux_core.worldbook.engine import (
    ActiveBook,
    ScanContext,
    ScanMessage,
    Tools,
    WorldbookSettings,
    activate,
)

LETTERS = "etaoinshrdlucmfwypvbgkjqxz"
CONTEXT = 1_000_000


def vocabulary(dice: random.Random, size: int) -> list[str]:
    weights = [1 / (place + 2) for place in range(len(LETTERS))]
    return ["".join(dice.choices(LETTERS, weights, k=dice.randint(3, 9))) for _ in range(size)]


def document(dice: random.Random, words: list[str], entries: int) -> dict[str, Any]:
    """A book of single words, names of two words and Chinese keys, as they are found in real books.

    Most of its keys are not in the chat, which uses only the first of the words.
    """

    def key() -> str:
        kind = dice.random()
        if kind < 0.7:
            return dice.choice(words).capitalize()
        if kind < 0.9:
            return f"{dice.choice(words)} {dice.choice(words)}"
        return "".join(chr(0x4E00 + dice.randrange(3000)) for _ in range(2))

    def entry(uid: int) -> dict[str, Any]:
        content = " ".join(dice.choices(words, k=12))
        return {
            "uid": uid,
            "key": [key() for _ in range(3)],
            "content": content,
            "order": dice.randrange(200),
        }

    return {"entries": {str(uid): entry(uid) for uid in range(entries)}}


def talk(dice: random.Random, words: list[str], messages: int) -> list[ScanMessage]:
    return [
        ScanMessage("Char" if number % 2 else "User", " ".join(dice.choices(words, k=40)), number % 2 == 0)
        for number in range(messages)
    ]


def best(work: Callable[[], object], runs: int) -> float:
    """Seconds of the quickest run."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def scan(book: Book, chat: list[ScanMessage], depth: int) -> list[int | str]:
    settings = WorldbookSettings(depth=depth, whole_words="true", max_recursion_steps=0, budget=25)
    tools = Tools(lambda text: text, len, lambda: 0.5, lambda *_: None)
    result = activate([ActiveBook(book)], chat, settings, ScanContext(max_context=CONTEXT), tools)
    return [entry.uid for entry in result.fired]


def ordinary(dice: random.Random, runs: int) -> None:
    words = vocabulary(dice, 4000)
    book, chat = read_book(document(dice, words, 300), "b").book, talk(dice, words, 20)

    def substrings() -> int:
        text = "\n".join(message.text for message in chat).lower()
        return sum(key.lower() in text for entry in book.entries for key in entry.keys)

    ours, plain = best(lambda: scan(book, chat, 20), runs), best(substrings, runs)
    print(
        f"300 entries, 20 messages: {ours * 1e3:.1f} ms, {ours / plain:.1f} times one substring search for "
        "each key"
    )


def large(dice: random.Random, runs: int) -> None:
    words = vocabulary(dice, 60_000)
    raw, chat = document(dice, words, 10_000), talk(dice, words[:600], 200)
    book = read_book(raw, "b").book
    ours = best(lambda: scan(book, chat, 200), runs)
    read = best(lambda: read_book(raw, "b"), runs)
    print(
        f"10,000 entries, 200 messages: reading the book takes {read / ours:.1f} times as long as scanning it"
    )
    node = shutil.which("node")
    if node is None:
        print("Node is not here; the plain loop was not run.")
        return
    task = {
        "entries": [{"constant": False, **entry} for entry in raw["entries"].values()],
        "chat": [{"name": one.name, "text": one.text} for one in chat],
        "depth": 200,
        "budget": CONTEXT // 4,
        "runs": 2,
    }
    loop = Path(__file__).with_name("worldbook_loop.js")
    result = subprocess.run(
        [node, str(loop)], input=json.dumps(task), capture_output=True, text=True, check=True
    )
    plain = json.loads(result.stdout)
    assert plain["order"] == scan(book, chat, 200), "the two activate different entries"
    ratio, active = plain["seconds"] / ours, len(plain["order"])
    print(f"  {ratio:.0f} times as quick as the plain loop in Node, with the same {active} entries active")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-n", "--runs", type=int, default=5)
    arguments = parser.parse_args()
    dice = random.Random(arguments.seed)
    ordinary(dice, arguments.runs)
    large(dice, arguments.runs)


if __name__ == "__main__":
    main()
