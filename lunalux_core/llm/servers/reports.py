"""Read what a model server reports about a failure, whatever shape it has.

Known shapes: OpenAI's `{"error": {message, type, code, param}}`, the same with a bare string, Google's
`{"error": {code, message, status, details}}` alone or in a list, FastAPI's `{"detail": …}`, vLLM's flat
`{"object": "error", "message", …}`, `error_message`, `error_msg`, `msg` and `base_resp` of gateways,
OAuth's `error_description`, Apigee's `fault`, `errors` of any form, OpenRouter's `metadata.raw`, JSON in a
string, an event of a stream, XML, plain text, and the HTML page of a proxy. Keys count in every spelling
(`errorMessage`, `error_message`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from html import unescape
from math import ceil
from time import time

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
    *("message", "msg", "errormessage", "errormsg", "errmsg", "statusmsg", "faultstring", "errordescription"),
    *("detail", "description", "reason", "text", "title", "errors", "error", "fault"),
)
"""Keys that hold a server's sentence, or something that holds it; in lower case, without marks."""
_INNER = ("error", "fault", "baseresp")
"""Keys of the object that describes the failure."""
_WORDS = ("code", "type", "status", "param", "errortype", "errorcode", "errcode", "statuscode")
_DATA = re.compile(r"^data: ?(.*)$", re.MULTILINE)
_XML = re.compile(r"<(?:\w+:)?(message|faultstring|description|code)(?:\s[^<>]{0,200})?>([^<]+)</", re.I)
_SOON = re.compile(
    r"(?:(?:try|retry|again|wait|reset\w*|available)\b[^.\d]{0,30}|请?[在等][^\d。]{0,8})"
    r"(?P<time>(?:\d+(?:\.\d+)?\s?(?:ms|milliseconds?|h|hours?|m|min(?:ute)?s?|s|sec(?:ond)?s?|毫秒|小时|分钟?|秒钟?)"
    r"(?:\s|(?=\d)|(?![a-z]))){1,3})",
    re.I,
)
"""A wait that is told in a sentence, such as `try again in 1m30.5s`."""
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s?(ms|milli|毫|h|小时|m|分|s|秒)", re.I)
_SECONDS = {
    "ms": 0.001,
    "milli": 0.001,
    "毫": 0.001,
    "h": 3600,
    "小时": 3600,
    "m": 60,
    "分": 60,
    "s": 1,
    "秒": 1,
}


def read_report(body: bytes | object, status: int | None, headers: Mapping[str, str]) -> ServerReport:
    """Understand an error: raw bytes, or JSON already parsed, with its status and headers."""
    parsed, text = parsed_failure(body) if isinstance(body, bytes) else (body, "")
    # Google's errors may come as the only item of a list.
    if isinstance(parsed, list) and parsed and isinstance(parsed[0], dict):
        parsed = parsed[0]
    wait = _retry_after(headers)
    if not isinstance(parsed, dict):
        return _of_text(_prose(parsed, 0) if parsed is not None else text, status, wait)
    levels = _levels(parsed)
    inner = levels[0]
    message = _prose(inner, 0) or _prose(parsed, 0) or (_dump(inner) if _says_anything(inner) else "")
    words: list[str] = []
    code: int | None = None
    for level in map(_plain, levels):
        said = [level[key] for key in _WORDS if isinstance(level.get(key), (str, int)) and level[key]]
        words += [str(word) for word in said]
        code = code or next((number for word in said if (number := _as_status(word))), None)
    details, delay, cause = _details(inner)
    if cause and cause not in message:
        message = f"{message.removesuffix('.')}: {cause}" if message else cause
    param = inner.get("param")
    return ServerReport(
        message,
        " ".join([*words, *details]),
        status if status and status >= 400 else code,
        next((seconds for seconds in (wait, delay) if seconds is not None), _told_wait(message)),
        param if isinstance(param, str) else "",
        named=named_window(message, inner),
    )


def parsed_failure(body: bytes) -> tuple[object, str]:
    """The JSON of a refusal, None where there is none, and its text; an event of a stream is read alike."""
    text = body.decode("utf-8-sig", "replace")
    for words in (text, *(("\n".join(events),) if (events := _DATA.findall(text)) else ())):
        with suppress(ValueError, RecursionError):
            parsed = json.loads(words, strict=False)
            return parsed, words if parsed else ""
    return None, text


def _of_text(text: str, status: int | None, wait: float | None) -> ServerReport:
    """A failure that is no object: a page, XML, or a sentence."""
    if "<html" in text[:2000].lower() or "<!doctype" in text[:200].lower():
        return ServerReport(html_text(text), "", status, wait, page=True)
    words = ""
    if text.lstrip().startswith("<"):
        found = {name.lower(): unescape(said).strip() for name, said in _XML.findall(text[:20_000])}
        words = found.pop("code", "")
        text = next(iter(found.values()), words) or text
    wait = wait if wait is not None else _told_wait(text)
    return ServerReport(text, words, status, wait, named=named_window(text, {}))


def _plain(value: dict[str, object]) -> dict[str, object]:
    """An object with its keys in lower case and without marks; the first of several alike counts."""
    plain: dict[str, object] = {}
    for key, part in value.items():
        plain.setdefault(re.sub(r"[_-]", "", str(key)).lower(), part)
    return plain


def _levels(parsed: dict[str, object]) -> list[dict[str, object]]:
    """The objects that describe the failure, the innermost first: one under `error`, another one in it."""
    levels = [parsed]
    for _ in range(3):
        outer = _plain(levels[0])
        inner = next((found for key in (*_INNER, "message") if (found := _object_in(outer.get(key)))), None)
        if inner is None:
            break
        levels.insert(0, inner)
    return levels


def _object_in(value: object) -> dict[str, object] | None:
    """A value that is an object, or a string that holds one."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):
            value = json.loads(value, strict=False)
    return value if isinstance(value, dict) and value else None


def _prose(value: object, depth: int) -> str:
    """What a report says in sentences; of lists of faults, the fields that they name too."""
    if isinstance(value, str):
        inner = _object_in(value) if depth <= 4 else None
        return (_prose(inner, depth + 1) if inner else "") or value.strip()
    if depth > 4:
        return ""
    if isinstance(value, list):
        return "; ".join(text for item in value[:5] if (text := _prose(item, depth + 1)))
    if not isinstance(value, dict):
        return ""
    plain = _plain(value)
    text = next((text for key in _PROSE if (text := _prose(plain.get(key), depth + 1))), "")
    # A short name of the failure stands beside its sentence, and what is wrong with each field.
    if isinstance(name := plain.get("error"), str) and name.strip() and name.strip() not in text:
        text = f"{name.strip()}: {text}" if text else name.strip()
    faults = plain.get("errors")
    listed = _fields(faults, depth) if isinstance(faults, dict) else _prose(faults, depth + 1)
    if listed and listed not in text:
        text = f"{text.removesuffix('.')}: {listed}" if text else listed
    place = plain.get("loc")
    if text and isinstance(place, list):
        return f"{'.'.join(str(step) for step in place)}: {text}"
    return text


def _fields(faults: dict[str, object], depth: int) -> str:
    """What is wrong with each field."""
    if said := _prose({name: part for name, part in faults.items() if name != "errors"}, depth + 1):
        return said
    told = ((name, _prose(part, depth + 1)) for name, part in list(faults.items())[:5])
    return "; ".join(f"{name}: {text}" for name, text in told if text)


def _says_anything(value: object) -> bool:
    """Whether anything but nothing is in a report."""
    if isinstance(value, dict):
        return any(map(_says_anything, value.values()))
    return any(map(_says_anything, value)) if isinstance(value, list) else value not in (None, "")


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:4000]


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
            raw = json.loads(raw, strict=False)
        except (ValueError, RecursionError):
            return str(raw)[:2000]
    return (_prose(_levels(raw)[0], 0) if isinstance(raw, dict) else str(raw))[:2000]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `Retry-After` (seconds or an HTTP date)."""
    milliseconds = headers.get("retry-after-ms", "")
    if re.fullmatch(r"\d{1,9}", milliseconds):
        return int(milliseconds) / 1000
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,6}(\.\d+)?", value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    # Measured by the server's own clock where it tells the time: it need not agree with ours.
    try:
        now = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (TypeError, ValueError, OverflowError):
        now = time()
    return max(0.0, float(ceil(moment - now)))


def _told_wait(message: str) -> float | None:
    """Seconds to wait, from a sentence."""
    match = _SOON.search(message[:4000])
    if match is None:
        return None
    return round(sum(float(n) * _SECONDS[unit.lower()] for n, unit in _TIME.findall(match["time"])), 3)
