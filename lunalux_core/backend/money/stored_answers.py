"""Stored answers: JSON in one attribute, compressed when it is too large for the item (400 KB).

See docs/spec/backend.md: Storage port.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

PLAIN_BYTES = 64 * 1024
_PACKED = "z:"
MOST_BYTES = 16 * 1024 * 1024
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def pack(response: Mapping[str, Any]) -> str:
    """The answer as a text; long ones are compressed."""
    text = _dumps(response)
    # Half of a surrogate pair has no UTF-8; a `?` is better than a paid reply that cannot be stored.
    data = text.encode("utf-8", "replace")
    if len(data) <= PLAIN_BYTES:
        return data.decode()
    return _PACKED + base64.b64encode(zlib.compress(data, 6)).decode()


def unpack(stored: str) -> dict[str, Any] | None:
    """The answer in a text that `pack` made, None in any other."""
    try:
        if stored.startswith(_PACKED):
            inflater = zlib.decompressobj()
            packed = base64.b64decode(stored.removeprefix(_PACKED))
            # Bounded: a small row may unfold to any size.
            stored = inflater.decompress(packed, MOST_BYTES).decode()
        answer = json.loads(stored)
    except (ValueError, zlib.error, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
