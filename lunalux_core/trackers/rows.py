"""A tracker as the command line and scripts see it."""

from __future__ import annotations

import json
from typing import Any

from lunalux_core.chatlogs.dates import iso_time
from lunalux_core.library.trackers import Tracker, TrackerState, TrackerValue
from lunalux_core.llm.tokens import TokenEstimator


def tracker_row(standing: TrackerState) -> dict[str, Any]:
    """The JSON of a tracker as a branch sees it; `value` is JSON for a JSON tracker."""
    tracker, held = standing.tracker, standing.value
    structured = tracker.form == "json"
    row: dict[str, Any] = {
        "id": tracker.id,
        "name": tracker.name,
        "instruction": tracker.instruction,
        "form": tracker.form,
        "shape": _json(tracker.shape) if structured else tracker.shape or None,
        "value": None if held is None else _json(held.value) if structured else held.value,
        "at": (held.message_id or None) if held else None,
        "status": standing.status,
        "made_by": held.made_by if held else None,
        "tokens": TokenEstimator().text(held.value) if held else 0,
        "run": tracker.run,
        "every": tracker.every,
        "position": tracker.position,
        "depth": tracker.depth,
        "role": tracker.role,
        "enabled": tracker.enabled,
        "created_at": iso_time(tracker.created_at),
        "updated_at": iso_time(max(tracker.updated_at, held.created_at if held else 0)),
    }
    if tracker.reason:
        row["reason"] = tracker.reason
    return row


def value_row(tracker: Tracker, held: TrackerValue) -> dict[str, Any]:
    """The JSON of one value of a tracker."""
    return {
        "at": held.message_id or None,
        "value": _json(held.value) if tracker.form == "json" else held.value,
        "made_by": held.made_by,
        "created_at": iso_time(held.created_at),
    }


def _json(text: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
