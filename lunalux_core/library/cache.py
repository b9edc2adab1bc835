"""Expiring rows by key, and the program's own memory between starts.

`Cache` holds what the network said (market lists, account snapshot, model configs): values with an age
and an expiry, kept after expiry so that a screen always has the last known data. `State` holds what the
program wants to remember (last character, tour seen), without expiry.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lunalux_core.database import Connection, Database
from lunalux_core.ids import now_ms

GLOBALS = "global_variables"
"""Key of the macros' global variables in `State`."""
TOKEN_FACTOR = "token_factor:"
"""Start of the keys under which `State` has what was learnt about models' tokens."""


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
            if row is None:
                return None
            return Cached(json.loads(row["value"]), row["stored_at"], row["expires_at"])

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

    async def drop(self, prefix: str) -> None:
        """Forget every key that starts with `prefix`."""
        await self._database.write(
            lambda c: c.execute("DELETE FROM cache WHERE substr(key, 1, ?) = ?", (len(prefix), prefix))
        )


class State:
    """Small facts the program remembers between starts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str, default: Any = None) -> Any:
        def query(connection: Connection) -> Any:
            row = connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
            return default if row is None else json.loads(row[0])

        return await self._database.read(query)

    async def set(self, key: str, value: Any) -> None:
        text = json.dumps(value, ensure_ascii=False)
        await self._database.write(
            lambda c: c.execute("INSERT OR REPLACE INTO state (key, value) VALUES (?,?)", (key, text))
        )
