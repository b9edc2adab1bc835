"""Documents and passages as the command line and scripts see them."""

from __future__ import annotations

from typing import Any

from lunalux_core.documents.iso_time import iso_time
from lunalux_core.library.bank_documents import Document, Passage


def document_row(document: Document) -> dict[str, Any]:
    """The JSON of a document."""
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
        "created_at": iso_time(document.created_at),
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
