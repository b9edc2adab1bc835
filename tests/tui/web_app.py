"""The app served to a browser, as `lunalux web` does it, for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yarl import URL

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def served() -> Iterator[URL]:
    """Run `lunalux web` on a free port; gives the printed address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lunalux_tui", "web", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout is not None
        yield URL(json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        assert process.wait(20) == 0
