"""Read what a model server reports about a failure, whatever shape it has.

Known shapes: OpenAI's `{"error": {message, type, code, param}}`, the same with a bare string, Google's
`{"error": {code, message, status, details}}` alone or in a list, FastAPI's `{"detail": …}`, vLLM's flat
`{"object": "error", "message", …}`, `error_message`, `error_msg`, `msg` and `base_resp` of gateways,
Cloudflare's `errors`, OpenRouter's `metadata.raw`, plain text, and the HTML page of a proxy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from lunalux_core.llm.servers.refused_window import NOT_NAMED, NamedWindow, named_window


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What a server said about a failure: `words` are its code words, `message` its prose, `param` the field
    of the request that it names. `page`: it was a web page. `named` is the window that it names."""

    message: str = ""
    words: str = ""
    status: int | None = None
    wait_seconds: float | None = None
    param: str = ""
    page: bool = False
    named: NamedWindow = NOT_NAMED


_PROSE = (
    *("message", "msg", "error_message", "error_msg", "errorMessage", "errmsg", "err_msg", "status_msg"),
    *("detail", "description", "reason", "text", "title", "errors", "error"),
)
"""Keys that hold a server's sentence, or something that holds it."""
_WORDS = (
    *("code", "type", "status", "param", "error_type", "error_code", "errcode", "err_code", "status_code"),
)

_DATA = re.compile(r"^data: ?(.*)$", re.MULTILINE)


def read_report(body: bytes | object, status: int | None, headers: Mapping[str, str]) -> ServerReport:
    """Understand an error: raw bytes, or JSON already parsed, with its status and headers."""
    parsed, text = parsed_failure(body) if isinstance(body, bytes) else (body, "")
    # Google's errors may come as the only item of a list.
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    wait = _retry_after(headers)
    if not isinstance(parsed, dict):
        page = "<html" in text[:2000].lower() or "<!doctype" in text[:200].lower()
        named = NOT_NAMED if page else named_window(text, {})
        return ServerReport(html_text(text) if page else text, "", status, wait, page=page, named=named)
    inner = _inner(parsed)
    message = _prose(inner, 0) or _prose(parsed, 0) or json.dumps(inner, ensure_ascii=False)[:4000]
    words = [str(inner[key]) for key in _WORDS if isinstance(inner.get(key), (str, int)) and inner[key]]
    code = next((_as_status(inner.get(key)) for key in _WORDS if _as_status(inner.get(key))), None)
    details, delay, cause = _details(inner)
    if cause and cause not in message:
        message = f"{message.removesuffix('.')}: {cause}" if message else cause
    param = inner.get("param")
    return ServerReport(
        message,
        " ".join([*words, *details]),
        status if status and status >= 400 else code,
        wait if wait is not None else delay,
        param if isinstance(param, str) else "",
        named=named_window(message, inner),
    )


def parsed_failure(body: bytes) -> tuple[object, str]:
    """The JSON of a refusal, None where there is none, and its text; an event of a stream is read alike."""
    text = body.decode("utf-8-sig", "replace")
    for words in (text, *(("\n".join(events),) if (events := _DATA.findall(text)) else ())):
        with suppress(ValueError, RecursionError):
            return json.loads(words), words
    return None, text


def _inner(parsed: dict[str, object]) -> dict[str, object]:
    """The object that describes the failure: under `error`, and under another one in it, or the whole."""
    inner = parsed
    for _ in range(3):
        reason = inner.get("error") or inner.get("base_resp")
        if not reason:
            break
        if not isinstance(reason, dict):
            return {**inner, "message": reason} if isinstance(reason, str) else inner
        inner = reason
    return inner


def _prose(value: object, depth: int) -> str:
    """The first sentence in a report; of FastAPI's lists of faults, the fields that they name too."""
    if isinstance(value, str):
        return value.strip()
    if depth > 4:
        return ""
    if isinstance(value, list):
        return "; ".join(text for item in value[:5] if (text := _prose(item, depth + 1)))
    if not isinstance(value, dict):
        return ""
    text = next((text for key in _PROSE if key in value and (text := _prose(value[key], depth + 1))), "")
    place = value.get("loc")
    if text and isinstance(place, list):
        return f"{'.'.join(str(step) for step in place)}: {text}"
    return text


def html_text(page: str) -> str:
    """The title of a page, or its first words: enough to recognise a proxy's error page."""
    title = re.search(r"<title[^>]*>(.*?)</title>", page[:20_000], re.I | re.S)
    return "a web page, " + (title[1] if title else re.sub(r"<[^>]*>", " ", page[:2000])).strip()


def _as_status(code: object) -> int | None:
    number = int(code) if isinstance(code, (int, str)) and re.fullmatch(r"\d{3}", str(code)) else 0
    return number if 400 <= number <= 599 else None


def _details(inner: Mapping[str, object]) -> tuple[list[str], float | None, str]:
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
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return words, delay, _cause(raw) if raw else ""


def _cause(raw: object) -> str:
    """What the provider behind a gateway said; often JSON in a string."""
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError):
            return str(raw)[:2000]
    return (_prose(_inner(raw), 0) if isinstance(raw, dict) else str(raw))[:2000]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `Retry-After` (seconds or an HTTP date)."""
    milliseconds = headers.get("retry-after-ms", "")
    if re.fullmatch(r"\d{1,9}", milliseconds):
        return int(milliseconds) / 1000
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,6}(\.\d+)?", value):
        return float(value)
    try:
        # Measured by the server's own clock, which need not agree with ours.
        moment = parsedate_to_datetime(value)
        sent = parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (moment - sent).total_seconds())
    except (TypeError, ValueError):
        return None
