"""Moving over: every row that the earlier service wrote, brought into the form that this one writes.

The service reads such rows anyhow and mends them one by one as they are met; this does it for all of them at
once, and says beforehand what it would do. A row is looked at by the rules of its table, which answer with
deeds. Each deed is conditioned on the row as it was read, so it can be done beside running servers, stopped
at any moment, and done again: what is done already asks for no deed. After each page the place is noted, and
the next run goes on from there.

See docs/spec/backend.md: Tables.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from lunalux_core.backend.market.ranking import ODD
from lunalux_core.backend.storage.foreign_values import mapping, text, whole
from lunalux_core.backend.storage.table import (
    ConditionFailed,
    Delete,
    Invalid,
    Item,
    Key,
    Put,
    Store,
)
from lunalux_core.errors import LunaluxError, StorageError

PAGE = 100
AT_ONCE = 16
CHECKPOINT = Key("ADOPT", "CHECKPOINT")
LOOK = "look"
"""The action of what a person must decide."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing to do about a row.

    Args:
        action: one word for what kind of thing it is: `mend`, `write`, `move`, `drop`, `mark`; `look` for
            what nobody but a person can decide.
        detail: what exactly, in words for the operator.
        do: does it; False where the row changed since it was read. None for `look`.
    """

    action: str
    detail: str
    do: Callable[[], Awaitable[bool]] | None = None


@dataclass(frozen=True, slots=True)
class AdoptionChange:
    """A deed that was done, or would be, and the row it was about."""

    action: str
    table: str
    row: str
    detail: str


@dataclass(slots=True)
class AdoptionReport:
    """What a run came to: rows read by table, deeds by action, and whether it went on from an earlier run."""

    rows: dict[str, int] = field(default_factory=dict)
    actions: Counter[str] = field(default_factory=Counter)
    resumed: bool = False


class Rules(Protocol):
    """What is to be done about the rows of one table."""

    async def deeds(self, row: Item) -> Sequence[Deed]:
        """What this row asks for; nothing for one that is in order. Changes nothing itself."""
        ...

    async def finish(self, *, dry_run: bool) -> Sequence[Deed]:
        """What the table as a whole asks for once its rows are done."""
        ...


class Adoption:
    """A run over all tables, in the order of `rules`.

    Args:
        home: the table in which the checkpoint is kept.
    """

    def __init__(self, store: Store, home: str, rules: Mapping[str, Rules]) -> None:
        self._store, self._home, self._rules = store, home, rules

    async def run(
        self, *, dry_run: bool, told: Callable[[AdoptionChange], None], restart: bool = False
    ) -> AdoptionReport:
        """Do what every row asks for, or only say it.

        Args:
            told: called with each change, in the order of the tables.
            restart: begin with the first row whatever an earlier run has noted.

        Raises:
            StorageError: the storage is away; what was done is done, and the next run goes on.
        """
        report = AdoptionReport()
        # A dry run tells of everything, so it begins with the first row.
        first, after = (None, None) if dry_run or restart else await self._place()
        report.resumed = first is not None
        reached = first is None
        for table, rules in self._rules.items():
            reached = reached or table == first
            if not reached:
                continue
            await self._table(table, rules, after if table == first else None, dry_run, told, report)
        if not dry_run:
            await self._store.write(Delete(self._home, CHECKPOINT))
        return report

    async def _table(
        self,
        table: str,
        rules: Rules,
        after: Mapping[str, str] | None,
        dry_run: bool,
        told: Callable[[AdoptionChange], None],
        report: AdoptionReport,
    ) -> None:
        gate = asyncio.Semaphore(AT_ONCE)
        report.rows.setdefault(table, 0)
        while True:
            page = await self._store.scan(table, after=after, limit=PAGE)
            # The checkpoint stands in one of the tables that are read.
            rows = [row for row in page.items if (row["PK"], row["SK"]) != CHECKPOINT]
            outcomes = await asyncio.gather(*(self._row(table, rules, row, dry_run, gate) for row in rows))
            for change in (change for changes in outcomes for change in changes):
                report.actions[change.action] += 1
                told(change)
            report.rows[table] += len(rows)
            after = page.after
            if after is None:
                break
            if not dry_run:
                await self._note(table, after)
        for deed in await rules.finish(dry_run=dry_run):
            report.actions[deed.action] += 1
            told(AdoptionChange(deed.action, table, "", deed.detail))

    async def _row(
        self, table: str, rules: Rules, row: Item, dry_run: bool, gate: asyncio.Semaphore
    ) -> list[AdoptionChange]:
        name = f"{row['PK']} {row['SK']}"
        async with gate:
            try:
                deeds = await rules.deeds(row)
                return [await self._do(table, name, deed, dry_run) for deed in deeds]
            # No trouble of this row alone: the run ends, and the next goes on from the checkpoint.
            except StorageError:
                raise
            except (LunaluxError, *ODD) as error:
                return [AdoptionChange(LOOK, table, name, f"this row cannot be understood: {error}")]

    @staticmethod
    async def _do(table: str, name: str, deed: Deed, dry_run: bool) -> AdoptionChange:
        if dry_run or deed.do is None:
            return AdoptionChange(deed.action, table, name, deed.detail)
        try:
            succeeded = await deed.do()
        except (ConditionFailed, Invalid) as error:
            return AdoptionChange(LOOK, table, name, f"not done ({error}): {deed.detail}")
        if not succeeded:
            return AdoptionChange(LOOK, table, name, f"it changed meanwhile, run this again: {deed.detail}")
        return AdoptionChange(deed.action, table, name, deed.detail)

    async def _place(self) -> tuple[str | None, Mapping[str, str] | None]:
        """Table and position that an earlier run came to; None where it was finished, or there was none."""
        row: Mapping[str, Any] = await self._store.get(self._home, CHECKPOINT) or {}
        table = text(row.get("table"))
        if table not in self._rules:
            return None, None
        after = {str(name): str(part) for name, part in mapping(row.get("after")).items()}
        try:
            await self._store.scan(table, after=after, limit=1)
        except (Invalid, StorageError):
            return None, None  # no place of this table, whoever wrote it: everything is looked at again
        return table, after

    async def _note(self, table: str, after: Mapping[str, str]) -> None:
        row = {"PK": CHECKPOINT.pk, "SK": CHECKPOINT.sk, "table": table, "after": dict(after)}
        await self._store.write(Put(self._home, row, when=None))


def shown(value: Any) -> str:
    """A value of a row for the operator's eyes, on one short line."""
    line = " ".join(str(value).split())
    return line if len(line) <= 60 else f"{line[:57]}…"


def number_said(value: Any) -> int | None:
    """The whole number that a value says exactly: 5, "5", 5.0; None for a fraction or no number."""
    # Nothing that a row holds: `whole` gives it back where there is no number.
    marker = -(2**60)
    said = whole(value, marker)
    if said == marker or isinstance(value, bool):
        return None
    try:
        return said if float(value) == said else None
    except (TypeError, ValueError, OverflowError):
        return None
