"""The models of a new embedded backend: three official ones that need no provider's key.

One for everybody, one that costs 5 star coins, one that costs 8 star or 3 luna coins. Rows that are there
already stay as they are, so an operator's prices survive a restart.
"""

from __future__ import annotations

from lunalux_core.backend.money.billing import ModelConfig
from lunalux_core.backend.repos.models import item_of
from lunalux_core.backend.storage.table import Absent, ConditionFailed, Put, Store

SEED_MODELS = (
    ModelConfig("001", "Lunalux Practice", "practice", "practice", 0, False, False, -1, -1, 1),
    ModelConfig("002", "Lunalux Practice Star", "practice", "practice", -1, True, False, 5, -1, 2),
    ModelConfig("003", "Lunalux Practice Luna", "practice", "practice", -1, True, True, 8, 3, 3),
)


async def seed_models(store: Store, table: str) -> int:
    """Write the rows that are missing; returns how many were."""
    written = 0
    for config in SEED_MODELS:
        try:
            await store.write(Put(table, item_of(config), when=Absent()))
        except ConditionFailed:
            continue
        written += 1
    return written
