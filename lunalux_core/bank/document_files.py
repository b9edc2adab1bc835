"""A file as a document of the data bank, not yet stored, and its text split into passages: whole
paragraphs where they fit, else whole sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from lunalux_core.bank.document_text import read_document
from lunalux_core.library.bank_documents import Document
from lunalux_core.llm.tokens import TokenEstimator
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


SIZE = 260
"""About how many tokens a passage has; a wide sign counts as one, other four signs do."""
_PARAGRAPH = re.compile(r"\n\s*\n|\n(?=#{1,6} )")
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n")


def split_passages(text: str) -> list[tuple[str, int]]:
    """Passages of a text in their order, with the tokens of each."""
    passages: list[str] = []
    parts: list[str] = []
    size = 0
    for paragraph in _PARAGRAPH.split(text):
        for part in _parts(paragraph.strip()):
            weight = _weight(part)
            if parts and size + weight > SIZE:
                passages.append("\n".join(parts))
                parts, size = [], 0
            parts.append(part)
            size += weight
    if parts:
        passages.append("\n".join(parts))
    estimator = TokenEstimator()
    return [(passage, estimator.text(passage)) for passage in passages]


def _parts(paragraph: str) -> Iterator[str]:
    if not paragraph:
        return
    if _weight(paragraph) <= SIZE:
        yield paragraph
        return
    part, size = "", 0
    for sentence in _SENTENCE.split(paragraph):
        for piece in _pieces(sentence):
            weight = _weight(piece)
            if part and size + weight > SIZE:
                yield part
                part, size = "", 0
            # Sentences of scripts without blanks are joined without one.
            part = f"{part} {piece}".strip() if piece.isascii() else part + piece
            size += weight
    if part:
        yield part


def _pieces(sentence: str) -> Iterator[str]:
    """A sentence, or pieces of one without an end."""
    step = SIZE if any(sign >= "\u3040" for sign in sentence[:200]) else SIZE * 4
    yield from (sentence[at : at + step] for at in range(0, len(sentence), step))


def _weight(text: str) -> int:
    wide = sum(sign >= "\u3040" for sign in text) if not text.isascii() else 0
    return wide + (len(text) - wide) // 4 + 1
