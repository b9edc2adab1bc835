"""Small facts the program remembers between starts, without expiry.

The functions run within a transaction: what a turn learns is stored together with its reply.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from lunalux_core.database import Connection, Database
from lunalux_core.library.cells import object_in, plain_text, value_in

_GLOBALS = "global_variables"
"""Key of the macros' global variables."""
_TOKEN_FACTOR = "token_factor:"
"""Start of the keys of what was learnt about models' tokens."""
_ODD_FACTOR = 0.1, 10.0
"""A factor outside of these was not learnt from a tokenizer."""


class State:
    """The shelf of facts, by key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str, default: Any = None) -> Any:
        """The value, `default` where there is none or it cannot be read."""

        def query(connection: Connection) -> Any:
            value = value_in(state_cell(connection, key))
            return default if value is None else value

        return await self._database.read(query)

    async def update(self, key: str, change: Callable[[Any], Any]) -> Any:
        """Let `change` make the new value from the one there is (None where there is none); it is returned.

        No other task or program changes the value meanwhile.
        """

        def work(connection: Connection) -> Any:
            before = state_cell(connection, key)
            after = change(value_in(before))
            # What stays the same is not written: programs that watch the file take each write for a change.
            if before is None or _text(after) != before:
                put_state(connection, key, after)
            return after

        return await self._database.write(work)

    async def set(self, key: str, value: Any) -> None:
        """Remember a value (JSON) in place of an earlier one."""
        await self._database.write(lambda c: put_state(c, key, value))


def state_cell(connection: Connection, key: str) -> Any:
    """The cell of a key as it is stored, None where there is none; see `cells` for how to read it."""
    row = connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]


def put_state(connection: Connection, key: str, value: Any) -> None:
    """`State.set` within a transaction."""
    connection.execute("INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)", (key, _text(value)))


def load_globals(connection: Connection) -> Mapping[str, str]:
    """The macros' global variables; whatever is stored there reads as text."""
    cell = object_in(state_cell(connection, _GLOBALS))
    return {name: plain_text(value) for name, value in cell.items()}


def store_globals(connection: Connection, variables: Mapping[str, str]) -> None:
    """Keep the macros' global variables in place of all that were there."""
    put_state(connection, _GLOBALS, dict(variables))


def load_token_factor(connection: Connection, model: str) -> float:
    """How many tokens a model counts for each estimated one; 1 where nothing usable was stored."""
    cell = state_cell(connection, _TOKEN_FACTOR + model)
    try:
        factor = float(cell) if cell is not None else 1.0
    except (TypeError, ValueError):
        return 1.0
    least, most = _ODD_FACTOR
    return factor if least <= factor <= most else 1.0


def store_token_factor(connection: Connection, model: str, factor: float) -> None:
    """Keep what was learnt about a model's tokens."""
    put_state(connection, _TOKEN_FACTOR + model, factor)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
