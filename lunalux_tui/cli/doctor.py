"""`lunalux doctor`: one line for each thing the program needs, and what to do where it is missing."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import typer

from lunalux_core.errors import LunaluxError, SessionError
from lunalux_tui.cli import output
from lunalux_tui.cli.run import with_runtime
from lunalux_tui.i18n import has, t

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime

doctor_app = typer.Typer(add_completion=False)
commands = {"doctor": doctor_app}

# For each check by itself.
SECONDS = 10
# Columns and rows below which parts of the app are left out.
SMALLEST = (80, 24)
CheckStatus = Literal["ok", "warn", "fail"]
# Free space below which the disk counts as nearly full.
ROOM_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DoctorCheck:
    """What was looked at. `hint` says what to do where `status` is not ok."""

    name: str
    status: CheckStatus
    detail: str
    hint: str = ""


def _status(status: CheckStatus) -> str:
    """The same words in every language where a program may look for them."""
    return t(f"cli.doctor.status.{status}") if sys.stdout.isatty() else status


def _check(name: str, status: CheckStatus, key: str, /, **params: object) -> DoctorCheck:
    """A check whose words, and hint where there is one, stand in the catalogue under `cli.doctor.<key>`."""
    hint = f"cli.doctor.{key}.hint"
    return DoctorCheck(
        name, status, t(f"cli.doctor.{key}.told", **params), t(hint, **params) if has(hint) else ""
    )


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
            status, name = _status(check.status), t(f"cli.doctor.name.{check.name}")
            output.print_text(t("cli.doctor_line", status=f"{status:<5}", name=name, detail=check.detail))
            if check.hint:
                output.print_text(f"      {check.hint}")
    if failed:
        raise typer.Exit(output.FAILED)


async def _all(runtime: Runtime) -> list[DoctorCheck]:
    looks: tuple[tuple[str, Callable[[Runtime], Awaitable[DoctorCheck]]], ...] = (
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


async def _guarded(
    name: str, look: Callable[[Runtime], Awaitable[DoctorCheck]], runtime: Runtime
) -> DoctorCheck:
    try:
        # A server that takes the connection and says nothing must not hold up the other checks.
        async with asyncio.timeout(SECONDS):
            return await look(runtime)
    except TimeoutError:
        return _check(name, "fail", "no_answer", n=SECONDS)
    except LunaluxError as error:
        # To be signed out is a choice: characters, chats and models of one's own need no account.
        status: CheckStatus = "warn" if isinstance(error, SessionError) else "fail"
        return DoctorCheck(name, status, *output.sentence(error))
    except Exception as error:  # one thing that cannot be looked at never hides the others
        from lunalux_core.diagnostics.crash import crashed

        return DoctorCheck(name, "fail", *output.sentence(crashed(error, runtime.paths)))


async def _python(_runtime: Runtime) -> DoctorCheck:
    from lunalux_core import __version__

    version = ".".join(str(part) for part in sys.version_info[:3])
    return _check("python", "ok", "python", version=__version__, python=version, platform=sys.platform)


async def _terminal(_runtime: Runtime) -> DoctorCheck:
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    kind = os.environ.get("TERM", "") or ("windows" if os.name == "nt" else "")
    if not sys.stdout.isatty():
        return _check("terminal", "warn", "not_a_terminal")
    columns, rows = shutil.get_terminal_size()
    many = os.environ.get("COLORTERM") in {"truecolor", "24bit"}
    detail = t(
        "cli.doctor.terminal.told",
        kind=kind,
        columns=columns,
        rows=rows,
        colours=t(f"cli.doctor.colours_{'all' if many else 'few'}.told"),
        pictures=_graphics(),
    )
    if kind in {"", "dumb"}:
        return _check("terminal", "fail", "term_unset", detail=detail)
    if encoding != "utf8":
        return _check("terminal", "warn", "not_utf8", detail=detail, encoding=encoding)
    if columns < SMALLEST[0] or rows < SMALLEST[1]:
        return _check("terminal", "warn", "small", detail=detail)
    return DoctorCheck("terminal", "ok", detail)


def _graphics() -> str:
    """How pictures are drawn, as far as the environment tells."""
    from lunalux_tui.parts.picture_support import graphics

    if graphics(os.environ) == "kitty":
        return t("cli.doctor.kitty.told")
    return t("cli.doctor.blocks.told")


async def _configuration(runtime: Runtime) -> DoctorCheck:
    path = runtime.paths.config_file
    problems = [output.sentence(problem) for problem in runtime.settings.problems]
    if not problems:
        if not path.exists():
            return _check("configuration", "ok", "no_configuration", path=path)
        return DoctorCheck("configuration", "ok", str(path))
    return DoctorCheck(
        "configuration",
        "warn",
        " ".join(message for message, _ in problems),
        " ".join(dict.fromkeys(hint for _, hint in problems if hint)),
    )


async def _storage(runtime: Runtime) -> DoctorCheck:
    library = runtime.library
    result = await library.database.soundness()
    where = runtime.paths.data
    if result != "ok":
        return _check("storage", "fail", "damaged", path=runtime.paths.library, reason=result)
    # Reading proves little: a full or write-protected disk shows only when something is written.
    await library.state.set("doctor", True)
    count = await library.characters.count()
    free = shutil.disk_usage(where).free
    detail = t("cli.doctor.storage.told", path=where, n=count, free=f"{free / 1e9:.1f}")
    if free < ROOM_BYTES:
        return _check("storage", "warn", "full", detail=detail)
    return DoctorCheck("storage", "ok", detail)


async def _keyring(runtime: Runtime) -> DoctorCheck:
    def place_of_keys() -> str:
        runtime.credentials.get("doctor")  # so that a file that is damaged is found and told
        return runtime.credentials.place

    place = await asyncio.to_thread(place_of_keys)
    damaged = [problem for problem in runtime.problems if problem.code == "CREDENTIALS_DAMAGED"]
    if damaged:
        return DoctorCheck("keyring", "warn", *output.sentence(damaged[0]))
    if place == "keyring":
        return _check("keyring", "ok", "keyring")
    told = _check("keyring", "warn", "key_file", path=place)
    # With a home of one's own the keyring is not used, so a file is what was asked for.
    return replace(told, status="ok", hint="") if os.environ.get("LUNALUX_HOME") else told


async def _scripts(runtime: Runtime) -> DoctorCheck:
    # Classes of Unicode letters are what Python's own expressions do not have.
    works = await asyncio.to_thread(runtime.engine.test, r"^\p{L}+$", "u", "Luna")
    if works:
        return _check("scripts", "ok", "scripts")
    return _check("scripts", "fail", "scripts_wrong")


async def _plugins(runtime: Runtime) -> DoctorCheck:
    # They are imported, because only that shows whether one fails.
    await asyncio.to_thread(runtime.plugins.start)
    plugins = runtime.plugins.available()
    enabled = [plugin for plugin in plugins if plugin.enabled]
    problems = [f"{plugin.name}: {plugin.problem}" for plugin in enabled if plugin.problem]
    if problems:
        return _check("plug-ins", "warn", "plugins_wrong", detail="; ".join(problems))
    return _check("plug-ins", "ok", "plugins", enabled=len(enabled), n=len(plugins))


async def _crashes(runtime: Runtime) -> DoctorCheck:
    from lunalux_core.diagnostics.crash import reports

    files = reports(runtime.paths)
    if not files:
        return _check("crashes", "ok", "no_reports")
    return _check("crashes", "warn", "reports", n=len(files), path=files[0])


async def _model(runtime: Runtime) -> DoctorCheck:
    name = runtime.settings.model
    spec = runtime.models.resolve(name)
    if spec.provider == "practice":
        return _check("model", "ok", "practice")
    if spec.provider == "official":
        from lunalux_core.account import official_config

        config = official_config(await runtime.account.ensure(), spec.model)
        return _check("model", "ok", "official", name=config["displayname"])
    there = await runtime.models.models_of(spec)
    if spec.model and spec.model not in there:
        key = "not_listed" if there else "none_listed"
        return _check("model", "warn", key, name=name, model=spec.model, models=", ".join(there[:8]))
    return _check("model", "ok", "model", name=name, model=spec.model)


async def _backend(runtime: Runtime) -> DoctorCheck:
    await runtime.client.health()
    return _check("backend", "ok", "backend", place=runtime.settings.api_url or runtime.settings.storage)


async def _account(runtime: Runtime) -> DoctorCheck:
    state = await runtime.account.ensure()
    who = t("cli.doctor.local.told") if state.local else state.email
    if not state.username:
        return _check("account", "ok", "no_username", who=who)
    return _check("account", "ok", "account", name=state.username, who=who)
