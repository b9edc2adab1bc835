"""Trackers inside our own JSON of a conversation, with every value on every branch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lunalux_core.database import Connection
from lunalux_core.documents.coerce import as_flag, as_integer, as_text, is_integer
from lunalux_core.documents.json_text import well_formed_value
from lunalux_core.errors import InvalidInput
from lunalux_core.library.memories import PERSON, fingerprints
from lunalux_core.library.trackers import (
    FORMS,
    POSITIONS,
    ROLES,
    RUNS,
    Tracker,
    TrackerValue,
    add_tracker,
    load_trackers,
    load_values,
    store_value,
)
from lunalux_core.memory.memory_books import moment
from lunalux_core.text import clean, clean_line
from lunalux_core.trackers.shape import LONGEST_SHAPE, LONGEST_VALUE

MOST = 200
"""Trackers of one file."""
LONGEST_INSTRUCTION = 20_000


def trackers_for_file(
    connection: Connection, conversation_id: str, place: Mapping[str, int]
) -> list[dict[str, Any]]:
    """All trackers for our own JSON. Args: place: the number of each message in the file."""
    return [
        {
            "name": tracker.name,
            "instruction": tracker.instruction,
            "form": tracker.form,
            "shape": tracker.shape,
            "run": tracker.run,
            "every": tracker.every,
            "position": tracker.position,
            "depth": tracker.depth,
            "role": tracker.role,
            "enabled": tracker.enabled,
            "created_at": tracker.created_at,
            "values": [
                _for_file(connection, value, place)
                for value in load_values(connection, tracker.id)
                # Values at messages that the file leaves out would hang on nothing there.
                if not value.message_id or value.message_id in place
            ],
        }
        for tracker in load_trackers(connection, conversation_id)
    ]


def _for_file(connection: Connection, value: TrackerValue, place: Mapping[str, int]) -> dict[str, Any]:
    covered = [message_id for message_id, _ in value.coverage]
    return {
        "at": place.get(value.message_id),
        "value": value.value,
        "covers": [place[each] for each in covered if each in place],
        "sound": tuple(fingerprints(connection, covered)) == value.coverage,
        "made_by": value.made_by,
        "created_at": value.created_at,
    }


def store_trackers(
    connection: Connection, conversation_id: str, entries: Sequence[Any], ids: Sequence[str]
) -> None:
    """Keep the trackers of our own JSON; `ids` are the stored messages by their numbers there. What is none,
    or has the name of one before it, is left out.
    """
    for entry in well_formed_value(list(entries[:MOST])):
        if not isinstance(entry, dict):
            continue
        try:
            tracker = add_tracker(connection, _tracker(entry, conversation_id))
        except InvalidInput:
            continue
        values = entry.get("values")
        for value in values if isinstance(values, list) else ():
            if isinstance(value, dict):
                _store_value(connection, tracker.id, value, ids)


def _tracker(entry: Mapping[str, Any], conversation_id: str) -> Tracker:
    def one_of(name: str, names: Sequence[Any]) -> Any:
        return entry[name] if entry.get(name) in names else names[0]

    form, shape = one_of("form", FORMS), clean(as_text(entry.get("shape")))[:LONGEST_SHAPE]
    # Every value is held against the schema, which has to be JSON
    # then: a broken one would stop each revision.
    if form == "json" and not _is_schema(shape):
        shape = ""
    return Tracker(
        "",
        conversation_id,
        clean_line(as_text(entry.get("name")), 60),
        clean(as_text(entry.get("instruction")))[:LONGEST_INSTRUCTION],
        form,
        shape,
        one_of("run", RUNS),
        min(max(as_integer(entry.get("every"), 1), 1), 1000),
        one_of("position", POSITIONS),
        min(max(as_integer(entry.get("depth"), 4), 0), 10_000),
        one_of("role", ROLES),
        enabled=as_flag(entry.get("enabled", True)),
        created_at=moment(entry.get("created_at")),
    )


def _is_schema(shape: str) -> bool:
    try:
        return isinstance(json.loads(shape), dict)
    except (ValueError, RecursionError):
        return False


def _store_value(
    connection: Connection, tracker_id: str, entry: Mapping[str, Any], ids: Sequence[str]
) -> None:
    text, at, covers = as_text(entry.get("value")), entry.get("at"), entry.get("covers")
    text = clean(text)[:LONGEST_VALUE]
    if not text.strip() or (at is not None and not _is_place(at, ids)):
        return
    covered = [
        ids[number] for number in (covers if isinstance(covers, list) else ()) if _is_place(number, ids)
    ]
    coverage = fingerprints(connection, covered)
    if not as_flag(entry.get("sound", True)):
        # Stale where it came from, and so it stays: no message has an empty fingerprint.
        coverage = [(message_id, "") for message_id in covered] or [("", "stale")]
    made_by = clean_line(as_text(entry.get("made_by")), 200) or PERSON
    value = TrackerValue(
        text,
        ids[at] if at is not None else "",
        made_by,
        moment(entry.get("created_at")),
        tuple(coverage),
    )
    store_value(connection, tracker_id, value)


def _is_place(value: object, ids: Sequence[str]) -> bool:
    return is_integer(value) and 0 <= value < len(ids)
