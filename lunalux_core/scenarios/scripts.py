"""Replays scenarios of scripts (`lunalux script test --scenarios`): a script, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lunalux_core.documents.coerce import as_object
from lunalux_core.macros.context import MacroContext
from lunalux_core.scenarios.case import cases, draws
from lunalux_core.stscript.commands.command_table import core
from lunalux_core.stscript.host import QuietHost
from lunalux_core.stscript.interpreter import Interpreter, ScriptOutcome, Setting


def replay(document: object) -> list[dict[str, Any]]:
    """For each scenario, with variables of its own, what its script left behind.

    Args:
        document: an array of scenarios (`script`, `globals`, `locals`, `flags`, `random`), or one of them;
            each may stand under `scenario`.
    """
    return asyncio.run(_replay(cases(document)))


async def _replay(scenarios: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [await _replay_one(scenario) for scenario in scenarios]


async def _replay_one(scenario: Mapping[str, Any]) -> dict[str, Any]:
    host = QuietHost()
    given = (as_object(scenario.get(name)) for name in ("locals", "globals", "flags"))
    setting = Setting(_context(scenario), *given)
    outcome = await Interpreter(host, core(), setting).run(str(scenario.get("script", "")))
    return shown(outcome, host.echoes)


def _context(scenario: Mapping[str, Any]) -> MacroContext:
    context = MacroContext(user=str(scenario.get("user", "User")), char=str(scenario.get("char", "Char")))
    dice = draws(scenario.get("random"))
    return replace(context, random=lambda: next(dice))


def shown(outcome: ScriptOutcome, echoes: list[str]) -> dict[str, Any]:
    """An outcome as JSON. `abort_shown` is there for a script that was aborted; `error` names the stage."""
    document: dict[str, Any] = {
        "pipe": outcome.pipe,
        "locals": outcome.local,
        "globals": outcome.global_,
        "echo": echoes,
        "aborted": outcome.aborted,
        # A script that cannot be read never begins to run, which tells the two stages apart.
        "error": None if outcome.error is None else ("execution" if outcome.ran else "parser"),
    }
    if outcome.aborted:
        document["abort_shown"] = outcome.abort_shown
    return document
