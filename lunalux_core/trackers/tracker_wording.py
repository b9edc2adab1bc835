"""Trackers as words of a prompt, and for the record of a turn."""

from __future__ import annotations

from typing import Any

from lunalux_core.library.trackers import TrackerState


def prompt_text(standing: TrackerState) -> str:
    """What stands in the prompt: the name, and the value; "" where nothing is to stand there."""
    if standing.value is None or not standing.tracker.enabled or not standing.value.value.strip():
        return ""
    return f"[{standing.tracker.name}]\n{standing.value.value.strip()}"


def account(standing: TrackerState, tokens: int, used: bool = True) -> dict[str, Any]:
    """For the record of a turn: what was used of a tracker, and if nothing, why."""
    tracker = standing.tracker
    why = "" if used else "no_room"
    if not tracker.enabled:
        why = "off"
    elif standing.value is None:
        why = "stale" if standing.stale is not None else "empty"
    return {
        "id": tracker.id,
        "name": tracker.name,
        "status": standing.status,
        "at": (standing.value.message_id or None) if standing.value else None,
        "position": tracker.position,
        "depth": tracker.depth,
        "role": tracker.role,
        "tokens": 0 if why else tokens,
        "left_out": why or None,
    }
