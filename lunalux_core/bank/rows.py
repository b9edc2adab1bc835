"""Documents and passages as the command line and scripts see them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lunalux_core.library.documents import Document, Passage


def document_row(document: Document) -> dict[str, Any]:
    """The JSON of a document."""
    made = datetime.fromtimestamp(document.created_at / 1000, UTC)
    return {
        "id": document.id,
        "name": document.name,
        "kind": document.kind,
        "scope": document.scope,
        "conversation_id": document.conversation_id or None,
        "character_id": document.character_id or None,
        "bytes": document.size,
        "passages": document.passages,
        "tokens": document.tokens,
        "created_at": made.isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


def passage_row(passage: Passage) -> dict[str, Any]:
    """The JSON of a passage that was found."""
    return {
        "id": passage.id,
        "name": passage.document,
        "document_id": passage.document_id,
        "place": passage.place,
        "text": passage.text,
        "tokens": passage.tokens,
        "words": list(passage.by),
    }
