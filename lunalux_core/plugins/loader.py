"""Finds plug-ins and imports the ones the person enabled, and no others.

A file of the plug-ins folder is enabled together with its hash: a file that changed must be enabled again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lunalux_core.errors import NotFound, PluginError

GROUP = "lunalux.plugins"


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A plug-in that could run. `origin` is "package" or the path of its file."""

    name: str
    origin: str
    enabled: bool
    problem: str = ""


def available(folder: Path, enabled: Sequence[str], problems: Mapping[str, str]) -> list[PluginInfo]:
    """Every plug-in at hand, enabled ones first in their order; nothing is imported."""
    from importlib.metadata import entry_points

    infos = {e.name: PluginInfo(e.name, "package", False) for e in entry_points(group=GROUP)}
    # Last, so that a file takes the place of a package of its name.
    for path in _files(folder):
        infos[path.stem] = PluginInfo(path.stem, str(path), False)
    listed = []
    for entry in enabled:
        name = entry.partition("@")[0]
        info = infos.pop(name, PluginInfo(name, "", False))
        problem = problems.get(name, "" if info.origin else "not installed")
        listed.append(PluginInfo(name, info.origin, True, problem))
    return [*listed, *infos.values()]


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*.py")) if folder.is_dir() else []
    except OSError:
        return []  # a folder that cannot be looked into holds nothing that could run


def entry_of(info: PluginInfo) -> str:
    """What to store in the settings to enable a plug-in."""
    return info.name if info.origin == "package" else f"{info.name}@{_digest(Path(info.origin))}"


def load(folder: Path, entry: str) -> Any:
    """The plug-in itself, ready to be called.

    Raises:
        PluginError: PLUGIN_CHANGED, PLUGIN_API_VERSION.
        NotFound: PLUGIN_UNKNOWN.
        Exception: whatever the code of the plug-in raises when it is imported.
    """
    from lunalux_core.plugins.api import API_VERSION

    name, _, digest = entry.partition("@")
    loaded = _from_file(name, folder / f"{name}.py", digest) if digest else _from_package(name)
    plugin = loaded() if isinstance(loaded, type) else loaded
    version = getattr(plugin, "api_version", API_VERSION)
    if version != API_VERSION:
        raise PluginError(
            "PLUGIN_API_VERSION",
            f"{name} is written for plug-in interface {version}; this program has {API_VERSION}.",
            "Get a version of the plug-in that fits.",
            name=name,
            wanted=version,
            ours=API_VERSION,
        )
    return plugin


def unknown(name: str, folder: Path) -> NotFound:
    """The error for a plug-in that is nowhere."""
    return NotFound(
        "PLUGIN_UNKNOWN",
        f"There is no plug-in {name!r}.",
        f"Install its package, or put {name}.py into {folder}.",
        name=name,
        folder=str(folder),
    )


def _from_package(name: str) -> Any:
    from importlib.metadata import entry_points

    for entry_point in entry_points(group=GROUP, name=name):
        return entry_point.load()
    raise unknown(name, Path("the plug-ins folder"))


def _from_file(name: str, path: Path, digest: str) -> Any:
    from importlib.util import module_from_spec, spec_from_file_location

    # The person agreed to run what was in the file at that time.
    if _digest(path) != digest:
        raise PluginError(
            "PLUGIN_CHANGED", f"{path.name} changed since it was enabled.", "Enable it again.", name=name
        )
    spec = spec_from_file_location(f"lunalux_plugin_{name}", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, "plugin", module)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
