"""What the network said (market lists, account snapshot, model configs), by key.

Values have an age and an expiry, and are kept after it, so that a screen always has the last known data.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lunalux_core.database import Connection, Database
from lunalux_core.ids import now_ms
from lunalux_core.library.cells import value_in


@dataclass(frozen=True, slots=True)
class Cached:
    """A cached value. Times in milliseconds since 1970."""

    value: Any
    stored_at: int
    expires_at: int

    def fresh(self, now: int) -> bool:
        return now < self.expires_at


class Cache:
    """Values from the network, by key."""

    def __init__(self, database: Database, clock: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._clock = clock

    async def get(self, key: str) -> Cached | None:
        """The value, fresh or not."""

        def query(connection: Connection) -> Cached | None:
            row = connection.execute("SELECT * FROM cache WHERE key = ?", (key,)).fetchone()
            value = None if row is None else value_in(row["value"])
            return None if value is None else Cached(value, row["stored_at"], row["expires_at"])

        return await self._database.read(query)

    async def put(self, key: str, value: Any, ttl_ms: int) -> None:
        """Keep a value; it is stale after `ttl_ms` milliseconds."""
        now = self._clock()
        text = json.dumps(value, ensure_ascii=False)
        await self._database.write(
            lambda c: c.execute(
                "INSERT OR REPLACE INTO cache (key, value, stored_at, expires_at) VALUES (?,?,?,?)",
                (key, text, now, now + ttl_ms),
            )
        )

    async def update(self, key: str, change: Callable[[Any], Any], ttl_ms: int) -> Any:
        """Let `change` make the new value from the one there is (None where there is none); it is returned.

        No other program changes the value meanwhile.
        """
        now = self._clock()

        def work(connection: Connection) -> Any:
            row = connection.execute("SELECT value FROM cache WHERE key = ?", (key,)).fetchone()
            after = change(None if row is None else value_in(row[0]))
            connection.execute(
                "INSERT OR REPLACE INTO cache (key, value, stored_at, expires_at) VALUES (?,?,?,?)",
                (key, json.dumps(after, ensure_ascii=False), now, now + ttl_ms),
            )
            return after

        return await self._database.write(work)

    async def sweep(self, prefix: str) -> None:
        """Forget every key that starts with `prefix` and has expired."""
        now = self._clock()
        await self._database.write(
            lambda c: c.execute(
                # Not LIKE, for which an underscore in a key would be a wildcard.
                "DELETE FROM cache WHERE substr(key, 1, ?) = ? AND expires_at <= ?",
                (len(prefix), prefix, now),
            )
        )

    async def drop(self, prefix: str) -> None:
        """Forget every key that starts with `prefix`."""
        await self._database.write(
            lambda c: c.execute("DELETE FROM cache WHERE substr(key, 1, ?) = ?", (len(prefix), prefix))
        )
