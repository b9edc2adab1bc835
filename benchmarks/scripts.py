"""How long a quick reply of 100 commands takes on a conversation, from the press to its kept variables.

    python benchmarks/scripts.py -n 50

Each run is what a press does: the chat is read, the script is parsed and run on it, and what it changed is
stored. A script that does nothing goes before each, so the ratio tells what the commands add to a press.
Times of the processor beside those of the clock: a busy machine makes only the second ones longer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time

COMMANDS = 100
SCRIPT = " | ".join(
    (
        "/setvar key=name{0} value {0} of {{{{char}}}}",
        "/getvar name{0}",
        "/replace pattern=value replacer=word {{{{pipe}}}}",
        "/if left={0} rule=gt right=12 else={{: /addvar key=low {{{{pipe}}}} :}} {{: /incvar high :}}",
    )[number % 4].format(number // 4)
    for number in range(COMMANDS)
)


async def press(runtime: object, place: str, script: str) -> tuple[float, float]:
    """Milliseconds of the clock and of the processor."""
    from lunalux_core.chat.script_setting import script_setting
    from lunalux_core.chat.scripts.conversation_host import ConversationHost
    from lunalux_core.dialogue.turn import TurnOptions
    from lunalux_core.stscript.commands.command_table import everything
    from lunalux_core.stscript.interpreter import Interpreter
    from lunalux_tui.cli.script_surface import TerminalSurface

    began, busy = time.perf_counter(), time.process_time()
    surface = TerminalSurface(runtime, place, asks=False)  # type: ignore[arg-type]
    setting = await script_setting(runtime.chat.previews, place, TurnOptions())  # type: ignore[attr-defined]
    host = ConversationHost(runtime, surface, place, setting)  # type: ignore[arg-type]
    interpreter = Interpreter(host, everything(host.offers), setting)
    host.stores = interpreter.stores
    outcome = await interpreter.run(script)
    await host.keep_variables()
    if outcome.error is not None:
        raise outcome.error
    return (time.perf_counter() - began) * 1000, (time.process_time() - busy) * 1000


async def measure(runs: int, messages: int) -> dict[str, list[tuple[float, float]]]:
    from lunalux_core.database import Connection
    from lunalux_core.library.conversations import append_message, load_message, new_message
    from lunalux_core.runtime import Runtime

    times: dict[str, list[tuple[float, float]]] = {"nothing": [], "100 commands": []}
    async with Runtime.open() as runtime:
        await runtime.first_start()
        sol = await runtime.library.characters.find("Captain Sol Varga")
        place = await runtime.chat.start(sol.id)

        def write(connection: Connection) -> None:
            last = load_message(connection, place.head_id) if place.head_id else None
            for number in range(messages):
                role = "assistant" if number % 2 else "user"
                last = new_message(place.id, last, role, "Ada", f"The lamp burns. {number}")
                append_message(connection, last)

        await runtime.library.database.write(write)
        for number in range(runs + 3):
            for name, script in (("nothing", "/pass"), ("100 commands", SCRIPT)):
                spent = await press(runtime, place.id, script)
                if number >= 3:
                    times[name].append(spent)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", "--runs", type=int, default=50)
    parser.add_argument("--messages", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lunalux-bench-") as folder:
        os.environ["LUNALUX_HOME"] = folder
        times = asyncio.run(measure(options.runs, options.messages))
    medians = []
    for name, spent in times.items():
        clock, processor = (sorted(row[place] for row in spent) for place in (0, 1))
        medians.append(statistics.median(processor))
        p95 = processor[min(int(len(processor) * 0.95), len(processor) - 1)]
        sys.stdout.write(
            f"{name}: processor {medians[-1]:.1f} ms (95th percentile {p95:.1f}), "
            f"clock {statistics.median(clock):.1f} ms\n"
        )
    sys.stdout.write(f"100 commands / nothing: {medians[1] / medians[0]:.2f}\n")


if __name__ == "__main__":
    main()
