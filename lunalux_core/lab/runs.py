"""Runs an experiment: each reply is kept as soon as it is had, so a run that ends anywhere can go on.

Nothing is written into any conversation. A reply whose making went wrong is told and not kept; the others go
on. The checks are applied to what is kept, too, so that a changed check costs nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from lunalux_core.dialogue.turn import (
    Billed,
    PicturesNamed,
    PluginFailed,
    ScriptSkipped,
    ServerModelChanged,
    Shortened,
    TemplateFailed,
    TextsCut,
    TurnCompleted,
)
from lunalux_core.errors import LunaluxError, PaymentError, SessionError, StorageError
from lunalux_core.lab.checks import Outcome, judged, try_patterns
from lunalux_core.lab.experiment import Experiment, Trial
from lunalux_core.lab.inputs import Inputs
from lunalux_core.lab.keys import base_of, key_of
from lunalux_core.library.lab import Cell, LabRow, LabRun
from lunalux_core.library.turn_records import pack

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn import TurnEvent, TurnInput
    from lunalux_core.runtime import Runtime

MOST_JOBS = 16
_TOLD = (
    *(PluginFailed, ScriptSkipped, TemplateFailed, Shortened),
    *(ServerModelChanged, TextsCut, PicturesNamed),
)
"""What makes a reply another one than the variant asked for."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A trial with its key and the model that is asked."""

    trial: Trial
    key: str
    model: str


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a trial: a reply, as it is kept, and its checks; or the error that kept it from being had.

    `kept`: an earlier run had it already. `told` are the events of its making that a person should know of.
    """

    trial: Trial
    reply: Mapping[str, Any] | None
    outcomes: Sequence[Outcome] = ()
    kept: bool = False
    error: LunaluxError | None = None
    told: Sequence[TurnEvent] = ()

    @property
    def passed(self) -> bool:
        return all(outcome.passed for outcome in self.outcomes)


class Laboratory:
    """One experiment over one library. `plan` first, then `run`."""

    def __init__(self, runtime: Runtime, experiment: Experiment) -> None:
        self._runtime = runtime
        self._experiment = experiment
        self._inputs = Inputs(runtime, experiment)
        # Models that cannot be paid: each further reply of theirs would be refused alike.
        self._refused: dict[str, LunaluxError] = {}

    async def plan(self) -> Sequence[Planned]:
        """All that is to be had, in the file's order. Nothing is asked and nothing stored.

        Raises:
            InvalidInput: LAB_FILE_INVALID, for what the file names and cannot be used. LunaluxError: as any
                turn that cannot begin.
        """
        await asyncio.to_thread(try_patterns, self._experiment, self._runtime.engine)
        bases: dict[tuple[str, str], tuple[str, str]] = {}
        for trial in self._experiment.trials():
            if trial.repeat == 1:
                turn = await self._inputs.of(trial)
                base = await asyncio.to_thread(base_of, turn)
                bases[trial.turn.name, trial.variant.name] = base, turn.model.name
        for variant in self._experiment.variants:
            self._inputs.check_books(variant)
        planned = []
        for trial in self._experiment.trials():
            base, model = bases[trial.turn.name, trial.variant.name]
            planned.append(Planned(trial, key_of(trial, base), model))
        return planned

    async def begin(self, planned: Sequence[Planned], *, fresh: bool) -> LabRun:
        """The run that these belong to: the file's last one, unless a `fresh` one is wished."""
        runs, source = self._runtime.library.lab, self._experiment
        before = None if fresh else await runs.of_file(str(source.path))
        cells = [Cell(p.trial.turn.name, p.trial.variant.name, p.trial.repeat, p.key) for p in planned]
        return await runs.begin(source.name, str(source.path), cells, before.id if before else "")

    async def missing(self, run: LabRun, planned: Sequence[Planned]) -> Sequence[Planned]:
        """Those that have to be asked for."""
        return [one for one in planned if await self._had(run, one) is None]

    async def run(
        self, run: LabRun, planned: Sequence[Planned], jobs: int, told: Callable[[Result], None]
    ) -> Sequence[Result]:
        """The results in the order of `planned`; `told` is told of each as it is there.

        Args:
            jobs: so many replies are asked for at once.

        Raises:
            StorageError: a reply cannot be kept; those before it are.
        """
        results: dict[int, Result] = {}
        waiting = iter(list(enumerate(planned)))

        async def work() -> None:
            for number, one in waiting:
                results[number] = await self._result(run, one)
                told(results[number])

        workers = [asyncio.ensure_future(work()) for _ in range(max(1, min(jobs, MOST_JOBS)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        return [results[number] for number in sorted(results)]

    async def _had(self, run: LabRun, one: Planned) -> LabRow | None:
        """What is kept of a reply; one that its server cut off is asked for again."""
        row = await self._runtime.library.lab.result(run.id, one.key)
        if row is None or not row.reply or row.reply.get("finish") == "cut":
            return None
        return row

    async def _result(self, run: LabRun, one: Planned) -> Result:
        if (had := await self._had(run, one)) is not None:
            outcomes = await self._judged(one.trial, had.reply, had.record)
            checks = [outcome.as_json() for outcome in outcomes]
            if checks != list(had.checks):
                await self._runtime.library.lab.judge(run.id, one.key, checks)
            return Result(one.trial, had.reply, outcomes, kept=True)
        if (refused := self._refused.get(one.model)) is not None:
            return Result(one.trial, None, error=refused)
        try:
            turn = await self._inputs.of(one.trial, f"lab:{run.id}:{one.key[:48]}")
            reply, record, told = await self._ask(turn)
        except StorageError:
            raise
        except LunaluxError as error:
            if isinstance(error, PaymentError | SessionError):
                self._refused[one.model] = error
            return Result(one.trial, None, error=error)
        # A reply that came, and may be paid, is kept also where the run is stopped just then.
        keeping = asyncio.ensure_future(self._keep(run, one, reply, record))
        try:
            outcomes = await asyncio.shield(keeping)
        except asyncio.CancelledError:
            await keeping
            raise
        return Result(one.trial, reply, outcomes, told=told)

    async def _keep(
        self, run: LabRun, one: Planned, reply: Mapping[str, Any], record: Mapping[str, Any]
    ) -> Sequence[Outcome]:
        outcomes = await self._judged(one.trial, reply, record)
        packed = await asyncio.to_thread(pack, record)
        checks = [outcome.as_json() for outcome in outcomes]
        await self._runtime.library.lab.keep(run.id, one.key, reply, packed, checks)
        return outcomes

    async def _judged(
        self, trial: Trial, reply: Mapping[str, Any], record: Mapping[str, Any]
    ) -> Sequence[Outcome]:
        checks = [c for c in self._experiment.checks if c.applies(trial.turn.name, trial.variant.name)]
        if not checks:
            return ()
        return await asyncio.to_thread(judged, checks, reply, record, self._runtime.engine)

    async def _ask(self, turn: TurnInput) -> tuple[Mapping[str, Any], Mapping[str, Any], Sequence[TurnEvent]]:
        """The reply as it is kept, how its prompt came about, and what there was to tell on the way."""
        begun, paid, done = time.monotonic(), None, None
        told: list[TurnEvent] = []
        async with aclosing(self._runtime.chat.unstored.reply(turn)) as events:
            async for event in events:
                if isinstance(event, Billed):
                    paid = event
                elif isinstance(event, TurnCompleted):
                    done = event
                elif isinstance(event, _TOLD):
                    told.append(event)
        # The workflow ends with a result or an error, never with nothing.
        assert done is not None and done.message is not None
        seconds = round(time.monotonic() - begun, 3)
        return _reply(turn, done, paid, seconds), done.report, told


def _reply(turn: TurnInput, done: TurnCompleted, paid: Billed | None, seconds: float) -> dict[str, Any]:
    message = done.message
    assert message is not None
    billing = None
    if paid is not None:
        billing = {"method": paid.method, "cost": paid.cost, "modelId": paid.model_id}
    return {
        "content": message.content,
        "thinking": message.thinking,
        "next_prompts": list(done.suggestions),
        "event": message.event,
        "finish": message.finish,
        "model": turn.model.name,
        "usage": _usage(message.usage or {}),
        "cost": message.extra.get("cost"),
        "billing": billing,
        "speed": message.extra.get("speed"),
        "seconds": seconds,
        # Nobody is paid for it, whatever is known of prices.
        "free": turn.model.provider == "practice",
        "prompt": prompt_summary(done.report),
    }


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    names = ("prompt_tokens", "cached_tokens", "completion_tokens", "thinking_tokens")
    counts: dict[str, Any] = {name: usage.get(name, 0) for name in names}
    return {**counts, "estimated": bool(usage.get("estimated"))}


def prompt_summary(record: Mapping[str, Any]) -> dict[str, Any]:
    """What tells a prompt from another one: how long it is, what made it, and the hash of its words."""
    messages = record.get("messages", [])
    words = sha256()
    for message in messages:
        for part in (message["role"], message["name"] or "", message["content"]):
            words.update(part.encode("utf-8", "replace") + b"\0")
    return {
        "tokens": sum(message["tokens"] for message in messages),
        "messages": len(messages),
        "sha256": words.hexdigest(),
        "preset": record.get("preset") or None,
        "profiles": list(record.get("profiles", [])),
        "template": record.get("template") or None,
    }
