"""`lunalux serve` in a process of its own, and the operator's commands on its data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.runtime import Runtime

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Served:
    """A running server. `home` holds its data, `log` what it has said since it was up."""

    port: int
    home: Path
    process: subprocess.Popen[str]
    log: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def admin(self, *arguments: str) -> Any:
        """What `lunalux admin … --json` prints."""
        result = subprocess.run(
            [sys.executable, "-m", "lunalux_tui", "admin", *arguments, "--json"],
            capture_output=True,
            text=True,
            timeout=120,
            env=_environment(self.home),
            check=True,
        )
        return json.loads(result.stdout)

    def coupon(self, code: str, amount: int, currency: str) -> str:
        """Create a coupon; returns its code."""
        made: str = self.admin("coupon", "create", code, "--currency", currency, "--amount", str(amount))[
            "coupon"
        ]
        return made


def serve(home: Path, *options: str, **variables: str) -> Iterator[Served]:
    """Start a server on a free port, give it, end it in good order. For fixtures: `yield from serve(…)`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lunalux_tui", "serve", "--port", "0", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(home) | {"LUNALUX_RATE_LIMITS": "0"} | variables,
    )
    try:
        log: list[str] = []
        yield Served(_port(process, log), home, process, log)
    finally:
        process.terminate()
        process.wait(30)


def _port(process: subprocess.Popen[str], log: list[str]) -> int:
    assert process.stderr is not None
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    said = []
    for line in process.stderr:
        said.append(line)
        if '"url"' in line:
            timer.cancel()
            # The log goes on; unread it would fill the pipe and stop the server.
            threading.Thread(target=_listen, args=(process.stderr, log), daemon=True).start()
            return int(json.loads(line)["url"].rpartition(":")[2])
    timer.cancel()
    raise AssertionError("the server did not start:\n" + "".join(said))


def _listen(lines: Iterable[str], log: list[str]) -> None:
    for line in lines:
        log.append(line)


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "LUNALUX_HOME": str(home)}


@asynccontextmanager
async def device(root: Path, url: str = "") -> AsyncIterator[Runtime]:
    """The program on a device of its own, against `url` or with the backend inside."""
    environ = {"LUNALUX_HOME": str(root)} | ({"LUNALUX_API_URL": url} if url else {})
    async with Runtime.open(load_settings(Paths.find(environ), environ)) as runtime:
        yield runtime
