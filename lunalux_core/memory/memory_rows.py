"""A memory as the command line and scripts see it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from lunalux_core.documents.iso_time import iso_time
from lunalux_core.library.memories import Memory


def memory_row(memory: Memory, path: Collection[str]) -> dict[str, Any]:
    """The JSON of a memory; `path` are the ids of the messages on the branch it is seen from."""
    row: dict[str, Any] = {
        "id": memory.id,
        "name": memory.name,
        "kind": memory.kind,
        "title": memory.title,
        "text": memory.text,
        "keywords": list(memory.keywords),
        "from": memory.first or None,
        "to": memory.last or None,
        "speaker": memory.speaker or None,
        "tokens": memory.tokens,
        "pinned": memory.pinned,
        "status": memory.status(path),
        "sources": [dict(source) for source in memory.sources],
        "made_by": memory.made_by,
        "created_at": iso_time(memory.created_at),
    }
    if memory.reason:
        row["reason"] = memory.reason
    return row
