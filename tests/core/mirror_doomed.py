"""Runs a pass of a mirror again and again from one beginning, and kills it at one moment after the other.

`mirror_doomed.py FOLDER STEP`: FOLDER holds `home` and `files`. A moment is before a file is changed or a
transaction is stored; every STEP-th is tried. What it led to, once the next pass was done, is printed as a
line of JSON; the first line is that of a pass that nobody killed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lunalux_core.config.settings import load_settings
from lunalux_core.library.conversations import load_tree
from lunalux_core.mirror.mirror import opened
from lunalux_core.mirror.story_text import read_story
from lunalux_core.mirror.work import MirrorEvent
from lunalux_core.runtime import Runtime

CHANGES = {"replace", "rename", "write", "unlink", "mkdir", "rmdir"}


class Doom:
    """Counts moments, and kills the program at one of them."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = 0

    def moment(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def called(self, _frame: Any, event: str, function: Any) -> None:
        name = getattr(function, "__name__", "")
        if event == "c_call" and name in CHANGES and getattr(function, "__module__", "") == "posix":
            self.moment()

    def traced(self, statement: str) -> None:
        if statement == "COMMIT":
            self.moment()


async def mirrored(runtime: Runtime, files: Path) -> list[MirrorEvent]:
    events: list[MirrorEvent] = []
    with opened(runtime.library, runtime.paths, files, lambda: runtime.reader) as mirror:
        await mirror.run(events.append)
    return events


async def one_pass(files: Path, at: int) -> int:
    """A pass that is killed at a moment; how many there were, where it came to its end."""
    doom = Doom(at)
    async with Runtime.open(load_settings()) as runtime:
        await runtime.library.database.read(lambda c: c.set_trace_callback(doom.traced))
        sys.setprofile(doom.called)
        await mirrored(runtime, files)
        sys.setprofile(None)
        return doom.count


async def outcome(files: Path) -> dict[str, Any]:
    """What there is after the next pass, without ids; and what yet another one would do."""
    async with Runtime.open(load_settings()) as runtime:
        await mirrored(runtime, files)
        left = [(event.action, event.path) for event in await mirrored(runtime, files)]
        library = runtime.library
        stories = []
        for conversation in await library.conversations.list():
            tree = await library.database.read(partial(load_tree, conversation_id=conversation.id))
            stories.append([conversation.title, sorted(told(tree))])
        cards = []
        for summary in await library.characters.list():
            picture = library.characters.picture_path(summary)
            data = picture.read_bytes() if picture else b""
            card = await library.characters.get(summary.id)
            cards.append([summary.name, card.content_hash, hashlib.sha256(data).hexdigest()])
        shelves = [
            [item.name, item.document]
            for shelf in (library.worldbooks, library.presets)
            for item in await shelf.list()
        ]
    return {
        "left": left,
        "stories": sorted(stories),
        "cards": sorted(cards),
        "shelves": sorted(shelves, key=json.dumps),
        "files": sorted(shown(files)),
    }


def told(tree: Any) -> list[str]:
    """The ways through a tree, as the words on them."""
    by_id = {message.id: message for message in tree}
    parents = {message.parent_id for message in tree}
    ways = []
    for message in tree:
        if message.id not in parents:
            words, at = [], message
            while at is not None:
                words.insert(0, f"{at.role} {at.name}: {at.content}")
                at = by_id.get(at.parent_id)
            ways.append(" | ".join(words))
    return ways


def shown(files: Path) -> list[str]:
    lines = []
    for path in files.rglob("*"):
        where = path.relative_to(files).as_posix()
        if not path.is_file() or where in (".lunalux/base.jsonl", ".lunalux/lock"):
            continue
        data = path.read_bytes()
        if path.suffix == ".md":
            words = " | ".join(f"{block.name}: {block.text}" for block in read_story(data.decode()).blocks)
            lines.append(f"{where}: {words}")
        else:
            lines.append(f"{where}: {hashlib.sha256(data).hexdigest()}")
    return lines


def forked(work: Callable[[], int]) -> int:
    """What a copy of this program makes of `work`; -1 where it was killed."""
    child = os.fork()
    if not child:
        os._exit(work())
    _, status = os.waitpid(child, 0)
    return -1 if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def doomed(files: Path, at: int) -> int:
    return int(asyncio.run(one_pass(files, at)) > 0)


def tell(files: Path) -> int:
    sys.stdout.write(json.dumps(asyncio.run(outcome(files))) + "\n")
    sys.stdout.flush()
    return 0


def main(folder: Path, step: int) -> None:
    at = 0
    while True:
        shutil.rmtree(folder / "trial", ignore_errors=True)
        for name in ("home", "files"):
            shutil.copytree(folder / name, folder / "trial" / name)
        files = folder / "trial" / "files"
        os.environ["LUNALUX_HOME"] = str(folder / "trial" / "home")
        ended = forked(partial(doomed, files, at))
        if at and ended == 1:
            return  # there are no more moments
        assert ended in (1, -1)

        assert forked(partial(tell, files)) == 0
        at += step if at else 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
