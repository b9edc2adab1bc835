"""The program in a process of its own, without the start of Python: one that has imported it is forked.

Starting Python and importing the program takes six times as long as most commands of a test. The rest is as
in a process that is started: streams, environment, working directory, signals and exit code are its own.

    python forked_program.py SOCKET    # what waits; it ends with whoever started it
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

IMPORTED = (
    *(
        "lunalux_tui.cli",
        "lunalux_core.runtime",
        "lunalux_core.chat.chat",
        "lunalux_core.dialogue.node_order",
    ),
    *(
        "lunalux_core.dialogue.turn_input",
        "lunalux_core.backend.running.embedded",
        "lunalux_core.client.asgi",
    ),
    *(
        "lunalux_core.importing.batch",
        "lunalux_core.llm.practice.practice_model",
        "lunalux_core.stscript.interpreter",
    ),
)
"""What is imported before the first fork, besides the modules of the commands. Nothing of it reads the
environment as it is imported; keyring does, so it is not among them."""


class Command:
    """A command that runs."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self._answer = wire.makefile("r")
        self._pid = int(self._answer.readline())

    def wait(self, seconds: float) -> int:
        """Its exit code. Raises TimeoutError for a command that takes longer; it is ended."""
        self._wire.settimeout(seconds)
        try:
            return int(self._answer.readline())
        except TimeoutError:
            os.kill(self._pid, signal.SIGKILL)
            raise


class ForkedProgram:
    """What waits, and the commands that are run by it. Commands of several threads run side by side."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lunalux-fork-")
        self._path = str(Path(self._folder.name) / "s")
        # It reads from a pipe of ours: when that closes, whatever ends us, it ends, too.
        self._process = subprocess.Popen([sys.executable, __file__, self._path], stdin=subprocess.PIPE)
        while not Path(self._path).exists():
            assert self._process.poll() is None, "it did not start"
            time.sleep(0.01)

    def run(
        self,
        arguments: Sequence[str],
        stdin: bytes,
        cwd: Path,
        environ: Mapping[str, str],
        seconds: float,
        memory: int | None = None,
    ) -> tuple[int, bytes, bytes]:
        """Exit code, stdout and stderr of a command. Raises TimeoutError for one that takes longer.

        `memory` bounds the bytes of addresses that it may take beyond those it starts with.
        """
        given, taken = os.pipe(), (os.pipe(), os.pipe())
        with self.begin(arguments, (given[0], taken[0][1], taken[1][1]), cwd, environ, memory) as command:
            parts: dict[int, bytes] = {}
            threads = [
                threading.Thread(target=_write, args=(given[1], stdin)),
                *(threading.Thread(target=_read, args=(pipe[0], parts)) for pipe in taken),
            ]
            for thread in threads:
                thread.start()
            try:
                code = command.wait(seconds)
            finally:
                for thread in threads:
                    thread.join(20)
        return code, parts[taken[0][0]], parts[taken[1][0]]

    @contextmanager
    def begin(
        self,
        arguments: Sequence[str],
        streams: Sequence[int],
        cwd: Path,
        environ: Mapping[str, str],
        memory: int | None = None,
    ) -> Iterator[Command]:
        """Begin a command with descriptors of its own for its three streams; here they are closed."""
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(self._path)
            request = json.dumps(
                {
                    "arguments": list(arguments),
                    "cwd": str(cwd),
                    "environ": dict(environ),
                    "memory": memory,
                }
            )
            socket.send_fds(wire, [len(request.encode()).to_bytes(8, "big")], list(streams))
            wire.sendall(request.encode())
            for descriptor in streams:
                os.close(descriptor)
            yield Command(wire)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._folder.cleanup()


@cache
def shared() -> ForkedProgram:
    """The one of this process; it ends with it."""
    waiting = ForkedProgram()
    atexit.register(waiting.close)
    return waiting


def started(
    arguments: Sequence[str], stdin: bytes, cwd: Path, environ: Mapping[str, str], seconds: float
) -> tuple[int, bytes, bytes]:
    """The same by a process that starts Python."""
    command = [sys.executable, "-m", "lunalux_tui", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=seconds, cwd=cwd, env=environ)
    return done.returncode, done.stdout, done.stderr


def _write(descriptor: int, data: bytes) -> None:
    with open(descriptor, "wb") as pipe:
        try:
            pipe.write(data)
            pipe.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)  # what is left in the buffer goes there


def _read(descriptor: int, parts: dict[int, bytes]) -> None:
    with open(descriptor, "rb") as pipe:
        parts[descriptor] = pipe.read()


# -- what waits --------------------------------------------------------------------------------------------


def wait(path: str) -> None:
    """Fork for each connection until our stdin closes."""
    for name in IMPORTED:
        importlib.import_module(name)
    for file in Path(importlib.import_module("lunalux_tui.cli").__file__ or "").parent.glob("*.py"):
        importlib.import_module(f"lunalux_tui.cli.{file.stem}".removesuffix(".__init__"))
    gc.freeze()  # a child that collects garbage would copy every page of what was imported
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path + ".new")
    listening.listen(16)
    Path(path + ".new").rename(path)
    threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those who hand on an exit code are nobody's to wait for
    while True:
        wire, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _serve(wire)
        wire.close()


def _serve(wire: socket.socket) -> None:
    """Run the command in a child, and tell its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, streams, _, _ = socket.recv_fds(wire, 8, 3)
    with wire.makefile("rb") as reader:
        request = json.loads(reader.read(int.from_bytes(head, "big")))
    pid = os.fork()
    if pid == 0:
        wire.close()
        if request["memory"] is not None:
            _bound_memory(request["memory"])
        _become(request["arguments"], request["cwd"], request["environ"], streams)
    for stream in streams:
        os.close(stream)
    wire.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    wire.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _bound_memory(more: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _become(arguments: Sequence[str], cwd: str, environ: Mapping[str, str], streams: Sequence[int]) -> None:
    from lunalux_tui.__main__ import main

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0)), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(1, "w")), encoding="utf-8", line_buffering=os.isatty(1)
    )
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(2, "w")), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )
    sys.argv = ["lunalux", *arguments]
    code: object = None
    try:
        main()
    except SystemExit as exit_:
        code = exit_.code
    except BaseException:
        traceback.print_exc()
        code = 1
    # As Python ends, but for the taking apart of every module, which takes longer than most commands.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for written in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            written.flush()
    os._exit(code if isinstance(code, int) else bool(code))


if __name__ == "__main__":
    wait(sys.argv[1])
