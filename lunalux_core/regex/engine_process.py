"""The parent's side of the helper process that runs patterns (`engine_worker` is the other side)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import weakref
from pathlib import Path
from queue import Empty, SimpleQueue
from struct import Struct
from threading import Thread
from typing import Any, BinaryIO

from lunalux_core.environment import worker_environment

_START_SECONDS = 30.0
_LENGTH = Struct(">I")


class Worker:
    """One helper process and the thread that reads its answers."""

    def __init__(self) -> None:
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            # -P: the folder in which the program was started must not shadow modules of the helper.
            [sys.executable, "-P", "-m", "lunalux_core.regex.engine_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=worker_environment(PYTHONPATH=os.pathsep.join(paths)),  # patterns are strangers'
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input: BinaryIO = self._process.stdin  # type: ignore[assignment]
        self._answers: SimpleQueue[bytes | None] = SimpleQueue()
        self._late = False
        # A thread, because Windows cannot wait for a pipe with a time limit.
        Thread(target=_pump, args=(self._process.stdout, self._answers), daemon=True).start()
        # The helper ends with this object, also when nobody closes the engine.
        self._finalizer = weakref.finalize(self, _end, self._process)
        self._ready = False

    def send(self, request: dict[str, Any], body: bytes) -> bool:
        """False if the helper is gone."""
        if not self._ready and self.receive(_START_SECONDS) is None:
            return False
        self._ready = True
        head = json.dumps(request).encode()
        try:
            for frame in (head, body):
                self._input.write(_LENGTH.pack(len(frame)) + frame)
            self._input.flush()
        except OSError:
            return False
        return True

    def receive(self, seconds: float) -> dict[str, Any] | None:
        """The next answer; None if the helper ended or did not answer in time."""
        try:
            body = self._answers.get(timeout=seconds)
        except Empty:
            self._late = True
            return None
        return None if body is None else json.loads(body)

    def overran(self) -> bool:
        """Whether it ended because a pattern took too long."""
        if self._late:
            return True
        code = self._process.wait(timeout=5)
        # The timer in the helper sends SIGPROF, which ends it: this is how it tells of an overrun.
        return sys.platform != "win32" and code == -signal.SIGPROF

    def end(self) -> None:
        self._finalizer()


def _pump(stream: BinaryIO, answers: SimpleQueue[bytes | None]) -> None:
    """Frames of the helper into the queue, None at the end."""
    while len(head := stream.read(_LENGTH.size)) == _LENGTH.size:
        answers.put(stream.read(_LENGTH.unpack(head)[0]))
    answers.put(None)
    stream.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdin is not None:
        try:
            process.stdin.close()
        except OSError:
            return  # bytes it had not read yet have nowhere to go
