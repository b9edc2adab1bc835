"""How many modules one chat turn enters, from the prompt to the stored reply.

    python benchmarks/turn_modules.py
    python benchmarks/turn_modules.py --core --list

The real app with the practice model in a temporary home; once its start is over, a first turn warms it up and
the second is counted.
Told are the modules that the thread of the event loop enters, and those that any thread enters (the library
and the preparation of a prompt work in threads of their own). Code that runs once, when a module is imported,
does not count. With `--core` the turn runs without the app, as `lunalux chat -m` runs it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import threading
from collections import Counter
from types import FrameType
from typing import Any

os.environ["LUNALUX_PRACTICE_RATE"] = "0"
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"

OURS = ("lunalux_core", "lunalux_tui")
WORDS = "I look around. What do you see?"


class Profile:
    """Counts calls of ours by module while it is switched on."""

    def __init__(self) -> None:
        self.counting = False
        self.calls: Counter[str] = Counter()
        self.in_loop: Counter[str] = Counter()
        self.changes = 0
        self._last = ""
        self._loop = threading.get_ident()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if not self.counting or event != "call":
            return
        module = frame.f_globals.get("__name__", "")
        if not module.startswith(OURS) or frame.f_code.co_name == "<module>":
            return
        self.calls[module] += 1
        if threading.get_ident() == self._loop:
            self.in_loop[module] += 1
            self.changes += module != self._last
            self._last = module


async def in_the_app(profile: Profile) -> None:
    """Type into the prompt and press enter, twice; the second turn is counted."""
    from lunalux_core.config.settings import load_settings
    from lunalux_core.runtime import Runtime
    from lunalux_tui.app.app import LunaluxApp
    from lunalux_tui.app.first_frame import read_opening

    async with Runtime.open(load_settings()) as runtime:
        app = LunaluxApp(runtime, await read_opening(runtime))
        async with app.run_test(size=(120, 40)) as pilot:
            while app.chat.conversation is None or app.account is None:
                await pilot.pause(0.05)
            await app.workers.wait_for_complete([work for work in app.workers if work.group == "start"])
            for profile.counting in (False, True):
                before = len(app.chat.transcript.messages)
                app.chat.prompt.insert(WORDS)
                await pilot.press("enter")
                while len(app.chat.transcript.messages) < before + 2 or app.chat.busy:
                    await pilot.pause(0.02)
            profile.counting = False


async def in_the_core(profile: Profile) -> None:
    """Iterate `Chat.send` twice; the second turn is counted."""
    from lunalux_core.config.settings import load_settings
    from lunalux_core.runtime import Runtime

    async with Runtime.open(load_settings()) as runtime:
        await runtime.first_start()
        character = (await runtime.library.characters.list())[0]
        conversation = await runtime.chat.open(character.id)
        for profile.counting in (False, True):
            async for _ in runtime.chat.send(conversation.id, WORDS):
                pass
        profile.counting = False


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--core", action="store_true", help="without the app")
    parser.add_argument("--list", action="store_true", help="name the modules, most called first")
    options = parser.parse_args()
    profile = Profile()
    threading.setprofile(profile)
    sys.setprofile(profile)
    with tempfile.TemporaryDirectory() as home:
        os.environ["LUNALUX_HOME"] = home
        asyncio.run((in_the_core if options.core else in_the_app)(profile))
    sys.setprofile(None)
    if options.list:
        for module, count in profile.calls.most_common():
            print(f"{count:8}  {module}")
    for where, calls in (("the event loop's thread", profile.in_loop), ("all threads", profile.calls)):
        core = sum(module.startswith("lunalux_core") for module in calls)
        app = len(calls) - core
        print(f"{where}: {len(calls)} modules ({core} core, {app} app), {calls.total():,} calls")
    print(f"changes of module in the event loop's thread: {profile.changes:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
