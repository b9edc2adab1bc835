"""Records of the last turns, for the inspector: how each prompt came about (see `dialogue.turn_record`).

They are a log, not content: few are kept for each conversation, the oldest are deleted, and nothing depends
on one that is missing.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lunalux_core.database import Connection, Database
from lunalux_core.errors import NotFound
from lunalux_core.ids import now_ms

KEPT_EACH = 6
"""Records kept for one conversation."""
KEPT_IN_ALL = 240
"""Records kept in the library."""


@dataclass(frozen=True, slots=True)
class RecordHead:
    """Which turn a record is of. `message_id` is the reply, "" where none was stored (impersonate)."""

    number: int
    message_id: str
    created_at: int


class Records:
    """The shelf of records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, conversation_id: str) -> Sequence[RecordHead]:
        """Newest first."""

        def query(connection: Connection) -> list[RecordHead]:
            rows = connection.execute(
                "SELECT number, message_id, created_at FROM turn_records WHERE conversation_id = ? "
                "ORDER BY number DESC",
                (conversation_id,),
            )
            return [RecordHead(*row) for row in rows]

        return await self._database.read(query)

    async def get(self, number: int) -> Mapping[str, Any]:
        """One record. Raises NotFound (RECORD_NOT_FOUND)."""

        def query(connection: Connection) -> bytes:
            row = connection.execute("SELECT record FROM turn_records WHERE number = ?", (number,)).fetchone()
            if row is None:
                raise _gone()
            return bytes(row[0])

        packed = await self._database.read(query)
        try:
            record: Mapping[str, Any] = json.loads(zlib.decompress(packed))
        except (zlib.error, ValueError, RecursionError):
            raise _gone() from None
        return record

    async def newest_like(self, conversation_id: str, model: str) -> Mapping[str, Any] | None:
        """The newest record of a conversation with a model; None where there is none. Costs milliseconds."""

        def query(connection: Connection) -> list[bytes]:
            rows = connection.execute(
                "SELECT record FROM turn_records WHERE conversation_id = ? ORDER BY number DESC",
                (conversation_id,),
            )
            return [bytes(row[0]) for row in rows]

        # Unpacked in a thread of its own: the database's thread is the one that a turn waits for.
        packed = await self._database.read(query)
        return await asyncio.to_thread(_first_of, packed, model)

    async def keep(self, conversation_id: str, message_id: str, packed: bytes) -> None:
        """Store a record (see `pack`) in place of one for the same reply; the oldest make room."""

        def change(connection: Connection) -> None:
            # A turn that stored no reply (impersonate) has no id, and its records replace nothing.
            if message_id:
                connection.execute("DELETE FROM turn_records WHERE message_id = ?", (message_id,))
            connection.execute(
                "INSERT INTO turn_records (conversation_id, message_id, created_at, record) VALUES (?,?,?,?)",
                (conversation_id, message_id, now_ms(), packed),
            )
            connection.execute(
                "DELETE FROM turn_records WHERE number IN (SELECT number FROM turn_records "
                "WHERE conversation_id = ? ORDER BY number DESC LIMIT -1 OFFSET ?)",
                (conversation_id, KEPT_EACH),
            )
            connection.execute(
                "DELETE FROM turn_records WHERE number IN "
                "(SELECT number FROM turn_records ORDER BY number DESC LIMIT -1 OFFSET ?)",
                (KEPT_IN_ALL,),
            )

        await self._database.write(change)


def _first_of(packed: Sequence[bytes], model: str) -> Mapping[str, Any] | None:
    for record_bytes in packed:
        try:
            record: Mapping[str, Any] = json.loads(zlib.decompress(record_bytes))
            if record.get("model") == model:
                return record
        except (zlib.error, ValueError, RecursionError, AttributeError):
            continue
    return None


def _gone() -> NotFound:
    return NotFound("RECORD_NOT_FOUND", "The record of that turn is gone.", "Look at a newer one.")


def pack(record: Mapping[str, Any]) -> bytes:
    """A record as it is stored; costs milliseconds for a long prompt, so call it in a thread."""
    # Level 1: a record is packed after every reply, and is deleted soon.
    return zlib.compress(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(), level=1)
