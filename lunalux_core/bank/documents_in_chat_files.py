"""Documents of a conversation inside our own JSON of it: their passages, not the files they came from."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from lunalux_core.bank.document_text import KINDS, LARGEST_TEXT
from lunalux_core.database import Connection
from lunalux_core.documents.coerce import as_integer, as_text
from lunalux_core.documents.json_text import well_formed_value
from lunalux_core.errors import InvalidInput
from lunalux_core.library.bank_documents import Document, add_document, documents_of, passages_of, words_of
from lunalux_core.llm.tokens import TokenEstimator
from lunalux_core.memory.memory_books import moment
from lunalux_core.text import clean, clean_line

MOST = 1000
"""Documents of one file."""


def documents_for_file(connection: Connection, conversation_id: str) -> list[dict[str, Any]]:
    """The documents that belong to this conversation alone."""
    return [
        {
            "name": document.name,
            "kind": document.kind,
            "hash": document.hash,
            "bytes": document.size,
            "created_at": document.created_at,
            "passages": passages_of(connection, document.id),
        }
        for document in documents_of(connection, conversation_id)
    ]


def store_documents(connection: Connection, conversation_id: str, entries: Sequence[Any]) -> None:
    """Keep the documents of our own JSON; what is none, or holds too much, is left out."""
    room = LARGEST_TEXT
    for entry in well_formed_value(list(entries[:MOST])):
        texts = entry.get("passages") if isinstance(entry, dict) else None
        if not isinstance(texts, list):
            continue
        passages = [text for each in texts if isinstance(each, str) and (text := clean(each).strip())]
        # One bound for all documents of a file: each by itself may be small, and there may be a thousand.
        room -= sum(map(len, passages))
        if not passages or room < 0:
            continue
        kind = as_text(entry.get("kind"))
        digest = as_text(entry.get("hash"))
        document = Document(
            "",
            clean_line(as_text(entry.get("name")), 120) or "-",
            kind if kind in KINDS.values() else "txt",
            clean_line(digest, 64) or sha256("\n".join(passages).encode()).hexdigest(),
            conversation_id,
            size=max(as_integer(entry.get("bytes"), 0), 0),
            created_at=moment(entry.get("created_at")),
        )
        count = TokenEstimator()
        try:
            rows = [(text, count.text(text), " ".join(words_of(text))) for text in passages]
            add_document(connection, document, rows)
        except InvalidInput:  # the same twice
            continue
