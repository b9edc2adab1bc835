"""The dates of chat files: many spellings in, one out.

See docs/spec/formats.md: Chat files.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from lunalux_core.documents.iso_time import bounded

_HUMANISED = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2}) ?@(\d{1,2})h ?(\d{1,2})m ?(\d{1,2})s(?: ?(\d{1,3})ms)?", re.ASCII
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WORDS = re.compile(r"([A-Za-z]{3,9})\.? (\d{1,2}), (\d{4}) (\d{1,2}):(\d{2}) ?([ap]m)?", re.I | re.ASCII)

_SECONDS = (100_000_000, 100_000_000_000)
"""Numbers between these are seconds: as milliseconds they would be days of the early seventies."""


def parse_date(value: Any) -> int:
    """Milliseconds since 1970, 0 for a text of no known form. Without a zone it is local time."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return bounded(value * 1000 if _SECONDS[0] <= value < _SECONDS[1] else value)
    text = value.strip() if isinstance(value, str) else ""
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return parse_date(float(text)) if len(text) < 30 else 0
    try:
        return bounded(_parsed(text).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return 0


def _parsed(text: str) -> datetime:
    if match := _HUMANISED.fullmatch(text):
        year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
        return datetime(year, month, day, hour, minute, second, int(match[7] or 0) * 1000)
    if match := _WORDS.fullmatch(text):
        month = _MONTHS.index(match[1][:3].lower()) + 1
        hour = int(match[4])
        if match[6]:
            # 12 am is midnight, and 12 pm noon.
            hour = hour % 12 + (12 if match[6].lower() == "pm" else 0)
        return datetime(int(match[3]), month, int(match[2]), hour, int(match[5]))
    return datetime.fromisoformat(text)


def st_date(milliseconds: int) -> str:
    """ISO 8601 in UTC with milliseconds, as newer versions of SillyTavern write it; else as `iso_time`."""
    milliseconds = bounded(milliseconds)
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds % 1000:03d}Z"
