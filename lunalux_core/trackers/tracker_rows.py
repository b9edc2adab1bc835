"""A tracker as the command line and scripts see it."""

from __future__ import annotations

import json
from typing import Any

from lunalux_core.documents.iso_time import iso_time
from lunalux_core.library.trackers import Tracker, TrackerState, TrackerValue
from lunalux_core.llm.tokens import TokenEstimator


def tracker_row(state: TrackerState) -> dict[str, Any]:
    """The JSON of a tracker on one branch; its "value" is JSON for a JSON tracker."""
    tracker, value = state.tracker, state.value
    structured = tracker.form == "json"
    row: dict[str, Any] = {
        "id": tracker.id,
        "name": tracker.name,
        "instruction": tracker.instruction,
        "form": tracker.form,
        "shape": _json(tracker.shape) if structured else tracker.shape or None,
        "value": None if value is None else _json(value.value) if structured else value.value,
        "at": (value.message_id or None) if value else None,
        "status": state.status,
        "made_by": value.made_by if value else None,
        "tokens": TokenEstimator().text(value.value) if value else 0,
        "run": tracker.run,
        "every": tracker.every,
        "position": tracker.position,
        "depth": tracker.depth,
        "role": tracker.role,
        "enabled": tracker.enabled,
        "created_at": iso_time(tracker.created_at),
        "updated_at": iso_time(max(tracker.updated_at, value.created_at if value else 0)),
    }
    if tracker.reason:
        row["reason"] = tracker.reason
    return row


def value_row(tracker: Tracker, value: TrackerValue) -> dict[str, Any]:
    """The JSON of one value of a tracker."""
    return {
        "at": value.message_id or None,
        "value": _json(value.value) if tracker.form == "json" else value.value,
        "made_by": value.made_by,
        "created_at": iso_time(value.created_at),
    }


def _json(text: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
