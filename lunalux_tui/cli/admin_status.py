"""`lunalux admin adopt` and `lunalux admin status`: a whole service at a glance, moved over or looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from lunalux_tui.cli import output
from lunalux_tui.cli.admin_services import DRY_RUN, JSON, in_services
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.backend.operators.adoption import AdoptionChange
    from lunalux_core.backend.running.services import Services

MOST_CHANGES = 10_000


@in_services
async def adopt(
    services: Services,
    dry_run: bool = DRY_RUN,
    restart: bool = typer.Option(
        False, "--restart", help="Begin with the first row, wherever an earlier run was stopped."
    ),
    as_json: bool = JSON,
) -> None:
    """Move the tables of an older service over: every row is looked at, and mended where it must be.

    Example: lunalux admin adopt --storage aws --dry-run

    Safe beside running servers; stopped, it goes on where it was; done again, it changes nothing. One line a
    change: `mend`, `write`, `move`, `drop`, `mark` (to be ranked), `rank`, and `look` for what a person must
    decide. The exit code is 7 when there is anything to look at.
    """
    from lunalux_core.backend.operators.adoption import LOOK
    from lunalux_core.backend.operators.rules import adoption

    changes: list[AdoptionChange] = []
    looks: list[AdoptionChange] = []

    def told(change: AdoptionChange) -> None:
        kept = looks if change.action == LOOK else changes
        # A large service may have millions of changes: each is printed at once, the lists for JSON are
        # bounded.
        if len(kept) < MOST_CHANGES:
            kept.append(change)
        if not as_json:
            output.print_row(
                [output.word("action", change.action), change.table, change.row, output.remark(change.detail)]
            )

    adopted = await adoption(services).run(dry_run=dry_run, told=told, restart=restart)
    count = adopted.actions.total() - adopted.actions[LOOK]
    if as_json:
        output.print_json(
            {
                "dry_run": dry_run,
                "resumed": adopted.resumed,
                "tables": [{"id": name, "name": name, "rows": n} for name, n in adopted.rows.items()],
                "actions": dict(sorted(adopted.actions.items())),
                "changes": list(map(_row, changes)),
                "look": list(map(_row, looks)),
            }
        )
    else:
        key = "adopted_dry" if dry_run else "adopted"
        output.say(key, rows=sum(adopted.rows.values()), n=count, look=adopted.actions[LOOK])
    if adopted.actions[LOOK]:
        raise typer.Exit(output.PARTLY)


@in_services
async def status(services: Services, as_json: bool = JSON) -> None:
    """How a service stands: tables, rankings and sweep with their age, open reservations, versions.

    Example: lunalux admin status --storage aws --json

    It goes by what the instances leave in the storage; open reservations are found by their index. The exit
    code is 7 when a table cannot be reached.
    """
    from lunalux_core.backend.operators.report import status as stand

    report = await stand(services)
    if as_json:
        output.print_json(report)
    else:
        output.print_table(["what", "value"], _lines(report))
    if not report["ok"]:
        raise typer.Exit(output.PARTLY)


def _row(change: AdoptionChange) -> dict[str, str]:
    return {"action": change.action, "table": change.table, "row": change.row, "detail": change.detail}


def _lines(report: dict[str, Any]) -> list[list[str]]:
    """The report as lines for people."""
    lines = [[name, str(value or "-")] for name, value in report["versions"].items()]
    for table in report["tables"]:
        rows = "-" if table["rows"] is None else str(table["rows"])
        lines.append([table["name"], table["trouble"] or rows])
    for ranking in report["rankings"]:
        named = _say("ranking", lang=ranking["lang"], sort=ranking["sort"])
        lines.append([named, _say("run_age", age=_age(ranking), waiting=_waiting(ranking))])
    if report["sweep"] is not None:
        lines.append([_say("sweep"), _age(report["sweep"])])
    if report["reservations"] is not None:
        lines.append([_say("open_reservations"), _held(report["reservations"])])
    if report["adoption"] is not None:
        lines.append([_say("adoption"), _say("adoption_stopped", table=report["adoption"]["table"])])
    return lines


def _waiting(ranking: dict[str, Any]) -> str:
    oldest = ranking["oldest_mark_age_s"]
    if oldest is None:
        return _say("waiting", n=ranking["dirty"])
    return _say("waiting_since", n=ranking["dirty"], seconds=oldest)


def _held(reservations: dict[str, Any]) -> str:
    if not reservations["open"]:
        return "0"
    return _say("held", n=reservations["open"], seconds=reservations["oldest_age_s"])


def _age(work: dict[str, Any]) -> str:
    return _say("never") if work["age_s"] is None else _say("ago", seconds=work["age_s"])


def _say(key: str, **params: object) -> str:
    return t(f"cli.operator.{key}", **params)
