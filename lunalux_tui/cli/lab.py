"""`lunalux lab`: the same turns with other models, presets, seeds and books, and tests of the replies."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lunalux_core.errors import InvalidInput, LunaluxError, PaymentError
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import YES
from lunalux_tui.cli.run import ask, delete_named, in_runtime, with_runtime
from lunalux_tui.cli.shelf_commands import JSON
from lunalux_tui.i18n import note, price_words, t

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn import TurnEvent
    from lunalux_core.lab.experiment import Experiment
    from lunalux_core.lab.runs import Laboratory, Planned, TrialResult
    from lunalux_core.library.lab import LabRun

lab_app = typer.Typer(
    help="Run the same turns with other models, presets, seeds and books; compare and test.",
    no_args_is_help=True,
    add_completion=False,
)
commands = {"lab": lab_app}

MOST_JOBS = 16


@lab_app.command()
def run(
    file: Path = typer.Argument(metavar="FILE", help="A TOML file of turns, variants and checks."),
    resume: bool = typer.Option(
        True, "--resume/--fresh", help="Keep the replies that an earlier run had, or ask for all anew."
    ),
    only: list[str] = typer.Option(
        [], metavar="TURN/VARIANT", help="Only these; TURN alone, or /VARIANT; may be given several times."
    ),
    jobs: int = typer.Option(1, metavar="N", min=1, max=MOST_JOBS, help="Ask for so many replies at once."),
    accept_price: bool = typer.Option(
        False, "--accept-price", help="Pay the price of today, also where it is dearer than the one you know."
    ),
    as_json: bool = JSON,
) -> None:
    """Run every turn in every variant, and hold the replies to the checks.

    Each reply is kept as soon as it is had; the next run goes on from there and asks only for what has
    changed: the turn, the variant, or the card, preset, book and history behind it. Conversations are only
    read. It ends with 1 where a check fails, with 7 where a reply could not be had.

    Example: lunalux lab run tests/voice.toml --json
    """
    from lunalux_core.lab.experiment_file import read_experiment

    experiment = read_experiment(file)
    chosen = _chosen(experiment, only)

    async def work(runtime: Runtime, accept: bool) -> list[LunaluxError]:
        from lunalux_core.lab.runs import Laboratory

        laboratory = Laboratory(runtime, experiment)
        planned = await laboratory.plan()
        wanted = [item for item in planned if item.trial.is_meant(chosen)]
        if rises := await _dearer(runtime, wanted, accept):
            return rises
        lab_run = await laboratory.begin(planned, fresh=not resume)
        await _tell_of_price(runtime, await laboratory.missing(lab_run, wanted))
        await _Bench(lab_run, wanted, jobs, as_json).work(laboratory)
        return []

    # The question is asked between two runs of the event loop, where ctrl+c ends it at once.
    rises = with_runtime(lambda runtime: work(runtime, accept_price))
    if rises:
        told = " ".join(output.sentence(error)[0] for error in rises)
        ask(f"{told} {t('cli.price_question')}", unasked=rises[0], left="nothing_sent")
        with_runtime(lambda runtime: work(runtime, True))


@lab_app.command()
@in_runtime
async def show(
    runtime: Runtime,
    run: str = typer.Argument("", metavar="RUN|FILE", help="Name, id or file of a run; else all runs."),
    turn: str = typer.Option("", metavar="NAME", help="Only this turn."),
    as_json: bool = JSON,
) -> None:
    """List the runs, or compare what came of one: every variant with the first one.

    Words that only one of both has are marked; beside them stands what each took, and what the variant
    changed in the prompt.

    Examples: lunalux lab show; lunalux lab show tests/voice.toml --turn greeting
    """
    from lunalux_tui.cli.lab_comparison import comparison, print_comparison

    if not run:
        if turn:
            raise InvalidInput("USAGE", "--turn needs a run.", "Name a run or its file.", kind="lab_turn")
        _list(await runtime.library.lab.list(), as_json=as_json)
        return
    found_run = await _named(runtime, run)
    compared = await comparison(runtime, found_run, turn)
    if as_json:
        output.print_json({"run": _row(found_run), "turns": compared})
    else:
        print_comparison(compared)


@lab_app.command()
def delete(
    run: str = typer.Argument(metavar="RUN|FILE", help="Name, id or file of a run."),
    yes: bool = YES,
    as_json: bool = JSON,
) -> None:
    """Delete a run with all its replies and prompts. Of several runs of a file the newest is meant.

    Example: lunalux lab delete tests/voice.toml --yes
    """
    delete_named(
        lambda runtime: _named(runtime, run),
        lambda lab_run: t("cli.delete", name=lab_run.name),
        lambda runtime, lab_run: runtime.library.lab.delete(lab_run.id),
        yes=yes,
        as_json=as_json,
    )


async def _named(runtime: Runtime, name: str) -> LabRun:
    """The run that a name, an id or a file means. Raises NotFound (LAB_RUN_NOT_FOUND)."""
    by_file = await runtime.library.lab.of_file(str(Path(name).resolve()))
    return by_file or await runtime.library.lab.find(name)


def _list(runs: Sequence[LabRun], *, as_json: bool) -> None:
    rows = [_row(run) for run in runs]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        ["id", "name", "replies", "last used", "path"],
        [
            [row["id"], row["name"], f"{row['done']}/{row['results']}", row["updated_at"], row["path"]]
            for row in rows
        ],
    )


def _row(run: LabRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "name": run.name,
        "path": run.path,
        "turns": list(dict.fromkeys(cell.turn for cell in run.cells)),
        "variants": list(dict.fromkeys(cell.variant for cell in run.cells)),
        "results": len(run.cells),
        "done": run.done,
        "created_at": output.moment(run.created_at),
        "updated_at": output.moment(run.updated_at),
    }


def _chosen(experiment: Experiment, only: Sequence[str]) -> list[tuple[str, str]]:
    """The (turn, variant) that are meant, "" for any. Raises InvalidInput (USAGE)."""
    from lunalux_core.library.name_lookup import full_name

    chosen = []
    turns = [turn.name for turn in experiment.turns]
    variants = [variant.name for variant in experiment.variants]
    for each in only:
        turn, _, variant = (part.strip() for part in each.partition("/"))
        names = []
        for name, declared in ((turn, turns), (variant, variants)):
            whole = full_name(name, declared) if name else ""
            if whole is None or not (turn or variant):
                raise output.not_known("--only", each, declared)
            names.append(whole)
        chosen.append((names[0], names[1]))
    return chosen


async def _dearer(runtime: Runtime, wanted: Sequence[Planned], accept: bool) -> list[LunaluxError]:
    """The prices of official models that are dearer than the person knows of, and not accepted."""
    from lunalux_tui.cli.chat import dearer

    models = dict.fromkeys(item.model for item in wanted if item.model.startswith("official:"))
    if models:
        with suppress(LunaluxError):  # the turns themselves tell it
            await runtime.account.ensure()
            # Nobody looks on: what the service asks today is known before the first reply.
            await runtime.account.prices.refresh()
    rises: list[PaymentError | None] = [await dearer(runtime, model, accept) for model in models]
    return [rise for rise in rises if rise is not None]


async def _tell_of_price(runtime: Runtime, missing: Sequence[Planned]) -> None:
    """Say what official replies will cost before the first of them is asked for; on stderr."""
    for model, n in Counter(item.model for item in missing if item.model.startswith("official:")).items():
        price = runtime.account.prices.of(model.partition(":")[2])
        if price is not None and not price.free:
            output.say("lab_price", n=n, model=model, price=price_words(price))


@dataclass
class _Bench:
    """A run on the command line: what is told on the way, and at its end."""

    run: LabRun
    planned: Sequence[Planned]
    jobs: int
    as_json: bool
    done: int = 0
    said: set[str] = field(default_factory=set)

    async def work(self, laboratory: Laboratory) -> None:
        """Raises typer.Exit: 1 where a check failed, 7 where a reply could not be had."""
        begun = time.monotonic()
        try:
            results = await laboratory.run(self.run, self.planned, self.jobs, self._tell)
        except asyncio.CancelledError:
            output.passing()
            output.say("lab_interrupted", done=self.done, n=len(self.planned))
            raise
        output.passing()
        had = [result for result in results if result.error is None]
        failed = sum(not result.passed for result in had)
        errors = len(results) - len(had)
        summary = {
            "results": len(results),
            "passed": len(had) - failed,
            "failed": failed,
            "errors": errors,
            "kept": sum(result.kept for result in had),
            "seconds": round(time.monotonic() - begun, 3),
        }
        if self.as_json:
            run = {"id": self.run.id, "name": self.run.name, "path": self.run.path}
            output.print_json({"run": run, "results": list(map(result_row, results)), "summary": summary})
        else:
            _print(results)
            output.say("lab_summary", **summary, n=summary["results"])
        if failed or errors:
            raise typer.Exit(output.FAILED if failed else output.PARTLY)

    def _tell(self, result: TrialResult) -> None:
        self.done += 1
        # Many replies have the same thing to tell: it is told once.
        if new := [event for event in result.told if repr(event) not in self.said]:
            self.said.update(map(repr, new))
            self._tell_of(result, new)
        if result.error is not None:
            output.passing()
            text = output.one_line(*output.sentence(result.error))
            output.say("lab_error", label=result.trial.label, text=text)
        output.passing("lab_progress", done=self.done, n=len(self.planned), label=result.trial.label)

    def _tell_of(self, result: TrialResult, events: Sequence[TurnEvent]) -> None:
        from lunalux_tui.cli.chat import Notices

        # The line of progress goes first, or these words would stand after it.
        output.passing()
        output.note(f"{result.trial.label}:")
        notices = Notices()
        for event in events:
            notices.take(event)
        notices.end()


_NOTHING: dict[str, Any] = {
    "content": None,
    "thinking": None,
    "next_prompts": [],
    "event": None,
    "finish": None,
    "model": None,
    "usage": None,
    "cost": None,
    "billing": None,
    "speed": None,
    "seconds": None,
    "prompt": None,
}


def result_row(result: TrialResult) -> dict[str, Any]:
    """A result for JSON; where the reply could not be had, with its `error` alone."""
    error = None
    if result.error is not None:
        error = {"code": result.error.code, "message": output.sentence(result.error)[0]}
    return {
        "turn": result.trial.turn.name,
        "variant": result.trial.variant.name,
        "repeat": result.trial.repeat,
        "kept": result.kept,
        **_NOTHING,
        **{name: value for name, value in (result.reply or {}).items() if name in _NOTHING},
        "checks": [check_row(outcome.as_json()) for outcome in result.outcomes],
        "error": error,
    }


def check_row(outcome: dict[str, Any]) -> dict[str, Any]:
    """The outcome of a check, its reason in the person's language."""
    reason = outcome.get("reason")
    return {**outcome, "reason": note(reason) if isinstance(reason, str) else None}


def _print(results: Sequence[TrialResult]) -> None:
    rows = []
    for result in results:
        reply = result.reply or {}
        usage = reply.get("usage") or {}
        passed = sum(outcome.passed for outcome in result.outcomes)
        rows.append(
            [
                result.trial.turn.name,
                result.trial.variant.name,
                result.trial.repeat,
                usage.get("completion_tokens", "-"),
                (reply.get("prompt") or {}).get("tokens", "-"),
                price_of(reply),
                reply.get("seconds", "-"),
                f"{passed}/{len(result.outcomes)}" if result.error is None else output.label("failed"),
            ]
        )
    output.print_table(["turn", "variant", "repeat", "tokens", "prompt", "cost", "seconds", "checks"], rows)
    for result in results:
        for outcome in result.outcomes:
            if not outcome.passed:
                name = outcome.check.name or outcome.check.kind
                output.print_text(f"{result.trial.label}: {name}: {note(outcome.reason)}")


def price_of(reply: Any) -> str:
    """What a reply cost, for people; "-" where nobody knows."""
    billing, cost = reply.get("billing"), reply.get("cost")
    if billing and billing.get("method") in ("star", "luna"):
        return t(f"status.cost.{billing['method']}", cost=billing["cost"])
    return f"{cost['amount']:.6g} {cost['currency']}" if cost else "-"
