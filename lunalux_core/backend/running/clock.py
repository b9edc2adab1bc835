"""Times as they are stored: ISO 8601 in UTC, milliseconds, and keys whose order is newest first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

MAX_TIME = 9_999_999_999_999
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(ms: int) -> str:
    """`2026-01-31T09:30:00.000Z` of milliseconds since 1970."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: object) -> int | None:
    """Milliseconds since 1970 of an ISO 8601 time, in UTC unless it says otherwise; None of what is none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def newest_first(ms: int) -> str:
    """Thirteen digits that sort later moments before earlier ones."""
    # Kept within thirteen digits: texts of another length would not sort like the numbers.
    return f"{MAX_TIME - min(max(ms, 0), MAX_TIME):013d}"
