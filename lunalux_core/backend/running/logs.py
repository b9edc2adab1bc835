"""Structured logs: one JSON object a line, without secrets and without people's words.

Prompts, replies and `raw` are never handed to a logger. What could still slip in by accident (a token
in a URL, a key in a provider's error) is replaced by the formatter, which every record passes.

See docs/spec/backend.md: Identity and security.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from lunalux_core.diagnostics.redaction import REDACTED, redact

request_id: ContextVar[str] = ContextVar("lunalux_request_id", default="")
trace_id: ContextVar[str] = ContextVar("lunalux_trace_id", default="")

logger = logging.getLogger("lunalux.backend")

_WORD = re.compile(r"\S+")
_BEFORE_ADDRESS = re.compile(r"[\"'`<(\[{«“‘]*")
# What a terminal obeys, or shows as something else than it is, and what UTF-8 cannot say.
_ACTING = re.compile("[\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ud800-\udfff\ufeff]")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PRIVATE = frozenset({"password", "code_value", "token", "authorization", "x-session-token", "cookie", "raw"})


def masked(word: str) -> str:
    """An e-mail address with its first letter and its domain left; a word without one as it is.

    All that stands before the last @ goes, since any sign but a blank may be part of an address.
    """
    local, at, domain = word.rpartition("@")
    if not local:
        return word
    opening = _BEFORE_ADDRESS.match(local)
    start = opening.end() if opening is not None else 0
    return f"{local[:start]}{local[start : start + 1]}…{at}{domain}"


def _clean(text: str) -> str:
    """`text` without credentials, and with no more of an e-mail address than tells it from others."""
    text = redact(text)
    return _WORD.sub(lambda word: masked(word[0]), text) if "@" in text else text


def _escaped(line: str) -> str:
    """A line of JSON with everything that could act on a terminal in JSON's own escapes."""
    return _ACTING.sub(lambda sign: f"\\u{ord(sign[0]):04x}", line)


class JsonFormatter(logging.Formatter):
    """One line of JSON per record; `extra` fields become members."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _clean(record.getMessage()),
        }
        if current := request_id.get():
            line["requestId"] = current
        if traced := trace_id.get():
            line["traceId"] = traced
        for name, value in vars(record).items():
            if name not in _STANDARD:
                hidden = name.lower() in _PRIVATE
                line[name] = REDACTED if hidden else _clean(value) if isinstance(value, str) else value
        if record.exc_info:
            line["trace"] = _clean(self.formatException(record.exc_info))
        return _escaped(json.dumps(line, ensure_ascii=False, default=str))


def configure(level: str = "INFO", stream: TextIO | None = None) -> logging.Handler:
    """Send the backend's log to `stream` (standard error by default); what `lunalux serve` calls."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    # The program around us may have a log of its own, which would show each line once more.
    logger.propagate = False
    return handler
