"""How a command uses the core: settings from flags and environment, and a runtime while it runs."""

from __future__ import annotations

import asyncio
import inspect
import signal
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from lunalux_core.config.settings import Settings, load_settings
from lunalux_core.errors import InvalidInput, LunaluxError
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output

if TYPE_CHECKING:
    from lunalux_core.library.characters import Character
    from lunalux_core.library.name_lookup import Named

    N = TypeVar("N", bound=Named)

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")


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


def in_runtime(command: Callable[Concatenate[Runtime, P], Awaitable[None]]) -> Callable[P, None]:
    """Make a command of an asynchronous function: it is given a runtime of its own as its first parameter.

    What must happen outside of an event loop, where ctrl+c ends a question at once, needs a plain command
    and `with_runtime`.
    """

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with_runtime(lambda runtime: command(runtime, *args, **kwargs))

    return show_parameters(run, command)


def show_parameters(run: Callable[P, T], command: Any, *more: inspect.Parameter) -> Callable[P, T]:
    """Let Typer see the parameters of `command` on `run`, without the first, which `run` brings itself.

    Args:
        more: what `run` takes for itself; shown before the last of the command's, which is `--json`.
    """
    first, *parameters = inspect.signature(command).parameters.values()
    parameters[-1:-1] = more
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    # Typer evaluates every annotation it finds; that of the first may be there for the type checker only.
    run.__annotations__ = {key: kind for key, kind in run.__annotations__.items() if key != first.name}
    return run


async def named_character(runtime: Runtime, name: str) -> Character:
    """The character of that name or id; in a new library our own are there first.

    Raises:
        NotFound: CHARACTER_NOT_FOUND. InvalidInput: CHARACTER_AMBIGUOUS.
    """
    await runtime.first_start()
    return await runtime.library.characters.find(name)


def delete_asked(
    find: Callable[[Runtime], Awaitable[T]],
    question: Callable[[T], str],
    delete: Callable[[Runtime, T], Awaitable[None]],
    *,
    yes: bool,
) -> None:
    """Find what is to be deleted, ask, and delete it.

    Raises:
        InvalidInput: USAGE, there is nobody to ask and `yes` was not said.
    """
    # Read once for both runs, so that what is wrong with the file is told once.
    settings = command_settings()
    do_asked(lambda work: with_runtime(work, settings=settings), find, question, delete, yes=yes)


def delete_named(
    find: Callable[[Runtime], Awaitable[N]],
    question: Callable[[N], str],
    delete: Callable[[Runtime, N], Awaitable[object]],
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """`delete_asked` for what has an id and a name, and tell that it is gone."""

    async def gone(runtime: Runtime, target: N) -> None:
        await delete(runtime, target)
        output.deleted({"id": target.id, "name": target.name}, as_json=as_json)

    delete_asked(find, question, gone, yes=yes)


def do_asked(
    opened: Callable[[Callable[[S], Awaitable[Any]]], Any],
    find: Callable[[S], Awaitable[T]],
    question: Callable[[T], str],
    do: Callable[[S, T], Awaitable[None]],
    *,
    yes: bool,
) -> None:
    """Find something, ask, and do what was asked about.

    The question is asked between two runs of the event loop: within one, ctrl+c and SIGTERM would wait for
    the answer.

    Args:
        opened: runs a piece of work over what it opens and closes, and gives its result.

    Raises:
        InvalidInput: USAGE, there is nobody to ask and `yes` was not said.
    """
    target = opened(find)
    if not yes:
        ask(question(target))
    opened(lambda services: do(services, target))


def ask(question: str, *, unasked: LunaluxError | None = None, left: str = "nothing_deleted") -> None:
    """Go on only when the person on the terminal says yes; else the command ends with 1.

    Args:
        unasked: the error where there is no terminal to ask on; by default that of a deletion.
        left: what is said after a no, a key of the catalogue.

    Raises:
        InvalidInput: USAGE, there is no terminal to ask on.
    """
    import typer

    from lunalux_tui.i18n import t

    if not output.talks():
        raise unasked or InvalidInput(
            "USAGE", "Nothing is deleted without a question.", "Repeat it with --yes.", kind="delete"
        )
    if output.answer(f"{question} {t('cli.yes_or_no')} ").strip().casefold() not in AGREED:
        output.say(left)
        raise typer.Exit(output.FAILED)


AGREED = {"y", "yes", "是", "是的", "好", "确定"}
"""Answers that let a command go on."""


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
        # SIGTERM cancels and ctrl+c interrupts: both leave by one way, with one exit code.
        raise KeyboardInterrupt from None
