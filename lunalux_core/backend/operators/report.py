"""How a service stands (`lunalux admin status`), by what its instances have left in the storage."""

from __future__ import annotations

import platform
from typing import Any

from lunalux_core import __version__
from lunalux_core.backend.market.ranking_keys import RankSort
from lunalux_core.backend.market.ranking_schedule import LANGS, SORTS, lease_key, table_of
from lunalux_core.backend.money.sweeper import SWEEP
from lunalux_core.backend.operators.adoption import CHECKPOINT
from lunalux_core.backend.repos.movements import OPEN
from lunalux_core.backend.running.clock import iso
from lunalux_core.backend.running.services import Services
from lunalux_core.backend.storage.foreign_values import text, whole
from lunalux_core.backend.storage.lease import last_run
from lunalux_core.backend.storage.table import Invalid, Item
from lunalux_core.errors import StorageError
from lunalux_core.language import Language

MOST_MARKS = 1000


async def status(services: Services) -> dict[str, Any]:
    """Tables, rankings, sweep, open reservations and versions, in the shape of `--json`."""
    settings = services.settings
    names = [getattr(settings.tables, name) for name in settings.tables.__slots__]
    tables = [await _table(services, name) for name in names]
    there = {table["name"] for table in tables if table["reachable"]}
    rankings = [
        await _ranking(services, lang, sort)
        for lang in LANGS
        for sort in SORTS
        if table_of(settings, lang) in there
    ]
    ledger, user = settings.tables.ledger, settings.tables.user
    if settings.tables.model_config in there:
        await services.models.list()
    adopting = await services.store.get(user, CHECKPOINT) if user in there else None
    return {
        "ok": all(table["reachable"] for table in tables),
        "versions": {
            "lunalux": __version__,
            "python": platform.python_version(),
            "prices": services.models.version(),
        },
        "tables": tables,
        "rankings": rankings,
        "sweep": await _sweep(services) if ledger in there else None,
        "reservations": await _reservations(services) if ledger in there else None,
        "adoption": {"table": text(adopting.get("table"))} if adopting is not None else None,
    }


async def _table(services: Services, name: str) -> dict[str, Any]:
    try:
        await services.store.get(name, ("HEALTH", "HEALTH"))
    except StorageError as error:
        return {"id": name, "name": name, "reachable": False, "rows": None, "trouble": error.message}
    return {
        "id": name,
        "name": name,
        "reachable": True,
        "rows": await services.store.size(name),
        "trouble": None,
    }


async def _ranking(services: Services, lang: Language, sort: RankSort) -> dict[str, Any]:
    row = await services.store.get(table_of(services.settings, lang), lease_key(sort))
    try:
        marks = await services.ranking.marks(lang, sort, MOST_MARKS)
    except Invalid:
        marks = []  # the index is missing; `provision` says so
    return {
        "lang": lang,
        "sort": "hot" if sort == "hot" else "new",
        **_since(services, row),
        "dirty": len(marks),
        "oldest_mark_age_s": _age_s(services, _moment(marks[0])) if marks else None,
    }


async def _sweep(services: Services) -> dict[str, Any]:
    return _since(services, await services.store.get(services.settings.tables.ledger, SWEEP))


def _since(services: Services, row: Item | None) -> dict[str, Any]:
    """When work of a lease was last done to its end."""
    last = last_run(row)
    return {"last_run": iso(last) if last > 0 else None, "age_s": _age_s(services, last)}


async def _reservations(services: Services) -> dict[str, Any]:
    """Replies under way, or left behind by a crash."""
    try:
        rows = await services.ledgers.open_rows()
        begun = [_moment(str(row["OPEN_SK"])) for row in rows if str(row["SK"]).startswith(OPEN)]
    except (Invalid, StorageError):  # the index is missing; `provision` says so
        everything = services.store.scan_all(services.settings.tables.ledger)
        begun = [whole(row.get("startedAt")) async for row in everything if str(row["SK"]).startswith(OPEN)]
    return {"open": len(begun), "oldest_age_s": _age_s(services, min(filter(None, begun), default=0))}


def _moment(sort_key: str) -> int:
    """The milliseconds in `TS#…`, by which an index puts first what has waited longest; 0 without any."""
    _, _, rest = sort_key.partition("#")
    return whole(rest.partition("#")[0])


def _age_s(services: Services, moment_ms: int) -> int | None:
    return max(0, (services.now_ms() - moment_ms) // 1000) if moment_ms > 0 else None
