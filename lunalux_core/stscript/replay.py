"""Replays scenarios of scripts (`lunalux script test --scenarios`): a script, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from itertools import cycle
from typing import Any

from lunalux_core.macros.context import MacroContext
from lunalux_core.stscript.commands.table import core
from lunalux_core.stscript.host import QuietHost
from lunalux_core.stscript.interpreter import Interpreter, Outcome, Setting


def replay(document: object) -> list[dict[str, Any]]:
    """For each scenario, with variables of its own, what its script left behind.

    Args:
        document: an array of scenarios (`script`, `globals`, `locals`, `flags`, `random`), or one of them;
            each may stand under `scenario`.
    """
    scenarios = document if isinstance(document, list) else [document]
    return asyncio.run(_replay(scenarios))


async def _replay(scenarios: list[Any]) -> list[dict[str, Any]]:
    return [await _replay_one(_inner(each)) for each in scenarios if isinstance(each, dict)]


def _inner(scenario: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = scenario.get("scenario")
    return inner if isinstance(inner, dict) else scenario


async def _replay_one(scenario: Mapping[str, Any]) -> dict[str, Any]:
    host = QuietHost()
    setting = Setting(_context(scenario), *map(_members(scenario), ("locals", "globals", "flags")))
    outcome = await Interpreter(host, core(), setting).run(str(scenario.get("script", "")))
    return shown(outcome, host.echoes)


def _members(scenario: Mapping[str, Any]) -> Any:
    def of(name: str) -> Mapping[str, Any]:
        value = scenario.get(name)
        return value if isinstance(value, dict) else {}

    return of


def _context(scenario: Mapping[str, Any]) -> MacroContext:
    context = MacroContext(user=str(scenario.get("user", "User")), char=str(scenario.get("char", "Char")))
    random = scenario.get("random")
    listed = random if isinstance(random, list) else [random]
    numbers = [float(number) for number in listed if isinstance(number, int | float)]
    draws = cycle(numbers or [0.5])
    return replace(context, random=lambda: next(draws))


def shown(outcome: Outcome, echoes: list[str]) -> dict[str, Any]:
    """An outcome as JSON. `abort_shown` is there for a script that was aborted; `error` names the stage."""
    document: dict[str, Any] = {
        "pipe": outcome.pipe,
        "locals": outcome.local,
        "globals": outcome.global_,
        "echo": echoes,
        "aborted": outcome.aborted,
        "error": None if outcome.error is None else ("execution" if outcome.ran else "parser"),
    }
    if outcome.aborted:
        document["abort_shown"] = outcome.abort_shown
    return document
