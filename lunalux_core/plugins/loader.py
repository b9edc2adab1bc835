"""Finds plug-ins, runs their hooks one at a time under a time limit, and switches off the ones that fail.

Only plug-ins the person enabled are ever imported. A file of the plug-ins folder is enabled together
with its hash: a file that changed must be enabled again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lunalux_core.errors import NotFound, PluginError

if TYPE_CHECKING:
    import pluggy

HOOK_SECONDS = 5.0
STRIKES = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A plug-in that could run. `origin` is "package" or the path of its file."""

    name: str
    origin: str
    enabled: bool
    problem: str = ""


class Plugins:
    """The plug-ins of this program.

    Args:
        folder: the person's own plug-in files.
        enabled: names in running order; a file's name is followed by "@" and its hash.
    """

    def __init__(self, folder: Path, enabled: Sequence[str]) -> None:
        self._folder = folder
        self._enabled = list(enabled)
        self._manager: pluggy.PluginManager | None = None
        self._strikes: dict[str, int] = {}
        self.problems: dict[str, str] = {}

    def available(self) -> list[PluginInfo]:
        """Every plug-in at hand, enabled ones first in their order; nothing is imported."""
        from importlib.metadata import entry_points

        found = {e.name: PluginInfo(e.name, "package", False) for e in entry_points(group="lunalux.plugins")}
        for path in sorted(self._folder.glob("*.py")) if self._folder.is_dir() else ():
            found[path.stem] = PluginInfo(path.stem, str(path), False)
        listed = []
        for entry in self._enabled:
            name = entry.partition("@")[0]
            info = found.pop(name, PluginInfo(name, "", False))
            problem = self.problems.get(name, "" if info.origin else "not installed")
            listed.append(PluginInfo(name, info.origin, True, problem))
        return [*listed, *found.values()]

    def entry(self, name: str) -> str:
        """What to store in the settings to enable `name`. Raises NotFound (PLUGIN_UNKNOWN)."""
        for info in self.available():
            if info.name == name and info.origin:
                return name if info.origin == "package" else f"{name}@{_digest(Path(info.origin))}"
        raise NotFound(
            "PLUGIN_UNKNOWN",
            f"There is no plug-in {name!r}.",
            f"Install its package, or put {name}.py into {self._folder}.",
            name=name,
        )

    def close(self) -> None:
        """Tell every running plug-in that the program ends."""
        if self._manager is not None:
            for name, plugin in self._running():
                self._announce(name, plugin, "on_disable")

    async def change(self, hook: str, value: T, view: Callable[[T], Any]) -> tuple[T, list[PluginError]]:
        """Run one hook of every plug-in in order; each sees what the one before it returned.

        `view` builds the argument of the hook from the value so far. Returns the new value and what failed.
        """
        failures: list[PluginError] = []
        for name, plugin in self._running():
            if getattr(plugin, hook, None) is None:
                continue
            try:
                returned = await asyncio.wait_for(
                    asyncio.to_thread(_call, plugin, hook, view(value)), HOOK_SECONDS
                )
            except (
                Exception
            ) as error:  # a plug-in is a stranger's code: whatever it raises is its own failure
                failures.append(self._failed(name, hook, error))
                continue
            if returned is not None:
                value = returned
        return value, failures

    def _running(self) -> Iterator[tuple[str, Any]]:
        if self._manager is None:
            self._start()
        assert self._manager is not None
        for entry in self._enabled:
            name = entry.partition("@")[0]
            plugin = self._manager.get_plugin(name)
            if plugin is not None and self._strikes.get(name, 0) < STRIKES:
                yield name, plugin

    def _start(self) -> None:
        import pluggy

        from lunalux_core.plugins.api import Hooks

        self._manager = manager = pluggy.PluginManager("lunalux")
        manager.add_hookspecs(Hooks)
        for entry in self._enabled:
            name, _, digest = entry.partition("@")
            try:
                manager.register(_instance(self._load(name, digest)), name)
            except Exception as error:  # a plug-in that cannot be imported must not stop the program
                self.problems[name] = f"{type(error).__name__}: {error}"
        for name, plugin in list(self._running()):
            self._announce(name, plugin, "on_enable")

    def _load(self, name: str, digest: str) -> Any:
        if digest:
            path = self._folder / f"{name}.py"
            if _digest(path) != digest:
                raise PluginError(
                    "PLUGIN_CHANGED", f"{path.name} changed since it was enabled.", "Enable it again."
                )
            return _module(name, path)
        from importlib.metadata import entry_points

        for found in entry_points(group="lunalux.plugins", name=name):
            return found.load()
        raise PluginError("PLUGIN_UNKNOWN", f"The plug-in {name!r} is not installed.", "")

    def _announce(self, name: str, plugin: Any, hook: str) -> None:
        try:
            _call(plugin, hook)
        except Exception as error:
            self._failed(name, hook, error)

    def _failed(self, name: str, hook: str, error: Exception) -> PluginError:
        self._strikes[name] = self._strikes.get(name, 0) + 1
        reason = "took too long" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
        self.problems[name] = reason
        off = self._strikes[name] >= STRIKES
        return PluginError(
            "PLUGIN_SWITCHED_OFF" if off else "PLUGIN_FAILED",
            f"The plug-in {name!r} failed in {hook}: {reason}",
            "It is switched off until the next start." if off else "The turn went on without it.",
            name=name,
            hook=hook,
            reason=reason,
        )


def _call(plugin: Any, hook: str, *arguments: object) -> Any:
    function = getattr(plugin, hook, None)
    return None if function is None else function(*arguments)


def _instance(loaded: Any) -> Any:
    return loaded() if isinstance(loaded, type) else loaded


def _module(name: str, path: Path) -> Any:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(f"lunalux_plugin_{name}", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, "plugin", module)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
