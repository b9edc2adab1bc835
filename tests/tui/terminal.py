"""A terminal of our own: runs a program in a pty and reads its screen with pyte."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyte

ROOT = Path(__file__).resolve().parents[2]
# Questions and modes that pyte does not know; they leave no mark on a screen.
_REPORT = re.compile(rb"\x1b\[\??\d+(?:;\d+)*\$p|\x1b\[6n|\x1b\[c|\x1b\[>[0-9;]*[a-z]")
# Colours are most of what an app writes, and reading them most of pyte's work; no test asks for one.
_STYLE = re.compile(rb"\x1b\[([\d;]+)m")
_COLOUR = re.compile(rb"(?<!\d)[34]8;(?:2;\d+;\d+;\d+|5;\d+);?")
_BEGUN = re.compile(rb"\x1b(?:\[[\d;?>$]*)?\Z")


def _without_colours(style: re.Match[bytes]) -> bytes:
    rest = _COLOUR.sub(b"", style[1]).rstrip(b";")
    return b"\x1b[" + rest + b"m" if rest else b""


def _environ() -> dict[str, str]:
    """The environment without what would hide the size of the pty from a program."""
    return {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}


class Terminal:
    """A program on a screen of `columns` by `rows`; `stderr` may be a file of its own."""

    def __init__(
        self,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        columns: int = 100,
        rows: int = 30,
        stderr: int | None = None,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.raw = b""
        self._stream = pyte.ByteStream(self.screen)
        self._begun = b""
        """The beginning of a sequence whose end was not read yet."""
        ours, theirs = pty.openpty()
        self._fd = ours
        self._set_size(columns, rows)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lunalux_tui", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs if stderr is None else stderr,
            cwd=ROOT,
            env={**_environ(), "TERM": "xterm-256color", "COLORTERM": "truecolor", **environ},
            start_new_session=True,
        )
        os.close(theirs)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size, and tell the program, which has no controlling terminal."""
        self._set_size(columns, rows)
        self.screen.resize(rows, columns)
        self.process.send_signal(signal.SIGWINCH)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, text: str) -> None:
        """Type."""
        os.write(self._fd, text.encode())

    def pump(self, seconds: float) -> None:
        """Read what the program draws for a while."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([self._fd], [], [], left)
            if not ready:
                return
            try:
                data = os.read(self._fd, 65536)
            except OSError:
                return
            if not data:
                return
            self.raw += data
            self._show(self._begun + data)

    def _show(self, data: bytes) -> None:
        begun = _BEGUN.search(data)
        self._begun = begun.group() if begun else b""
        whole = data[: begun.start()] if begun else data
        self._stream.feed(_STYLE.sub(_without_colours, _REPORT.sub(b"", whole)))

    def text(self) -> str:
        """The screen as it is."""
        columns = range(self.screen.columns)
        lines = ("".join(self.screen.buffer[y][x].data for x in columns) for y in range(self.screen.lines))
        return "\n".join(line.rstrip() for line in lines)

    def wait(self, pattern: str, seconds: float = 90) -> str:
        """Read until a line of the screen matches; the match."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if match := re.search(pattern, self.text()):
                return match.group()
            self.pump(0.05)
        raise AssertionError(f"no {pattern!r} on the screen:\n{self.text()}")

    def gone(self, pattern: str, seconds: float = 90) -> None:
        """Read until nothing on the screen matches."""
        until = time.monotonic() + seconds
        while re.search(pattern, self.text()):
            if time.monotonic() > until:
                raise AssertionError(f"still {pattern!r} on the screen:\n{self.text()}")
            self.pump(0.05)

    def ended(self, seconds: float = 60) -> int:
        """Wait for the program to end; its exit code."""
        until = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < until:
            self.pump(0.05)
        return self.process.wait(1)

    def hang_up(self) -> None:
        """Close the window."""
        os.close(self._fd)
        self._fd = -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(5)
        if self._fd >= 0:
            self.hang_up()
