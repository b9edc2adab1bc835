"""Runs a program in a pseudo-terminal and notes when a text first leaves it. POSIX only; no dependencies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from dataclasses import dataclass
from pathlib import Path

_ESCAPES = re.compile(
    rb"\x1b\[[0-9;:?<>=]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[P_^][^\x1b]*\x1b\\|\x1b."
)
_ANSWERS = ((b"\x1b[c", b"\x1b[?62;22c"), (b"\x1b[?2026$p", b"\x1b[?2026;2$y"), (b"\x1b[6n", b"\x1b[1;1R"))


@dataclass(frozen=True, slots=True)
class Seen:
    """When the text came, in seconds after exec, and the resident memory then, in megabytes."""

    seconds: float
    megabytes: float


def until(command: list[str], text: str, env: dict[str, str], *, cols: int = 120, rows: int = 40) -> Seen:
    """Start `command`, wait until `text` was painted, end it.

    Raises:
        TimeoutError: after 60 seconds.
    """
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
    full = {**os.environ, **env, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=full, start_new_session=True
    )
    os.close(slave)
    try:
        return Seen(_wait(master, text.encode(), began) - began, _resident(process.pid))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(master)


def _wait(master: int, wanted: bytes, began: float) -> float:
    raw = b""
    while time.monotonic() - began < 60:
        ready, _, _ = select.select([master], [], [], 0.5)
        if not ready:
            continue
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        stamp = time.monotonic()
        for question, answer in _ANSWERS:
            if question in data:
                os.write(master, answer)
        raw += data
        if wanted in _ESCAPES.sub(b"", raw):
            return stamp
    raise TimeoutError(f"{wanted!r} was not painted: {_ESCAPES.sub(b'', raw)[-400:]!r}")


def _resident(pid: int) -> float:
    try:
        with Path(f"/proc/{pid}/status").open(encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return float("nan")
