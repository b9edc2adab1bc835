"""`lunalux serve` in processes of its own, over a folder or over an emulator of AWS."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from served_backend import Served, serve
from storage_engines import ministack

from lunalux_core.backend.storage.aws_calls import AwsAccess

FAST = {"LUNALUX_PRACTICE_RATE": "100000"}
PRICES = (("001", "--free-level", "0"), ("002", "--star-cost", "5"))


@contextmanager
def served(folder: Path, *options: str, **variables: str) -> Iterator[Served]:
    yield from serve(folder / "home", *options, **FAST, **variables)


@contextmanager
def provisioned(
    folder: Path, emulator: Callable[[Path], AbstractContextManager[AwsAccess]] = ministack
) -> Iterator[dict[str, str]]:
    """An emulator with the service's tables, bucket and two models: the variables that a server needs."""
    with emulator(folder) as access:
        variables = {
            "LUNALUX_STORAGE": "aws",
            "SESSION_SECRET": "one secret for all instances",
            "AWS_ENDPOINT_URL": str(access.endpoint),
            "AWS_ACCESS_KEY_ID": str(access.access_key),
            "AWS_SECRET_ACCESS_KEY": str(access.secret_key),
        }
        environment = {**os.environ, **variables, "LUNALUX_HOME": str(folder / "operator")}
        muse = ("--name", "Muse", "--type", "practice", "--model", "practice")
        tasks = [("provision",), *(("model", "put", model, *muse, *price) for model, *price in PRICES)]
        for task in tasks:
            command = [sys.executable, "-m", "lunalux_tui", "admin", *task]
            subprocess.run(command, env=environment, check=True, capture_output=True)
        yield variables


@contextmanager
def served_on_aws(folder: Path) -> Iterator[Served]:
    with provisioned(folder) as variables, served(folder, **variables) as server:
        yield server


@contextmanager
def instances(folder: Path, count: int) -> Iterator[tuple[list[Served], dict[str, str]]]:
    """Several servers over one emulator, each a process with a home of its own."""
    with provisioned(folder) as variables, ExitStack() as stack:
        servers = [
            stack.enter_context(served(folder / str(number), SESSION_CACHE_SECONDS="0", **variables))
            for number in range(count)
        ]
        yield servers, variables
