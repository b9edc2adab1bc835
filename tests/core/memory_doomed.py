"""Writes memories until it is killed: `memory_doomed.py CONVERSATION`."""

from __future__ import annotations

import asyncio
import sys

from lunalux_core.config.settings import load_settings
from lunalux_core.runtime import Runtime


async def main() -> None:
    async with Runtime.open(load_settings()) as runtime:
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        await runtime.memory_writer.write(sys.argv[1])


if __name__ == "__main__":
    asyncio.run(main())
