"""How a command gets at the core: settings from flags and environment, a runtime for its own lifetime."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from lunalux_core.config.settings import Settings, load_settings
from lunalux_core.errors import InvalidInput
from lunalux_core.runtime import Runtime
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


def with_runtime(
    work: Callable[[Runtime], Awaitable[T]],
    flags: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
) -> T:
    """Open the runtime, do the work, close it."""

    async def run() -> T:
        async with Runtime.open(command_settings(flags) if settings is None else settings) as runtime:
            runtime.on_problem = output.warn
            return await work(runtime)

    return run_work(run)


def delete_asked(
    find: Callable[[Runtime], Awaitable[T]],
    question: Callable[[T], str],
    delete: Callable[[Runtime, T], Awaitable[None]],
    *,
    yes: bool,
) -> None:
    """Find what is to be deleted, ask, and delete it.

    The question stands between two runs of the event loop: within one, ctrl+c and SIGTERM would wait for the
    answer.

    Raises:
        InvalidInput: USAGE, there is nobody to ask and `yes` was not said.
    """
    settings = command_settings()
    found = with_runtime(find, settings=settings)
    if not yes:
        ask(question(found))
    with_runtime(lambda runtime: delete(runtime, found), settings=settings)


def ask(question: str) -> None:
    """Go on only when the person on the terminal says yes; else the command ends with 1.

    Raises:
        InvalidInput: USAGE, there is no terminal to ask on.
    """
    import typer

    from lunalux_tui.i18n import t

    if not output.talks():
        raise InvalidInput(
            "USAGE", "Nothing is deleted without a question.", "Repeat it with --yes.", kind="delete"
        )
    if output.answer(f"{question} {t('cli.yes_or_no')} ").strip().casefold() not in AGREED:
        output.say("nothing_deleted")
        raise typer.Exit(output.FAILED)


AGREED = {"y", "yes", "是", "是的", "好", "确定"}
"""Answers that let a deletion go on."""


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
