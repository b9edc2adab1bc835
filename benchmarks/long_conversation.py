"""Opening a conversation of many messages against opening one with a single message.

    python benchmarks/long_conversation.py --messages 10000 -n 7

Measured from exec to the last message on screen, in a pseudo-terminal, interleaved.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

from terminal import Seen, until

from lunalux_core.config.paths import Paths
from lunalux_core.database import Connection
from lunalux_core.library import Library
from lunalux_core.library.characters import NewCharacter
from lunalux_core.library.conversations import (
    append_message,
    create_conversation,
    insert_message,
    new_message,
    update_message,
)

CARD = '{"spec": "chara_card_v2", "spec_version": "2.0", "data": {"name": "Bench"}}'
LAST = "LASTWORDS"


async def fill(home: Path, count: int) -> None:
    """A library with one character and one conversation of `count` messages."""
    library = Library(Paths.find({"LUNALUX_HOME": str(home)}))
    await library.characters.add(NewCharacter("bench", "Bench", CARD, "bench"))
    await library.state.set("starters_added", True)

    def write(connection: Connection) -> None:
        place = create_conversation(connection, "bench")
        parent = None
        for number in range(count):
            text = f'Message {number}: *the lamp turns* and "somebody speaks" for a while. ' * 4
            if number == count - 1:
                text = LAST
            message = new_message(place.id, parent, "user" if number % 2 else "assistant", "Bench", text)
            if number == count - 1:
                append_message(connection, message)
            else:
                insert_message(connection, message)
            if parent is not None:
                update_message(connection, parent.id, selected_child=message.id)
            parent = message

    await library.database.write(write)
    library.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("-n", "--runs", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lunalux-bench-") as folder:
        homes = {"one message": Path(folder) / "one", f"{arguments.messages} messages": Path(folder) / "many"}
        for home, count in zip(homes.values(), (1, arguments.messages), strict=True):
            asyncio.run(fill(home, count))
        rows: dict[str, list[Seen]] = {name: [] for name in homes}
        for turn in range(arguments.runs + 1):
            for name, home in homes.items():
                env = {"LUNALUX_HOME": str(home), "LUNALUX_LANG": "en"}
                seen = until([sys.executable, "-m", "lunalux_tui"], LAST, env)
                if turn:
                    rows[name].append(seen)
    first, many = rows.values()
    for name, seen in rows.items():
        seconds = statistics.median(start.seconds for start in seen)
        memory = statistics.median(start.megabytes for start in seen)
        print(f"{name:<18}{seconds * 1000:8.0f} ms  {memory:6.1f} MB")
    ratio = statistics.median(b.seconds / a.seconds for a, b in zip(first, many, strict=True))
    print(f"ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
