"""Moments in milliseconds since 1970, written as texts."""

from __future__ import annotations

from datetime import UTC, datetime

from lunalux_core.ids import LATEST_MS


def bounded(milliseconds: float) -> int:
    """The same moment, 0 for one that no calendar has."""
    return int(milliseconds) if 0 <= milliseconds < LATEST_MS else 0


def iso_time(milliseconds: int) -> str:
    """ISO 8601 in UTC, to the second; a moment that no calendar has is written as 1970."""
    moment = datetime.fromtimestamp(bounded(milliseconds) / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
