"""How a service stands (`lunalux admin status`), by what its instances have left in the storage."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from lunalux_core import __version__
from lunalux_core.backend.market.ranking_keys import ORDERS, Sort, partitions
from lunalux_core.backend.market.ranking_schedule import LANGS, SORTS, lease_key, table_of
from lunalux_core.backend.money.sweeper import SWEEP
from lunalux_core.backend.operators.adoption import CHECKPOINT
from lunalux_core.backend.repos.movements import OPEN
from lunalux_core.backend.running.clock import iso
from lunalux_core.backend.running.services import Services
from lunalux_core.backend.storage.foreign import text, whole
from lunalux_core.backend.storage.table import Invalid
from lunalux_core.errors import StorageError
from lunalux_core.wire.base import Lang

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


async def _ranking(services: Services, lang: Lang, sort: Sort) -> dict[str, Any]:
    settings, order = services.settings, ORDERS[sort]
    table, indexes = table_of(settings, lang), settings.indexes
    row = await services.store.get(table, lease_key(sort))
    waiting, oldest = 0, ""
    for pk in partitions(order.dirty_word, settings.ranking.shards):
        after = None
        while waiting < MOST_MARKS:
            index = indexes.dirty_hot if sort == "hot" else indexes.dirty_time
            try:
                page = await services.store.query(table, pk, index=index, after=after, limit=MOST_MARKS)
            except Invalid:
                break  # the index is missing; `provision` says so
            waiting += len(page.items)
            marks = [str(mark[order.dirty_sk]) for mark in page.items]
            oldest = min([*marks, *([oldest] if oldest else [])], default="")
            after = page.after
            if after is None:
                break
    since = whole(oldest.split("#")[1]) if oldest.count("#") >= 2 else 0
    return {
        "lang": lang,
        "sort": "hot" if sort == "hot" else "new",
        **_since(services, row),
        "dirty": waiting,
        "oldest_mark_age_s": max(0, (services.now_ms() - since) // 1000) if since else None,
    }


async def _sweep(services: Services) -> dict[str, Any]:
    return _since(services, await services.store.get(services.settings.tables.ledger, SWEEP))


def _since(services: Services, row: Mapping[str, Any] | None) -> dict[str, Any]:
    """When work of a lease was last done to its end."""
    last = whole((row or {}).get("lastRunMs"))
    if last <= 0:
        return {"last_run": None, "age_s": None}
    return {"last_run": iso(last), "age_s": max(0, (services.now_ms() - last) // 1000)}


async def _reservations(services: Services) -> dict[str, Any]:
    """Replies under way, or left behind by a crash; reads the whole ledger."""
    count, oldest = 0, None
    async for row in services.store.scan_all(services.settings.tables.ledger):
        if str(row["SK"]).startswith(OPEN):
            count += 1
            started = whole(row.get("startedAt"))
            oldest = started if oldest is None else min(oldest, started)
    age = None if oldest is None else max(0, (services.now_ms() - oldest) // 1000)
    return {"open": count, "oldest_age_s": age}
