"""The dates of chat files (FORMATS 6.1): four spellings in, one out."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from lunalux_core.ids import LATEST_MS

_HUMANISED = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2}) ?@(\d{1,2})h ?(\d{1,2})m ?(\d{1,2})s(?: ?(\d{1,3})ms)?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WORDS = re.compile(r"([A-Za-z]{3,9}) (\d{1,2}), (\d{4}) (\d{1,2}):(\d{2}) ?([ap]m)", re.IGNORECASE)


def parse_date(value: Any) -> int:
    """Milliseconds since 1970, 0 for a text of no known form. Without a zone it is local time."""
    if isinstance(value, bool) or value is None:
        return 0
    if isinstance(value, (int, float)):
        return int(value) if 0 <= value < LATEST_MS else 0
    text = str(value).strip()
    if text.isascii() and text.isdecimal():
        return parse_date(int(text)) if len(text) < 16 else 0
    try:
        return parse_date(_ms(_parsed(text)))
    except (ValueError, OverflowError, OSError):
        return 0


def _parsed(text: str) -> datetime:
    if match := _HUMANISED.fullmatch(text):
        year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
        return datetime(year, month, day, hour, minute, second, int(match[7] or 0) * 1000)
    if match := _WORDS.fullmatch(text):
        month = _MONTHS.index(match[1][:3].lower()) + 1
        hour = int(match[4]) % 12 + (12 if match[6].lower() == "pm" else 0)
        return datetime(int(match[3]), month, int(match[2]), hour, int(match[5]))
    return datetime.fromisoformat(text)


def _ms(moment: datetime) -> int:
    return max(int(moment.timestamp() * 1000), 0)


def st_date(milliseconds: int) -> str:
    """ISO 8601 in UTC with milliseconds, as newer SillyTavern writes it."""
    moment = datetime.fromtimestamp(parse_date(milliseconds) / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds % 1000:03d}Z"
