"""What makes a process end at one of its writes, and the processes that do, for the tests of crashes."""

from __future__ import annotations

import asyncio
import atexit
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

DIED = 41
"""The status of a process that ended so."""


@dataclass
class Steps:
    """Counts writes, and ends the process at one of them without a word."""

    left: int
    after: bool = False
    seen: int = 0

    def dying(self, write: Any) -> Any:
        async def step(*arguments: Any, **named: Any) -> Any:
            now = self.seen == self.left
            self.seen += 1
            if now and not self.after:
                os._exit(DIED)
            result = await write(*arguments, **named)
            if now:
                os._exit(DIED)
            return result

        return step


class Doomed:
    """A store or a place for objects whose writes are steps."""

    def __init__(self, inner: Any, steps: Steps, names: tuple[str, ...]) -> None:
        self._inner, self._steps, self._names = inner, steps, names

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._inner, name)
        return self._steps.dying(attribute) if name in self._names else attribute


# -- processes ---------------------------------------------------------------------------------------------

ENDED = "\0"
"""Stands before the status of a process that ended, maybe behind the beginning of a line that it wrote."""


class Forks:
    """Short lives of a script, one after another, each a process of its own.

    They are forked from one that has imported what the script needs: that takes most of such a life.
    """

    def __init__(self, script: Path) -> None:
        command = [sys.executable, str(script)]
        self._parent = subprocess.Popen(
            command, cwd=script.parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str, within: float) -> tuple[int, list[str]]:
        """Exit code, and what it told in whole lines. One that takes longer is killed, which is -9."""
        late = threading.Timer(within, os.kill, (self._begin(arguments), signal.SIGKILL))
        late.start()
        try:
            return self._end()
        finally:
            late.cancel()

    def kill(self, *arguments: str, after: float) -> list[str]:
        """SIGKILL some seconds after it said "ready"; what it told in whole lines by then."""
        pid = self._begin(arguments)
        before = []
        while (line := self._line()) != "ready\n":
            assert ENDED not in line, "it ended by itself"
            before.append(line)
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
        status, told = self._end()
        assert status == -signal.SIGKILL
        return before + told

    def close(self) -> None:
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        self._parent.wait(20)

    def _begin(self, arguments: tuple[str, ...]) -> int:
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(arguments) + "\n")
        self._parent.stdin.flush()
        return int(self._line())

    def _line(self) -> str:
        assert self._parent.stdout is not None
        line = self._parent.stdout.readline()
        assert line, "what forks has ended"
        return line

    def _end(self) -> tuple[int, list[str]]:
        told = []
        while ENDED not in (line := self._line()):
            told.append(line)
        return int(line.rpartition(ENDED)[2]), told


@cache
def forks(script: Path) -> Forks:
    """The one of this process for a script; it ends with it."""
    made = Forks(script)
    atexit.register(made.close)
    return made


def fork_for_each_line(main: Callable[..., Coroutine[Any, Any, None]]) -> None:
    """The script's side: a life for each line of arguments on stdin, until that closes."""
    gc.freeze()  # a child that collects garbage would copy every page of what was imported
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            _live(main, json.loads(line))
        _, status = os.waitpid(child, 0)
        print(f"{ENDED}{os.waitstatus_to_exitcode(status)}", flush=True)  # noqa: T201 (the test reads it)


def _live(main: Callable[..., Coroutine[Any, Any, None]], arguments: list[str]) -> None:
    try:
        print(os.getpid(), flush=True)  # noqa: T201
        asyncio.run(main(*arguments))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
