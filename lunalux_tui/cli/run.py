"""How a command gets at the core: settings from flags and environment, a runtime for its own lifetime."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from lunalux_core.runtime import Runtime
from lunalux_core.settings import Settings, load_settings
from lunalux_tui.cli import output

T = TypeVar("T")


def command_settings(flags: Mapping[str, Any] | None = None) -> Settings:
    """Settings for a command; problems in the configuration are told on stderr and do not stop it."""
    settings = load_settings(flags=flags)
    from lunalux_tui import i18n

    i18n.use(settings.lang)
    for problem in settings.problems:
        output.warn(problem)
    return settings


def with_runtime(work: Callable[[Runtime], Awaitable[T]], flags: Mapping[str, Any] | None = None) -> T:
    """Open the runtime, do the work, close it."""

    async def run() -> T:
        async with Runtime.open(command_settings(flags)) as runtime:
            runtime.on_problem = output.warn
            return await work(runtime)

    return run_work(run)


def run_work(work: Callable[[], Awaitable[T]]) -> T:
    """Run asynchronous work. Interrupts (ctrl+c, SIGTERM) end it in good order, then KeyboardInterrupt."""

    async def run() -> T:
        task = asyncio.current_task()
        assert task is not None
        try:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        except (NotImplementedError, RuntimeError):  # not on this system, or not in the main thread
            pass
        return await work()

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
