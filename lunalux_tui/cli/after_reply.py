"""What a command does once its reply is printed: memories and trackers that are due."""

from __future__ import annotations

import asyncio
import sys

from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output

LONGEST_SECONDS = 120.0
"""After so long the rest is left for the next time."""
QUIET_SECONDS = 0.5
"""Only what takes longer is told of."""


async def remember_turn(runtime: Runtime, conversation_id: str) -> None:
    """Write down what the turn made due; it can be ended at any time, and nothing is lost by it.

    A model that costs is used where the person has agreed; else it is said once how to.
    """

    def ask(conversation_id: str, model: str) -> None:
        output.passing()
        output.say("remember_costs", model=model, id=conversation_id)

    # The reply is seen whole before the wait begins.
    sys.stdout.flush()
    runtime.memory_writer.on_question = ask
    work = asyncio.ensure_future(runtime.catch_up(conversation_id, LONGEST_SECONDS))
    try:
        await asyncio.wait({work}, timeout=QUIET_SECONDS)
        if not work.done():
            output.passing("remembering")
        await work
    finally:
        # After ctrl+c it must not go on after the command; to a task that is done this means nothing.
        work.cancel()
        output.passing()
