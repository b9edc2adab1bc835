"""Identifiers and the wall clock, in one place so that tests can hold them still."""

from __future__ import annotations

import os
import time

LATEST_MS = 253_370_764_800_000
"""Milliseconds since 1970 from which on a calendar may have no date any more, in some time zone."""


def short_id() -> str:
    """Twelve hex digits: for things a person names on the command line."""
    return os.urandom(6).hex()


def uuid4() -> str:
    """A random UUID in its usual spelling; message ids double as idempotency keys."""
    raw = bytearray(os.urandom(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000
