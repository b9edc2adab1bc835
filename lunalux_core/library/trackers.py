"""Trackers: named prompts of a conversation, each of which has one text or JSON value.

A value belongs to a message and is valid on the branches with that message, until a later message has a newer
value. So another branch or swipe may have another, older value. A value that a model wrote also stores which
messages it was made of; once one of these is edited or removed, the value is stale and the one before it is
valid again. A value that belongs to no message is valid on all branches.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from lunalux_core.database import Connection, Database, Row
from lunalux_core.documents.prompt_values import Role
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.ids import now_ms, short_id
from lunalux_core.library.cells import moment_in, plain_text, value_in, whole_number
from lunalux_core.library.conversations import load_conversation
from lunalux_core.library.memories import PERSON, fingerprints, path_ids
from lunalux_core.library.name_lookup import find_named, missing

Form = Literal["text", "json"]
TrackerRun = Literal["turns", "memory", "command"]
Position = Literal["in_chat", "before_main", "after_main"]
FORMS: tuple[Form, ...] = get_args(Form)
RUNS: tuple[TrackerRun, ...] = get_args(TrackerRun)
POSITIONS: tuple[Position, ...] = get_args(Position)
ROLES: tuple[Role, ...] = get_args(Role)
TrackerStatus = Literal["empty", "fresh", "edited", "stale", "failed"]


@dataclass(frozen=True, slots=True)
class Tracker:
    """One tracker.

    Args:
        form: whether its value is a text or JSON.
        shape: the pattern of a text or the JSON schema, as text; "" allows any value.
        run: when it is revised automatically: after every `every` replies, after a memory, or never.
        position: where its value goes in prompts; `depth` and `role` are used for `in_chat` only.
        failed_at: id of the newest message when the last revision failed, for `reason`; "" after a success.
    """

    id: str
    conversation_id: str
    name: str
    instruction: str
    form: Form = "text"
    shape: str = ""
    run: TrackerRun = "turns"
    every: int = 1
    position: Position = "in_chat"
    depth: int = 4
    role: Role = "system"
    enabled: bool = True
    failed_at: str = ""
    reason: str = ""
    created_at: int = 0
    updated_at: int = 0


@dataclass(frozen=True, slots=True)
class TrackerValue:
    """The value of a tracker at a message. `coverage`: the messages it was made of, with fingerprints."""

    value: str
    message_id: str = ""
    made_by: str = PERSON
    created_at: int = 0
    coverage: tuple[tuple[str, str], ...] = ()
    number: int = 0


@dataclass(frozen=True, slots=True)
class TrackerState:
    """A tracker on one branch: the value that is valid there, and a newer one that is stale, if any."""

    tracker: Tracker
    value: TrackerValue | None = None
    stale: TrackerValue | None = None

    @property
    def status(self) -> TrackerStatus:
        if self.tracker.reason:
            return "failed"
        if self.stale is not None:
            return "stale"
        if self.value is None:
            return "empty"
        return "edited" if self.value.made_by == PERSON else "fresh"


class Trackers:
    """The trackers in the library. Turns use the functions below within a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def shown(self, conversation_id: str) -> list[TrackerState]:
        """All trackers with their values on the branch that is shown, oldest first."""

        def query(connection: Connection) -> list[TrackerState]:
            conversation = load_conversation(connection, conversation_id)
            return states_on_branch(connection, conversation.id, path_ids(connection, conversation.head_id))

        return await self._database.read(query)

    async def find(self, conversation_id: str, name: str) -> TrackerState:
        """By id or name, or a unique beginning or word of them, in any case. Raises NotFound."""
        states = await self.shown(conversation_id)
        tracker = find_named([state.tracker for state in states], name)
        if tracker is None:
            raise _missing(name, [state.tracker.name for state in states])
        return next(state for state in states if state.tracker is tracker)

    async def add(self, tracker: Tracker, value: str = "") -> Tracker:
        """Store a new tracker, with a first value unless `value` is blank. See `add_tracker`."""
        return await self._database.write(lambda c: add_tracker(c, tracker, value))

    async def edit(self, tracker_id: str, **values: Any) -> Tracker:
        """Set fields. Raises NotFound (TRACKER_NOT_FOUND), InvalidInput (TRACKER_EXISTS, TRACKER_EMPTY)."""
        return await self._database.write(lambda c: edit_tracker(c, tracker_id, **values))

    async def set(self, tracker_id: str, value: str, message_id: str | None = None) -> None:
        """Store a value from the person, at a message or at the end of the branch that is shown."""

        def change(connection: Connection) -> None:
            tracker = load_tracker(connection, tracker_id)
            conversation = load_conversation(connection, tracker.conversation_id)
            at = conversation.head_id if message_id is None else message_id
            store_value(connection, tracker_id, TrackerValue(value, at))
            # With a value from the person the failed revision is settled.
            edit_tracker(connection, tracker_id, reason="", failed_at="")

        await self._database.write(change)

    async def delete(self, tracker_id: str) -> None:
        def change(connection: Connection) -> None:
            connection.execute("DELETE FROM trackers WHERE id = ?", (tracker_id,))

        await self._database.write(change)


def add_tracker(connection: Connection, tracker: Tracker, value: str = "") -> Tracker:
    """Store a new tracker; an empty id is given one.

    Raises:
        NotFound: CONVERSATION_NOT_FOUND. InvalidInput: TRACKER_EXISTS, TRACKER_EMPTY.
    """
    load_conversation(connection, tracker.conversation_id)
    now = now_ms()
    tracker = replace(
        tracker,
        id=tracker.id or short_id(),
        # One from a chat file has its times already.
        created_at=tracker.created_at or now,
        updated_at=tracker.updated_at or now,
    )
    _check(connection, tracker)
    cells = _cells(tracker)
    connection.execute(
        f"INSERT INTO trackers ({', '.join(cells)}) VALUES ({','.join('?' * len(cells))})",
        tuple(cells.values()),
    )
    if value.strip():
        store_value(connection, tracker.id, TrackerValue(value))
    return tracker


def edit_tracker(connection: Connection, tracker_id: str, **values: Any) -> Tracker:
    """See `Trackers.edit`."""
    tracker = replace(load_tracker(connection, tracker_id), **values, updated_at=now_ms())
    _check(connection, tracker)
    cells = _cells(tracker)
    connection.execute(
        f"UPDATE trackers SET {', '.join(f'{name} = ?' for name in cells)} WHERE id = ?",
        (*cells.values(), tracker_id),
    )
    return tracker


def load_tracker(connection: Connection, tracker_id: str) -> Tracker:
    """Raises NotFound (TRACKER_NOT_FOUND)."""
    row = connection.execute("SELECT * FROM trackers WHERE id = ?", (tracker_id,)).fetchone()
    if row is None:
        raise _missing(tracker_id, ())
    return _tracker(row)


def load_trackers(connection: Connection, conversation_id: str) -> list[Tracker]:
    """All of a conversation, oldest first."""
    rows = connection.execute(
        "SELECT * FROM trackers WHERE conversation_id = ? ORDER BY number", (conversation_id,)
    )
    return [_tracker(row) for row in rows]


def states_on_branch(connection: Connection, conversation_id: str, path: Sequence[str]) -> list[TrackerState]:
    """All trackers with the values that are valid on a branch.

    Args:
        path: ids of its messages, the newest first.
    """
    trackers = load_trackers(connection, conversation_id)
    ages = {message_id: age for age, message_id in enumerate(path)} if trackers else {}
    return [_state(connection, tracker, ages) for tracker in trackers]


def store_value(connection: Connection, tracker_id: str, value: TrackerValue) -> None:
    """Store a value at its message; it replaces one that is there."""
    connection.execute(
        "INSERT OR REPLACE INTO tracker_values (tracker_id, message_id, value, coverage, made_by, "
        "created_at) VALUES (?,?,?,?,?,?)",
        (
            tracker_id,
            value.message_id,
            value.value,
            json.dumps(value.coverage, separators=(",", ":")),
            value.made_by,
            value.created_at or now_ms(),
        ),
    )


def load_values(connection: Connection, tracker_id: str) -> list[TrackerValue]:
    """Every value of a tracker, on all branches, oldest first."""
    rows = connection.execute(
        "SELECT * FROM tracker_values WHERE tracker_id = ? ORDER BY number", (tracker_id,)
    )
    return [_value(row) for row in rows]


def _state(connection: Connection, tracker: Tracker, ages: dict[str, int]) -> TrackerState:
    """The tracker on a branch; `ages` has the number of newer messages by message id."""
    rows = connection.execute(
        "SELECT number, message_id FROM tracker_values WHERE tracker_id = ?", (tracker.id,)
    ).fetchall()
    # A value that belongs to no message counts as older than all others.
    oldest = len(ages)
    newest_first = sorted(
        (ages.get(row["message_id"], oldest), row["number"])
        for row in rows
        if row["message_id"] in ages or not row["message_id"]
    )
    stale = None
    # Values may be long, so a value is read only if all newer ones are stale.
    for _, number in newest_first:
        row = connection.execute("SELECT * FROM tracker_values WHERE number = ?", (number,)).fetchone()
        value = _value(row)
        covered = [message_id for message_id, _ in value.coverage]
        if tuple(fingerprints(connection, covered)) == value.coverage:
            return TrackerState(tracker, value, stale)
        stale = stale or value
    return TrackerState(tracker, None, stale)


def _check(connection: Connection, tracker: Tracker) -> None:
    """Raises InvalidInput (TRACKER_EMPTY, TRACKER_EXISTS)."""
    if not tracker.name.strip() or not tracker.instruction.strip():
        raise InvalidInput(
            "TRACKER_EMPTY",
            "A tracker needs a name and an instruction.",
            "Give it both, or take one of the templates.",
        )
    other = connection.execute(
        "SELECT id FROM trackers WHERE conversation_id = ? AND name_key = ? AND id <> ?",
        (tracker.conversation_id, tracker.name.casefold(), tracker.id),
    ).fetchone()
    if other is not None:
        raise InvalidInput(
            "TRACKER_EXISTS",
            f"There is a tracker {tracker.name!r} in this conversation already.",
            "Choose another name, or edit that one.",
            name=tracker.name,
        )


def _cells(tracker: Tracker) -> dict[str, object]:
    names = (
        *("id", "conversation_id", "name", "instruction", "form", "shape", "run", "every", "position"),
        *("depth", "role", "failed_at", "reason", "created_at", "updated_at"),
    )
    cells: dict[str, object] = {name: getattr(tracker, name) for name in names}
    return {**cells, "enabled": int(tracker.enabled), "name_key": tracker.name.casefold()}


def _tracker(row: Row) -> Tracker:
    def one_of(name: str, names: Sequence[Any]) -> Any:
        return row[name] if row[name] in names else names[0]

    return Tracker(
        id=row["id"],
        conversation_id=row["conversation_id"],
        name=plain_text(row["name"]),
        instruction=plain_text(row["instruction"]),
        form=one_of("form", FORMS),
        shape=plain_text(row["shape"]),
        run=one_of("run", RUNS),
        every=max(whole_number(row["every"]), 1),
        position=one_of("position", POSITIONS),
        depth=max(whole_number(row["depth"]), 0),
        role=one_of("role", ROLES),
        enabled=bool(row["enabled"]),
        failed_at=plain_text(row["failed_at"]),
        reason=plain_text(row["reason"]),
        created_at=moment_in(row["created_at"]),
        updated_at=moment_in(row["updated_at"]),
    )


def _value(row: Row) -> TrackerValue:
    coverage = value_in(row["coverage"])
    pairs = coverage if isinstance(coverage, list) else []
    return TrackerValue(
        plain_text(row["value"]),
        plain_text(row["message_id"]),
        plain_text(row["made_by"]),
        moment_in(row["created_at"]),
        tuple((str(pair[0]), str(pair[1])) for pair in pairs if isinstance(pair, list) and len(pair) == 2),
        int(row["number"]),
    )


def _missing(name: str, names: Sequence[str]) -> NotFound:
    return missing(
        "TRACKER_NOT_FOUND",
        f"There is no tracker {name!r} in this conversation.",
        "`lunalux tracker list ID` shows them all.",
        name,
        names,
    )
