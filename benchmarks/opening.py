"""From exec to the chat screen with the last conversation on it, against the smallest Textual app.

    python benchmarks/opening.py -n 9

Measured in a pseudo-terminal, interleaved; the ratio is the median of the pairs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

from terminal import Seen, until

FLOOR = """
from textual.app import App
from textual.widgets import Input, Static

class Floor(App):
    ENABLE_COMMAND_PALETTE = False

    def compose(self):
        yield Static("The floor is here")
        yield Input(placeholder="say")

Floor().run()
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", "--runs", type=int, default=9)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="lunalux-bench-") as home:
        env = {"LUNALUX_HOME": home, "LUNALUX_LANG": "en", "LUNALUX_PRACTICE_RATE": "0"}
        program = [sys.executable, "-m", "lunalux_tui"]
        subprocess.run(
            [*program, "chat", "Marigold Finch", "-m", "Good evening"],
            env={**os.environ, **env},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        cases = {
            "smallest Textual app": ([sys.executable, "-c", FLOOR], "floor"),
            "lunalux": (program, "Good evening"),
        }
        rows: dict[str, list[Seen]] = {name: [] for name in cases}
        for turn in range(runs + 1):
            for name, (command, text) in cases.items():
                seen = until(command, text, env)
                if turn:
                    rows[name].append(seen)
    floor, ours = rows.values()
    for name, seen in rows.items():
        seconds = statistics.median(start.seconds for start in seen)
        megabytes = statistics.median(start.megabytes for start in seen)
        print(f"{name:<22}{seconds * 1000:7.0f} ms {megabytes:6.1f} MB")
    print(f"ratio {statistics.median(b.seconds / a.seconds for a, b in zip(floor, ours, strict=True)):.2f}")


if __name__ == "__main__":
    main()
