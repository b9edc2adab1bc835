"""A file as a document of the data bank, not yet stored."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from lunalux_core.bank.document_text import read_document
from lunalux_core.bank.passages import split_passages
from lunalux_core.library.bank_documents import Document
from lunalux_core.text import clean_line, well_formed


def document_of(
    path: Path, conversation_id: str = "", character_id: str = ""
) -> tuple[Document, list[tuple[str, int]]]:
    """The document and its passages, each with its tokens; a whole book takes seconds. Raises as
    `document_text.read_document`."""
    kind, text, content = read_document(path)
    name = clean_line(well_formed(path.name), 120)
    digest = sha256(content).hexdigest()
    document = Document("", name, kind, digest, conversation_id, character_id, size=len(content))
    return document, split_passages(text)
