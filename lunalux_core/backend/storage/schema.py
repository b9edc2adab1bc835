"""The tables of the service, declared once: `provision` makes them on DynamoDB, the SQLite adapter on disk.

Keys and attributes are those of "Tables". The ledger has one index, of what is under way and must not be
left lying. The indexes carry keys only: a counter that changes on a
card then writes no index row, and whoever lists cards reads their items by key.

See docs/spec/backend.md: Tables, Counters and ranking.
"""

from __future__ import annotations

from lunalux_core.backend.running.backend_settings import IndexNames, TableNames
from lunalux_core.backend.storage.table import Index, TableSpec

TTL = "expiresAt"
OPEN_INDEX = "GSI_OPEN"


def table_specs(tables: TableNames | None = None, indexes: IndexNames | None = None) -> tuple[TableSpec, ...]:
    """Every table under its name, in the order of the document.

    The ledger has no TTL: a movement that vanished would break I1.
    """
    tables, indexes = tables or TableNames(), indexes or IndexNames()
    ranking = (
        Index(indexes.dirty_hot, "DIRTY_PK", "DIRTY_SK", include=()),
        Index(indexes.hot, "GSI_HOT_PK", "GSI_HOT_SK", include=()),
        Index(indexes.dirty_time, "DIRTY_TIME_PK", "DIRTY_TIME_SK", include=()),
        Index(indexes.time, "GSI_TIME_PK", "GSI_TIME_SK", include=()),
    )
    return (
        TableSpec(tables.user, ttl=TTL),
        TableSpec(tables.wallet),
        TableSpec(tables.ledger, indexes=(Index(OPEN_INDEX, "OPEN_PK", "OPEN_SK", include=()),)),
        TableSpec(tables.invite),
        TableSpec(tables.model_config),
        TableSpec(tables.coupons),
        TableSpec(tables.liked, ttl=TTL),
        TableSpec(tables.character_en, ttl=TTL, indexes=ranking),
        TableSpec(tables.character_cn, ttl=TTL, indexes=ranking),
    )
