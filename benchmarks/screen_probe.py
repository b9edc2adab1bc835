"""A program on a pty: notes when a text first appears in what it draws, and what it costs meanwhile."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence

_ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")
TICK = os.sysconf("SC_CLK_TCK")


class Probe:
    """Runs one command on a screen of 120 by 40. Words are found in the drawn text, escapes removed."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self._fd = ours
        self._seen = b""
        self.drawn = 0
        """Bytes it wrote to the terminal."""
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=dict(environ), start_new_session=True
        )
        os.close(theirs)

    def send(self, text: str) -> float:
        """Type; returns when."""
        os.write(self._fd, text.encode())
        return time.perf_counter()

    def wait(self, text: str, limit: float = 60) -> float:
        """Read until `text` was drawn; returns when. Forgets what was drawn before."""
        until = time.perf_counter() + limit
        while time.perf_counter() < until:
            ready, _, _ = select.select([self._fd], [], [], 0.5)
            if ready:
                self._seen += self._read()
                if text.encode() in _ESCAPE.sub(b"", self._seen):
                    self._seen = b""
                    return time.perf_counter()
        raise TimeoutError(f"{text!r} was not drawn")

    def rest(self, seconds: float) -> None:
        """Read for a while."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if select.select([self._fd], [], [], left)[0]:
                self._read()
        self._seen = b""

    def _read(self) -> bytes:
        read = os.read(self._fd, 65536)
        self.drawn += len(read)
        return read

    def cpu(self) -> float:
        """Processor seconds used so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:  # noqa: PTH123
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self) -> float:
        """Resident megabytes."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._fd)
