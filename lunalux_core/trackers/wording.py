"""Trackers as words of a prompt, and for the record of a turn."""

from __future__ import annotations

from typing import Any

from lunalux_core.library.trackers import Standing


def prompt_text(one: Standing) -> str:
    """What stands in the prompt: the name, and the value; "" where nothing is to stand there."""
    if one.value is None or not one.tracker.enabled or not one.value.value.strip():
        return ""
    return f"[{one.tracker.name}]\n{one.value.value.strip()}"


def account(one: Standing, tokens: int, used: bool = True) -> dict[str, Any]:
    """For the record of a turn: what was used of a tracker, and if nothing, why."""
    tracker = one.tracker
    why = "" if used else "no_room"
    if not tracker.enabled:
        why = "off"
    elif one.value is None:
        why = "stale" if one.stale is not None else "empty"
    return {
        "id": tracker.id,
        "name": tracker.name,
        "status": one.status,
        "at": (one.value.message_id or None) if one.value else None,
        "position": tracker.position,
        "depth": tracker.depth,
        "role": tracker.role,
        "tokens": 0 if why else tokens,
        "left_out": why or None,
    }
