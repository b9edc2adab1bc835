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
from lunalux_core.lab.experiment import Experiment, Trial
from lunalux_core.lab.reply_checks import CheckOutcome, judged, try_patterns
from lunalux_core.lab.result_keys import base_of, key_of
from lunalux_core.lab.variant_inputs import Inputs
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
class TrialResult:
    """What came of a trial: a reply, as it is kept, and its checks; or the error that kept it from being had.

    `kept`: an earlier run had it already. `told` are the events of its making that a person should know of.
    """

    trial: Trial
    reply: Mapping[str, Any] | None
    outcomes: Sequence[CheckOutcome] = ()
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
        # Before the turns are read, so that a mistake in a pattern is told at once.
        await asyncio.to_thread(try_patterns, self._experiment, self._runtime.engine)
        bases: dict[tuple[str, str], tuple[str, str]] = {}
        for trial in self._experiment.trials():
            # Further repeats have the same input. Only their number differs, which is in their key.
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
        return [item for item in planned if await self._had(run, item) is None]

    async def run(
        self, run: LabRun, planned: Sequence[Planned], jobs: int, told: Callable[[TrialResult], None]
    ) -> Sequence[TrialResult]:
        """The results in the order of `planned`; `told` is told of each as it is there.

        Args:
            jobs: so many replies are asked for at once.

        Raises:
            StorageError: a reply cannot be kept; those before it are.
        """
        results: dict[int, TrialResult] = {}
        # One iterator for all workers: each takes the next reply that nobody has begun.
        waiting = iter(list(enumerate(planned)))

        async def work() -> None:
            for number, item in waiting:
                results[number] = await self._result(run, item)
                told(results[number])

        workers = [asyncio.ensure_future(work()) for _ in range(max(1, min(jobs, MOST_JOBS)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        return [results[number] for number in sorted(results)]

    async def _had(self, run: LabRun, item: Planned) -> LabRow | None:
        """What is kept of a reply; one that its server cut off is asked for again."""
        row = await self._runtime.library.lab.result(run.id, item.key)
        if row is None or not row.reply or row.reply.get("finish") == "cut":
            return None
        return row

    async def _result(self, run: LabRun, item: Planned) -> TrialResult:
        if (kept_row := await self._had(run, item)) is not None:
            outcomes = await self._judged(item.trial, kept_row.reply, kept_row.record)
            checks = [outcome.as_json() for outcome in outcomes]
            if checks != list(kept_row.checks):
                await self._runtime.library.lab.judge(run.id, item.key, checks)
            return TrialResult(item.trial, kept_row.reply, outcomes, kept=True)
        if (refused := self._refused.get(item.model)) is not None:
            return TrialResult(item.trial, None, error=refused)
        try:
            turn = await self._inputs.of(item.trial, f"lab:{run.id}:{item.key[:48]}")
            reply, record, told = await self._ask(turn)
        # Not a result but the end of the run: what is asked for from now on would be paid and lost.
        except StorageError:
            raise
        except LunaluxError as error:
            if isinstance(error, PaymentError | SessionError):
                self._refused[item.model] = error
            return TrialResult(item.trial, None, error=error)
        # A reply that came, and may be paid, is kept also where the run is stopped just then.
        keeping = asyncio.ensure_future(self._keep(run, item, reply, record))
        try:
            outcomes = await asyncio.shield(keeping)
        except asyncio.CancelledError:
            await keeping
            raise
        return TrialResult(item.trial, reply, outcomes, told=told)

    async def _keep(
        self, run: LabRun, item: Planned, reply: Mapping[str, Any], record: Mapping[str, Any]
    ) -> Sequence[CheckOutcome]:
        outcomes = await self._judged(item.trial, reply, record)
        packed = await asyncio.to_thread(pack, record)
        checks = [outcome.as_json() for outcome in outcomes]
        await self._runtime.library.lab.keep(run.id, item.key, reply, packed, checks)
        return outcomes

    async def _judged(
        self, trial: Trial, reply: Mapping[str, Any], record: Mapping[str, Any]
    ) -> Sequence[CheckOutcome]:
        checks = [c for c in self._experiment.checks if c.applies(trial.turn.name, trial.variant.name)]
        if not checks:
            return ()
        return await asyncio.to_thread(judged, checks, reply, record, self._runtime.engine)

    async def _ask(self, turn: TurnInput) -> tuple[Mapping[str, Any], Mapping[str, Any], Sequence[TurnEvent]]:
        """The reply as it is kept, how its prompt came about, and what there was to tell on the way."""
        begun, paid, completed = time.monotonic(), None, None
        told: list[TurnEvent] = []
        async with aclosing(self._runtime.chat.unstored.reply(turn)) as events:
            async for event in events:
                if isinstance(event, Billed):
                    paid = event
                elif isinstance(event, TurnCompleted):
                    completed = event
                elif isinstance(event, _TOLD):
                    told.append(event)
        # The workflow ends with a result or an error, never with nothing.
        assert completed is not None and completed.message is not None
        seconds = round(time.monotonic() - begun, 3)
        return _reply(turn, completed, paid, seconds), completed.report, told


def _reply(turn: TurnInput, completed: TurnCompleted, paid: Billed | None, seconds: float) -> dict[str, Any]:
    message = completed.message
    assert message is not None
    billing = None
    if paid is not None:
        billing = {"method": paid.method, "cost": paid.cost, "modelId": paid.model_id}
    return {
        "content": message.content,
        "thinking": message.thinking,
        "next_prompts": list(completed.suggestions),
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
        "prompt": prompt_summary(completed.report),
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
