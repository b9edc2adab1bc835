"""Runs the hooks of plug-ins one at a time under a time limit, and switches off the ones that fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lunalux_core.errors import PluginError
from lunalux_core.plugins import loader

if TYPE_CHECKING:
    from lunalux_core.plugins.api import Command, Model, Outcome, Panel, Scene
    from lunalux_core.plugins.loader import PluginInfo

HOOK_SECONDS = 5.0
STRIKES = 3

T = TypeVar("T")


class Plugins:
    """The plug-ins of this program; they are imported on first use.

    Args:
        folder: the person's own plug-in files.
        enabled: names in running order; a file's name is followed by "@" and its hash.
    """

    def __init__(self, folder: Path, enabled: Sequence[str]) -> None:
        self._folder = folder
        self._enabled = tuple(enabled)
        self._running: dict[str, Any] = {}
        self._started = False
        self._lock = threading.Lock()
        self._strikes: dict[str, int] = {}
        self.problems: dict[str, str] = {}

    # -- which -------------------------------------------------------------------------------------

    def available(self) -> list[PluginInfo]:
        """Every plug-in at hand, enabled ones first in their order; nothing is imported."""
        return loader.available(self._folder, self._enabled, self.problems)

    def entry(self, name: str) -> str:
        """What to store in the settings to enable `name`. Raises NotFound (PLUGIN_UNKNOWN)."""
        for info in self.available():
            if info.name == name and info.origin:
                return loader.entry_of(info)
        raise loader.unknown(name, self._folder)

    def start(self) -> None:
        """Import what is enabled, once. What fails is a problem of its own and stops nothing."""
        with self._lock:
            if self._started:
                return
            for entry in self._enabled:
                name = entry.partition("@")[0]
                try:
                    self._running[name] = _in_thread(loader.load, self._folder, entry).result(HOOK_SECONDS)
                except Exception as error:  # a stranger's code: whatever it raises is its own failure
                    self.problems[name] = _reason(error)
                else:
                    self._ask(name, "on_enable")
            # Said last: hooks look at it without the lock, and would go past plug-ins that still load.
            self._started = True

    def close(self) -> None:
        """Tell every running plug-in that it ends."""
        for name in self._alive():
            self._ask(name, "on_disable")

    # -- hooks of a turn ---------------------------------------------------------------------------

    async def change(
        self, hook: str, value: T, view: Callable[[T], Any], accept: Callable[[Any], T]
    ) -> tuple[T, list[PluginError]]:
        """Run one hook of every plug-in in order; each sees what the one before it returned.

        Args:
            hook: its name.
            value: what may be changed.
            view: builds the argument of the hook from the value so far.
            accept: makes a value of what a hook returned; raises TypeError where it cannot be one.

        Returns:
            The new value and what failed.
        """
        await self._ready()
        failures: list[PluginError] = []
        for name in self._alive():
            function = getattr(self._running[name], hook, None)
            if function is None:
                continue
            try:
                # What takes too long is left to itself: a thread cannot be ended from outside.
                returned = await asyncio.wait_for(
                    asyncio.wrap_future(_in_thread(function, view(value))), HOOK_SECONDS
                )
                if returned is not None:
                    value = accept(returned)
            except Exception as error:  # as above; CancelledError is none and goes on
                failures.append(self._failed(name, hook, error))
        return value, failures

    async def tell(self, hook: str, view: Any) -> list[PluginError]:
        """Run one hook of every plug-in that changes nothing. Returns what failed."""
        _, failures = await self.change(hook, None, lambda _: view, lambda _: None)
        return failures

    # -- what plug-ins offer -----------------------------------------------------------------------

    def models(self) -> list[tuple[str, Model]]:
        """The models of all plug-ins, with the name of each one's plug-in."""
        from lunalux_core.plugins.api import Model

        return self._offered("models", Model)

    def commands(self) -> list[tuple[str, Command]]:
        """The commands of all plug-ins, with the name of each one's plug-in."""
        from lunalux_core.plugins.api import Command

        return self._offered("commands", Command)

    async def run(self, plugin: str, command: Command, scene: Scene) -> Outcome:
        """Run a command of a plug-in.

        Raises:
            PluginError: PLUGIN_FAILED, PLUGIN_SWITCHED_OFF.
        """
        from lunalux_core.plugins.api import Outcome

        try:
            returned = await asyncio.wait_for(
                asyncio.wrap_future(_in_thread(command.run, scene)), HOOK_SECONDS
            )
            if isinstance(returned, Outcome):
                return returned
            return Outcome("" if returned is None else accept_text(returned))
        except Exception as error:
            raise self._failed(plugin, command.name, error) from error

    async def panels(self, scene: Scene) -> tuple[list[tuple[str, Panel]], list[PluginError]]:
        """The panes of all plug-ins for what is on the screen, and what failed."""
        from lunalux_core.plugins.api import Panel

        await self._ready()
        panels: list[tuple[str, Panel]] = []
        failures: list[PluginError] = []
        for name in self._alive():
            function = getattr(self._running[name], "panel", None)
            if function is None:
                continue
            try:
                panel = await asyncio.wait_for(asyncio.wrap_future(_in_thread(function, scene)), HOOK_SECONDS)
                if panel is not None:
                    panels.append((name, _a(Panel, panel)))
            except Exception as error:
                failures.append(self._failed(name, "panel", error))
        return panels, failures

    # -- inside ------------------------------------------------------------------------------------

    async def _ready(self) -> None:
        if not self._started:
            # In a thread: a plug-in may take seconds to import, in which the app goes on.
            await asyncio.wrap_future(_in_thread(self.start))

    def _alive(self) -> Iterator[str]:
        yield from [name for name in self._running if self._strikes.get(name, 0) < STRIKES]

    def _offered(self, hook: str, kind: type[T]) -> list[tuple[str, T]]:
        self.start()
        return [
            (name, item)
            for name in self._alive()
            for item in self._ask(name, hook, lambda x: _all(kind, x), [])
        ]

    def _ask(
        self, name: str, hook: str, accept: Callable[[Any], Any] = lambda x: x, otherwise: Any = None
    ) -> Any:
        """What a hook without arguments returns; `otherwise` where there is none, or it fails."""
        function = getattr(self._running[name], hook, None)
        if function is None:
            return otherwise
        try:
            return accept(_in_thread(function).result(HOOK_SECONDS))
        except Exception as error:
            self._failed(name, hook, error)
            return otherwise

    def _failed(self, name: str, hook: str, error: Exception) -> PluginError:
        self._strikes[name] = self._strikes.get(name, 0) + 1
        self.problems[name] = reason = _reason(error)
        off = self._strikes[name] >= STRIKES
        return PluginError(
            "PLUGIN_SWITCHED_OFF" if off else "PLUGIN_FAILED",
            f"The plug-in {name!r} failed in {hook}: {reason}",
            "It is switched off until the next start." if off else "Everything went on without it.",
            name=name,
            hook=hook,
            reason=reason,
        )


def accept_text(returned: Any) -> str:
    """What a hook returned as text. Raises TypeError."""
    return _a(str, returned)


def _a(kind: type[T], returned: Any) -> T:
    if not isinstance(returned, kind):
        raise TypeError(f"returned {type(returned).__name__} instead of {kind.__name__}")
    return returned


def _all(kind: type[T], returned: Any) -> list[T]:
    return [_a(kind, item) for item in returned or ()]


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "took too long"
    return str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"


def _in_thread(function: Callable[..., T], *arguments: object) -> Future[T]:
    """Call in a thread that the end of the program does not wait for."""
    future: Future[T] = Future()

    def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        except BaseException as error:  # sys.exit() in a plug-in ends the plug-in's call, not the program
            future.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))

    threading.Thread(target=run, name="plug-in", daemon=True).start()
    return future
