"""Runs of the laboratory and what came of them: replies that belong to no conversation."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lunalux_core.database import Connection, Database, Row
from lunalux_core.ids import now_ms, short_id
from lunalux_core.library.cells import json_cell, moment_in, object_in, plain_text, value_in
from lunalux_core.library.name_lookup import find_named, missing

KEPT_RUNS = 10
"""Runs that are kept of one file."""
KEPT_SPARE = 500
"""Results of a run that are kept though its file does not ask for them any more: it may do so again."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One reply that a run is to have: its turn, variant and repeat, and its key (see `result_keys`)."""

    turn: str
    variant: str
    repeat: int
    key: str


@dataclass(frozen=True, slots=True)
class LabRun:
    """A run of a file. `cells` are in the file's order, `done` says how many of them are had. Times are
    milliseconds since 1970."""

    id: str
    name: str
    path: str
    cells: tuple[Cell, ...]
    created_at: int
    updated_at: int
    done: int = 0


@dataclass(frozen=True, slots=True)
class LabRow:
    """What came of one cell. `reply` and `record` (`dialogue.turn_record`) are plain JSON, `checks` too."""

    key: str
    reply: Mapping[str, Any]
    record: Mapping[str, Any]
    checks: Sequence[Mapping[str, Any]]
    created_at: int


class LabRuns:
    """The shelf of runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> Sequence[LabRun]:
        """Newest use first."""
        return await self._database.read(_load_runs)

    async def find(self, name: str) -> LabRun:
        """By id, or by the name of its file's experiment: of several runs of a name the newest.

        Raises:
            NotFound: LAB_RUN_NOT_FOUND, with the nearest names.
        """
        runs = await self.list()
        run = find_named(runs, name, alike=True)
        if run is None:
            raise missing(
                "LAB_RUN_NOT_FOUND",
                f"There is no run {name!r}.",
                "`lunalux lab show` lists them all.",
                name,
                [run.name for run in runs],
            )
        return run

    async def of_file(self, path: str) -> LabRun | None:
        """The newest run of a file; None where it was never run."""
        return next((run for run in await self.list() if run.path == path), None)

    async def begin(self, name: str, path: str, cells: Sequence[Cell], run_id: str = "") -> LabRun:
        """Note what a run is to have: a new one, or one that goes on (`run_id`)."""

        def change(connection: Connection) -> LabRun:
            # Later than all others even if the clock was set back: the run that is used last is the newest.
            now = max(now_ms(), _newest(connection) + 1)
            plan = json_cell([[cell.turn, cell.variant, cell.repeat, cell.key] for cell in cells])
            identity = run_id or short_id()
            connection.execute(
                "INSERT INTO lab_runs (id, name, path, cells, created_at, updated_at) VALUES (?,?,?,?,?,?) "
                "ON CONFLICT (id) DO UPDATE SET name = excluded.name, cells = excluded.cells, "
                "updated_at = excluded.updated_at",
                (identity, name, path, plan, now, now),
            )
            # SQLite knows no OFFSET without a LIMIT; -1 is none.
            connection.execute(
                "DELETE FROM lab_runs WHERE id IN "
                "(SELECT id FROM lab_runs WHERE path = ? ORDER BY updated_at DESC LIMIT -1 OFFSET ?)",
                (path, KEPT_RUNS),
            )
            _drop_spare(connection, identity, {cell.key for cell in cells})
            return next(run for run in _load_runs(connection) if run.id == identity)

        return await self._database.write(change)

    async def keep(
        self,
        run_id: str,
        key: str,
        reply: Mapping[str, Any],
        packed: bytes,
        checks: Sequence[Mapping[str, Any]],
    ) -> None:
        """Store a result as soon as it is had, in the place of one of the same key. `packed` is its record
        (`turn_records.pack`). Nothing happens where the run is gone."""

        def change(connection: Connection) -> None:
            now = now_ms()
            connection.execute(
                "INSERT OR REPLACE INTO lab_results (run_id, key, created_at, reply, record, checks) "
                "SELECT id, ?, ?, ?, ?, ? FROM lab_runs WHERE id = ?",
                (key, now, json_cell(reply), packed, json_cell(checks), run_id),
            )
            connection.execute(
                "UPDATE lab_runs SET updated_at = max(updated_at, ?) WHERE id = ?", (now, run_id)
            )

        await self._database.write(change)

    async def judge(self, run_id: str, key: str, checks: Sequence[Mapping[str, Any]]) -> None:
        """Store what a result was held to last."""
        values = (json_cell(checks), run_id, key)
        await self._database.write(
            lambda c: c.execute("UPDATE lab_results SET checks = ? WHERE run_id = ? AND key = ?", values)
        )

    async def delete(self, run_id: str) -> None:
        """A run with all that came of it."""
        await self._database.write(lambda c: c.execute("DELETE FROM lab_runs WHERE id = ?", (run_id,)))

    async def result(self, run_id: str, key: str) -> LabRow | None:
        """What is kept under a key; None where nothing is."""

        def query(connection: Connection) -> LabRow | None:
            row = connection.execute(
                "SELECT * FROM lab_results WHERE run_id = ? AND key = ?", (run_id, key)
            ).fetchone()
            return None if row is None else _row(row)

        return await self._database.read(query)


def _load_runs(connection: Connection) -> list[LabRun]:
    keys_of_run: dict[str, set[str]] = {}
    for row in connection.execute("SELECT run_id, key FROM lab_results"):
        keys_of_run.setdefault(row["run_id"], set()).add(row["key"])
    rows = connection.execute("SELECT * FROM lab_runs ORDER BY updated_at DESC")
    return [_run(row, keys_of_run.get(row["id"], set())) for row in rows]


def _run(row: Row, keys: set[str]) -> LabRun:
    plan = value_in(row["cells"])
    cells = tuple(
        Cell(*fields)
        for fields in (plan if isinstance(plan, list) else [])
        if isinstance(fields, list) and list(map(type, fields)) == [str, str, int, str]
    )
    return LabRun(
        row["id"],
        plain_text(row["name"]),
        plain_text(row["path"]),
        cells,
        moment_in(row["created_at"]),
        moment_in(row["updated_at"]),
        sum(cell.key in keys for cell in cells),
    )


def _newest(connection: Connection) -> int:
    return moment_in(connection.execute("SELECT max(updated_at) FROM lab_runs").fetchone()[0])


def _drop_spare(connection: Connection, run_id: str, keys: set[str]) -> None:
    rows = connection.execute(
        "SELECT key FROM lab_results WHERE run_id = ? ORDER BY created_at DESC, key", (run_id,)
    )
    spare = [row["key"] for row in rows if row["key"] not in keys][KEPT_SPARE:]
    connection.executemany(
        "DELETE FROM lab_results WHERE run_id = ? AND key = ?", [(run_id, key) for key in spare]
    )


def _row(row: Row) -> LabRow:
    try:
        record = json.loads(zlib.decompress(bytes(row["record"])))
    except (zlib.error, ValueError, TypeError, RecursionError):
        record = {}
    checks = value_in(row["checks"])
    return LabRow(
        row["key"],
        object_in(row["reply"]),
        record if isinstance(record, dict) else {},
        [check for check in checks if isinstance(check, dict)] if isinstance(checks, list) else [],
        moment_in(row["created_at"]),
    )
