"""Read what a model server reports about a failure, whatever shape it has.

Known shapes: OpenAI's `{"error": {message, type, code, param}}`, the same with a bare string, Google's
`{"error": {code, message, status, details}}` alone or in a list, FastAPI's `{"detail": …}`, OpenRouter's
`metadata.raw`, plain text, and the HTML page of a proxy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What a server said about a failure: `words` are its code words, `message` its prose."""

    message: str = ""
    words: str = ""
    status: int | None = None
    wait_seconds: float | None = None


def read_report(body: bytes | object, status: int | None, headers: Mapping[str, str]) -> ServerReport:
    """Understand an error: raw bytes, or JSON already parsed, with its status and headers."""
    parsed: object = body
    text = ""
    if isinstance(body, bytes):
        text = body.decode("utf-8", "replace")
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            parsed = None
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    words: list[str] = []
    message = ""
    wait = _retry_after(headers)
    if isinstance(parsed, dict):
        inner = parsed.get("error", parsed)
        if not isinstance(inner, dict):
            inner = {"message": inner}
        raw = inner.get("message") or inner.get("detail") or parsed.get("message") or parsed.get("detail")
        message = raw if isinstance(raw, str) else json.dumps(raw or inner, ensure_ascii=False)
        words = [str(inner[key]) for key in ("code", "type", "status", "param") if inner.get(key)]
        status = status if status and status >= 400 else _as_status(inner.get("code"))
        details, delay = _details(inner)
        words += details
        wait = wait if wait is not None else delay
    elif "<html" in text[:2000].lower():
        message = html_text(text)
    else:
        message = text
    return ServerReport(message, " ".join(words), status, wait)


def html_text(page: str) -> str:
    """The title of a page, or its first words: enough to recognise a proxy's error page."""
    title = re.search(r"<title[^>]*>(.*?)</title>", page[:20_000], re.I | re.S)
    return "a web page, " + (title[1] if title else re.sub(r"<[^>]*>", " ", page[:2000])).strip()


def _as_status(code: object) -> int | None:
    number = int(code) if isinstance(code, (int, str)) and str(code).isdigit() else 0
    return number if 400 <= number <= 599 else None


def _details(inner: Mapping[str, object]) -> tuple[list[str], float | None]:
    """Code words and the retry delay from Google's `details`, and what OpenRouter's provider said."""
    words: list[str] = []
    delay: float | None = None
    details = inner.get("details")
    for item in details if isinstance(details, list) else ():
        if not isinstance(item, dict):
            continue
        words += [str(item[key]) for key in ("reason", "quotaId") if key in item]
        violations = item.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            words.append(str(violation.get("quotaId", "")) if isinstance(violation, dict) else "")
        if match := re.fullmatch(r"(\d+(?:\.\d+)?)s", str(item.get("retryDelay", ""))):
            delay = float(match[1])
    metadata = inner.get("metadata")
    if isinstance(metadata, dict) and metadata.get("raw"):
        words.append(str(metadata["raw"])[:2000])
    return words, delay


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `Retry-After` (seconds or an HTTP date)."""
    milliseconds = headers.get("retry-after-ms", "")
    if re.fullmatch(r"\d{1,9}", milliseconds):
        return int(milliseconds) / 1000
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,6}(\.\d+)?", value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        sent = parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (moment - sent).total_seconds())
    except (TypeError, ValueError):
        return None
