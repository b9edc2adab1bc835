"""Time from exec to the first useful frame, against the smallest Textual app.

    python benchmarks/first_frame.py -n 9

The cases are a library with one message, with a conversation of 10,000 messages (its last message must be
visible), and a Textual app that shows one line and an input. They run interleaved; ratios are medians of the
pairs of one round.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from pathlib import Path

from screen_probe import Probe

MARK = "LASTWORD"
FLOOR = f"""
from textual.app import App
from textual.widgets import Input, Static
class Floor(App):
    ENABLE_COMMAND_PALETTE = False
    def compose(self):
        yield Static("{MARK}")
        yield Input()
Floor().run()
"""


async def fill(home: Path, count: int) -> None:
    """A library with one character and a conversation of `count` messages."""
    os.environ["LUNALUX_HOME"] = str(home)
    from lunalux_core.database import Connection
    from lunalux_core.library.characters import NewCharacter, insert_character
    from lunalux_core.library.conversations import append_message, create_conversation, new_message
    from lunalux_core.runtime import Runtime

    def write(connection: Connection) -> None:
        card = '{"spec":"chara_card_v2","data":{"name":"Ada"}}'
        insert_character(connection, NewCharacter("0123456789ab", "Ada", card, "hash"))
        conversation = create_conversation(connection, "0123456789ab")
        last = None
        for number in range(count):
            text = f'*She looks up.* "This is message {number}," she says, **calmly**.\n\nThen she reads on.'
            if number == count - 1:
                text += f" {MARK}"
            last = new_message(conversation.id, last, "user" if number % 2 else "assistant", "Ada", text)
            append_message(connection, last)

    async with Runtime.open() as runtime:
        await runtime.library.database.write(write)
        await runtime.library.state.set("starters_added", True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", "--runs", type=int, default=9)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="lunalux-bench-") as folder:
        floor = Path(folder) / "floor.py"
        floor.write_text(FLOOR)
        homes = {"1 message": Path(folder) / "one", "10,000 messages": Path(folder) / "many"}
        for home, count in zip(homes.values(), (1, 10_000), strict=True):
            asyncio.run(fill(home, count))
        program = [sys.executable, "-m", "lunalux_tui"]
        cases = {"floor": ([sys.executable, str(floor)], folder)}
        cases |= {name: (program, str(home)) for name, home in homes.items()}
        times: dict[str, list[float]] = {name: [] for name in cases}
        memory: dict[str, list[float]] = {name: [] for name in cases}
        for turn in range(-1, runs):
            for name, (command, home) in cases.items():
                probe = Probe(command, {**os.environ, "LUNALUX_HOME": home, "TERM": "xterm-256color"})
                seconds = probe.wait(MARK) - probe.began
                probe.rest(1)
                if turn >= 0:
                    times[name].append(seconds)
                    memory[name].append(probe.memory())
                probe.close()
    for name, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(values, times["floor"], strict=True))
        print(
            f"{name:<18}{statistics.median(values) * 1000:7.0f} ms {ratio:6.2f} x floor "
            f"{statistics.median(memory[name]):6.0f} MB"
        )


if __name__ == "__main__":
    main()
