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

_EMAIL = re.compile(r"(?<![\w.+%-])([\w+%-])[\w.+%-]*@([\w-]+(?:\.[\w-]+)+)")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PRIVATE = frozenset({"password", "code_value", "token", "authorization", "x-session-token", "cookie", "raw"})


def _clean(text: str) -> str:
    """`text` without credentials, and with no more of an e-mail address than tells it from others."""
    text = redact(text)
    return _EMAIL.sub(r"\1…@\2", text) if "@" in text else text


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
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(level: str = "INFO", stream: TextIO | None = None) -> logging.Handler:
    """Send the backend's log to `stream` (standard error by default); what `lunalux serve` calls."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    # The program around us may have a log of its own, which would show each line once more.
    logger.propagate = False
    return handler
