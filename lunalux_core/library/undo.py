"""Undo and redo of what a person does to a conversation.

A change remembers what differed in the touched message rows and in the conversation's head: as it was
before, and after. Undo puts the difference back, and only where the rows still are as the change left them:
what was said, swiped or written since stays. A row that is null did not exist on that side.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lunalux_core.database import UNSTORABLE, Connection
from lunalux_core.ids import now_ms
from lunalux_core.library.conversations import LONGEST, children, select_message

KEPT = 200
"""Changes kept for each conversation."""

_LINKS = {"number", "id", "conversation_id", "depth"}
"""Columns that follow from where a message hangs; no change is about them."""

_ABOVE = """
WITH RECURSIVE above (id, parent_id, step) AS (
  SELECT id, parent_id, 0 FROM messages WHERE id = :start
  UNION ALL
  SELECT m.id, m.parent_id, step + 1 FROM above JOIN messages m ON m.id = above.parent_id
  WHERE step < :limit
) SELECT id FROM above ORDER BY step
"""

_DEPTHS = """
WITH RECURSIVE below (id, depth) AS (
  SELECT m.id, coalesce(p.depth + 1, 0) FROM messages m LEFT JOIN messages p ON p.id = m.parent_id
  WHERE m.id = :start
  UNION ALL
  SELECT m.id, below.depth + 1 FROM below JOIN messages m
    ON m.parent_id = below.id AND m.conversation_id = :conversation
  WHERE below.depth < :limit
) SELECT below.depth, m.id FROM below JOIN messages m ON m.id = below.id AND m.depth <> below.depth
"""

Rows = Mapping[str, Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class ReplayedChange:
    """A change that was taken back or done again. Not `shown`: what came back stands beside what was said
    since, as another version of it.
    """

    kind: str
    shown: bool


class Recorder:
    """Records one change: create it before, call `done` after, within the same transaction."""

    def __init__(
        self, connection: Connection, conversation_id: str, kind: str, touched: Iterable[str]
    ) -> None:
        self._connection = connection
        self._conversation_id = conversation_id
        self._kind = kind
        self._head = _head(connection, conversation_id)
        self._rows = {identity: read_row(connection, identity) for identity in touched}

    def done(self, *more: str) -> None:
        """Store the change. `more` names messages that the change created."""
        before: dict[str, Any] = {**self._rows, **dict.fromkeys(more)}
        after = {identity: read_row(self._connection, identity) for identity in before}
        keep_change(self._connection, self._conversation_id, self._kind, self._head, before, after)


def keep_change(
    connection: Connection, conversation_id: str, kind: str, head: str, before: Rows, after: Rows
) -> None:
    """Store a change by the rows as they were before and are now; `head` is the former head.

    What was undone cannot be done again from here on, and the oldest changes make room.
    """
    sides = {identity: _differing(before[identity], after[identity]) for identity in before}
    pictures = (
        {"head": head, "rows": {identity: side[0] for identity, side in sides.items()}},
        {
            "head": _head(connection, conversation_id),
            "rows": {identity: side[1] for identity, side in sides.items()},
        },
    )
    # What was undone belongs to a past that this change has left.
    connection.execute("DELETE FROM changes WHERE conversation_id = ? AND undone = 1", (conversation_id,))
    connection.execute(
        "INSERT INTO changes (conversation_id, kind, before, after, created_at) VALUES (?,?,?,?,?)",
        (conversation_id, kind, *(json.dumps(picture, ensure_ascii=False) for picture in pictures), now_ms()),
    )
    connection.execute(
        "DELETE FROM changes WHERE conversation_id = ?1 AND number <= "
        "(SELECT max(number) FROM changes WHERE conversation_id = ?1) - ?2",
        (conversation_id, KEPT),
    )


def undo(connection: Connection, conversation_id: str) -> ReplayedChange | None:
    """Take the last change back; None when there is nothing to undo."""
    return _replay(connection, conversation_id, undone=0, order="DESC", sides=("after", "before"))


def redo(connection: Connection, conversation_id: str) -> ReplayedChange | None:
    """Do again what was undone last; None when there is nothing to redo."""
    return _replay(connection, conversation_id, undone=1, order="ASC", sides=("before", "after"))


def set_depths(connection: Connection, conversation_id: str, message_id: str) -> None:
    """Let the depths of a message and of all below it follow from where it hangs."""
    values = {"start": message_id, "conversation": conversation_id, "limit": LONGEST}
    wrong = connection.execute(_DEPTHS, values).fetchall()
    connection.executemany("UPDATE messages SET depth = ? WHERE id = ?", [tuple(row) for row in wrong])


def read_row(connection: Connection, message_id: str) -> dict[str, Any] | None:
    """A message as it is stored, None where there is none."""
    row = connection.execute("SELECT * FROM messages WHERE id = ?", (message_id,)).fetchone()
    return None if row is None else dict(row)


def _replay(
    connection: Connection, conversation_id: str, *, undone: int, order: str, sides: tuple[str, str]
) -> ReplayedChange | None:
    row = connection.execute(
        f"SELECT * FROM changes WHERE conversation_id = ? AND undone = ? ORDER BY number {order} LIMIT 1",
        (conversation_id, undone),
    ).fetchone()
    if row is None:
        return None
    connection.execute("UPDATE changes SET undone = ? WHERE number = ?", (1 - undone, row["number"]))
    at, to = (_picture(row[side]) for side in sides)
    # A change that cannot be replayed must leave no half of itself; the transaction around it goes on.
    connection.execute("SAVEPOINT replay")
    try:
        if at is not None and to is not None:
            return ReplayedChange(str(row["kind"]), _Replay(connection, conversation_id).run(at, to))
    except (*UNSTORABLE, KeyError, TypeError, AttributeError):
        connection.execute("ROLLBACK TO replay")
    finally:
        if connection.in_transaction:  # a full disk ends the transaction by itself
            connection.execute("RELEASE replay")
    # Nobody can tell what it changed: the next one is tried.
    connection.execute("DELETE FROM changes WHERE number = ?", (row["number"],))
    return _replay(connection, conversation_id, undone=undone, order=order, sides=sides)


class _Replay:
    """Applies one change to a conversation that may have gone on since."""

    def __init__(self, connection: Connection, conversation_id: str) -> None:
        self._connection = connection
        self._id = conversation_id
        head = _head(connection, conversation_id)
        rows = connection.execute(_ABOVE, {"start": head, "limit": LONGEST})
        self._path = [str(row[0]) for row in rows] or [head]

    def run(self, at: Mapping[str, Any], to: Mapping[str, Any]) -> bool:
        """Whether the head of the other side is shown now."""
        moved: list[str] = []
        for identity, row in to["rows"].items():
            there = read_row(self._connection, identity)
            if row is not None and there is None:
                # A row that the change did not create or remove, and that is
                # gone, was deleted since: it stays so.
                if at["rows"].get(identity) is None:
                    self._insert(row)
                    moved.append(identity)
            elif row and there and self._change(there, at["rows"].get(identity) or {}, row):
                moved.append(identity)
        # After the others have moved: a message that still has children is not deleted.
        self._delete({identity for identity, row in to["rows"].items() if row is None})
        for identity in moved:
            set_depths(self._connection, self._id, identity)
        return self._show(str(at["head"]), str(to["head"]))

    def _insert(self, row: Mapping[str, Any]) -> None:
        """Bring a row back. Its number may have been given to a newer one: the library reuses them."""
        columns = self._connection.execute("SELECT * FROM messages LIMIT 0").description
        names = {column[0] for column in columns}
        values = {column: value for column, value in row.items() if column in names}
        cursor = self._connection.execute("SELECT 1 FROM messages WHERE number = ?", (row.get("number"),))
        # Numbers are only an order: with another one, the message is still the same by its id.
        if cursor.fetchone():
            del values["number"]
        # Its parent was deleted since: it becomes a first message, so that nothing is lost.
        if not read_row(self._connection, str(row.get("parent_id"))):
            values["parent_id"] = ""
        marks = ", ".join("?" * len(values))
        self._connection.execute(
            f"INSERT INTO messages ({', '.join(values)}) VALUES ({marks})", list(values.values())
        )

    def _change(self, there: Mapping[str, Any], at: Mapping[str, Any], to: Mapping[str, Any]) -> bool:
        """Set the columns that still are as the change left them; whether the message hangs elsewhere now."""
        values = {
            column: value
            for column, value in to.items()
            if column not in _LINKS and column in there and there[column] == at.get(column) != value
        }
        if values:
            assignments = ", ".join(f"{column} = ?" for column in values)
            self._connection.execute(
                f"UPDATE messages SET {assignments} WHERE id = ?", [*values.values(), there["id"]]
            )
        return "parent_id" in values

    def _delete(self, doomed: set[str]) -> None:
        """Delete rows, lowest first; one that has newer children stays."""
        while True:
            leaves = [
                identity
                for identity in doomed
                if not self._connection.execute(
                    "SELECT 1 FROM messages WHERE conversation_id = ? AND parent_id = ?", (self._id, identity)
                ).fetchone()
            ]
            if not leaves:
                return
            self._connection.executemany("DELETE FROM messages WHERE id = ?", [(leaf,) for leaf in leaves])
            doomed -= set(leaves)

    def _show(self, at: str, to: str) -> bool:
        """Show the other side's head where nothing was said since, else what is shown now."""
        here = self._path[0]
        # The head moved since the change: what was said meanwhile stays on the screen.
        went_on = here != at and to != at
        ends = [to] if here == at != to else []
        ids = [message_id for message_id in (*ends, *self._path) if read_row(self._connection, message_id)]
        if not ids:
            ids = children(self._connection, self._id, "")[-1:]
        if not ids:
            self._connection.execute("UPDATE conversations SET head_id = '' WHERE id = ?", (self._id,))
            return False
        chosen = ids[0]
        if chosen not in (*ends, here):  # what was shown is gone: its newest neighbour takes its place
            chosen = (children(self._connection, self._id, chosen) or [chosen])[-1]
        return select_message(self._connection, chosen) == to or not went_on


def _differing(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Both sides of a row, cut down to what differs where the row exists on both."""
    if before is None or after is None:
        return before, after
    names = [name for name in before if name not in _LINKS and before[name] != after.get(name)]
    return {name: before[name] for name in names}, {name: after[name] for name in names}


def _picture(text: str) -> Mapping[str, Any] | None:
    """One side of a stored change, None where it cannot be read."""
    try:
        picture = json.loads(text)
        rows = picture["rows"].values()
        whole = all(row is None or isinstance(row, dict) for row in rows)
        return picture if whole and isinstance(picture["head"], str) else None
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None


def _head(connection: Connection, conversation_id: str) -> str:
    row = connection.execute("SELECT head_id FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    return str(row[0]) if row else ""
