"""Sets of quick replies as the library keeps them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lunalux_core.database import Connection, Database, Row
from lunalux_core.ids import now_ms, short_id
from lunalux_core.library.naming import found, missing

if TYPE_CHECKING:
    from lunalux_core.stscript.quick_replies import QuickReplySet


@dataclass(frozen=True, slots=True)
class StoredSet:
    """One set with its identity."""

    id: str
    content: QuickReplySet

    @property
    def name(self) -> str:
        return self.content.name


class QuickReplies:
    """All sets of the library."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> Sequence[StoredSet]:
        """In the order in which they came."""
        return await self._database.read(_load)

    async def find(self, name: str) -> StoredSet:
        """By id or name, else by a unique beginning or word of a name, any case.

        Raises:
            NotFound: QUICK_REPLY_SET_NOT_FOUND, with the nearest names.
        """
        return pick(await self.list(), name)

    async def add(self, content: QuickReplySet) -> tuple[StoredSet, bool]:
        """Store a set; the one that is there with the same content, and False, if there is one."""
        return await self._database.write(lambda c: _put(c, content))

    async def delete(self, set_id: str) -> None:
        await self._database.write(
            lambda c: c.execute("DELETE FROM quick_reply_sets WHERE id = ?", (set_id,))
        )


def pick(stored: Sequence[StoredSet], name: str) -> StoredSet:
    """See `QuickReplies.find`; of equal names the newest."""
    stored_set = found(list(reversed(stored)), name, alike=True)
    if stored_set is None:
        raise missing(
            "QUICK_REPLY_SET_NOT_FOUND",
            f"There is no set of quick replies {name!r} in the library.",
            "`lunalux quickreply list` shows them all.",
            name,
            [stored_set.name for stored_set in stored],
        )
    return stored_set


def _load(connection: Connection) -> Sequence[StoredSet]:
    return [_stored(row) for row in connection.execute("SELECT * FROM quick_reply_sets ORDER BY number")]


def _put(connection: Connection, content: QuickReplySet) -> tuple[StoredSet, bool]:
    from lunalux_core.documents.json_text import canonical_json

    written = canonical_json(content.document)
    for stored_set in _load(connection):
        if canonical_json(stored_set.content.document) == written:
            return stored_set, False
    identity = short_id()
    connection.execute(
        "INSERT INTO quick_reply_sets (id, name, document, created_at) VALUES (?,?,?,?)",
        (identity, content.name, json.dumps(content.document, ensure_ascii=False), now_ms()),
    )
    return StoredSet(identity, content), True


def _stored(row: Row) -> StoredSet:
    from lunalux_core.stscript.quick_replies import read_set

    return StoredSet(row["id"], read_set(json.loads(row["document"]), row["name"]))
