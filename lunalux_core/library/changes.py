"""Undo and redo of what a person does to a conversation.

A change remembers the touched message rows and the conversation's head as they were before and after.
Undo writes the former back, redo the latter; a row that is null did not exist on that side.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from lunalux_core.database import Connection
from lunalux_core.ids import now_ms

KEPT = 200


class Recorder:
    """Records one change: create it before, call `done` after, within the same transaction."""

    def __init__(
        self, connection: Connection, conversation_id: str, kind: str, touched: Iterable[str]
    ) -> None:
        self._connection = connection
        self._conversation_id = conversation_id
        self._kind = kind
        self._touched = list(touched)
        self._before = _snapshot(connection, conversation_id, self._touched)

    def done(self, *more: str) -> None:
        """Store the change. `more` names messages that the change created."""
        for identity in more:
            self._before["rows"][identity] = None
        after = _snapshot(self._connection, self._conversation_id, [*self._touched, *more])
        connection = self._connection
        connection.execute(
            "DELETE FROM changes WHERE conversation_id = ? AND undone = 1", (self._conversation_id,)
        )
        connection.execute(
            "INSERT INTO changes (conversation_id, kind, before, after, created_at) VALUES (?,?,?,?,?)",
            (
                self._conversation_id,
                self._kind,
                json.dumps(self._before, ensure_ascii=False),
                json.dumps(after, ensure_ascii=False),
                now_ms(),
            ),
        )
        connection.execute(
            "DELETE FROM changes WHERE conversation_id = ?1 AND number <= "
            "(SELECT max(number) FROM changes WHERE conversation_id = ?1) - ?2",
            (self._conversation_id, KEPT),
        )


def undo(connection: Connection, conversation_id: str) -> str | None:
    """Take the last change back; returns its kind, None when there is nothing to undo."""
    return _replay(connection, conversation_id, undone=0, order="DESC", side="before")


def redo(connection: Connection, conversation_id: str) -> str | None:
    """Do again what was undone last; returns its kind, None when there is nothing to redo."""
    return _replay(connection, conversation_id, undone=1, order="ASC", side="after")


def _replay(
    connection: Connection, conversation_id: str, *, undone: int, order: str, side: str
) -> str | None:
    row = connection.execute(
        f"SELECT * FROM changes WHERE conversation_id = ? AND undone = ? ORDER BY number {order} LIMIT 1",
        (conversation_id, undone),
    ).fetchone()
    if row is None:
        return None
    picture = json.loads(row[side])
    for identity, values in picture["rows"].items():
        connection.execute("DELETE FROM messages WHERE id = ?", (identity,))
        if values is not None:
            columns = ", ".join(values)
            marks = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO messages ({columns}) VALUES ({marks})", list(values.values()))
    connection.execute(
        "UPDATE conversations SET head_id = ?, updated_at = ? WHERE id = ?",
        (picture["head"], now_ms(), conversation_id),
    )
    connection.execute("UPDATE changes SET undone = ? WHERE number = ?", (1 - undone, row["number"]))
    return str(row["kind"])


def _snapshot(connection: Connection, conversation_id: str, ids: list[str]) -> dict[str, Any]:
    head = connection.execute("SELECT head_id FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    rows: dict[str, Any] = {}
    for identity in ids:
        row = connection.execute("SELECT * FROM messages WHERE id = ?", (identity,)).fetchone()
        rows[identity] = None if row is None else dict(row)
    return {"head": head[0], "rows": rows}
