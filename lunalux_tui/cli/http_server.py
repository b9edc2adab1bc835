"""What the commands share that answer HTTP until a signal comes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn


class HttpServer(uvicorn.Server):
    """uvicorn without signals of its own: its command hears them (`on_signals`)."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # a signal that uvicorn raises again afterwards would cut the closing of what is open off


def on_signals(stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM and ctrl+c."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(stop))
