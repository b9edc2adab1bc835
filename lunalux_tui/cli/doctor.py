"""`lunalux doctor`: one line for each thing the program needs, and what to do where it is missing."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import typer

from lunalux_core.errors import LunaluxError, SessionError
from lunalux_tui.cli import output
from lunalux_tui.cli.run import with_runtime

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime

doctor_app = typer.Typer(add_completion=False)
commands = {"doctor": doctor_app}

SECONDS = 10
SMALLEST = (80, 24)
Status = Literal["ok", "warn", "fail"]
ROOM_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at. `hint` says what to do where `status` is not ok."""

    name: str
    status: Status
    detail: str
    hint: str = ""


@doctor_app.command()
def doctor(as_json: bool = typer.Option(False, "--json", help="Print one JSON document.")) -> None:
    """Check terminal, storage, keyring, model and backend, each with what to do.

    Example: lunalux doctor --json

    The exit code is 1 when something fails; warnings are no failure.
    """
    checks = with_runtime(_all)
    failed = any(check.status == "fail" for check in checks)
    if as_json:
        rows = [
            {"name": c.name, "status": c.status, "detail": c.detail, "hint": c.hint or None} for c in checks
        ]
        output.print_json({"ok": not failed, "checks": rows})
    else:
        for check in checks:
            output.print_text(f"{check.status:5} {check.name}: {check.detail}")
            if check.hint:
                output.print_text(f"      {check.hint}")
    if failed:
        raise typer.Exit(output.FAILED)


async def _all(runtime: Runtime) -> list[Check]:
    looks: tuple[tuple[str, Callable[[Runtime], Awaitable[Check]]], ...] = (
        ("python", _python),
        ("terminal", _terminal),
        ("configuration", _configuration),
        ("storage", _storage),
        ("keyring", _keyring),
        ("scripts", _scripts),
        ("plug-ins", _plugins),
        ("crashes", _crashes),
        ("model", _model),
        ("backend", _backend),
        ("account", _account),
    )
    return [await _guarded(name, look, runtime) for name, look in looks]


async def _guarded(name: str, look: Callable[[Runtime], Awaitable[Check]], runtime: Runtime) -> Check:
    try:
        async with asyncio.timeout(SECONDS):
            return await look(runtime)
    except TimeoutError:
        return Check(
            name, "fail", f"no answer within {SECONDS} seconds", "Try again, or look at the network."
        )
    except LunaluxError as error:
        # To be signed out is a choice: characters, chats and models of one's own need no account.
        status: Status = "warn" if isinstance(error, SessionError) else "fail"
        return Check(name, status, *output.sentence(error))
    except Exception as error:  # one thing that cannot be looked at never hides the others
        from lunalux_core.diagnostics.crash import crashed

        return Check(name, "fail", *output.sentence(crashed(error, runtime.paths)))


async def _python(_runtime: Runtime) -> Check:
    from lunalux_core import __version__

    version = ".".join(str(part) for part in sys.version_info[:3])
    return Check("python", "ok", f"Lunalux {__version__} on Python {version}, {sys.platform}")


async def _terminal(_runtime: Runtime) -> Check:
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    kind = os.environ.get("TERM", "") or ("windows" if os.name == "nt" else "")
    if not sys.stdout.isatty():
        detail = "the output is not a terminal"
        return Check("terminal", "warn", detail, "Run `lunalux doctor` in the terminal you want to use.")
    columns, rows = os.get_terminal_size()
    colours = "16 million" if os.environ.get("COLORTERM") in {"truecolor", "24bit"} else "fewer"
    detail = f"{kind}, {columns}×{rows}, {colours} colours, {_graphics()}"
    if kind in {"", "dumb"}:
        return Check("terminal", "fail", detail, "Set TERM to what your terminal is, e.g. xterm-256color.")
    if encoding != "utf8":
        return Check("terminal", "warn", f"{detail}, {encoding}", "Use a UTF-8 locale, e.g. LANG=C.UTF-8.")
    if columns < SMALLEST[0] or rows < SMALLEST[1]:
        return Check("terminal", "warn", detail, "Make the window at least 80 columns by 24 rows.")
    return Check("terminal", "ok", detail)


def _graphics() -> str:
    """How pictures are drawn, as far as the environment tells."""
    from lunalux_tui.parts.graphics import graphics

    if graphics(os.environ) == "kitty":
        return "pictures in full (Kitty protocol)"
    return "pictures in blocks of colour"


async def _configuration(runtime: Runtime) -> Check:
    path = runtime.paths.config_file
    problems = [output.sentence(problem) for problem in runtime.settings.problems]
    if not problems:
        return Check("configuration", "ok", str(path) if path.exists() else f"none yet ({path})")
    return Check(
        "configuration",
        "warn",
        " ".join(message for message, _ in problems),
        " ".join(dict.fromkeys(hint for _, hint in problems if hint)),
    )


async def _storage(runtime: Runtime) -> Check:
    library = runtime.library
    result = await library.database.soundness()
    where = runtime.paths.data
    if result != "ok":
        hint = "Restore a backup with `lunalux restore`, or move the file away to start anew."
        return Check("storage", "fail", f"{runtime.paths.library} is damaged: {result}", hint)
    await library.state.set("doctor", True)
    count = await library.characters.count()
    free = shutil.disk_usage(where).free
    detail = f"{where}: {count} characters, {free / 1e9:.1f} GB free"
    if free < ROOM_BYTES:
        return Check("storage", "warn", detail, "Free some space on that disk.")
    return Check("storage", "ok", detail)


async def _keyring(runtime: Runtime) -> Check:
    def place_of_keys() -> str:
        runtime.credentials.get("doctor")  # so that a file that is damaged is found and told
        return runtime.credentials.place

    place = await asyncio.to_thread(place_of_keys)
    damaged = [problem for problem in runtime.problems if problem.code == "CREDENTIALS_DAMAGED"]
    if damaged:
        return Check("keyring", "warn", *output.sentence(damaged[0]))
    if place == "keyring":
        return Check("keyring", "ok", "keys go to the system's keyring")
    detail = f"keys go to {place}, which only you can read"
    if os.environ.get("LUNALUX_HOME"):
        return Check("keyring", "ok", detail)
    return Check("keyring", "warn", detail, "Unlock or install a keyring service to keep them safer.")


async def _scripts(runtime: Runtime) -> Check:
    works = await asyncio.to_thread(runtime.engine.test, r"^\p{L}+$", "u", "Luna")
    if works:
        return Check("scripts", "ok", "regular expressions of cards run, under a time limit")
    return Check("scripts", "fail", "the helper for regular expressions gives wrong answers", "Reinstall.")


async def _plugins(runtime: Runtime) -> Check:
    await asyncio.to_thread(runtime.plugins.start)
    plugins = runtime.plugins.available()
    enabled = [plugin for plugin in plugins if plugin.enabled]
    problems = [f"{plugin.name}: {plugin.problem}" for plugin in enabled if plugin.problem]
    if problems:
        return Check(
            "plug-ins", "warn", "; ".join(problems), "Enable them again, or `lunalux plugin disable`."
        )
    return Check("plug-ins", "ok", f"{len(enabled)} of {len(plugins)} enabled")


async def _crashes(runtime: Runtime) -> Check:
    from lunalux_core.diagnostics.crash import reports

    files = reports(runtime.paths)
    if not files:
        return Check("crashes", "ok", "no reports")
    hint = "Look it over and send it along when you report the failure; delete it when it is settled."
    return Check("crashes", "warn", f"{len(files)} reports, the newest is {files[0]}", hint)


async def _model(runtime: Runtime) -> Check:
    name = runtime.settings.model
    spec = runtime.models.resolve(name)
    if spec.provider == "practice":
        hint = "Add a real one: `lunalux model add`, then `lunalux model use`."
        return Check("model", "ok", "the practice model is in use, which is not an AI", hint)
    if spec.provider == "official":
        from lunalux_core.account import official_config

        config = official_config(await runtime.account.ensure(), spec.model)
        return Check("model", "ok", f"official model {config['displayname']}")
    there = await runtime.models.models_of(spec)
    if spec.model and spec.model not in there:
        hint = f"It has: {', '.join(there[:8])}." if there else "The server lists no model."
        return Check("model", "warn", f"{name}: the server does not list {spec.model}", hint)
    return Check("model", "ok", f"{name} answers and has {spec.model}")


async def _backend(runtime: Runtime) -> Check:
    await runtime.client.health()
    return Check("backend", "ok", f"{runtime.settings.api_url or runtime.settings.storage} answers")


async def _account(runtime: Runtime) -> Check:
    state = await runtime.account.ensure()
    who = "the local account" if state.local else state.email
    if not state.username:
        return Check("account", "ok", f"signed in as {who}, without a username")
    return Check("account", "ok", f"signed in as {state.username} ({who})")
