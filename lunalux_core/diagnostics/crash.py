"""Crash reports: what failed and where, written on this computer only, fit to be shown to others.

No local variables and no credentials: the trace names lines of code and the error itself.
"""

from __future__ import annotations

import platform
import sys
import time
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lunalux_core import __version__
from lunalux_core.config.paths import Paths
from lunalux_core.diagnostics.redaction import anonymous
from lunalux_core.errors import LunaluxError

KEPT = 20
"""How many reports stay; older ones are removed."""


def write_report(error: BaseException, paths: Paths) -> Path | None:
    """Write a report of `error`; None where the disk refuses."""
    path = paths.logs / f"crash-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    number = 1
    try:
        paths.own(path.parent)
        while path.exists():
            number += 1
            path = path.with_stem(f"{path.stem.partition('_')[0]}_{number}")
        path.write_text(anonymous(_report(error)), encoding="utf-8", errors="replace")
        for old in reports(paths)[KEPT:]:
            old.unlink(missing_ok=True)
    except OSError:
        return None
    return path


def reports(paths: Paths) -> list[Path]:
    """The reports there are, the newest first."""
    try:
        return sorted(paths.logs.glob("crash-*.txt"), reverse=True)
    except OSError:
        return []  # a folder that cannot be looked into


def crashed(error: BaseException, paths: Paths) -> LunaluxError:
    """The report's place as an error that can be told (UNEXPECTED)."""
    path = write_report(error, paths)
    hint = (
        f"A report without your keys is in {path}; look it over and send it along when you report this."
        if path
        else "Please report it; the disk took no report."
    )
    kind = type(error).__name__
    return LunaluxError(
        "UNEXPECTED", f"Lunalux itself failed ({kind}).", hint, kind=kind, path=str(path or "")
    )


def _report(error: BaseException) -> str:
    lines = [
        f"Lunalux {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"{_version('textual')}, {_version('typer')}, {_version('httpx')}",
        f"Command: {' '.join(_command())}",
        time.strftime("Time: %Y-%m-%dT%H:%M:%S%z"),
        "",
        *traceback.format_exception(error),
    ]
    return "\n".join(lines)


def _command() -> list[str]:
    """The noun and the names of flags: what was typed as text stays out."""
    noun = [argument for argument in sys.argv[1:2] if argument.isalpha()]
    flags = [argument.partition("=")[0] for argument in sys.argv[1:] if argument.startswith("-")]
    return ["lunalux", *noun, *flags]


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} missing"
